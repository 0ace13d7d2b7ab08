"""Reads the earlier runs and duets with which a run is compared."""

from collections.abc import Iterator
from itertools import islice

from toril.records.history import HistoryRecord
from toril.regression.earlier import is_comparable
from toril.runs.history import histories
from toril.store import Store

MOST_READ = 1_000  # records: comparable runs may be rare among those of pull requests


def earlier_runs(store: Store, record: HistoryRecord, most: int) -> list[HistoryRecord]:
    """Returns the newest comparable runs before this one, at most `most`, the newest first.

    Comparable are runs of the same suite and kind with an equal fingerprint, judged by their criteria. Runs of branches
    and adjusted runs are not. Revisions count once, by the highest.
    """
    newest = islice(histories(store, record.suite, before=record.stem), MOST_READ)
    return list(islice((one for one in newest if is_comparable(one, record)), most))


def earlier_duets(store: Store, suite: str) -> Iterator[HistoryRecord]:
    """Yields the newest duets of a suite, the newest first. It reads as many records as the caller takes."""
    return (one for one in islice(histories(store, suite), MOST_READ) if one.duet is not None)
