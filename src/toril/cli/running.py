"""Commands that plan and run a suite, or follow a run to its verdict."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from toril.cli import options
from toril.cli.parameters import (
    Against,
    Environment,
    FailOn,
    Locations,
    On,
    Overrides,
    Quiet,
    Reports,
    Run,
    RunId,
    Smoke,
    StoreOption,
    Suites,
    Tags,
    Workers,
    run_options,
)
from toril.clock import SystemClock
from toril.errors import InfrastructureError, OptionError
from toril.launchers import doctor
from toril.launchers.prepare import examined, prepared, priced
from toril.plan.options import RunOptions, plan_run
from toril.records import Plan, run_key
from toril.regression.duet import plan_duet
from toril.reports import check, live, plan_text, terminal, wording
from toril.reports.run_blocks import report_of
from toril.reports.screen import Output
from toril.run import carry_on
from toril.run import run as run_plan
from toril.runs import stored
from toril.runs.conclude import Judged
from toril.runs.find import find_run
from toril.runs.publish import at_hand
from toril.signals import caught_interrupts
from toril.store import Store, open_store
from toril.suite import Suite
from toril.verdict import exit_code

INTERRUPTED = 130
OWNERS_PATIENCE_S = 15.0  # with a bucket in one call: less than a lease lasts, so that its loss is noticed in time


def plan(
    suite: Suites,
    overrides: Overrides = None,
    env: Environment = None,
    workers: Workers = None,
    on: On = "local",
    locations: Locations = None,
    smoke: Smoke = False,
    against: Against = None,
    store: StoreOption = ".toril",
    format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """Print how the load of SUITE would be divided, and what is odd about it; start nothing.

    Example: toril plan loadtests/shop --workers 4
    """
    if format not in ("text", "json"):
        raise OptionError(f"--format {format}: text or json")
    wanted = run_options(overrides, env, workers, on, None, None, smoke, against, locations)
    clock = SystemClock()
    with at_hand(suite, clock) as found:
        _, planned = plan_run(found.paths, wanted, clock.now())
    if format == "json":
        stored.emit(plan_text.as_json(planned), None)
    else:
        plan_text.show(Output(), planned)
        if on == "fargate":
            typer.echo("\n".join(priced(planned, open_store(store))))


def run(
    suite: Suites,
    store: StoreOption = ".toril",
    overrides: Overrides = None,
    env: Environment = None,
    workers: Workers = None,
    on: On = "local",
    locations: Locations = None,
    run_id: RunId = None,
    tag: Tags = None,
    smoke: Smoke = False,
    against: Against = None,
    fail_on: FailOn = "failed,inconclusive",
    report: Reports = None,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", min=0, help="Refuse a run on Fargate that costs more US dollars.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Run SUITE, judge it, report it; the exit code is the verdict.

    0 passed · 1 failed · 2 bad input · 3 inconclusive · 4 could not start, or write · 130 interrupted.

    Example: toril run loadtests/shop --workers 2 --report junit=out.xml
    """
    wanted = run_options(overrides, env, workers, on, run_id, tag, smoke, against, locations)
    _run(suite, wanted, plan_run, store, fail_on, report, max_cost=max_cost, quiet=quiet)


def duet(
    suite: Suites,
    base: Annotated[str, typer.Option("--base", help="The address to compare with, such as that of the main branch.")],
    head: Annotated[str, typer.Option("--head", help="The address in question, such as that of the change.")],
    blocks: Annotated[
        int | None, typer.Option("--blocks", min=4, max=100, help="Pairs of blocks; default: toril.regression.blocks.")
    ] = None,
    margin: Annotated[
        str | None, typer.Option("--margin", help="A change that is none, e.g. 3%; default: toril.regression.margin.")
    ] = None,
    store: StoreOption = ".toril",
    overrides: Overrides = None,
    env: Environment = None,
    workers: Workers = None,
    on: On = "local",
    run_id: RunId = None,
    tag: Tags = None,
    fail_on: FailOn = "failed,inconclusive",
    report: Reports = None,
    quiet: Quiet = False,
) -> None:
    """Load BASE and HEAD in turns, compare them; fail when HEAD is proven to be worse.

    Both are loaded by the same workers, in pairs of short blocks, one right
    after the other. A percentile that is worse by more than the margin, with
    95 % confidence, fails the run, and so does a criterion that HEAD breaches.
    The exit codes are those of `toril run`.

    Example: toril duet loadtests/shop --base http://127.0.0.1:8001 --head http://127.0.0.1:8002
    """
    wanted = run_options(overrides, env, workers, on, run_id, tag, smoke=False)
    planned = partial(plan_duet, base=base, head=head, blocks=blocks, margin=options.margin(margin))
    _run(suite, wanted, planned, store, fail_on, report, max_cost=None, quiet=quiet)


