"""The options of `toril worker`, declared once for the command and for `python -m toril.worker`."""

from typing import Annotated

import typer


def worker(
    store: Annotated[str, typer.Option("--store", envvar="TORIL_STORE", help="Folder or bucket of the runs.")],
    run: Annotated[str, typer.Option("--run", envvar="TORIL_RUN", help="Id of the run.")],
    worker: Annotated[str, typer.Option("--worker", envvar="TORIL_WORKER", help="Worker whose share to run.")],
    attempt: Annotated[str, typer.Option("--attempt", envvar="TORIL_ATTEMPT", help="Attempt issued by the launcher.")],
    watch_parent: Annotated[bool, typer.Option("--watch-parent", help="Exit when the parent process exits.")] = False,
) -> None:
    """Run one worker's share of a run (the entry point of the container)."""
    from toril.worker.main import run_worker  # bzt is an extra that users of the other commands do not have

    raise typer.Exit(run_worker(store, run, worker, attempt, watch_parent=watch_parent))
