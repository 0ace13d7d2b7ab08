package main

import "time"

// The program's own clock counts ns from here on and never jumps; rows have the time of day that it began with.
var began = time.Now()

func now() int64 { return int64(time.Since(began)) }

func moment(at float64) int64 { return int64(at*1e9) - began.UnixNano() } // of seconds since the epoch

func epochUS(moment int64) int64 { return (began.UnixNano() + moment) / 1000 }
