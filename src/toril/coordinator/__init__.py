"""Coordinates one run, from the launch of its workers to their last file: a pure protocol, and its driver."""
