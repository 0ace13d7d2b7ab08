"""Gatling."""
