"""Secrets in texts and records: which names and values are hidden, and how."""
