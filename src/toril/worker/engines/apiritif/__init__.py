"""Apiritif."""
