"""Reads the history of a suite and computes its trend."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice, takewhile

from toril.records.trend import Trend
from toril.regression.acknowledged import Acknowledged
from toril.regression.trend import TrendQuery, matters, trend
from toril.runs.history import histories
from toril.store import Store

MOST_RUNS = 400  # of the main branch: a year of nights; the time for a series grows with the square of its runs
MOST_READ = 10_000  # records


def read_trend(store: Store, suite: str, wanted: TrendQuery, acknowledged: Acknowledged, now: float) -> Trend:
    """Returns the trend of a suite from its history records; `now` is in seconds since the epoch."""
    since = -1.0 if wanted.since_s is None else now - wanted.since_s
    newest = takewhile(lambda one: one.started_at >= since, islice(histories(store, suite), MOST_READ))
    records = list(islice(filter(matters, newest), MOST_RUNS))[::-1]
    return replace(trend(suite, records, wanted, acknowledged, datetime.fromtimestamp(now, UTC).date()), at=now)
