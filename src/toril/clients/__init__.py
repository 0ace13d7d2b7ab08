"""Clients of other protocols for Locust scripts, which report each figure as a request or as a timing.

The package imports nothing of toril. It needs the extra `protocols`.
"""
