"""Commands on stored runs: report, compare, adjust, fetch, runs."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from toril.cli.options import (
    EXECUTION,
    OUTPUT_FORMAT,
    IgnoreMissing,
    Out,
    Run,
    StoreOption,
    Tags,
    desk_for,
    read_age,
    read_pairs,
)
from toril.cli.streams import echo, with_store
from toril.clock import SystemClock
from toril.errors import NoSuchRunError, StoreError

if TYPE_CHECKING:
    from toril.store import Reader


def report(
    run: Run,
    store: StoreOption = ".toril",
    format: Annotated[
        Literal[
            "terminal", "json", "junit", "html", "github", "annotations", "outputs", "hdr", "hgrm", "csv", "parquet"
        ],
        OUTPUT_FORMAT,
    ] = "terminal",
    out: Out = None,
    table: Annotated[
        Literal["cells", "buckets", "outcomes", "service"],
        typer.Option("--table", help="Table to export as csv or parquet."),
    ] = "cells",
    ignore_missing: IgnoreMissing = False,
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

    Examples:
      toril report latest --from 2m --to 4m
      toril report latest --format html --out report.html
    """
    from toril.reports import check, pieces, show
    from toril.reports.screen import emit
    from toril.runs import stored

    check(format, table=table, onto_terminal=out is None and sys.stdout.isatty())
    known = _found(run, store, "report", ignore_missing=ignore_missing)
    bundle = stored.judged_at(*known, SystemClock().now(), format, from_, to)
    if format == "terminal" and out is None:
        show(bundle)
    else:
        emit(pieces(format, bundle, table), out)


def _found(run: str, store: str, action: str, *, ignore_missing: bool) -> "tuple[Reader, str]":
    """Returns the store and the id of a run. Without one, the command may end: there is nothing to `action`."""
    from toril.runs.find import find_run

    try:
        return find_run(run, store)
    except NoSuchRunError as nothing:
        if not ignore_missing:
            raise
        echo(f"nothing to {action}: {nothing}", err=True)
        raise typer.Exit from None


def compare(
    base: Annotated[str, typer.Argument(help="Run to compare with: its id, `latest` or its folder.")],
    head: Annotated[str, typer.Argument(help="Run to check: its id, `latest` or its folder.")],
    more: Annotated[
        list[str] | None, typer.Argument(help="Runs at other rates, to show how the service scales.")
    ] = None,
    store: StoreOption = ".toril",
    format: Annotated[Literal["terminal", "html", "json", "github"], OUTPUT_FORMAT] = "terminal",
    out: Out = None,
) -> None:
    """Show two runs side by side; the exit code is 0 for every difference.

    A figure differs if the 95 % intervals of the two runs do not overlap.
    These intervals omit the variation from run to run, so two single runs
    do not prove a regression. Use `toril duet` to prove one.

    Six or more runs at different rates show how the service scales: where
    its response time doubles, and the highest rate.

    Examples:
      toril compare 20261124T1803 latest
      toril compare 20261124T1803 latest --format html --out compared.html
      toril compare run-1 run-2 run-3 run-4 run-5 run-6
    """
    from toril.records.document import document
    from toril.reports import compare_blocks, compared, comparison, html, markdown, terminal
    from toril.reports.screen import Output, emit
    from toril.runs import stored
    from toril.runs.find import find_run

    now = SystemClock().now()
    found = [find_run(run, store) for run in (base, head, *(more or ()))]
    runs = [stored.judged(*run, now, measurements=not more) for run in found]
    if more and format == "json":
        emit(document(compare_blocks.scaling_document(runs)), out)
    elif more:
        render = html.render if format == "html" else markdown.render if format == "github" else terminal.render
        emit(render(compare_blocks.scaling_report(runs)), out)
    elif format == "terminal" and out is None:
        terminal.show(Output(), compare_blocks.report_of(comparison.compare(runs[0], runs[1])))
    else:
        emit(compared(format, *runs), out)


