"""The `toril` command: options → calls → exit codes; no logic of its own."""

import errno
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from toril import __version__, doctor, options, stored
from toril.clock import SystemClock
from toril.errors import InfrastructureError, OptionError, UserError
from toril.interrupts import caught_interrupts
from toril.launchers.local import LocalLauncher
from toril.plan import Place
from toril.records import run_key
from toril.reports import (
    FORMATS,
    MEASURED,
    compare_formats,
    compare_terminal,
    comparison,
    live,
    pieces,
    plan_text,
    runs_table,
    terminal,
)
from toril.reports.screen import Output, write_anything
from toril.run import RunOptions, plan_run
from toril.run import run as run_plan
from toril.store import FolderStore, open_store
from toril.verdict import exit_code
from toril.worker.command import worker

INTERNAL_ERROR, INTERRUPTED = 70, 130
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

app = typer.Typer(
    help="Distributed load testing as code: any Taurus suite, many workers, one exact verdict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Suites = Annotated[list[Path], typer.Argument(help="Taurus files, merged in order, or one folder with suite.yml.")]
Run = Annotated[str, typer.Argument(help="A run id (its beginning is enough), `latest`, or a run's folder or URL.")]
StoreOption = Annotated[
    str, typer.Option("--store", envvar="TORIL_STORE", help="What keeps the runs: a folder, or s3://bucket/prefix.")
]
Overrides = Annotated[
    list[str] | None, typer.Option("-o", "--override", help="Taurus override, e.g. -o execution.0.hold-for=10s.")
]
Environment = Annotated[
    list[str] | None, typer.Option("--env", help="K=V for ${K} in the suite, and for its scripts; repeatable.")
]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Workers in total, over all locations.")]
On = Annotated[Place, typer.Option("--on", help="Where workers run: local (fargate is not available yet).")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="K=V kept with the run, such as its commit; repeatable.")]
Smoke = Annotated[bool, typer.Option("--smoke", help="One user, a few seconds, no criteria: does it work at all?")]
FailOn = Annotated[str, typer.Option("--fail-on", help="Outcomes that fail the command: failed, inconclusive, none.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")]
RunId = Annotated[str | None, typer.Option("--run-id", help="Name the run instead of having it named by time.")]


def _run_options(
    overrides: list[str] | None, env: list[str] | None, workers: int | None, on: Place, run_id: str | None,
    tags: list[str] | None, smoke: bool,
) -> RunOptions:  # fmt: skip
    if on != "local":
        raise OptionError(f"--on {on}: only local is available in this version")
    return RunOptions(
        overrides=overrides or (),
        environment=options.pairs("--env", env or ()),
        workers=workers,
        on=on,
        run_id=None if run_id is None else options.checked_run_id(run_id),
        tags=options.pairs("--tag", tags or ()),
        smoke=smoke,
    )


