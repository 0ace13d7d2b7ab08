"""Commands that plan, try and run a suite, follow a run until its verdict, or end it.

Each command imports the heavy modules that it needs: `toril plan` imports neither reports nor AWS.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toril.cli.options import (
    INTERRUPTED,
    Against,
    Environment,
    Executions,
    FailOn,
    IgnoreMissing,
    Locations,
    MaxCost,
    Notify,
    On,
    OptionalSuites,
    Otlp,
    Overrides,
    Quiet,
    Reports,
    Run,
    RunId,
    Scenarios,
    Smoke,
    Stage,
    StoreOption,
    Suites,
    Tags,
    TextOrJson,
    Workers,
    check_writable,
    desk_for,
    read_fail_on,
    read_notices,
    read_otlp,
    read_report_targets,
    read_run_id,
    run_options,
)
from toril.cli.streams import echo, with_store
from toril.clock import SystemClock
from toril.errors import InfrastructureError, NoSuchRunError, OptionError, UserError
from toril.explain import coded
from toril.store import is_console

if TYPE_CHECKING:
    from toril.coordinator.progress import View
    from toril.errors import Note
    from toril.plan.options import RunOptions
    from toril.records import Plan
    from toril.records.evidence import Exchange
    from toril.records.recording import Recording
    from toril.reports import Bundle
    from toril.runs.conclude import Judged
    from toril.runs.publish import LocalSuite
    from toril.runs.trying import Trial
    from toril.signals import Interrupts
    from toril.store import Reader, Store
    from toril.suite import Suite

OWNERS_PATIENCE_S = 15.0  # per call to a bucket: shorter than a lease, to notice its loss in time


def plan(
    suite: Suites,
    overrides: Overrides = None,
    env: Environment = None,
    workers: Workers = None,
    on: On = "local",
    locations: Locations = None,
    smoke: Smoke = False,
    against: Against = None,
    stage: Stage = None,
    execution: Executions = None,
    scenario: Scenarios = None,
    store: StoreOption = ".toril",
    format: TextOrJson = "text",
) -> None:
    """Print how workers would share the load of SUITE, with warnings; start nothing.

    Examples:
      toril plan loadtests/shop --workers 4
      toril plan loadtests/shop -o execution.0.hold-for=10s --format json
    """
    from toril.plan.options import plan_run
    from toril.reports import plan_text
    from toril.reports.screen import Output, emit
    from toril.runs.publish import local_suite

    wanted = run_options(overrides, env, workers, on, None, None, smoke, against, locations, stage, execution, scenario)
    clock = SystemClock()
    with local_suite(suite) as local:
        _, planned = plan_run(local.paths, wanted.model_copy(update={"confined": local.stored}), clock.now())
    if format == "json":
        emit(plan_text.as_json(planned), None)
    else:
        plan_text.show(Output(), planned)
        if on == "fargate":
            from toril.launchers.prepare import price_lines
            from toril.store import open_reader

            echo("\n".join(price_lines(planned, open_reader(store))))


def run(
    ctx: typer.Context,
    suite: OptionalSuites = None,
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
    stage: Stage = None,
    execution: Executions = None,
    scenario: Scenarios = None,
    fail_on: FailOn = "failed,inconclusive",
    report: Reports = None,
    max_cost: MaxCost = None,
    earlier_runs: Annotated[
        bool | None,
        typer.Option(
            "--earlier-runs/--no-earlier-runs", help="Compare with earlier runs; default: if the suite asks for it."
        ),
    ] = None,
    request: Annotated[
        str | None, typer.Option("--request", hidden=True, help="Id of a run that the console requested.")
    ] = None,
    options: Annotated[str | None, typer.Option("--options", hidden=True)] = None,  # of a schedule, as JSON
    otlp: Otlp = None,
    notify: Notify = None,
    quiet: Quiet = False,
) -> None:
    """Run SUITE, judge and report the run; the exit code is the verdict.

    0 passed · 1 failed · 2 invalid input · 3 inconclusive · 4 cannot start or write · 130 interrupted.

    Examples:
      toril run loadtests/shop --workers 2 --report junit=out.xml
      toril run loadtests/shop --on fargate --store s3://toril-123456789012-us-east-1 --tag commit=4f2a9c1
    """
    from toril.plan.options import plan_run
    from toril.runs.publish import local_suite

    wanted = run_options(
        overrides, env, workers, on, run_id, tag, smoke, against, locations, stage, execution, scenario,
        max_cost=max_cost, scheduled=options,
    )  # fmt: skip
    if is_console(store):
        if otlp or notify or earlier_runs is not None:
            fix = "Write `toril.notify` and `toril.earlier-runs` in the suite."
            text = f"--store {store}: a console starts runs without --otlp, --notify and --earlier-runs. {fix}"
            raise OptionError(text, code="not-through-console")
        _run_through_console(suite or [], wanted, store, fail_on, report, quiet=quiet)
    if request is not None:
        sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
        given = {name for name, source in sources.items() if source and source.name == "COMMANDLINE"}
        if given - {"request", "store", "report", "quiet"}:
            text = "--request: the request has all options of the run; add only --store, --report and --quiet"
            raise OptionError(text, code="options-with-request")
        _run_request(read_run_id(request), store, report, quiet=quiet)
    leave_tokens(wanted)
    wanted = wanted.model_copy(update={"earlier_runs": earlier_runs})
    local = local_suite(suite or [])
    run_to_verdict(local, wanted, plan_run, store, fail_on, report, quiet=quiet, otlp=otlp, notify=notify)


def try_command(
    suite: Suites,
    store: StoreOption = ".toril",
    overrides: Overrides = None,
    env: Environment = None,
    on: On = "local",
    locations: Locations = None,
    run_id: RunId = None,
    tag: Tags = None,
    against: Against = None,
    stage: Stage = None,
    execution: Executions = None,
    scenario: Scenarios = None,
    no_compare: Annotated[
        bool, typer.Option("--no-compare", help="Do not compare the responses with the suite's recording.json.")
    ] = False,
    format: TextOrJson = "text",
    quiet: Quiet = False,
) -> None:
    """Send each request of SUITE once, and print it with its response.

    One user makes one iteration of each scenario, without think times. An imported or recorded suite is compared
    with its recording. The exit code is 0 only if everything succeeds, as recorded. `toril run --smoke` repeats the
    requests for some seconds under light load, and gives a verdict.

    0 succeeded · 1 failed, or not as recorded · 2 invalid input · 4 cannot start or write · 130 interrupted.

    Examples:
      toril try loadtests/shop
      toril try loadtests/shop --against https://staging.example.com --env TOKEN=abc
    """
    from toril.reports import exchange_text, live
    from toril.reports.screen import Output, emit
    from toril.runs.trying import Trial
    from toril.signals import caught_interrupts
    from toril.store import open_store

    wanted = run_options(
        overrides, env, None, on, run_id, tag, False, against, locations, stage, execution, scenario, tried=True
    )
    leave_tokens(wanted)
    printer = exchange_text.ExchangePrinter(Output() if format == "text" else Output(stderr=True))
    show_one = printer.show if format == "text" else (lambda exchange: emit(exchange_text.as_json(exchange), None))
    shown, recording = list["Exchange"](), None

    def show(exchange: "Exchange") -> None:
        shown.append(exchange)
        show_one(exchange)

    waits = live.LiveView(Output(stderr=True), SystemClock(), None, quiet=quiet or on == "local")
    with caught_interrupts() as interrupts:
        if is_console(store):
            bundle, code = _tried_through_console(suite, wanted, store, waits, show, interrupts), 0
        else:
            opened = open_store(store, patience_s=OWNERS_PATIENCE_S)
            judged, recording = _tried(
                opened, suite, wanted, lambda run_id: Trial(opened, run_id, waits, show), interrupts, not no_compare
            )
            problems = (*judged.unwritten, *judged.left)
            for problem in problems:
                echo(f"error: {with_store(problem, sys.argv)}", err=True)
            bundle = judged.bundle
            code = INTERRUPTED if judged.interrupted else InfrastructureError.exit_code if problems else 0
    printer.conclude(bundle)
    if recording is not None and not code:
        _show_differences(recording, shown, format)
    raise typer.Exit(code or int(bundle.outcome != "passed"))


def _show_differences(recording: "Recording", shown: "Sequence[Exchange]", format: str) -> None:
    from toril.authoring.comparing import differences, in_text
    from toril.reports.screen import emit
    from toril.text import plain

    deviations = differences(recording, shown)
    if format == "json":
        for deviation in deviations:
            emit(json.dumps({"difference": asdict(deviation)}).encode() + b"\n", None)
    for line in in_text(recording, deviations):
        echo(plain(line, 1000), err=format == "json")


def _tried(
    opened: "Store",
    suite: list[str],
    wanted: "RunOptions",
    trial_of: "Callable[[str], Trial]",
    interrupts: "Interrupts",
    compare: bool,
) -> "tuple[Judged, Recording | None]":
    """Tries a suite, and reads its recording; a script that does not start shows only its own message."""
    from toril.authoring.comparing import comparison_of, recording_of
    from toril.launchers.prepare import prepared
    from toril.plan.options import plan_run
    from toril.run import run as run_plan
    from toril.runs.publish import local_suite
    from toril.runs.trying import why_not_started
    from toril.text import plain

    clock = SystemClock()
    with local_suite(suite) as local:
        read, planned = plan_run(local.paths, wanted.model_copy(update={"confined": local.stored}), clock.now())
        recording = recording_of(read) if compare else None
        launcher, lines = prepared(planned, opened, wanted.environment, clock, max_cost_usd=local.max_cost_usd)
        if planned.on == "fargate":
            echo("\n".join(lines), err=True)
        trial = trial_of(planned.run_id)
        try:
            judged = run_plan(
                read,
                planned,
                store=opened,
                launcher=launcher,
                clock=clock,
                view=trial,
                interrupts=interrupts,
                origin=local.origin,
                amend=comparison_of(recording, planned, opened),
            )
        except InfrastructureError as error:
            why = why_not_started(opened, planned) if error.code == "not-started" else ""
            if not why:
                raise
            echo("\n".join(plain(line, 1000) for line in why.splitlines()), err=True)
            raise typer.Exit(error.exit_code) from error
    trial.read()
    return judged, recording


def _tried_through_console(
    suite: list[str],
    wanted: "RunOptions",
    store: str,
    waits: "View",
    show: "Callable[[Exchange], None]",
    interrupts: "Interrupts",
) -> "Bundle":
    """Tries a suite on Fargate by the console."""
    _check_console_options(wanted, store)
    from toril.desk.console import ConsoleDesk
    from toril.runs import stored
    from toril.runs.trying import Trial
    from toril.store.console import open_console

    opened, clock = open_console(store), SystemClock()
    desk = ConsoleDesk(opened)
    run_id = desk.start_suite(suite, wanted)
    desk.await_begin(run_id, clock)
    trial = Trial(opened, run_id, waits, show)
    bundle = stored.follow(opened, run_id, clock=clock, view=trial, interrupts=interrupts)
    if bundle is None:
        raise typer.Exit(INTERRUPTED)
    trial.read()
    return bundle


def _run_through_console(
    suite: list[str],
    wanted: "RunOptions",
    store: str,
    fail_on: str,
    report: list[str] | None,
    *,
    quiet: bool,
) -> None:
    """Starts the run on Fargate by the console, follows it, and reports it."""
    from toril.desk.console import ConsoleDesk
    from toril.reports import check
    from toril.store.console import open_console

    _check_console_options(wanted, store)
    failing = read_fail_on(fail_on)
    targets = [(name, path) for name, path in read_report_targets(report or ()) if check(name)]
    if stored := next((name for name, path in targets if path is None), None):
        text = f"--store {store}: a console stores no reports of a command; write --report {stored}=PATH"
        raise OptionError(text, code="not-through-console")
    check_writable(targets)
    opened = open_console(store)
    desk = ConsoleDesk(opened)
    run_id = desk.start_suite(suite, wanted)
    if not quiet:
        echo(f"{run_id}: {opened.url}/runs/{run_id}", err=True)
    desk.await_begin(run_id, SystemClock())
    bundle = _followed(opened, run_id, quiet=quiet)
    from toril.reports import show
    from toril.runs.stored import write_reports
    from toril.verdict import exit_code

    unwritten = write_reports(None, bundle, targets)
    for problem in unwritten:
        echo(f"error: {with_store(problem, sys.argv)}", err=True)
    show(bundle)
    raise typer.Exit(exit_code(bundle.outcome, failing) or (InfrastructureError.exit_code if unwritten else 0))


def _check_console_options(wanted: "RunOptions", store: str) -> None:
    if wanted.on != "fargate" or wanted.run_id is not None:
        text = f"--store {store}: a console starts runs with --on fargate, and without --run-id"
        raise OptionError(text, code="not-through-console")


def _followed(store: "Reader", run_id: str, *, quiet: bool) -> "Bundle":
    """Shows a run live until it is judged; exits if the user interrupts."""
    from toril.reports import live
    from toril.reports.screen import Output
    from toril.runs import stored
    from toril.signals import caught_interrupts

    with caught_interrupts() as interrupts, live.view(Output(stderr=True), quiet=quiet) as view:
        bundle = stored.follow(store, run_id, clock=SystemClock(), view=view, interrupts=interrupts)
    if bundle is None:
        raise typer.Exit(INTERRUPTED)
    return bundle


def _run_request(run_id: str, store: str, report: list[str] | None, *, quiet: bool) -> None:
    from toril.plan.options import plan_run
    from toril.runs import requests
    from toril.store import open_store

    opened = open_store(store)
    request = requests.requested(opened, run_id)
    local = requests.requested_suite(opened, request, SystemClock())
    wanted = requests.options_of(request)
    run_to_verdict(local, wanted, plan_run, store, "failed,inconclusive", report, quiet=quiet)


def leave_tokens(wanted: "RunOptions") -> None:
    """Starts this command anew without the tokens of its GitHub job, if a suite is to run on this machine.

    The suite can read the first environment of its parents, where a variable stays that was deleted later.
    """
    from toril.secrets.environment import without_job

    kept = without_job(os.environ)
    own = sys.argv[1:]  # of this process, unless another program calls this function
    is_the_command = own[:1] in (["run"], ["try"], ["duet"], ["bisect"]) and sys.orig_argv[-len(own) :] == own
    if wanted.on == "local" and is_the_command and len(kept) < len(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], kept)  # noqa: S606


def run_to_verdict(
    suite: "AbstractContextManager[LocalSuite]",
    wanted: "RunOptions",
    plan_of: "Callable[[Sequence[str | Path], RunOptions, float], tuple[Suite, Plan]]",
    store: str,
    fail_on: str,
    report: list[str] | None,
    *,
    quiet: bool,
    otlp: str | None = None,
    notify: list[str] | None = None,
) -> None:
    """Runs a planned suite, and exits with the code of its verdict."""
    from toril.launchers.prepare import prepared
    from toril.notify.observers import Observing
    from toril.reports import check, live, plan_text
    from toril.reports.screen import Output
    from toril.run import run as run_plan
    from toril.signals import caught_interrupts
    from toril.store import open_store
    from toril.text import plain

    opened, notices, otlp = open_store(store, patience_s=OWNERS_PATIENCE_S), read_notices(notify or ()), read_otlp(otlp)
    own_notices = tuple(notice for notice in notices if notice.variable)  # an address stays out of the plan
    wanted = wanted.model_copy(update={"notices": own_notices})
    webhooks, clock = [notice for notice in notices if notice.webhook], SystemClock()
    with Observing(opened, clock, os.environ, _say) as observing:  # `--env` is for the suite, not for the coordinator
        failing = read_fail_on(fail_on)
        targets = [(name, path) for name, path in read_report_targets(report or ()) if check(name)]
        with suite as local:
            read, planned = plan_of(local.paths, wanted.model_copy(update={"confined": local.stored}), clock.now())
            check_writable(targets)
            written = {path.resolve() for _, path in targets if path}
            own = (file for file in read.files if (read.folder / file).resolve() not in written)
            read = replace(read, files=tuple(own))
            observers = observing.of(planned, otlp, webhooks, wanted.environment)
            limit = min(
                (cost_usd for cost_usd in (wanted.max_cost_usd, local.max_cost_usd) if cost_usd is not None),
                default=None,
            )
            launcher, prepared_lines = prepared(planned, opened, wanted.environment, clock, max_cost_usd=limit)
            amend = None
            if planned.tried:  # by the console
                from toril.authoring.comparing import comparison_of, recording_of

                amend = comparison_of(recording_of(read), planned, opened)
            if not quiet:
                notes = (f"note: {coded(plain(note.message, 1000), note.code)}" for note in planned.notes)
                lines = (f"{plain(planned.suite)}: {plan_text.in_brief(planned)}", *notes, *prepared_lines)
                echo("\n".join(lines), err=True)
            with caught_interrupts() as interrupts, live.view(Output(stderr=True), quiet=quiet) as view:
                judged = run_plan(
                    read,
                    planned,
                    store=opened,
                    launcher=launcher,
                    clock=clock,
                    view=view,
                    interrupts=interrupts,
                    origin=local.origin,
                    observers=observers,
                    amend=amend,
                )
        from toril.runs.stored import write_reports  # imported after the run: an import before would delay the start

        unwritten = write_reports(opened, judged.bundle, targets)
        _conclude(opened, judged, failing, unwritten, quiet=quiet)


def _conclude(store: "Store", judged: "Judged", failing: frozenset[str], unwritten: list[str], *, quiet: bool) -> None:
    """Shows the verdict and all problems, then exits with the worst of their codes."""
    from toril.records import run_key
    from toril.reports import show
    from toril.verdict import exit_code

    problems = [*judged.unwritten, *unwritten, *judged.left]
    for problem in problems:  # before the verdict, which they could seem to contradict
        echo(f"error: {with_store(problem, sys.argv)}", err=True)
    show(judged.bundle)
    if not quiet and not judged.unwritten:
        echo(f"report: {store.address(run_key(judged.bundle.plan.run_id, 'report.html'))}", err=True)
    code = INTERRUPTED if judged.interrupted else exit_code(judged.bundle.outcome, failing)
    if problems and (not code or (judged.failed_store and judged.bundle.outcome == "inconclusive")):
        code = InfrastructureError.exit_code
        echo(f"exit code {code}, because of the error above the verdict", err=True)
    raise typer.Exit(code)


def _say(note: "Note") -> None:
    echo(f"note: {coded(with_store(note.message, sys.argv), note.code)}", err=True)


def watch(
    run: Run,
    store: StoreOption = ".toril",
    fail_on: FailOn = "failed,inconclusive",
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Become the coordinator if the command that started the run has ended.")
    ] = False,
    otlp: Otlp = None,
    quiet: Quiet = False,
) -> None:
    """Show RUN live until it ends; the exit code is its verdict.

    A run on Fargate continues if the command that started it ends. With
    --take-over, this command becomes its coordinator: it ends and judges the run.

    Examples:
      toril watch latest
      toril watch latest --take-over --store s3://toril-123456789012-us-east-1
    """
    from toril.reports import show
    from toril.runs.find import find_own_run, find_run
    from toril.verdict import exit_code

    failing = read_fail_on(fail_on)
    if take_over:
        from toril.notify.observers import Observing
        from toril.reports import live
        from toril.reports.screen import Output
        from toril.run import carry_on
        from toril.signals import caught_interrupts
        from toril.store.records import read_record

        opened, run_id = find_own_run(run, store, patience_s=OWNERS_PATIENCE_S)
        with Observing(opened, SystemClock(), os.environ, _say) as observing:
            observers = observing.of(read_record(opened, run_id)[0], read_otlp(otlp))
            with caught_interrupts() as interrupts, live.view(Output(stderr=True), quiet=quiet) as view:
                judged = carry_on(opened, run_id, SystemClock(), view, interrupts, observers)
            _conclude(opened, judged, failing, [], quiet=quiet)
    if otlp:
        raise OptionError("--otlp: a watcher has no measurements; add --take-over", code="option-value")
    bundle = _followed(*find_run(run, store), quiet=quiet)
    show(bundle)
    raise typer.Exit(exit_code(bundle.outcome, failing))


def stop(
    run: Run,
    store: StoreOption = ".toril",
    all_tasks: Annotated[
        bool, typer.Option("--all-tasks", help="Stop all tasks on Fargate at once, and judge the run.")
    ] = False,
    ignore_missing: IgnoreMissing = False,
) -> None:
    """End the load of RUN early; keep and judge the measurements.

    With --all-tasks, no coordinator is necessary. A schedule of each run does
    this at the deadline of the run. With --ignore-missing, a run that has ended
    is no error either.

    0 stopped · 2 invalid input, or the run has ended · 4 tasks may still run, or cannot write.

    Examples:
      toril stop latest
      toril stop 20261124T1803 --all-tasks --store s3://toril-123456789012-us-east-1
    """
    try:
        if all_tasks:
            _stop_tasks(run, store)
        else:
            opened, run_id = _run_or_request(run, store)
            echo(desk_for(opened, "toril stop").stop(run_id))
    except UserError as nothing:
        if not ignore_missing or nothing.code not in ("no-such-run", "run-over"):
            raise
        echo(f"nothing to stop: {nothing}")


def _run_or_request(run: str, store: str) -> "tuple[Reader, str]":
    """Returns the store and id of a run, or of a request that no run has begun for."""
    from toril.runs.find import RUN_ID, find_run
    from toril.runs.requests import request_of
    from toril.store import open_reader

    try:
        return find_run(run, store)
    except NoSuchRunError:
        opened = open_reader(store)
        if not RUN_ID.fullmatch(run) or request_of(opened, run) is None:
            raise
        return opened, run


def _stop_tasks(run: str, store: str) -> None:
    from toril.notify.observers import Observing
    from toril.reports import live
    from toril.reports.screen import Output
    from toril.run import sweep_run
    from toril.runs.find import find_own_run
    from toril.store.records import read_record

    opened, run_id = find_own_run(run, store)
    with Observing(opened, SystemClock(), os.environ, _say) as observing:
        observers = observing.of(read_record(opened, run_id)[0])
        with live.view(Output(stderr=True)) as view:
            swept = sweep_run(opened, run_id, SystemClock(), view, observers)
    echo(f"{run_id}: {len(swept.stopped)} running tasks stopped")
    if swept.bundle is not None:
        echo(f"{run_id}: verdict {swept.bundle.outcome}")
    for problem in filter(None, (swept.reason, *swept.problems)):
        echo(f"error: {with_store(problem, sys.argv)}", err=True)
    if swept.problems:
        raise typer.Exit(InfrastructureError.exit_code)


def doctor_command(
    suite: Annotated[
        list[str] | None, typer.Argument(help="With --on fargate: suite to check; default: check all regions.")
    ] = None,
    on: On = "local",
    store: StoreOption = ".toril",
    overrides: Overrides = None,
    env: Environment = None,
    workers: Workers = None,
    fill_caches: Annotated[
        bool, typer.Option("--fill-caches", help="With --on fargate: fetch images that caches lack; check images only.")
    ] = False,
) -> None:
    """Check the requirements of a run; the exit code is 4 if one is missing.

    Examples:
      toril doctor
      toril doctor loadtests/two-regions --on fargate --store s3://toril-123456789012-us-east-1
    """
    if fill_caches and (on == "local" or suite):
        raise OptionError("--fill-caches: it needs --on fargate, and no SUITE.", code="option-value")
    from toril.launchers import doctor
    from toril.launchers.findings import render

    if on == "local":
        findings = doctor.examine(store)
    else:
        from toril.launchers import prepare
        from toril.plan.options import plan_run
        from toril.runs.publish import local_suite
        from toril.store import open_store

        clock, planned, opened = SystemClock(), None, open_store(store)
        if suite:
            with local_suite(suite) as local:
                wanted = run_options(overrides, env, workers, on, None, None, smoke=False)
                _, planned = plan_run(local.paths, wanted.model_copy(update={"confined": local.stored}), clock.now())
        if fill_caches:
            findings = prepare.fill_caches(opened, clock)
        else:
            findings = list(prepare.preflight(planned, opened, clock).findings)
    echo(render(findings), nl=False)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(InfrastructureError.exit_code)
