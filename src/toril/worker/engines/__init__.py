"""What a load engine is to a worker: bzt's executor of one execution, plus the methods of `Engine`.

bzt reads the suite, prepares scripts and starts the engine's process; toril parks that process until the starting gun,
reads the engine's own records and ends it. An engine's module subclasses bzt's executor class, adds the methods
below and is named in `ENGINES`, so that bzt loads it in place of its own class. Its life, all in the main thread:

1.  `settings(worker_index)` of its module is merged below `modules.<alias>` of bzt's configuration.
2.  bzt makes the object and sets `execution`, `settings`, `engine`, `log`; the worker sets `context`.
3.  `prepare()`: bzt's own, no load yet. The place to rewrite scripts (a JMX, say) so that they wait at the gate.
4.  `startup()`: starts the process (`self.process`, through `self._execute`: own process group, dies with the
    worker, knows TORIL_*). An engine with `parks = True` is started before the worker says ready: its process creates
    the file `context.parked` when only the gate is left, then polls `context.gate` (absent at first; then one line, the
    absolute second since the epoch at which *this execution's* load begins, delay and phase included) and
    waits until then. An engine with `parks = False` is only prepared until the start; `startup()` follows the gate.
    bzt's `delay` has been taken out of `execution`: the gate has it.
5.  `check()`, several times a second: True when the process has ended. `batches(final=False)` after it.
6.  The load's planned end is the engine's business: no request starts later than `context.length_s` after the gate,
    those in flight may finish within `context.graceful_stop_s`, then the process ends by itself.
7.  `end(within_s)` when the load has to end early: no new requests, those in flight may finish within `within_s`;
    must not block; may be called once more with less time. The worker kills the process group when that time (and a
    little more) is over.
8.  After the process is gone: `batches(final=True)`, `unfinished()`, `facts()`, `failure()`, then bzt's
    `post_process()`.
    bzt's `shutdown()` is never called: it sleeps.

`self.engine.graceful_files[self.process.pid]` is the path in that process's environment variable GRACEFUL.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from toril.records import CaseOutcome, ExecutionShare, PlannedExecution

ENGINES = {  # bzt's alias → the module with `Executor` (a class that is an Engine) and `settings`
    "locust": "toril.worker.engines.locust.executor",
    "jmeter": "toril.worker.engines.jmeter.executor",
    "apiritif": "toril.worker.engines.apiritif.executor",
    "vegeta": "toril.worker.engines.vegeta.executor",
    "selenium": "toril.worker.engines.browser.selenium",
    "playwright": "toril.worker.engines.browser.playwright",
    "k6": "toril.worker.engines.k6.executor",
    "gatling": "toril.worker.engines.gatling.executor",
    "external-results-loader": "toril.worker.engines.external.executor",
}
FUNCTIONAL_ENGINES = {**ENGINES, "pytest": "toril.worker.engines.pytest.executor"}  # those of functional suites


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineContext:
    """One execution's place in the run: what its engine has to know beyond Taurus' configuration."""

    planned: PlannedExecution  # the whole run's
    share: ExecutionShare  # this worker's
    position: int  # among the worker's executions, from 0
    worker_index: int  # over all workers of the run, from 0
    worker_count: int
    graceful_stop_s: float
    functional: bool = False  # test cases are wanted, each done once
    folder: Path  # scratch of this execution alone
    suite: Path  # the worker's own copy of the suite's folder; the working folder of engines

    @property
    def gate(self) -> Path:
        """Written by the worker once the start is known: the absolute time of this execution's first load."""
        return self.folder / "gate"

    @property
    def parked(self) -> Path:
        """Created by the engine's process when it has nothing left to do but wait for the gate."""
        return self.folder / "parked"

    @property
    def kept(self) -> Path:
        """Where the engine's process leaves what is to be seen of its first failures; see `worker/capture.py`."""
        return self.folder / "kept"

    @property
    def phase_shift_s(self) -> float:
        """This worker's place in one arrival period, so that workers do not beat in step (stairs all rise at once)."""
        users, planned_s = self.share.concurrency or 0, self.planned.ramp_up_s + self.planned.hold_for_s
        period_s = 0.0
        if self.share.throughput_rps:
            period_s = 1 / self.share.throughput_rps
        elif users and self.planned.ramp_up_s and not self.planned.steps:
            period_s = self.planned.ramp_up_s / users
        return self.share.phase * min(period_s, planned_s or period_s)

    @property
    def first_due_s(self) -> float:
        """When the first request is due, from the gate on: later than at once where a planned rate says so."""
        rate, interleave = self.planned.rate, self.share.interleave
        if rate is None:
            return 0.0
        return next(rate.times_of([interleave.place_of(0) if interleave else 0]), rate.length_s)

    @property
    def length_s(self) -> float:
        """How long this worker's load lasts, so that all end when the plan says; 0 when only iterations bound it."""
        planned_s = self.planned.ramp_up_s + self.planned.hold_for_s
        return planned_s - self.phase_shift_s if planned_s else 0.0

    def is_overdue(self, now: float) -> bool:
        """Are the load and the grace for its last requests over? Not where only iterations bound it."""
        try:
            begun_at = float(self.gate.read_text())
        except (OSError, ValueError):
            return False  # the gate is still closed
        return bool(self.length_s) and now > begun_at + self.length_s + self.graceful_stop_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some samples as columns of equal length, at the engine's own resolution; times are seconds since the epoch."""

    started_s: NDArray[np.float64]
    completed_s: NDArray[np.float64]
    label: Sequence[str] | NDArray[np.object_]  # as the suite names it, whatever the engine calls it
    kind: Sequence[str] | NDArray[np.object_]  # "request", "transaction" or "timing"
    ok: NDArray[np.bool_]
    rc: Sequence[str] | NDArray[np.object_]  # "200"; without a response the name of what happened
    message: Sequence[str] | NDArray[np.object_]  # why it failed; "" when it did not
    response_us: NDArray[np.int64]
    ttfb_us: NDArray[np.int64]  # -1: unknown
    connect_us: NDArray[np.int64]  # -1: unknown
    bytes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.response_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sends:
    """How late an engine's sends were for a second or so: against its schedule, or as late as its own loop was."""

    at_s: float  # seconds since the epoch
    late_us: int | None  # the latest; None where the engine does not tell
    late_p90_us: int | None  # nine in ten were no later
    dropped: int | None = None  # that a throughput asked for and that were never made; None where there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """Requests of one label that were sent and had no answer when the load was over."""

    label: str  # "" where the engine cannot tell
    count: int = 1
    waited_s: float | None = None  # since each was sent (open model: due); None where the engine cannot tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What only an engine knows of its load, once that is over. Verdicts are made elsewhere."""

    begun_at: float | None = None  # seconds since the epoch: its first user, or its schedule; None: as its first sample
    ended_at: float | None = None  # … no user was left, or none of its schedule; None: when its process ended
    unfinished_users: int = 0  # that left before they had done their iterations
    own_shape: bool = False  # its script decides on its load, whatever the suite says
    script_errors: Mapping[str, int] = field(default_factory=dict)  # see EngineReport
    script_failed: str = ""  # the script's own statement that its run failed, such as Locust's process_exit_code = 1
    note: str = ""  # such as the thresholds of a k6 script that were crossed


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCase:
    """A test case that has ended."""

    name: str
    suite: str  # its class, its file, or the scenario
    outcome: CaseOutcome
    started_s: float  # seconds since the epoch
    duration_us: int
    message: str = ""
    trace: str = ""