@app.command()
def plan(
    suite: Suites,
    overrides: Overrides = None,
    env: Environment = None,
    workers: Workers = None,
    on: On = "local",
    smoke: Smoke = False,
    format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """Print how the load of SUITE would be divided, and what is odd about it; start nothing.

    Example: toril plan loadtests/shop --workers 4
    """
    if format not in ("text", "json"):
        raise OptionError(f"--format {format}: text or json")
    wanted = _run_options(overrides, env, workers, on, None, None, smoke)
    _, planned = plan_run(suite, wanted, SystemClock().now())
    if format == "json":
        stored.emit(planned.to_json(), None)
    else:
        plan_text.show(Output(), planned)


@app.command()
def run(
    suite: Suites,
    store: StoreOption = ".toril",
    overrides: Overrides = None,
    env: Environment = None,
    workers: Workers = None,
    on: On = "local",
    run_id: RunId = None,
    tag: Tags = None,
    smoke: Smoke = False,
    fail_on: FailOn = "failed,inconclusive",
    report: Annotated[
        list[str] | None, typer.Option("--report", help="FORMAT[=PATH], repeatable: " + ", ".join(FORMATS) + ".")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Run SUITE, judge it, report it; the exit code is the verdict.

    0 passed · 1 failed · 2 bad input · 3 inconclusive · 4 could not start, or write · 130 interrupted.

    Example: toril run loadtests/shop --workers 2 --report junit=out.xml
    """
    failing = options.fail_on(fail_on)
    targets = [(name, path) for name, path in options.report_targets(report or ()) if FORMATS.check(name)]
    clock, opened = SystemClock(), open_store(store)
    if not isinstance(opened, FolderStore):
        raise OptionError(f"--store {store}: local workers need a folder")
    read, planned = plan_run(suite, _run_options(overrides, env, workers, on, run_id, tag, smoke), clock.now())
    options.check_writable(targets)
    console = Console(stderr=True)
    with caught_interrupts() as interrupts, live.view(console, quiet=quiet) as view:
        judged = run_plan(
            read,
            planned,
            store=opened,
            launcher=LocalLauncher(opened, options.pairs("--env", env or ())),
            clock=clock,
            view=view,
            interrupts=interrupts,
        )
    terminal.show(Output(), judged.bundle)
    unwritten = [*judged.unwritten, *stored.write_reports(opened, judged.bundle, targets)]
    for problem in unwritten:
        typer.echo(f"error: {problem}", err=True)
    if not quiet and not judged.unwritten:
        typer.echo(f"report: {opened.address(run_key(planned.run_id, 'report.html'))}", err=True)
    code = INTERRUPTED if judged.interrupted else exit_code(judged.bundle.outcome, failing)
    raise typer.Exit(code or (InfrastructureError.exit_code if unwritten else 0))


@app.command()
def report(
    run: Run,
    store: StoreOption = ".toril",
    format: Annotated[str, typer.Option("--format", help=", ".join(FORMATS) + ".")] = "terminal",
    out: Annotated[Path | None, typer.Option("--out", help="File to write instead of stdout.")] = None,
) -> None:
    """Rebuild a report of RUN from its files; exits 0 whatever the verdict.

    Example: toril report latest --format html --out report.html
    """
    FORMATS.check(format, onto_terminal=out is None and sys.stdout.isatty())
    found = options.find_run(run, store)
    bundle = stored.judged(*found, SystemClock().now(), measurements=format in MEASURED)
    if format == "terminal" and out is None:
        terminal.show(Output(), bundle)
    else:
        stored.emit(pieces(format, bundle), out)


@app.command()
def compare(
    base: Annotated[str, typer.Argument(help="The run to compare with: its id, `latest`, or its folder.")],
    head: Annotated[str, typer.Argument(help="The run in question, given in the same way.")],
    store: StoreOption = ".toril",
    format: Annotated[str, typer.Option("--format", help=", ".join(compare_formats.FORMATS) + ".")] = "terminal",
    out: Annotated[Path | None, typer.Option("--out", help="File to write instead of stdout.")] = None,
) -> None:
    """Show two runs side by side, BASE first; exits 0 whatever differs.

    A difference counts where the 95 % intervals of the two runs are apart.
    What changes from one run to the next is not in those intervals: two
    single runs prove no regression.

    Example: toril compare 20261124T1803 latest --format html --out compared.html
    """
    compare_formats.check(format)
    now = SystemClock().now()
    runs = [stored.judged(*options.find_run(run, store), now, measurements=True) for run in (base, head)]
    if format == "terminal" and out is None:
        compare_terminal.show(Output(), comparison.compare(*runs))
    else:
        stored.emit(compare_formats.render(format, *runs), out)


@app.command()
def watch(
    run: Run, store: StoreOption = ".toril", fail_on: FailOn = "failed,inconclusive", quiet: Quiet = False
) -> None:
    """Follow RUN live until it ends; the exit code is its verdict.

    Example: toril watch latest
    """
    failing = options.fail_on(fail_on)
    found, run_id = options.find_run(run, store)
    with caught_interrupts() as interrupts, live.view(Console(stderr=True), quiet=quiet) as view:
        bundle = stored.follow(found, run_id, clock=SystemClock(), view=view, interrupts=interrupts)
    if bundle is None:
        raise typer.Exit(INTERRUPTED)
    terminal.show(Output(), bundle)
    raise typer.Exit(exit_code(bundle.outcome, failing))


@app.command()
def stop(run: Run, store: StoreOption = ".toril") -> None:
    """End RUN's load early; what it has measured is kept and judged.

    Example: toril stop latest
    """
    found, run_id = options.find_run(run, store)
    typer.echo(stored.ask_to_stop(found, run_id, SystemClock().now()))


@app.command()
def runs(
    store: StoreOption = ".toril",
    prune: Annotated[str | None, typer.Option("--prune", help="Delete ended runs older than this, e.g. 30d.")] = None,
) -> None:
    """List the runs of a store, newest first.

    Example: toril runs --prune 30d
    """
    opened, now = open_store(store), SystemClock().now()
    if prune is not None:
        gone = stored.prune(opened, options.age(prune), now)
        typer.echo(f"deleted {len(gone)} runs" + "".join(f"\n  {run_id}" for run_id in gone), err=True)
    runs_table.show(Output(), stored.listing(opened, now))


@app.command(name="doctor")
def doctor_command(
    on: On = "local",
    store: StoreOption = ".toril",
) -> None:
    """Check everything that a run needs; exits 4 when something is missing.

    Example: toril doctor
    """
    if on != "local":
        raise OptionError(f"--on {on}: only local is available in this version")
    findings = doctor.examine(store)
    typer.echo(doctor.render(findings), nl=False)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(InfrastructureError.exit_code)


app.command(hidden=True)(worker)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"toril {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Distributed load testing as code: any Taurus suite, many workers, one exact verdict."""


def main() -> None:
    """Run the command and turn what happened into its exit code."""
    write_anything()
    try:
        app()
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        typer.echo(f"error: nothing more can be written: {error.strerror}; make room", err=True)
        sys.exit(InfrastructureError.exit_code)
    except Exception:
        traceback.print_exc()
        typer.echo("internal error: this is a bug in toril; please report the text above", err=True)
        sys.exit(INTERNAL_ERROR)
