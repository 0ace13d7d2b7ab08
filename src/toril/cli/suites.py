"""The group `toril suite`: list the suites of a store, save a version, and choose the baseline."""

from datetime import datetime
from typing import Annotated

import typer

from toril.cli.options import StoreOption, Suites, TextOrJson, desk_for
from toril.cli.streams import echo
from toril.clock import SystemClock
from toril.errors import OptionError


def list_suites(
    name: Annotated[str | None, typer.Argument(help="Suite whose versions to list; default: all suites.")] = None,
    store: StoreOption = ".toril",
    format: TextOrJson = "text",
) -> None:
    """List the suites of a store, or the versions of one.

    Examples:
      toril suite list --store https://load.example.com
      toril suite list shop --format json
    """
    from toril.records.document import document
    from toril.reports import runs_table
    from toril.reports.screen import Output, emit
    from toril.runs import suites as stored
    from toril.store import open_reader

    opened = open_reader(store)
    if name is None:
        pushed = [stored.current(opened, suite) for suite in stored.suite_names(opened)]
    else:
        pushed = stored.versions(opened, name) or [stored.current(opened, name)]
    if format == "json":
        emit(document([version.model_dump(mode="json") for version in pushed]), None)
    else:
        runs_table.show_suites(Output(), pushed, of_one=name is not None)


def schema() -> None:
    """Print the JSON Schema of suites, for editors.

    Examples:
      toril suite schema
      toril suite schema > loadtests/suite.schema.json
    """
    from toril.suite.schema import schema_text

    echo(schema_text().rstrip())


def push(suite: Suites, store: StoreOption = ".toril") -> None:
    """Upload SUITE with its commit to the store, for scheduled runs.

    Examples:
      toril suite push loadtests/shop --store s3://toril-123456789012-us-east-1
      toril suite push loadtests/shop --store https://load.example.com
    """
    from toril.desk import push as push_suite
    from toril.store import open_reader
    from toril.suite import read_suite
    from toril.text import plural

    opened = open_reader(store)
    pushed = push_suite(desk_for(opened), read_suite(suite, on="fargate"))
    about = f"version {pushed.number}, {plural(len(pushed.files), 'file')}, {pushed.comment or 'no commit'}"
    echo(f"{pushed.suite}: {about}; run it as {store.rstrip('/')}/suites/{pushed.suite}")


def pin(
    suite: Annotated[str, typer.Argument(metavar="NAME", help="Name of the suite.")],
    run: Annotated[
        str | None, typer.Argument(help="Run that becomes the baseline; default: show the baseline.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Have no baseline.")] = False,
    store: StoreOption = ".toril",
) -> None:
    """Show, set or clear the baseline of a suite, its reference run.

    Examples:
      toril suite pin shop latest
      toril suite pin shop --clear
    """
    from toril.runs import notes
    from toril.runs.find import run_in
    from toril.store import open_reader
    from toril.store.records import read_record

    if clear and run is not None:
        raise OptionError("--clear: name no run with it", code="option-value")
    opened = open_reader(store)
    if clear:
        desk_for(opened).clear_baseline(suite)
    elif run is not None:
        run_id = run_in(opened, run, store)
        if (own := read_record(opened, run_id)[0].suite) != suite:
            raise OptionError(f"{run_id} is a run of `{own}`; name a run of `{suite}`", code="other-suite")
        before, now = notes.baseline_of(opened, suite), SystemClock().now()
        if before and before.run_id == run_id:
            echo(f"note: it already was the baseline of {suite}", err=True)
        for doubt in notes.doubts_about(opened, run_id, now):
            echo(f"note: {doubt}", err=True)
        desk_for(opened).set_baseline(run_id, suite)
    baseline = notes.baseline_of(opened, suite, cleared=True)
    echo(baseline.run_id if baseline and baseline.run_id else f"{suite} has no baseline")
    for change in baseline.changes if baseline and not (clear or run) else ():
        echo(f"{datetime.fromtimestamp(change.at):%Y-%m-%d %H:%M} {change.by}: {change.in_words}", err=True)
