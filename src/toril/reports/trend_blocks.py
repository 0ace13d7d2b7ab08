"""The blocks of a trend, for the terminal, the page and the console."""

from toril.records.trend import Trend
from toril.reports.blocks import Report


def trend_report(found: Trend) -> Report:
    """Returns the trend as a report: its groups of changes first, then a chart of each series."""
    raise NotImplementedError
