module toril/tools/engine

go 1.26.6
