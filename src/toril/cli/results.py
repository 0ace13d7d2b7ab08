"""Commands on stored runs: report, compare, stop, adjust, fetch, runs."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer

from toril.cli.options import Run, StoreOption, desk_for, read_age, read_pairs
from toril.cli.streams import echo
from toril.clock import SystemClock
from toril.errors import NoSuchRunError, StoreError, UserError
from toril.records import run_key
from toril.reports import (
    COMPARED,
    FORMATS,
    TABLES,
    ComparedFormat,
    check,
    compare_blocks,
    compared,
    comparison,
    pieces,
    runs_table,
    show,
    terminal,
)
from toril.reports.screen import Output, emit
from toril.runs import stored
from toril.runs.find import RUN_ID, find_run
from toril.runs.index import Query, pack
from toril.runs.requests import request_of
from toril.store import Reader, Store, open_reader, open_store
from toril.text import plural


def report(
    run: Run,
    store: StoreOption = ".toril",
    format: Annotated[str, typer.Option("--format", help=f"Format: {', '.join(FORMATS)}.")] = "terminal",
    out: Annotated[Path | None, typer.Option("--out", help="File to write instead of stdout.")] = None,
    table: Annotated[
        str, typer.Option("--table", help=f"Table to export as csv or parquet: {', '.join(TABLES)}.")
    ] = TABLES[0],
    if_there: Annotated[
        bool, typer.Option("--if-there", help="Succeed without a report if the run does not exist.")
    ] = False,
    from_: Annotated[
        str | None, typer.Option("--from", help="Start of a window since the start of the load, e.g. 2m.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="End of the window, e.g. 4m30s. Default: end of the run.")
    ] = None,
) -> None:
    """Print or write a report of RUN; the exit code is 0 for every verdict.

    With --from or --to, tables and criteria have the figures of that window;
    outcomes stay those of the run. A page opens with that window in its tables.

    Example: toril report latest --from 2m --to 4m
    """
    check(format, table=table, onto_terminal=out is None and sys.stdout.isatty())
    try:
        found = find_run(run, store)
    except NoSuchRunError as nothing:
        if not if_there:
            raise
        echo(f"nothing to report: {nothing}", err=True)
        return
    bundle = stored.judged_at(*found, SystemClock().now(), format, from_, to)
    if format == "terminal" and out is None:
        show(bundle)
    else:
        emit(pieces(format, bundle, table), out)


def compare(
    base: Annotated[str, typer.Argument(help="Run to compare with: its id, `latest` or its folder.")],
    head: Annotated[str, typer.Argument(help="Run to check: its id, `latest` or its folder.")],
    store: StoreOption = ".toril",
    format: Annotated[ComparedFormat, typer.Option("--format", help=f"Format: {', '.join(COMPARED)}.")] = "terminal",
    out: Annotated[Path | None, typer.Option("--out", help="File to write instead of stdout.")] = None,
) -> None:
    """Show two runs side by side; the exit code is 0 for every difference.

    A figure differs if the 95 % intervals of the two runs do not overlap.
    These intervals omit the variation from run to run, so two single runs
    do not prove a regression. Use `toril duet` to prove one.

    Example: toril compare 20261124T1803 latest --format html --out compared.html
    """
    now = SystemClock().now()
    runs = [stored.judged(*find_run(run, store), now, measurements=True) for run in (base, head)]
    if format == "terminal" and out is None:
        terminal.show(Output(), compare_blocks.report_of(comparison.compare(runs[0], runs[1])))
    else:
        emit(compared(format, *runs), out)


def stop(
    run: Run,
    store: StoreOption = ".toril",
    if_running: Annotated[
        bool,
        typer.Option("--if-running", help="Succeed if the run does not exist or has ended."),
    ] = False,
) -> None:
    """End the load of RUN early; keep and judge the measurements.

    Example: toril stop latest
    """
    try:
        found, run_id = _run_or_request(run, store)
        echo(desk_for(found, "toril stop").stop(run_id))
    except UserError as nothing:
        if not if_running or nothing.code not in ("no-such-run", "run-over"):
            raise
        echo(f"nothing to stop: {nothing}")


def _run_or_request(run: str, store: str) -> tuple[Reader, str]:
    """Returns the store and id of a run, or of a request that no run has begun for."""
    try:
        return find_run(run, store)
    except NoSuchRunError:
        opened = open_reader(store)
        if not RUN_ID.fullmatch(run) or request_of(opened, run) is None:
            raise
        return opened, run


def adjust(
    run: Run,
    rate: Annotated[
        str, typer.Option("--rate", help="Requests per second of all workers together, or a change: +20%, -20%, x2.")
    ],
    execution: Annotated[
        str | None,
        typer.Option(
            "--execution", help="Execution to change, by its name in the plan; required if the run has several."
        ),
    ] = None,
    store: StoreOption = ".toril",
) -> None:
    """Change the request rate of RUN during its load.

    All workers change at the same moment, a few seconds from now. The new rate
    lasts until the next change or the end of the load. The verdict and all
    reports show the change. Only executor vegeta supports it.

    Example: toril adjust latest --rate 500
    """
    found, run_id = find_run(run, store)
    done = desk_for(found).adjust(run_id, rate, execution)
    for warning in done.warnings:
        echo(f"warning: {warning}", err=True)
    rps, before = (f"{round(rps, 3):,.12g}/s" for rps in (done.rate.rps, done.before_rps))
    echo(
        f"{done.rate.execution} of run {run_id}: rate changes from {before} to {rps} "
        f"at second {done.at_s:,.0f} of the load, in {done.in_s:.1f} s"
    )


def fetch(
    run: Run,
    to: Annotated[Path, typer.Option("--to", help="Folder of the store to copy the run into.")] = Path(".toril"),
    store: StoreOption = ".toril",
    if_there: Annotated[
        bool, typer.Option("--if-there", help="Succeed without a copy if the run does not exist.")
    ] = False,
) -> None:
    """Copy the folder of RUN from a bucket to this machine.

    Example: toril fetch latest --store s3://toril-123456789012-us-east-1
    """
    try:
        found, run_id = find_run(run, store)
    except NoSuchRunError as nothing:
        if not if_there:
            raise
        echo(f"nothing to copy: {nothing}", err=True)
        return
    into = open_store(str(to))
    files, problems = stored.fetch(found, run_id, into)
    echo("".join(f"not copied: {problem}\n" for problem in problems), err=True, nl=False)
    echo(f"{into.address(run_key(run_id))}: {plural(files, 'file')}")


def runs(
    store: StoreOption = ".toril",
    suite: Annotated[str, typer.Option("--suite", help="Show the runs of this suite only.")] = "",
    outcome: Annotated[
        str, typer.Option("--outcome", help="Show passed, failed, inconclusive or running runs only.")
    ] = "",
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Show the runs with this tag K=V only; repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Number of runs to show, the newest first.")] = 50,
    format: Annotated[
        Literal["text", "json", "csv"], typer.Option("--format", help="Output format: text, json or csv.")
    ] = "text",
    prune: Annotated[
        str | None, typer.Option("--prune", help="Delete ended runs older than this age, e.g. 30d.")
    ] = None,
) -> None:
    """List the runs of a store, newest first.

    The history of a run stays in the list after its files are deleted.

    Example: toril runs --suite shop --outcome failed --tag branch=main
    """
    query = Query(suite=suite, outcome=outcome, tags=read_pairs("--tag", tag or ()))
    opened, now = open_reader(store), SystemClock().now()
    if prune is not None:
        gone, cleared = desk_for(opened).prune(read_age(prune))
        echo(f"deleted {plural(len(gone), 'run')}" + "".join(f"\n  {run_id}" for run_id in gone), err=True)
        for name in cleared:
            echo(f"{name} has no baseline now: its run was deleted", err=True)
    found = stored.listing(opened, now, query, limit + 1)
    if isinstance(opened, Store):
        with suppress(StoreError):  # a store that this user cannot write
            pack(opened, now)
    if format == "text":
        runs_table.show(Output(), found[:limit])
    else:
        emit((runs_table.as_json if format == "json" else runs_table.as_csv)(found[:limit]), None)
    if len(found) > limit:
        echo(f"the newest {plural(limit, 'run')}; --limit shows more", err=True)
