"""The interface between the worker and a load engine: bzt's executor of one execution as an `Engine` (`base.py`).

bzt reads the suite, prepares scripts and starts the engine's process. toril parks that process until the run starts,
reads the engine's own records and ends it. An engine's class subclasses `Engine` and bzt's executor. It is named in
`toril.suite.engines`, so bzt loads it in place of its own class. Its life, all in the main thread:

1.  Its `module_settings` are merged below `modules.<alias>` of bzt's configuration.
2.  bzt makes the object and sets `execution`, `settings`, `engine`, `log`; the worker sets `context`.
3.  `prepare()`: bzt's own, no load yet. Engines rewrite scripts here (a JMX, say) so that they wait at the gate.
4.  `startup()`: starts the process (`self.process`, through `self._execute`: own process group, ends with the
    worker, knows TORIL_*). An engine with `parks = True` starts before the worker is ready. Its process creates the
    file `context.parked` when only the gate is left, then polls `context.gate` and waits for the time in it.
    The gate is absent at first. It has one line: the begin of *this execution's* load in seconds since the epoch,
    delay and phase included. An engine with `parks = False` is only prepared; `startup()` follows the gate.
    `execution` has no `delay` of bzt, because the gate includes it.
5.  `check()`, several times a second: True when the process has ended. `batches(final=False)` after it.
6.  The engine ends its load as planned: no request starts later than `context.length_s` after the gate,
    those in flight may finish within `context.graceful_stop_s`, then the process ends by itself.
7.  `end(within_s)` when the load must end early: no new requests, those in flight may finish within `within_s`.
    It must not block, and may be called once more with less time. The worker kills the process group shortly
    after that time.
8.  After the process is gone: `batches(final=True)`, `unfinished()`, `facts()`, `failure()`, then bzt's
    `post_process()`.
    bzt's `shutdown()` is never called: it sleeps.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from toril.engines.turns import Turns
from toril.records import CaseOutcome, ExecutionShare, Keeping, PlannedExecution
from toril.suite.engines import CASE_RUNNERS, ENGINES

PLACES = {  # of executors that are not `<name>/executor.py`
    "selenium": "browser.selenium",
    "playwright": "browser.playwright",
    "external-results-loader": "external.executor",
    "vegeta": "toril.executor",  # another name of toril's engine
}


def modules_of(*, functional: bool) -> dict[str, str]:
    """Returns the modules with an `Executor` by bzt's alias: those of `toril.suite.engines`."""
    aliases = (*ENGINES, *(CASE_RUNNERS if functional else ()))
    return {alias: f"{__name__}.{PLACES.get(alias, f'{alias}.executor')}" for alias in aliases}


class EngineTurn(NamedTuple):
    """One turn of a duet in which engines run through; times are seconds since the gate."""

    arm: int
    block: int  # 0: warm-up
    begin_s: float
    end_s: float  # of its load; requests in flight may finish later


