"""Exports of all measurements. They can be large, so each is an iterator of bytes."""
