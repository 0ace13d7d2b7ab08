"""Statistics on response times: histograms, quantile intervals, Student's t. Pure."""
