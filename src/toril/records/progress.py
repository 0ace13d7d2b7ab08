"""The figures of a running run, `progress.json`: `toril.progress/1`.

The run's coordinator writes it after a fold, at most every 2 s. A watcher reads this file and nothing else. It is at
most MOST_BYTES long. Durations are whole microseconds; None means not measured.
"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from toril.records.document import Count, Few, JsonObject, Number, StoredObject, Text, Word

MOST_BYTES_OF_PROGRESS = 1 << 16
EVERY_S = 2.0  # between two versions of the file
WINDOW_S = 5  # of rates and percentiles: long enough for steady values, short enough for current ones
RECENT_S = 120  # seconds in `recent`
MOST_LABELS_SHOWN = 50
MOST_METRICS_SHOWN = 30
LONGEST_TEXT = 300  # characters of a label, note or reason

Phase = Literal["preparing", "running", "draining", "waiting", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FiguresNow(JsonObject):
    """Rates and percentiles of the last few complete seconds, and counts since the start signal."""

    virtual_users: Count = 0
    rps: Number = 0
    p50_us: Count | None = None
    p95_us: Count | None = None
    p99_us: Count | None = None
    samples: Count = 0
    failures: Count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationNow(JsonObject):
    """One location's part of a run."""

    location: Text
    figures: FiguresNow = FiguresNow()
    workers_planned: Count = 0
    workers_ready: Count = 0
    workers_ended: Count = 0
    workers_starting: Count = 0  # not ready yet
    workers_waiting: Count = 0  # ready, for the start signal
    workers_running: Count = 0
    workers_lost: Count = 0
    workers_over: Count = 0  # ended, and not lost


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelNow(JsonObject):
    """One label's part of a run."""

    label: Text
    figures: FiguresNow = FiguresNow()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricNow(JsonObject):
    """A check or an own metric: its value over the last few complete seconds, and counts since the start signal."""

    name: Text
    kind: Word  # as in `MetricFigures`
    value: Number | None = None  # the share that held or was true; a counter's sum per second; else the mean
    now: Text = ""  # `value` with its unit
    samples: Count = 0
    failures: Count = 0  # checks that did not hold, false values of a rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent(JsonObject):
    """The last complete seconds; all lists have equal lengths. Percentiles are None in seconds without samples."""

    from_s: Count = 0  # the first second, since the start signal
    rps: Annotated[tuple[Number, ...], Few] = ()
    failures: Annotated[tuple[Count, ...], Few] = ()
    p50_us: Annotated[tuple[Count | None, ...], Few] = ()
    p95_us: Annotated[tuple[Count | None, ...], Few] = ()
    p99_us: Annotated[tuple[Count | None, ...], Few] = ()
    virtual_users: Annotated[tuple[Count, ...], Few] = ()
    planned_users: Annotated[tuple[Number | None, ...], Few] = ()  # None: the plan sets none
    planned_rps: Annotated[tuple[Number | None, ...], Few] = ()
    journeys: Annotated[tuple[Count | None, ...], Few] = ()  # that started; None: none start at a rate
    planned_journeys: Annotated[tuple[Number | None, ...], Few] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersNow(JsonObject):
    """The numbers of workers by state. `lost` has the reasons."""

    planned: Count = 0
    ready: Count = 0
    ended: Count = 0
    lost: dict[Text, Text] = field(default_factory=dict)
    lost_left_out: Count = 0  # lost workers that `lost` leaves out


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorsNow(JsonObject):
    """The busiest generator in the last few seconds; fractions of its CPU and of one core."""

    cpu: Number | None = None
    busiest_core: Number | None = None
    saturated: Annotated[tuple[Text, ...], Few] = ()  # one sentence each


@dataclass(frozen=True, slots=True, kw_only=True)
class CriterionNow(JsonObject):
    """One criterion as it stands."""

    outcome: Word
    message: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class RateNow(JsonObject):
    """The rate of one execution that can be adjusted. A known change applies at once."""

    execution: Text
    rps: Number
    achieved_rps: Number = 0  # of the last few complete seconds
    unit: Word = "/s"  # or journeys/s


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressNote(JsonObject):
    """A note on the run, such as a lost worker or AWS' reason for a delay."""

    code: Word
    message: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(StoredObject):
    """`progress.json`."""

    MOST_BYTES: ClassVar[int | None] = MOST_BYTES_OF_PROGRESS

    schema: Literal["toril.progress/1"] = "toril.progress/1"
    run_id: Text
    number: Count = 0  # of the version: grows by 1
    at: Number  # seconds since the epoch, of the coordinator's clock
    phase: Phase = "preparing"
    phase_since: Number = 0  # seconds since the epoch
    started_at: Number | None = None  # of the start signal
    elapsed_s: Number = 0  # since the start signal
    planned_s: Number = 0  # 0 if only iterations limit the load
    lag_s: Number = 0  # from the newest complete second to `at`
    planned_users: Count = 0
    waiting: Text = ""  # in phase "waiting": the reason
    turn: Text = ""  # of a duet: the arm under load
    stop: Text = ""  # why the run is ending early
    figures: FiguresNow = FiguresNow()
    recent: Recent = Recent()
    locations: Annotated[tuple[LocationNow, ...], Few] = ()
    labels: Annotated[tuple[LabelNow, ...], Field(max_length=MOST_LABELS_SHOWN)] = ()
    labels_left_out: Count = 0
    metrics: Annotated[tuple[MetricNow, ...], Few] = ()  # all checks together first; at most MOST_METRICS_SHOWN
    workers: WorkersNow = WorkersNow()
    generators: GeneratorsNow = GeneratorsNow()
    criteria: Annotated[tuple[CriterionNow, ...], Few] = ()
    notes: Annotated[tuple[ProgressNote, ...], Few] = ()
    rates: Annotated[tuple[RateNow, ...], Few] = ()
    changes: Count = 0  # of rates, so far
    cost_usd: Number | None = None  # so far, at list prices; None for local workers

    @property
    def state(self) -> Literal["starting", "running", "stopping"]:
        """The state of the run while it has a coordinator."""
        return "stopping" if self.stop else "starting" if self.phase == "preparing" else "running"


def progress_key(run_id: str) -> str:
    """Returns `runs/<run-id>/progress.json`."""
    return f"runs/{run_id}/progress.json"
