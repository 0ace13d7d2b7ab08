"""The whole story of a run, from a suite to a verdict; every other file is reached from here."""

import secrets
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from toril.clock import Clock
from toril.coordinator.collect import collect, collected
from toril.coordinator.drive import STEP_S, Coordinator
from toril.coordinator.protocol import Kill
from toril.errors import InfrastructureError, OptionError
from toril.figures import LiveFigures
from toril.interrupts import Interrupts
from toril.launchers import Launcher
from toril.plan import make_plan
from toril.records import Plan, Stop, run_key
from toril.reports import Bundle, render
from toril.store import Store
from toril.suite import Suite, read_suite
from toril.summary import summarise
from toril.verdict import judge


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What the command line says beyond the suite."""

    overrides: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workers: int | None = None
    on: str = "local"
    run_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    smoke: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A run that is over: what was planned, measured and decided."""

    bundle: Bundle
    interrupted: bool = False


class View(Protocol):
    """Where progress is shown."""

    def show(self, figures: LiveFigures) -> None: ...


def plan_run(paths: Sequence[Path], options: RunOptions, now: float) -> tuple[Suite, Plan]:
    """The suite as read and the division of its load; starts nothing."""
    suite = read_suite(paths, overrides=options.overrides, env=options.environment, on=options.on)
    plan = make_plan(
        suite,
        run_id=options.run_id or new_run_id(suite.name, now),
        workers=options.workers,
        on=options.on,
        tags=dict(options.tags),
        smoke=options.smoke,
    )
    return suite, plan


def run(
    suite: Suite, plan: Plan, *, store: Store, launcher: Launcher, clock: Clock, view: View, interrupts: Interrupts
) -> Judged:
    """Run the plan, judge it, and leave everything in the run's folder."""
    publish(store, suite, plan)
    attempts = {share.worker: secrets.token_hex(4) for share in plan.shares}
    coordinator = Coordinator(store, plan, attempts, clock)
    with closing(launcher):
        launcher.launch(plan, attempts)
        while not coordinator.ended:
            for action in coordinator.step(launcher.ended(), _asked(interrupts, clock)):
                (launcher.kill if isinstance(action, Kill) else launcher.terminate)(action.worker)
            view.show(coordinator.figures())
            clock.sleep(STEP_S)
    coordinator.finish()
    aborted = coordinator.state.abort_reason
    if aborted and not interrupts:
        raise InfrastructureError(f"the run could not start: {aborted}")
    bundle = conclude(store, coordinator)
    return Judged(bundle=bundle, interrupted=bool(interrupts))


def conclude(store: Store, coordinator: Coordinator) -> Bundle:
    """Merge, summarise, judge; write what every report is made of."""
    plan, timeline = coordinator.plan, coordinator.fold.timeline
    completeness = collected(coordinator.fold, coordinator.state.start, coordinator.state.stop, coordinator.state.lost)
    return _bundle(store, plan, timeline, completeness, coordinator.state.start.at if coordinator.state.start else None)


def judge_again(store: Store, run_id: str) -> Bundle:
    """Merge, summarise and judge a stored run from its files alone."""
    fold, start, completeness = collect(store, run_id)
    return _bundle(store, fold.plan, fold.timeline, completeness, start.at if start else None)
