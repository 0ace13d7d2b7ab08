"""The trend of a suite's runs, `toril trend --format json`: `toril.trend/1`.

A value is in its `unit`, as in the verdict. Changes are relative (0.03 is 3 % more); for shares, differences.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from toril.records.document import Count, Few, JsonObject, Number, StoredObject, Text, Word
from toril.records.verdict import Outcome, Reason

MOST_POINTS = 10_000

State = Literal["suspected", "confirmed", "cleared", "acknowledged", "recovered"]
TrendOutcome = Literal["regressed", "short", "clean"]  # short: too few runs, or no recent one


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint(JsonObject):
    """One run in a series."""

    run_id: Text
    started_at: Number  # seconds since the epoch
    value: Number | None = None  # None: the run has none
    hollow: bool = False  # drawn, but left out of all computations
    segment: Count = 0  # runs of one segment have equal fingerprints
    commit: Text = ""
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendSeries(JsonObject):
    """One figure in all runs, the oldest first."""

    label: Text = ""  # or the name of a check or own metric; "": all requests
    location: Text = ""  # "": all locations
    metric: Word = ""  # p50, p95, p99, failures, throughput; of scripts failed-checks, metric-avg, …
    unit: Word = ""  # us, share, /s; of own metrics also none
    points: Annotated[tuple[TrendPoint, ...], Field(max_length=MOST_POINTS)] = ()
    changes: Annotated[tuple[Count, ...], Few] = ()  # index of the first point after each change


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendMember(JsonObject):
    """The change of one series in a group."""

    label: Text = ""
    location: Text = ""
    metric: Word = ""
    before: Number | None = None  # mean of the runs before the change
    after: Number | None = None
    change: Number | None = None
    low: Number | None = None  # 95 % interval of the change
    high: Number | None = None
    delay: Count = 0  # runs from the change until it was found


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendGroup(JsonObject):
    """Changes of several series in the same direction and at the same run."""

    id: Text  # the first run after the change
    state: State
    worse: bool = True  # False: an improvement
    small: bool = False  # below the smallest change that counts
    from_run: Text = ""  # the last run before the change
    to_run: Text = ""  # the first run after it
    from_commit: Text = ""
    to_commit: Text = ""
    series: Annotated[tuple[TrendMember, ...], Few] = ()
    duet: Text = ""  # the duet of both commits, by its run-id
    acknowledged: Text = ""  # the reason
    search: Text = ""  # the result of `toril bisect` between both commits, in words
    commit: Text = ""  # the commit that made the series worse, if that search has found one
    message: Text = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend(StoredObject):
    """The trend of one suite."""

    schema: Literal["toril.trend/1"] = "toril.trend/1"
    suite: Text
    at: Number  # when it was computed, in seconds since the epoch
    series: Annotated[tuple[TrendSeries, ...], Few] = ()
    groups: Annotated[tuple[TrendGroup, ...], Few] = ()  # the newest first
    segments: Annotated[tuple[Text, ...], Few] = ()  # the changed parts of the fingerprint where each one begins
    expired: Annotated[tuple[Text, ...], Few] = ()  # acknowledgements that have ended
    unused: Annotated[tuple[Text, ...], Few] = ()  # acknowledgements that fit no change
    runs: Count = 0
    outcome: TrendOutcome
    stage: Text = ""  # of its runs
    notes: Annotated[tuple[Reason, ...], Few] = ()  # what limits the claim, such as `nothing-recent`
