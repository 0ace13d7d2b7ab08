"""Reads a suite and makes its plan from the command's options."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from toril.errors import SuiteError
from toril.plan import make_plan
from toril.plan.parts import part_of
from toril.records import LauncherName, Notice, Plan
from toril.records.console import StartOptions
from toril.suite import Suite, read_suite
from toril.suite.steps import check_expressions


class RunOptions(StartOptions):
    """The options that affect a suite or its plan."""

    on: LauncherName = "local"
    run_id: str | None = None
    earlier_runs: bool | None = None  # whether to compare with them; None: if the suite has `toril.earlier-runs`
    notices: tuple[Notice, ...] = ()  # besides the suite's
    confined: bool = False  # the suite gets neither this machine's environment nor files outside its folder


def plan_run(paths: Sequence[str | Path], options: RunOptions, now: float) -> tuple[Suite, Plan]:
    """Returns the suite and the division of its load, without starting anything; raises SuiteError if it cannot run."""
    suite = read_suite(
        paths,
        overrides=options.overrides,
        env=options.environment,
        on=options.on,
        against=options.against,
        stage=options.stage,
        locations=options.locations,
        system={} if options.confined else None,
        confined=options.confined,
    )
    suite = part_of(suite, options.executions, options.scenarios)
    if suite.unset:
        error = SuiteError(suite.unset[0].message, code=suite.unset[0].code)
        error.others = suite.unset[1:]
        raise error
    plan = make_plan(
        suite, run_id=options.run_id or new_run_id(suite.name, now), workers=options.workers, on=options.on,
        environment=options.environment, tags=options.tags, smoke=options.smoke,
        tried=options.tried, earlier_runs=options.earlier_runs, notices=options.notices,
    )  # fmt: skip
    check_expressions(suite.folder, suite.executions, suite.scenarios)
    return suite, plan


def new_run_id(suite: str, now: float) -> str:
    """Returns a run-id that sorts by time: `20261124T150405Z-<suite>-<4 hex>`."""
    return f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}-{suite}-{secrets.token_hex(2)}"
