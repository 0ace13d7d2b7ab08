"""vegeta: the open-model engine."""
