"""A service with a limited capacity, and workers that follow the rates in their run's records."""

from dataclasses import dataclass

from tests.launchers.fake import FakeLauncher, Script, Worker
from toril.records import Start, rates_of
from toril.store.records import next_rates

FAST_US, SLOW_US = 20_000, 900_000


@dataclass(frozen=True, slots=True)
class Service:
    """Answers fast up to its capacity and slowly above it; then it needs some seconds at a lower rate to recover."""

    capacity_rps: float
    recovers_s: int = 0
    queues: bool = False  # above its capacity, it leaves the rest unanswered and still answers fast
    generators_bear_rps: float = float("inf")


class OpenModelWorker(Worker):
    """Sends its share of the run's rate."""

    service = Service(float("inf"))
    overloaded_at = float("-inf")

    def _load(self, now: float, start: Start) -> None:
        elapsed_s = now - start.at
        (planned,) = self.plan.executions
        while self.recorded_s < min(elapsed_s, self.plan.duration_s):
            rates = rates_of(next_rates(self.store, self.plan.run_id, 0), planned.name)
            curve = planned.planned_rate([(rate.at - start.at, rate.rps) for rate in rates])
            assert curve is not None
            self._second(self.recorded_s, curve.count_to(self.recorded_s + 1) - curve.count_to(self.recorded_s))
            self.recorded_s += 1
        if elapsed_s >= self.plan.duration_s:
            self.end("finished", now)
        elif now >= self.flushed_at + self.plan.pace.flush_s:
            self._flush(now)

    def _second(self, second: int, rps: float) -> None:
        if rps > self.service.capacity_rps:
            self.overloaded_at = second
        slow = second <= self.overloaded_at + self.service.recovers_s
        answered = min(rps, self.service.capacity_rps) if self.service.queues else rps
        count = round(answered / len(self.plan.shares))
        for number in range(count):
            us = SLOW_US if slow and not self.service.queues else FAST_US
            self.recorder.add_one("shop", completed_s=second + (number + 0.5) / count, label="home", response_us=us)
        busy = 0.99 if rps > self.service.generators_bear_rps else 0.2
        self.recorder.health(second, busy, busy, 1 << 20, 0.0)


class ServiceLauncher(FakeLauncher):
    """A launcher with workers that load a service."""

    service: Service

    def relaunch(self, worker: str, attempt: str) -> None:
        self.launched.append((worker, attempt))
        one = OpenModelWorker(self.store, self.plan, worker, attempt, Script(), self.clock.now())
        one.service = self.service
        self.workers[worker] = one
