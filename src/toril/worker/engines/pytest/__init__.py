"""pytest: functional suites."""
