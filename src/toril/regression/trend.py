"""The trend of a suite: its figures over all runs, and the changes that are confirmed or suspected."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from toril.records.history import HistoryRecord
from toril.records.trend import Trend
from toril.regression.acknowledged import Acknowledged


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendQuery:
    """The wanted series. None: all; for metrics, changes are then claimed of p95 and failures only."""

    label: str | None = None
    location: str | None = None
    metric: str | None = None
    since_s: float | None = None  # the age of the oldest run in seconds; None: no limit
    least: float | None = None  # the smallest change that counts (`--min`); None: the margin of the suite, else 3 %


def trend(
    suite: str, records: Sequence[HistoryRecord], wanted: TrendQuery, acknowledged: Acknowledged, today: date
) -> Trend:
    """Returns the trend of one suite; `records` are all of its runs, the oldest first.

    `today` decides which acknowledgements have ended.
    """
    raise NotImplementedError
