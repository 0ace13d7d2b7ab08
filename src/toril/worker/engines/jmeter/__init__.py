"""JMeter."""
