"""The shape of a load: rates over time, how workers interleave one schedule, the states of a capacity search."""
