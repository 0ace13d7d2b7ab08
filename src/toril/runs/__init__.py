"""Finds, lists, follows, judges and copies stored runs."""
