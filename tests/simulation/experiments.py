"""A simulated service for experiments, whose calls take time and may lose their answers."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.world import Machine, World
from toril.aws.errors import AwsError, fault
from toril.records import Fault

CALL_S = 0.5
LOST = 0.1  # the share of calls without an answer, half of them without an effect


@dataclass(slots=True)
class Experiments:
    """All experiments of one world, by client token."""

    world: World
    troubled: bool
    started_by: dict[str, Machine] = field(default_factory=dict)
    times_started: dict[str, int] = field(default_factory=dict)
    stopped_at: dict[str, float] = field(default_factory=dict)

    def injector_of(self, machine: Machine) -> Callable[[Fault], "Caller"]:
        return lambda _: Caller(self, machine)


@dataclass(frozen=True, slots=True)
class Caller:
    """The calls of one machine."""

    experiments: Experiments
    machine: Machine

    def start(self, run_id: str, number: int, fault: Fault) -> str:
        def effect() -> str:
            token = f"{run_id}/{number}"
            if token not in self.experiments.started_by:
                self.experiments.started_by[token] = self.machine
                self.experiments.times_started[token] = self.experiments.times_started.get(token, 0) + 1
            return token

        return str(self._call(effect))

    def find(self, run_id: str, number: int, fault: Fault) -> str:
        token = f"{run_id}/{number}"
        return str(self._call(lambda: token if token in self.experiments.started_by else ""))

    def ended(self, fault: Fault, id: str) -> tuple[float | None, str] | None:
        self._call(lambda: None)
        return (self.experiments.stopped_at[id], "") if id in self.experiments.stopped_at else None

    def stop(self, fault: Fault, id: str) -> None:
        self._call(lambda: self.experiments.stopped_at.setdefault(id, self.experiments.world.now))

    def _call(self, effect: Callable[[], object]) -> object:
        world = self.experiments.world
        world.pause(CALL_S * world.chance.random())
        drawn = world.chance.random() if self.experiments.troubled else 1.0
        if drawn < LOST / 2:
            raise AwsError(fault("unreachable", "fis:StartExperiment"))
        answer = effect()
        world.pause(CALL_S * world.chance.random())
        if drawn < LOST:
            raise AwsError(fault("unreachable", "fis:StartExperiment"))
        return answer
