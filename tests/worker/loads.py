"""A simulated load, which tests use in place of engines."""

from collections.abc import Callable, Iterator

from tests.clocks import SteppedClock
from toril import __version__
from toril.records import Exit, Rate, Ready
from toril.timeline.intervals import Recorder
from toril.worker import life
from toril.worker.life import State


class FakeLoad:
    """Load that takes no time; `meanwhile` is called with the state at each turn of the loop."""

    def __init__(self, worker: str, attempt: str, clock: SteppedClock, *, lasts_s: float = 30.0) -> None:
        self.worker, self.attempt, self.clock, self.lasts_s = worker, attempt, clock, lasts_s
        self.recorder = Recorder(worker, "local")
        self.planned_s: float | None = lasts_s
        self.step_s = 0.1
        self.fails = ""
        self.prepared = self.killed = self.finished = self.torn_down = False
        self.opened_at: float | None = None
        self.ends_by: float | None = None
        self.pending_signals: list[str] = []
        self.recorded_s = 0
        self.adjusted: list[tuple[float, float]] = []  # (from this time on, requests per second)
        self.before_ready: Callable[[], None] = lambda: None
        self.meanwhile: Callable[[State], None] = lambda state: None

    def prepare(self) -> Iterator[life.Event]:
        self.prepared = True
        if self.fails:
            yield life.Failed(self.fails)

    def tear_down(self) -> None:
        self.torn_down = True

    def signals(self) -> list[str]:
        names, self.pending_signals = self.pending_signals, []
        return names

    def events(self, state: State, now: float) -> Iterator[life.Event]:
        if state.phase == "preparing":
            yield life.Parked()
        ends = [at for at in (self.ends_by, self.opened_at and self.opened_at + self.lasts_s) if at is not None]
        if ends and now >= min(ends):
            yield life.Done()

    def open(self, at: float) -> None:
        self.opened_at = at

    def adjust(self, rate: Rate, now: float) -> None:
        self.adjusted.append((rate.at, rate.rps))

    def end(self, within_s: float, now: float) -> None:
        self.ends_by = now + within_s / 2

    def kill(self) -> None:
        self.killed = True

    def record(self, now: float) -> None:
        while self.opened_at is not None and self.recorded_s < min(now - self.opened_at, self.lasts_s):
            self.recorder.add_one("shop", completed_s=self.recorded_s + 0.5, label="home", response_us=1000)
            self.recorded_s += 1

    def wait(self, state: State) -> None:
        self.meanwhile(state)
        self.clock.sleep(self.step_s)

    def finish(self, state: State) -> None:
        self.finished = True

    def files(self) -> Iterator[tuple[str, bytes]]:
        yield from ()

    def last_files(self) -> Iterator[tuple[str, bytes]]:
        yield "bzt.log", b"log of the engines"

    def ready(self) -> Ready:
        self.before_ready()
        return Ready(
            worker=self.worker,
            attempt=self.attempt,
            at=self.clock.now(),
            toril_version=__version__,
            pid=1,
            instance=str(id(self)),
        )

    def exit(self, state: State, now: float) -> Exit:
        return Exit(
            worker=self.worker,
            attempt=self.attempt,
            at=now,
            outcome="stale" if state.outcome == "superseded" else state.outcome,
            message=state.message,
            interval_files=self.recorder.files,
            interval_digests=self.recorder.digests,
            samples=self.recorder.samples,
        )
