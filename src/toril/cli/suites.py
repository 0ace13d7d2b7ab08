"""Commands on the suites of a store: list them, and choose the baseline of one."""

from typing import Annotated

import typer

from toril.cli.options import StoreOption, TextOrJson, desk_for
from toril.cli.streams import echo
from toril.errors import OptionError


def suites(
    name: Annotated[str | None, typer.Argument(help="Suite whose versions to list; default: all suites.")] = None,
    store: StoreOption = ".toril",
    format: TextOrJson = "text",
) -> None:
    """List the suites of a store, or the versions of one.

    Example: toril suites shop
    """
    from toril.records.document import document
    from toril.reports import runs_table
    from toril.reports.screen import Output, emit
    from toril.runs import suites as stored
    from toril.store import open_reader

    opened = open_reader(store)
    if name is None:
        found = [stored.current(opened, one) for one in stored.suite_names(opened)]
    else:
        found = stored.versions(opened, name) or [stored.current(opened, name)]
    if format == "json":
        emit(document([one.model_dump(mode="json") for one in found]), None)
    else:
        runs_table.show_suites(Output(), found, of_one=name is not None)


def baseline(
    suite: Annotated[str, typer.Argument(help="Name of the suite.")],
    run: Annotated[
        str | None, typer.Argument(help="Run to compare with from now on; default: show the present one.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Compare with no run.")] = False,
    store: StoreOption = ".toril",
) -> None:
    """Show, set or clear the run that the runs of SUITE are compared with.

    Example: toril baseline shop latest
    """
    from toril.records import Verdict, run_key
    from toril.runs import notes
    from toril.runs.find import run_in
    from toril.store import open_reader
    from toril.store.records import find_record

    if clear and run is not None:
        raise OptionError("--clear: name no run with it", code="option-value")
    opened = open_reader(store)
    if clear:
        desk_for(opened).clear_baseline(suite)
    elif run is not None:
        run_id = run_in(opened, run, store)
        desk_for(opened).set_baseline(run_id, suite)
        if doubts := notes.doubts_about(find_record(opened, Verdict, run_key(run_id, "verdict.json"))):
            echo(f"note: {doubts}", err=True)
    found = notes.baseline_of(opened, suite)
    echo(f"{suite} has no baseline" if found is None else found.run_id)
