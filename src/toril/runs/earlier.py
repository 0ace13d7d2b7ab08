"""Reads the earlier runs with which a run is compared."""

from toril.records.history import HistoryRecord
from toril.store import Store


def earlier_runs(store: Store, record: HistoryRecord, most: int) -> list[HistoryRecord]:
    """Returns the newest comparable runs before this one, at most `most`, the newest first.

    Comparable are runs of the same suite and kind with an equal fingerprint, judged by their criteria. Runs of branches
    and adjusted runs are not. Revisions count once, by the highest.
    """
    raise NotImplementedError