def adjust(
    run: Run,
    rate: Annotated[
        str,
        typer.Option("--rate", help="Requests or journeys per second in total; 0 pauses. Or +20%, -20%, x2, resume."),
    ],
    execution: Annotated[str | None, typer.Option("--execution", help=EXECUTION)] = None,
    store: StoreOption = ".toril",
) -> None:
    """Change the rate of RUN during its load.

    All workers change at the same moment, a few seconds from now. The new rate
    lasts until the next change or the end of the load. The verdict and all
    reports show the change. If the run has several executions, name one. The
    load needs a rate: of requests, of journeys, or the `throughput` that limits
    users of toril's engine.

    Examples:
      toril adjust latest --rate 500
      toril adjust latest --rate +20% --execution checkout
    """
    from toril.runs.find import find_run
    from toril.text import exact

    opened, run_id = find_run(run, store)
    done = desk_for(opened).adjust(run_id, rate, execution)
    for warning in done.warnings:
        echo(f"warning: {warning}", err=True)
    rps, before = (exact(round(rps, 3), done.rate.unit) for rps in (done.rate.rps, done.before_rps))
    echo(
        f"{done.rate.execution} of run {run_id}: rate changes from {before} to {rps} "
        f"at second {done.at_s:,.0f} of the load, in {done.in_s:.1f} s"
    )


def fetch(
    run: Run,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Local store to copy the run into.")] = Path(
        ".toril"
    ),
    store: StoreOption = ".toril",
    ignore_missing: IgnoreMissing = False,
) -> None:
    """Copy the folder of RUN from a store to this machine.

    Examples:
      toril fetch latest --store s3://toril-123456789012-us-east-1
      toril fetch 20261124T1803 results --store https://load.example.com
    """
    from toril.records import run_key
    from toril.runs import stored
    from toril.store import open_store
    from toril.text import plural

    opened, run_id = _found(run, store, "copy", ignore_missing=ignore_missing)
    into = open_store(str(folder))
    files, problems = stored.fetch(opened, run_id, into)
    echo("".join(f"not copied: {problem}\n" for problem in problems), err=True, nl=False)
    echo(f"{into.address(run_key(run_id))}: {plural(files, 'file')}")


def runs(
    store: StoreOption = ".toril",
    suite: Annotated[str, typer.Option("--suite", help="Show the runs of this suite only.")] = "",
    outcome: Annotated[
        Literal["passed", "failed", "inconclusive", "running"] | None,
        typer.Option("--outcome", help="Show passed, failed, inconclusive or running runs only."),
    ] = None,
    tag: Tags = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Number of runs to show, the newest first.")] = 50,
    format: Annotated[Literal["text", "json", "csv"], OUTPUT_FORMAT] = "text",
    prune: Annotated[
        str | None, typer.Option("--prune", help="Delete ended runs older than this age, e.g. 30d.")
    ] = None,
) -> None:
    """List the runs of a store, newest first.

    The history of a run stays in the list after its files are deleted.

    Examples:
      toril runs --suite shop --outcome failed --tag branch=main
      toril runs --prune 30d --store s3://toril-123456789012-us-east-1
    """
    from toril.reports import runs_table
    from toril.reports.screen import Output, emit
    from toril.runs import stored
    from toril.runs.index import Query, pack
    from toril.store import Store, open_reader
    from toril.text import plural

    query = Query(suite=suite, outcome=outcome or "", tags=read_pairs("--tag", tag or ()))
    opened, now = open_reader(store), SystemClock().now()
    if prune is not None:
        gone, cleared = desk_for(opened).prune(read_age(prune))
        echo(f"deleted {plural(len(gone), 'run')}" + "".join(f"\n  {run_id}" for run_id in gone), err=True)
        for name in cleared:
            echo(f"{name} has no baseline now: its run was deleted", err=True)
    listed = stored.listing(opened, now, query, limit + 1)
    if suite and not listed:
        stored.check_suite(opened, suite, now, store)
    if isinstance(opened, Store):
        with suppress(StoreError):  # a store that this user cannot write
            pack(opened, now)
    if format == "text":
        runs_table.show(Output(), listed[:limit])
    else:
        emit((runs_table.as_json if format == "json" else runs_table.as_csv)(listed[:limit]), None)
    bad = (run.row.run_id for run in listed[:limit] if run.state in ("failed", "inconclusive") and not run.deleted)
    if format == "text" and (newest := next(bad, None)):
        echo(with_store(f"next: `toril report {newest}`", sys.argv).replace("`", ""), err=True)
    if len(listed) > limit:
        echo(f"the newest {plural(limit, 'run')}; --limit shows more", err=True)
