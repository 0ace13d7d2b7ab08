"""The laws of every world, checked against its events."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.cloud import Cloud, Task
from tests.simulation.experiments import Experiments
from tests.simulation.load import Instance
from tests.simulation.scenario import RUN
from tests.simulation.store import Objects
from tests.simulation.world import Machine, World
from toril.records import Plan, Rate, Start, run_key, worker_key
from toril.records.agent import PSEUDO_RUN
from toril.timeline import Timeline
from toril.worker.life import STALE_AFTER_S

OWNED_S = 60.0  # after the deadline, until nothing runs if a coordinator or the worker's guard is alive
ORPHAN_SLACK_S = 20.0  # for lease polls, unanswered requests of the store, and requests in flight
ENDS_EARLY_S = 1.0  # how much earlier than planned a load may end
HEARD_S = 60.0  # after its time, until a worker with access to the store has read a rate
SETTLING_S = 2.0  # after a process thaws, until its earlier calls have ended
LEASE, START, VERDICT = (run_key(RUN, name) for name in ("lease.json", "start.json", "verdict.json"))
OFFERS = run_key(PSEUDO_RUN, "offers/")
BEFORE_OWNING = ("plan.json", "suite.json", "stop.json")


@dataclass(slots=True)
class Truth:
    """Observes every write and every call to the cloud, by any machine."""

    world: World
    objects: Objects
    plan: Plan
    violations: list[str] = field(default_factory=list)
    coordinators: list[Machine] = field(default_factory=list)
    holder: Machine | None = None
    owned: set[Machine] = field(default_factory=set)
    renewals: list[float] = field(default_factory=list)
    strays: dict[Machine, Counter[str]] = field(default_factory=dict)  # by file of offers; "": all other files
    writers: dict[str, Machine] = field(default_factory=dict)

    def violated(self, law: str) -> None:
        self.world.log("VIOLATION", law)
        self.violations.append(law)

    # ── during the run

    def wrote(self, machine: Machine, how: str, key: str, data: bytes) -> None:
        if key.endswith(("exit.json", "ready.json")) or "/intervals-" in key:
            self.writers[key] = machine
        if machine not in self.coordinators:
            return
        if key == LEASE:
            self._leased(machine, data)
        elif self.holder is not machine and (machine in self.owned or not key.endswith(BEFORE_OWNING)):
            strays = self.strays.setdefault(machine, Counter())
            file = key if key.startswith(OFFERS) else ""  # a turn writes the offers of each location
            if not how.endswith("late"):
                strays[file] += 1
            if strays[file] > 1:  # one may have been in flight when its process froze
                self.violated(f"{machine.name} acts as owner without being it: {how} {key}")

    def acted(self, machine: Machine, what: str, _: str) -> None:
        """Checks a launcher's call to the cloud."""
        settled = self.world.now > machine.thaws_at + SETTLING_S
        if self.holder is not machine and machine in self.owned and self.holder is not None and settled:
            self.violated(f"{machine.name} acts as owner without being it: {what}")

    def _leased(self, machine: Machine, data: bytes) -> None:
        ended = b'"ended": true' in data
        if machine in self.owned and self.holder is not machine:
            self.violated(f"{machine.name} writes over a lease that it has lost")
        self.holder = None if ended else machine
        self.owned.add(machine)
        self.strays.pop(machine, None)
        self.renewals.append(self.world.now)

    # ── after the run

    def check_gates(self, instances: list[Instance]) -> None:
        """No share runs twice, or on a stale or foreign start signal."""
        start = self._start()
        named = {} if start is None else start.attempts
        opened = [one for one in instances if one.opened]
        for worker, times in Counter(one.worker for one in opened).items():
            if times > 1:
                self.violated(f"the share of {worker} runs {times} times")
        for one in opened:
            if named.get(one.worker) != one.attempt:
                self.violated(f"{one.machine.name} starts, and the start does not name it")
            for clock in one.opened:
                if start is not None and clock > start.at + STALE_AFTER_S:
                    self.violated(f"{one.machine.name} starts on a signal that is {clock - start.at:.0f} s old")

    def check_orphans(self, instances: list[Instance]) -> None:
        """No worker continues its load for long without an owner."""
        patience_s = (self.plan.pace.orphaned_after_s or 0.0) + ORPHAN_SLACK_S
        for one in instances:
            for at in one.loads_at:
                place = bisect_right(self.renewals, at)
                owned_until = self.renewals[place - 1] if place else 0.0
                if at > max(owned_until + patience_s, one.machine.thaws_at + ORPHAN_SLACK_S):
                    self.violated(f"{one.machine.name} loads {at - owned_until:.0f} s after its owner was last seen")
                    break

    def check_rates(self, instances: list[Instance]) -> None:
        """All workers get the same rates, in the same order, each once."""
        stored = [key for key in self.objects.values if key.startswith(run_key(RUN, "rates"))]
        rates = [Rate.from_json(self.objects.values[key][0], key) for key in sorted(stored)]
        if [rate.number for rate in rates] != list(range(1, len(rates) + 1)):
            self.violated(f"the rates are numbered {[rate.number for rate in rates]}")
        for one in instances:
            if one.rates != [(rate.number, rate.rps) for rate in rates[: len(one.rates)]]:
                self.violated(f"{one.machine.name} got the rates {one.rates}")
            heard_of = [rate for rate in rates if one.loads_at and rate.at + HEARD_S < one.loads_at[-1]]
            if len(one.rates) < len(heard_of) and not one.machine.errors and one.machine.thaws_at == 0.0:
                self.violated(f"{one.machine.name} got only {len(one.rates)} rates, and continues its load")

    def check_nothing_runs(self, cloud: Cloud, *, guarded: bool) -> None:
        """No task runs after the deadline. `guarded`: except tasks that are completely frozen.

        At a private location, no process can end a frozen worker whose agent is dead. It sends nothing.
        """
        for task in cloud.tasks:
            if task.load is None or task.stopped_at is not None or task.machine.dead:
                continue
            frozen = task.machine.thaws_at > self.world.now
            abandoned = task.agent is not None and not task.agent.running and frozen  # its guard died with the agent
            if not abandoned and not (guarded and self._stands_still(task)):
                self.violated(f"{task.machine.name} still runs after the deadline")

    def check_judged_in_time(self) -> None:
        """Some time after the deadline there is a verdict, unless an owner is still active."""
        owned = self.holder is not None and self.world.now < self.renewals[-1] + OWNED_S
        if VERDICT not in self.objects.values and not owned:
            self.violated("there is no verdict in time")

    def check_counts(self, timeline: Timeline, tasks: list[Task], whose: str, *, but: frozenset[str]) -> None:
        """The timeline has each stored request of the valid attempts exactly once."""
        for worker, (count, microseconds) in self._stored(tasks).items():
            total = timeline.select(worker).total
            if worker in but:
                if total.samples > count:
                    self.violated(f"{whose}: {total.samples} requests of {worker}, and {count} were written")
            elif (total.samples, total.sum_us) != (count, microseconds):
                self.violated(f"{whose}: {total.samples} requests of {worker}, and {count} were written")

    def check_acknowledged(self, acknowledged: Mapping[Machine, list[str]]) -> None:
        """Each write that the store acknowledged to a worker is stored, and is the worker's own."""
        for machine, keys in acknowledged.items():
            for key in keys:
                if key in self.writers and self.writers[key] is not machine:
                    writer = self.writers[key].name
                    self.violated(f"{key}: {machine.name} got an acknowledgement, but {writer} wrote it")

    def check_verdict(self, verdict: Mapping[str, Any] | None, tasks: list[Task], launched: bool) -> None:
        if verdict is None:
            if launched:
                self.violated("there is no verdict")
            return
        if verdict["outcome"] == "passed":
            for worker in {one.worker for one in tasks}:
                self._check_complete(worker, [one.instance for one in tasks if one.worker == worker])

    def check_steps(self, verdict: Mapping[str, Any] | None, tasks: list[Task]) -> None:
        """Setup and teardown run at most once, setup before and teardown after all load, and always if a run passes."""
        instances = [task.instance for task in tasks]
        set_up = [at for one in instances for at in one.set_up]
        torn_down = [at for one in instances for at in one.torn_down]
        loads = [at for one in instances for at in one.loads_at]
        for step, times in (("setup", set_up), ("teardown", torn_down)):
            if len(times) > 1:
                self.violated(f"{step} runs {len(times)} times")
        if self.plan.setup is not None and loads and (not set_up or min(loads) < set_up[0]):
            self.violated("there is load before setup")
        if self.plan.setup is not None and torn_down and not set_up:
            self.violated("teardown runs without setup")
        late = [one for one in instances if torn_down and one.loads_at and one.loads_at[-1] > torn_down[0]]
        if any(one.machine.thaws_at == 0.0 for one in late):  # a frozen worker is given up
            self.violated("there is load after the begin of teardown")
        reasons = {reason["code"] for reason in verdict["reasons"]} if verdict else set()
        begun = set_up or (loads and self.plan.setup is None)
        if self.plan.teardown is not None and verdict and begun and not torn_down and "teardown-failed" not in reasons:
            self.violated("teardown is forgotten")
        passed = verdict is not None and verdict["outcome"] == "passed" and self.plan.setup is not None
        if passed and any(one.given == {} for one in instances if one.torn_down):
            self.violated("passed, and teardown did not get the values of setup")

    def check_faults(self, verdict: Mapping[str, Any] | None, experiments: Experiments) -> None:
        """Each fault starts once, is stopped before the verdict, and is not forgotten if a run passes."""
        for token, starter in experiments.started_by.items():
            if experiments.times_started[token] > 1:
                self.violated(f"{token} starts {experiments.times_started[token]} times")
            # one that lost the run during its call, and then crashed, could not stop what it had started
            if token not in experiments.stopped_at and not (starter.dead and self.holder is not starter):
                self.violated(f"{token} is never stopped")
        passed = verdict is not None and verdict["outcome"] == "passed"
        if passed and len(experiments.started_by) != len(self.plan.faults):
            self.violated("passed, and a fault was forgotten")

    def _check_complete(self, worker: str, instances: list[Instance]) -> None:
        ended = [
            one for one in instances if one.ended_s is not None and one.ended_s + ENDS_EARLY_S >= self.plan.duration_s
        ]
        if len(ended) != 1:
            self.violated(f"passed, and {worker} did not do its share")
            return
        one = ended[0]
        written = [
            number
            for number in one.in_files
            if self.writers.get(worker_key(RUN, worker, one.attempt, f"intervals-{number:06d}")) is one.machine
        ]
        if sorted(written) != sorted(one.in_files):
            self.violated(f"passed, and a file of {worker} is missing")

    def _stored(self, tasks: list[Task]) -> dict[str, tuple[int, int]]:
        """Returns the number of stored requests of each worker, and the sum of their µs."""
        return {
            worker: (len(found), sum(found))
            for worker, found in ((worker, list(self._requests(worker, tasks))) for worker in {t.worker for t in tasks})
        }

    def _requests(self, worker: str, tasks: list[Task]) -> Iterator[int]:
        start = self._start()
        named = {} if start is None else start.attempts
        for task in tasks:
            if task.worker != worker or named.get(worker) != task.attempt:
                continue
            for number, requests in task.instance.in_files.items():
                key = worker_key(RUN, worker, task.attempt, f"intervals-{number:06d}")
                if number and self.writers.get(key) is task.machine:
                    yield from requests

    def _start(self) -> Start | None:
        found = self.objects.values.get(START)
        return None if found is None else Start.from_json(found[0], START)

    def _stands_still(self, task: Task) -> bool:
        return task.fate.guard_freezes and task.machine.thaws_at > self.world.now
