"""Commands around runs on Fargate: suites for schedules, and the end of what a run has left."""

import typer
from rich.console import Console

from toril.cli.parameters import Quiet, Run, StoreOption, Suites
from toril.clock import SystemClock
from toril.errors import InfrastructureError
from toril.reports import live
from toril.run import sweep_run
from toril.runs.find import find_run
from toril.runs.publish import push as push_suite
from toril.store import open_store
from toril.suite import read_suite
from toril.suite.origin import read_origin


def push(suite: Suites, store: StoreOption = ".toril") -> None:
    """Put SUITE into the store, with its commit, where the schedules of a home region find it.

    Example: toril push loadtests/shop --store s3://toril-123456789012-us-east-1
    """
    opened, read = open_store(store), read_suite(suite, on="fargate")
    pushed = push_suite(opened, read, read_origin(read.folder, read.files), SystemClock().now())
    commit = "no commit" if pushed.origin is None else f"commit {pushed.origin.tag}"
    typer.echo(f"{opened.address(f'suites/{pushed.suite}')}: {len(pushed.files)} files, {commit}")


def sweep(run: Run, store: StoreOption = ".toril", quiet: Quiet = False) -> None:
    """End everything that RUN has left on Fargate, and judge it if nobody has; exits 4 when something may still run.

    Each run has this done at its deadline by a schedule of its own.

    Example: toril sweep latest
    """
    found, run_id = find_run(run, store)
    with live.view(Console(stderr=True), quiet=quiet) as view:
        swept = sweep_run(found, run_id, SystemClock(), view)
    typer.echo(f"{run_id}: {len(swept.stopped)} tasks still ran and were stopped")
    if swept.bundle is not None:
        typer.echo(f"{run_id}: judged as {swept.bundle.outcome}")
    for problem in filter(None, (swept.reason, *swept.problems)):
        typer.echo(f"error: {problem}", err=True)
    if swept.problems:
        raise typer.Exit(InfrastructureError.exit_code)