@runtime_checkable
class TellsCases(Protocol):
    """An engine that can also run functional suites, where `context.functional`."""

    def cases(self) -> Iterator[FoundCase]:
        """The test cases that have ended since the last call; after `batches`, which may have to read them."""
        ...


@runtime_checkable
class Replays(Protocol):
    """An engine whose samples may have been measured before this run, and moved into it: then they may lie ahead."""

    recorded: bool


def cases_of(batch: Batch, suite: str) -> Iterator[FoundCase]:
    """Each request of a batch as a test case: an answer that is not as asserted fails it, none at all breaks it."""
    for row in np.flatnonzero(np.asarray(batch.kind, object) == "request").tolist():
        answered = str(batch.rc[row]).isdigit()
        yield FoundCase(
            name=str(batch.label[row]),
            suite=suite,
            outcome="passed" if batch.ok[row] else "failed" if answered else "broken",
            started_s=float(batch.started_s[row]),
            duration_us=int(batch.response_us[row]),
            message=str(batch.message[row]),
        )


class Engine(Protocol):
    """bzt's executor of one execution, and what toril needs of it; see the module's text for its life."""

    parks: ClassVar[bool]
    single_threaded: ClassVar[bool]  # its busiest process is measured against one core
    resolution_us: ClassVar[int]  # what its records can tell apart
    tells_lateness: ClassVar[bool]  # whether `sends` tells anything

    context: EngineContext

    @property
    def process(self) -> Any:
        """psutil.Popen; None before startup."""
        ...

    def prepare(self) -> None: ...

    def startup(self) -> None: ...

    def check(self) -> bool: ...

    def post_process(self) -> None: ...

    def batches(self, final: bool) -> Iterator[Batch]:
        """What the engine has recorded since the last call, complete rows only; `final` after the process is gone."""
        ...

    def sends(self) -> Iterator[Sends]:
        """How late its sends were, since the last call; after `batches`, which may have to read it."""
        ...

    def virtual_users(self) -> int | None:
        """How many are active now, counted by the engine, those in think time too; None when it does not tell."""
        ...

    def end(self, within_s: float) -> None: ...

    def unfinished(self) -> Iterable[Unfinished]:
        """Requests that were sent but never recorded as samples. Failures caused by ending belong here."""
        ...

    def facts(self) -> Facts:
        """What else it knows of its load, once that is over."""
        ...

    def unreadable(self) -> int:
        """Rows of the engine's records that could not be read."""
        ...

    def failure(self) -> str | None:
        """Why the process did not do its load to the end, in its own last words; None when it did (or was ended)."""
        ...


@runtime_checkable
class Adjustable(Protocol):
    """An engine that takes another rate while it goes on: those of `toril.load.shapes`."""

    def adjust(self, at: float, rps: float) -> None:
        """From that moment on (seconds since the epoch) so many requests per second, of all workers together."""
        ...


def tail_of(path: Path | str | None, lines: int = 5) -> str:
    """The last lines of a log that are not blank, for a message; "" when there is no such file."""
    try:
        text = Path(path).read_text(errors="replace") if path else ""
    except OSError:
        return ""
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])
