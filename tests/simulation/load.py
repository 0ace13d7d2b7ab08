"""Simulated engines, and the record of their real actions."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.simulation.store import Handle
from tests.simulation.world import Machine, SimulatedClock, World
from toril import __version__
from toril.errors import UserError
from toril.records import Exit, Plan, Rate, Ready
from toril.timeline.intervals import Recorder
from toril.worker import life
from toril.worker.life import State
from toril.worker.once import Once
from toril.worker.ready import clock_offset

EVERY_S = 0.5  # between two requests of a worker
LOOK_S = (0.2, 0.5)  # between two turns of a worker's loop
SETUP_S = 3.0  # duration of setup and of teardown
STANDSTILL_S = 2.0  # a longer gap between two turns means that worker and engines were frozen


@dataclass(frozen=True, slots=True)
class Engine:
    """How the engines of an instance behave; times in seconds."""

    prepares_s: float = 1.0
    parks: bool = True
    refuses: bool = False  # cannot be prepared
    fails_after_s: float | None = None  # from the start
    leaves_after_s: float | None = None  # ends early without a message
    hangs: bool = False  # never ends, not even after a stop
    drains_s: float = 0.5


SOUND = Engine()


@dataclass(slots=True)
class Instance:
    """The truth about one process of one attempt."""

    worker: str
    attempt: str
    machine: Machine
    opened: list[float] = field(default_factory=list)  # start times of its load, by its machine's clock
    in_files: dict[int, list[int]] = field(default_factory=dict)  # number of an interval file → its requests
    requests: int = 0
    rates: list[tuple[int, float]] = field(default_factory=list)  # received rates, in order
    loads_at: list[float] = field(default_factory=list)  # true times of its load
    ended_s: float | None = None  # the time of its normal end, in seconds from the start
    set_up: list[float] = field(default_factory=list)  # true times of the ends of setup in it
    torn_down: list[float] = field(default_factory=list)  # true times of the begins of teardown
    given: dict[str, object] | None = None  # what teardown got
    state: State | None = None  # after its normal end

    def records(self, request: int) -> None:
        self.in_files.setdefault(0, []).append(request)


class CountedRecorder(Recorder):
    """A recorder that also counts the requests in each of its files."""

    def __init__(self, worker: str, location: str, instance: Instance) -> None:
        super().__init__(worker, location)
        self._instance = instance

    def flush(self) -> bytes | None:
        data = super().flush()
        if data is not None:
            self._instance.in_files[self.files] = self._instance.in_files.pop(0, [])
        return data


class SimulatedLoad:
    """The engines of an `Attempt`, simulated."""

    def __init__(
        self, world: World, plan: Plan, store: Handle, clock: SimulatedClock, engine: Engine, instance: Instance
    ):
        self._world, self._plan, self._store, self._clock = world, plan, store, clock
        self._engine, self.instance = engine, instance
        location = instance.worker.rpartition("-")[0]
        self.recorder: Recorder = CountedRecorder(instance.worker, location, instance)
        self.planned_s: float | None = plan.duration_s
        self.pending_signals: list[str] = []
        self._once = Once(store, plan, instance.worker, instance.attempt, clock)
        self._parked_at = float("inf")
        self._start_at: float | None = None
        self._opened_at = 0.0
        self._recorded_at = 0.0
        self._ends_at = float("inf")
        self._failed = self._ended = False
        self._last_s: float | None = None
        self._signalled_at: float | None = None

    def _set_up(self) -> dict[str, object]:
        self.instance.set_up.append(self._world.now)
        self._clock.sleep(SETUP_S)
        return {"token": self.instance.machine.name}

    def tear_down(self) -> None:
        def run(given: dict[str, object]) -> None:
            self.instance.torn_down.append(self._world.now)
            self.instance.given = given
            self._clock.sleep(SETUP_S)

        self._once.tear_down(run)

    def signals(self) -> list[str]:
        received, self.pending_signals = self.pending_signals, []
        return received

    def prepare(self) -> Iterator[life.Event]:
        try:
            self._once.given(self._set_up)
        except UserError as error:
            yield life.Failed(str(error))
            return
        for _ in range(4):
            if not self.pending_signals:
                self._clock.sleep(self._engine.prepares_s / 4)
        if self._engine.refuses:
            yield life.Failed("the engine could not be prepared")
        self._parked_at = self._clock.now() if self._engine.parks else float("inf")

    def events(self, state: State, now: float) -> Iterator[life.Event]:
        if state.phase == "preparing" and now >= self._parked_at:
            yield life.Parked()
        if self._start_at is None or self._ended:
            return
        fails, at = self._engine.fails_after_s, now - self._start_at
        if fails is not None and at >= fails and not self._failed and state.phase == "running":
            self._failed = True
            yield life.Failed("the engine failed")
        if self._is_over(now):
            self._ended = True
            yield life.Done()

    def open(self, at: float) -> None:
        self._start_at, self._opened_at, self._recorded_at = at, self._clock.now(), self._clock.now()
        self._ends_at = at + self._plan.duration_s + 0.1
        if self._engine.leaves_after_s is not None:
            self._ends_at = at + self._engine.leaves_after_s
        self.instance.opened.append(self._opened_at)

    def adjust(self, rate: Rate, now: float) -> None:
        self.instance.rates.append((rate.number, rate.rps))

    def end(self, within_s: float, now: float) -> None:
        self._ends_at = min(self._ends_at, now + min(self._engine.drains_s, within_s))

    def kill(self) -> None:
        self._ended = True

    def record(self, now: float) -> None:
        """Records the requests since the last call."""
        if self._start_at is None or self._ended:
            return
        since, self._recorded_at = max(self._recorded_at, now - STANDSTILL_S, self._start_at), now
        until = min(now, self._start_at + self._plan.duration_s, float("inf") if self._engine.hangs else self._ends_at)
        if until <= since:
            return
        self.instance.loads_at.append(self._world.now)
        self.recorder.virtual_users(int(until - self._start_at), self._plan.executions[0].name, 1)
        first, beyond = (int((moment - self._start_at) / EVERY_S) for moment in (since, until))
        for number in range(first, beyond):
            self._record(number)

    def wait(self, state: State) -> None:
        if state.phase != "ended" and not self.pending_signals:
            self._clock.sleep(self._world.chance.uniform(*LOOK_S))

    def finish(self, state: State) -> None:
        if self._start_at is not None:
            self.instance.ended_s = self._clock.now() - self._start_at

    def files(self) -> Iterator[tuple[str, bytes]]:
        yield from ()

    def last_files(self) -> Iterator[tuple[str, bytes]]:
        yield "bzt.log", b"simulated"

    def ready(self) -> Ready:
        offset_s, uncertainty_s = clock_offset(self._store, self._clock.now)
        return Ready(
            worker=self.instance.worker,
            attempt=self.instance.attempt,
            at=self._clock.now(),
            toril_version=__version__,
            pid=1,
            instance=self.instance.machine.name,
            clock_offset_s=offset_s,
            clock_uncertainty_s=uncertainty_s,
        )

    def exit(self, state: State, now: float) -> Exit:
        late_s = 0.0 if self._start_at is None else max(0.0, self._opened_at - self._start_at)
        return Exit(
            worker=self.instance.worker,
            attempt=self.instance.attempt,
            at=now,
            outcome="stale" if state.outcome == "superseded" else state.outcome,
            message=state.message,
            interval_files=self.recorder.files,
            interval_digests=self.recorder.digests,
            samples=self.recorder.samples,
            signals=state.signals,
            last_sample_s=self._last_s,
            first_sample_lateness_s={self._plan.executions[0].name: late_s},
        )

    def _is_over(self, now: float) -> bool:
        return now >= self._ends_at and not self._engine.hangs

    def _record(self, number: int) -> None:
        request = self._world.chance.randrange(1_000, 1_000_000)  # its µs, which identify it
        self._last_s = number * EVERY_S + request / 1e6
        self.recorder.add_one(
            self._plan.executions[0].name, completed_s=self._last_s, label=self.instance.worker, response_us=request
        )
        self.instance.requests += 1
        self.instance.records(request)