@dataclass(frozen=True, slots=True)
class SharedSetup:
    """A script's own setup, which runs once for all workers of its execution."""

    here: bool  # whether this is the worker that runs it
    run: Callable[[Callable[[], Any]], Any]  # returns the JSON value of `make`, which is called in one worker only


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineContext:
    """One execution's place in the run: an engine's input beyond Taurus' configuration."""

    planned: PlannedExecution  # the whole run's
    share: ExecutionShare  # this worker's
    graceful_stop_s: float
    functional: bool = False  # the result is test cases, each run once
    keeping: Keeping | None = None  # the requests to keep; None: none
    seed: int = 0  # of the execution in this run: the same on all workers
    traceparent: bool = False  # whether requests carry a W3C trace context
    require_values: bool = False  # whether a response without a value that another request needs has failed
    request_tags: tuple[str, ...] = ()  # the names of requests' tags to record
    metrics: Mapping[str, str] = field(default_factory=dict)  # variable of JMeter → `toril.metrics`
    folder: Path  # scratch folder of this execution
    suite: Path  # the worker's own copy of the suite's folder; the working folder of engines
    turns: tuple[EngineTurn, ...] = ()  # of both arms, in order of time; empty: the engine sends all the time
    arms: tuple[int, ...] = ()  # those that this engine sends in `turns`
    base: ExecutionShare | None = None  # base's share, if the engine sends both arms; `share` is then head's
    shared_setup: SharedSetup | None = None  # None: one worker has this execution

    @property
    def gate(self) -> Path:
        """The worker writes it once the start is known: the time at which this execution's load begins."""
        return self.folder / "gate"

    @property
    def parked(self) -> Path:
        """Created by the engine's process when only the wait for the gate is left."""
        return self.folder / "parked"

    @property
    def evidence(self) -> Path:
        """The engine process's folder for evidence of its first failures; see `worker/capture.py`."""
        return self.folder / "evidence"

    @property
    def kept(self) -> Path:
        """The JSON lines of the requests that the engine's process keeps; unmasked, so it never leaves the worker."""
        return self.folder / "exchanges"

    @property
    def tried(self) -> bool:
        """Whether this is a try: each request is kept, and think times are skipped."""
        return self.keeping is not None and self.keeping.everything

    @property
    def output_lines(self) -> int:
        """The number of lines of an engine's output in a message; a try finds tracebacks in them."""
        return 200 if self.tried else 5

    @property
    def phase_shift_s(self) -> float:
        """This worker's offset in one arrival period, so that workers do not send simultaneously (except in stairs)."""
        users, planned_s = self.share.concurrency or 0, self.planned.ramp_up_s + self.planned.hold_for_s
        period_s = 0.0
        if self.share.throughput_rps and self.share.interleave is None:
            period_s = 1 / self.share.throughput_rps
        elif users and self.planned.ramp_up_s and not self.planned.steps:
            period_s = self.planned.ramp_up_s / users
        return self.share.phase * min(period_s, planned_s or period_s)

    @property
    def first_due_s(self) -> float:
        """Seconds from the gate to the first due request: a planned rate or the first turn may begin late."""
        rate, interleave, due_s = self.planned.rate, self.share.interleave, 0.0
        if rate is not None:
            due_s = next(rate.times_of([interleave.place_of(0) if interleave else 0]), rate.length_s)
        if self.turns:
            due_s = Turns([(turn.begin_s, turn.end_s) for turn in self.turns if turn.arm == self.arms[0]]).at(due_s)
        return due_s

    @property
    def length_s(self) -> float:
        """Length of this worker's load, such that all workers end together; 0 if only iterations limit it."""
        planned_s = self.planned.ramp_up_s + self.planned.hold_for_s
        return planned_s - self.phase_shift_s if planned_s else 0.0

    def is_overdue(self, now: float) -> bool:
        """Returns whether the load and its graceful stop are over; False if only iterations limit the load."""
        try:
            begun_at = float(self.gate.read_text())
        except (OSError, ValueError):
            return False  # the gate is still closed
        return bool(self.length_s) and now > begun_at + self.length_s + self.graceful_stop_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Samples as columns of equal length, at the engine's own resolution; times are seconds since the epoch."""

    started_s: NDArray[np.float64]
    completed_s: NDArray[np.float64]
    label: NDArray[np.object_]  # as in the suite
    kind: NDArray[np.object_]  # of KINDS in toril.timeline.intervals
    ok: NDArray[np.bool_]
    rc: NDArray[np.object_]  # "200"; without a response the name of the error
    message: NDArray[np.object_]  # of a failure; else ""
    response_us: NDArray[np.int64]
    ttfb_us: NDArray[np.int64]  # -1: unknown
    connect_us: NDArray[np.int64]  # -1: unknown
    bytes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.response_us)

    def where(self, chosen: NDArray[np.bool_]) -> "Batch":
        """Returns the chosen rows."""
        return Batch(**{name: getattr(self, name)[chosen] for name in Batch.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sends:
    """Lateness of an engine's sends in about one second: against its schedule, or of its own loop."""

    at_s: float  # seconds since the epoch
    late_us: int | None  # maximum; None if unknown
    late_p90_us: int | None  # 90th percentile
    dropped: int | None = None  # sends due by a throughput and never made; None without one
    busy: float = 0.0  # share of the time in which the engine's busiest loop worked, if it `reports_work`


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlight:
    """Requests of one label without a response at the end of the load."""

    label: str  # "" if unknown
    count: int = 1
    waited_s: float | None = None  # since each was sent (open model: due); None if unknown
    arm: int = 0  # if the engine sends both arms of a duet; 0: that of the turn in which each was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFacts:
    """An engine's own facts about its load after the end. Times are seconds since the epoch."""

    begun_at: float | None = None  # start of its first user or schedule; None: the first sample
    ended_at: float | None = None  # end of its last user or schedule; None: of its process
    unfinished_users: int = 0  # users that ended before their last iteration
    own_shape: bool = False  # the script decides on the load, not the suite
    due_user_s: float | None = None  # user-seconds for which the script's shape asked
    script_errors: Mapping[str, int] = field(default_factory=dict)  # see EngineReport
    script_failed: str = ""  # the script's own verdict, such as Locust's process_exit_code = 1
    missing_values: Sequence[tuple[str, str, int]] = ()  # label, variable and responses: see MissingValue
    criteria: Sequence[Mapping[str, str]] = ()  # the script's own, in the full form of `toril.criteria`
    note: str = ""  # such as crossed thresholds of a k6 script


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


def cases_of(batch: Batch, suite: str) -> Iterator[FoundCase]:
    """Returns each request of a batch as a test case: failed after a wrong response, broken without any."""
    for row in np.flatnonzero(batch.kind == "request").tolist():
        answered = str(batch.rc[row]).isdigit()
        yield FoundCase(
            name=str(batch.label[row]),
            suite=suite,
            outcome="passed" if batch.ok[row] else "failed" if answered else "broken",
            started_s=float(batch.started_s[row]),
            duration_us=int(batch.response_us[row]),
            message=str(batch.message[row]),
        )


FRAME = re.compile(r'^  File "([^"]+)", line \d+')
MISSING_MODULE = re.compile(r"^ModuleNotFoundError: No module named '([^']+)'", re.MULTILINE)


def own_traceback(output: str, folder: Path) -> str:
    """Returns the last Python traceback in a script's output, with the frames of files in the suite's folder only.

    "" without such a frame.
    """
    begin = output.rfind("Traceback (most recent call last):")
    lines: list[str] = []
    shown, own = True, False
    for line in output[begin:].splitlines() if begin >= 0 else ():
        if frame := FRAME.match(line):
            path = Path(folder, frame[1])
            shown = path.is_relative_to(folder) and not frame[1].startswith("<")  # frozen modules
            own |= shown
            line = line.replace(frame[1], str(path.relative_to(folder))) if shown else line
        elif not line.startswith(" "):
            shown = True
        if shown:
            lines.append(line)
    return "\n".join(lines) if own else ""


def advice_on(output: str) -> str:
    """Returns a line about the module that a script's output reports as missing; "" without one."""
    found = MISSING_MODULE.search(output)
    if found is None:
        return ""
    what = f"Workers do not have the module `{found[1]}`. Add its package to the lock of `toril.python`"
    return f"\n{what} [missing-import]"


def tail_of(path: Path | str | None, lines: int = 5) -> str:
    """Returns the last non-blank lines of a log, for a message; "" without such a file."""
    try:
        text = Path(path).read_text(errors="replace") if path else ""
    except OSError:
        return ""
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])
