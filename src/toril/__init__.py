"""Distributed load testing on AWS as code: suite → plan → workers → timeline → verdict."""

__version__ = "0.1.0"
