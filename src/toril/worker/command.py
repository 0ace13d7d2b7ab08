"""The options of `toril worker`, declared once for the command and for `python -m toril.worker`."""

from typing import Annotated

import typer


def worker(
    store: Annotated[str, typer.Option("--store", envvar="TORIL_STORE", help="Folder or bucket that keeps the runs.")],
    run: Annotated[str, typer.Option("--run", envvar="TORIL_RUN", help="The run's id.")],
    worker: Annotated[str, typer.Option("--worker", envvar="TORIL_WORKER", help="Whose share to do.")],
    attempt: Annotated[str, typer.Option("--attempt", envvar="TORIL_ATTEMPT", help="The launcher's nonce.")],
    watch_parent: Annotated[
        bool, typer.Option("--watch-parent", help="End when the process that started this one ends.")
    ] = False,
) -> None:
    """The container's entry point: carry out one share of a run."""
    from toril.worker.main import run_worker  # bzt is an extra that users of the other commands do not have

    raise typer.Exit(run_worker(store, run, worker, attempt, watch_parent=watch_parent))
