"""Finds, lists, watches, stops, adjusts and judges stored runs."""
