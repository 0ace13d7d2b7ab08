"""Statistics on response times: histograms, quantile intervals, Student's t. Pure."""

CONFIDENCE = 0.95  # of every interval
