"""JUnit: functional suites."""
