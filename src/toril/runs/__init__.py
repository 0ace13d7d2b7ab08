"""Stored runs: find, list, watch, stop, adjust and judge them."""
