module toril/bench/journey-shop

go 1.26.6
