module toril/tools/engine

go 1.26.6

require (
	github.com/andybalholm/brotli v1.2.0
	golang.org/x/text v0.31.0
)
