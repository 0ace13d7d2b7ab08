"""Clients for Locust scripts: protocols other than plain HTTP, with each figure reported as a request or a timing.

The package imports nothing of toril. It needs the extra `protocols`.
"""
