"""A whole run with workers that outlive its coordinator, in one process and with a stepped clock."""

import json

import pytest

from tests.clocks import SteppedClock
from tests.launchers.fake import FakeLauncher
from tests.measured import execution, plan_of
from tests.test_run import SUITE
from tests.troubled import TroubledStore
from toril.coordinator.lease import read_lease
from toril.plan import FARGATE_TIMINGS
from toril.plan.options import RunOptions, plan_run
from toril.records import Lease, run_key
from toril.records.progress import ProgressNote
from toril.run import run, take_over
from toril.runs.coordination import Observer
from toril.signals import Interrupts
from toril.store import FolderStore


class Shown:
    """A view that keeps the notes, each once, in order of appearance."""

    def __init__(self) -> None:
        self.notes: dict[ProgressNote, None] = {}

    def show(self, progress) -> None:
        self.notes |= dict.fromkeys(progress.notes)


class Scene:
    """A store, a clock, a plan for Fargate, and the behaviour of its workers."""

    def __init__(self, folder, *, workers: int = 2, quorum: float = 1.0, scripts=None) -> None:
        (folder / "suite.yml").write_text(SUITE)
        self.suite, _ = plan_run([folder / "suite.yml"], RunOptions(run_id="r"), 0.0)
        plan = plan_of("avg-rt>1s", workers=workers, executions=(execution(hold_for_s=30.0, concurrency=None),))
        self.plan = plan.model_copy(update={"on": "fargate", "pace": FARGATE_TIMINGS, "quorum": quorum})
        self.store, self.clock, self.view = TroubledStore(folder / "store"), SteppedClock(), Shown()
        self.launcher = self.new_launcher(scripts)
        self.interrupts = Interrupts()
        self.observers: list[Observer] = []

    def new_launcher(self, scripts=None) -> FakeLauncher:
        """Returns a launcher with workers that use their own store object, which never fails."""
        return FakeLauncher(FolderStore(self.store.folder), self.clock, scripts)

    def run(self):
        return run(self.suite, self.plan, store=self.store, **self.around())

    def take_over(self):
        return take_over(self.store, self.plan.run_id, **self.around())

    def around(self):
        return {
            "launcher": self.launcher,
            "clock": self.clock,
            "view": self.view,
            "interrupts": self.interrupts,
            "observers": self.observers,
        }

    def key(self, name: str) -> str:
        return run_key(self.plan.run_id, name)

    def at(self, second: float, happens) -> None:
        """Calls `happens` in `second` seconds, besides the workers' steps."""
        due, steps = self.clock.now() + second, self.clock.meanwhile
        done: list[float] = []

        def meanwhile(now: float) -> None:
            steps(now)
            if now >= due and not done:
                done.append(now)
                happens()

        self.clock.meanwhile = meanwhile

    def verdict(self):
        return json.loads(self.store.get(self.key("verdict.json")))

    def reasons(self) -> dict[str, str]:
        return {reason["code"]: reason["message"] for reason in self.verdict()["reasons"]}

    def lease(self) -> Lease:
        lease = read_lease(self.store, self.plan.run_id)
        assert lease is not None
        return lease


class Killed(BaseException):
    """The coordinator's process was killed."""


def abandoned(scene, second: float = float("inf"), at_key: str = ""):
    """Returns the scene after its coordinator was killed, at a second of the run or while it wrote a key.

    Its workers are still running.
    """

    def die() -> None:
        scene.launcher.close = scene.launcher.release = lambda: None  # a killed process does nothing more
        scene.store.down()
        raise Killed

    def look(operation: str, key: str) -> bool:
        if at_key and key.endswith(at_key) and operation.startswith("put"):
            die()
        return False

    scene.store.fails = look
    scene.at(second, die)
    with pytest.raises(Killed):
        scene.run()
    scene.store.up()
    workers = scene.launcher.workers
    scene.launcher = scene.new_launcher()
    scene.launcher.workers = workers
    return scene
