"""Robot Framework: functional suites."""
