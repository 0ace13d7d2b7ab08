"""The changes in a suite's trend, for pages that list suites. They are computed once for each new run, and then known.

The computation reads many records and imports numpy, so pages show what is known, and a second part computes the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from toril.clock import Clock
from toril.console.runs import trend_of
from toril.records.history import HISTORY, IndexRow
from toril.records.trend import TrendGroup
from toril.runs.index import compared
from toril.store import Store

LEAST = 10  # runs; with fewer, no change is found (`stats.edivisive.LEAST`, which imports numpy)
MOST_KNOWN = 1_000  # suites
DAY_S = 86_400  # an acknowledgement ends with its day


@dataclass(frozen=True, slots=True)
class Marks:
    """What the trend of a suite marks."""

    groups: tuple[TrendGroup, ...] = ()  # the newest first
    changes: frozenset[str] = frozenset()  # the first runs after a confirmed change of the p95 of all requests


_known: dict[str, tuple[object, Marks]] = {}


def marks_of(
    store: Store, clock: Clock, suite: str, rows: Sequence[IndexRow], *, compute: bool = False
) -> Marks | None:
    """Returns the marks of a suite's trend; None if they are unknown. `rows`: of the suite, the newest first."""
    if sum(not row.left_out for row in compared(rows)) < LEAST:
        return Marks()
    key = store.address(f"{HISTORY}{suite}")
    version = rows[0].stem, len(rows), sum(row.revision for row in rows), clock.now() // DAY_S
    kept = _known.get(key)
    if kept is not None and kept[0] == version:
        return kept[1]
    if not compute:
        return None
    trend = trend_of(store, clock, suite, None)
    changes = (
        series.points[place].run_id
        for series in trend.series
        if (series.label, series.location, series.metric) == ("", "", "p95")
        for place in series.changes
    )
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    _known[key] = version, (marks := Marks(trend.groups, frozenset(changes)))
    return marks
