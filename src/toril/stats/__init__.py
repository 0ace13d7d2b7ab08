"""Statistics on response times: histograms, quantile intervals, Student's t. Pure functions."""

CONFIDENCE = 0.95  # of all intervals
