"""The comparison of a run with earlier, comparable runs of its suite."""

from collections.abc import Sequence

from toril.records import EarlierRuns, Plan, Verdict
from toril.records.history import HistoryRecord


def judge_earlier(plan: Plan, now: HistoryRecord, earlier: Sequence[HistoryRecord]) -> EarlierRuns:
    """Returns the comparison that `plan.earlier` wants; ValueError without it.

    `now` is the record of this run. `earlier` has only comparable runs, the newest first.
    """
    raise NotImplementedError


def with_earlier(verdict: Verdict, found: EarlierRuns) -> Verdict:
    """Returns the verdict with this comparison, and with the outcome and reasons of both."""
    raise NotImplementedError
