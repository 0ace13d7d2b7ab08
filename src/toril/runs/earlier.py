"""Reads the earlier runs and duets with which a run is compared, and the runs of a trend."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice, takewhile

from toril.records.bisect import Bisect, bisect_key
from toril.records.history import HistoryRecord
from toril.records.trend import Trend, TrendGroup
from toril.regression.acknowledged import Acknowledgement
from toril.regression.bisect import in_words
from toril.regression.earlier import is_comparable
from toril.regression.ordinary import MOST, is_ordinary
from toril.regression.trend import TrendQuery, matters, trend
from toril.runs.history import histories
from toril.store import Reader
from toril.store.records import find_record

MOST_READ = 1_000  # records: comparable runs may be rare among those of pull requests
# Of the main branch: a year of nightly runs; the time for a series grows with the square of its runs.
MOST_OF_TREND = 400
MOST_READ_OF_TREND = 10_000


def earlier_runs(store: Reader, record: HistoryRecord, most: int) -> list[HistoryRecord]:
    """Returns the newest comparable runs before this one, at most `most`, the newest first.

    Comparable are runs of the same suite and kind with an equal fingerprint, judged by their criteria. Runs of branches
    and adjusted runs are not. Revisions count once, by the highest.
    """
    newest = islice(histories(store, record.suite, before=record.stem), MOST_READ)
    return list(islice((earlier for earlier in newest if is_comparable(earlier, record)), most))


def ordinary_runs(store: Reader, like: HistoryRecord, without: Collection[str]) -> list[HistoryRecord]:
    """Returns the newest runs that tell what runs such as `like` differ by, the oldest first. Not those `without`."""
    newest = islice(histories(store, like.suite), MOST_OF_TREND)
    ordinary = (record for record in newest if record.run_id not in without and is_ordinary(record, like))
    return list(islice(ordinary, MOST))[::-1]


def earlier_duets(store: Reader, suite: str) -> Iterator[HistoryRecord]:
    """Yields the newest duets of a suite, the newest first. It reads as many records as the caller takes."""
    return (record for record in islice(histories(store, suite), MOST_READ) if record.duet is not None)


def read_trend(store: Reader, suite: str, wanted: TrendQuery, accepted: Sequence[Acknowledgement], now: float) -> Trend:
    """Returns the trend of a suite from its history records, with the searches for commits that made it worse.

    `now` is in seconds since the epoch.
    """
    since = -1.0 if wanted.since_s is None else now - wanted.since_s
    newest = takewhile(lambda record: record.started_at >= since, islice(histories(store, suite), MOST_READ_OF_TREND))
    records = filter(matters, newest)
    first = list(islice(records, 1))
    stage = wanted.stage if wanted.stage is not None else first[0].fingerprint.stage if first else ""
    of_stage = (record for record in chain(first, records) if record.fingerprint.stage == stage)
    found = trend(suite, list(islice(of_stage, MOST_OF_TREND))[::-1], wanted, accepted, now)
    return replace(found, groups=tuple(_explained(store, found, group) for group in found.groups))


def _explained(store: Reader, found: Trend, group: TrendGroup) -> TrendGroup:
    """Returns a group of changes with the ended search between its commits, if there is one."""
    if not group.worse or not group.from_commit or not group.to_commit:
        return group
    search = find_record(store, Bisect, bisect_key(found.suite, group.from_commit, group.to_commit, found.stage))
    if search is None or search.outcome is None:
        return group
    return replace(group, search=in_words(search), commit=search.found)
