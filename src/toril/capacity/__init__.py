"""Rates that were set while a run went on: by a person, or by the search for a capacity."""
