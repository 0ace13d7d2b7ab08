"""Reads the history of a suite and computes its trend."""

from toril.records.trend import Trend
from toril.regression.acknowledged import Acknowledged
from toril.regression.trend import TrendQuery
from toril.store import Store


def read_trend(store: Store, suite: str, wanted: TrendQuery, acknowledged: Acknowledged, now: float) -> Trend:
    """Returns the trend of a suite from its history records; `now` is in seconds since the epoch."""
    raise NotImplementedError