def _run(
    suite: list[str],
    wanted: RunOptions,
    plan_of: Callable[[Sequence[str | Path], RunOptions, float], tuple[Suite, Plan]],
    store: str,
    fail_on: str,
    report: list[str] | None,
    *,
    max_cost: float | None,
    quiet: bool,
) -> None:
    failing = options.fail_on(fail_on)
    targets = [(name, path) for name, path in options.report_targets(report or ()) if check(name)]
    clock, opened = SystemClock(), open_store(store, patience_s=OWNERS_PATIENCE_S)
    with at_hand(suite, clock) as found:
        read, planned = plan_of(found.paths, wanted, clock.now())
        options.check_writable(targets)
        ready = prepared(planned, opened, wanted.environment, clock, max_cost_usd=max_cost)
        if not quiet:
            notes = (f"note: {wording.plain(warning, 1000)}" for warning in planned.warnings)
            lines = (f"{wording.plain(planned.suite)}: {plan_text.in_brief(planned)}", *notes, *ready.lines)
            typer.echo("\n".join(lines), err=True)
        with caught_interrupts() as interrupts, live.view(Console(stderr=True), quiet=quiet) as view:
            judged = run_plan(
                read,
                planned,
                store=opened,
                launcher=ready.launcher,
                clock=clock,
                view=view,
                interrupts=interrupts,
                origin=found.origin,
            )
    unwritten = stored.write_reports(opened, judged.bundle, targets)
    _conclude(opened, judged, failing, unwritten, quiet=quiet)


def _conclude(store: Store, judged: Judged, failing: frozenset[str], unwritten: list[str], *, quiet: bool) -> None:
    """Show what was decided, and what went wrong beside it; the exit code says the worst of it."""
    problems = [*judged.unwritten, *unwritten, *judged.left]
    for problem in problems:  # first: after the verdict they would contradict it
        typer.echo(f"error: {problem}", err=True)
    terminal.show(Output(), report_of(judged.bundle))
    if not quiet and not judged.unwritten:
        typer.echo(f"report: {store.address(run_key(judged.bundle.plan.run_id, 'report.html'))}", err=True)
    code = INTERRUPTED if judged.interrupted else exit_code(judged.bundle.outcome, failing)
    if problems and not code:
        code = InfrastructureError.exit_code
        typer.echo(f"exit code {code}, whatever the verdict: see the error above it", err=True)
    raise typer.Exit(code)


def watch(
    run: Run,
    store: StoreOption = ".toril",
    fail_on: FailOn = "failed,inconclusive",
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Carry the run on if the command that started it is gone.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Follow RUN live until it ends; the exit code is its verdict.

    A run on Fargate outlives the command that started it: with --take-over
    this one becomes its owner, ends it and judges it, as the first would have.

    Example: toril watch latest
    """
    failing = options.fail_on(fail_on)
    found, run_id = find_run(run, store, patience_s=OWNERS_PATIENCE_S if take_over else None)
    if take_over:
        with caught_interrupts() as interrupts, live.view(Console(stderr=True), quiet=quiet) as view:
            judged = carry_on(found, run_id, SystemClock(), view, interrupts)
        _conclude(found, judged, failing, [], quiet=quiet)
    with caught_interrupts() as interrupts, live.view(Console(stderr=True), quiet=quiet) as view:
        bundle = stored.follow(found, run_id, clock=SystemClock(), view=view, interrupts=interrupts)
    if bundle is None:
        raise typer.Exit(INTERRUPTED)
    terminal.show(Output(), report_of(bundle))
    raise typer.Exit(exit_code(bundle.outcome, failing))


def doctor_command(
    suite: Annotated[
        list[str] | None, typer.Argument(help="With --on fargate: what this suite needs; without it, all regions.")
    ] = None,
    on: On = "local",
    store: StoreOption = ".toril",
    overrides: Overrides = None,
    env: Environment = None,
    workers: Workers = None,
) -> None:
    """Check everything that a run needs; exits 4 when something is missing.

    Example: toril doctor --on fargate loadtests/two-regions
    """
    if on == "local":
        findings = doctor.examine(store)
        typer.echo(doctor.render(findings), nl=False)
        fit = not any(finding.state == "missing" for finding in findings)
    else:
        clock, planned = SystemClock(), None
        if suite:
            with at_hand(suite, clock) as found:
                wanted = run_options(overrides, env, workers, on, None, None, smoke=False)
                _, planned = plan_run(found.paths, wanted, clock.now())
        found_there = examined(planned, open_store(store), clock)
        typer.echo(doctor.render(found_there.findings), nl=False)
        fit = not any(finding.state == "missing" for finding in found_there.findings)
    if not fit:
        raise typer.Exit(InfrastructureError.exit_code)
