"""`python -m toril.worker`, which launchers start: `toril worker` without the other commands.

Importing all commands would cost each worker another 0.1 s of CPU and 10 MB.
"""

from toril.worker.early_signals import listen

listen()

import gc  # noqa: E402 - after the signals
import sys  # noqa: E402

import typer  # noqa: E402

from toril.errors import UserError  # noqa: E402
from toril.worker.command import worker  # noqa: E402

if __name__ == "__main__":
    gc.set_threshold(50_000)  # imports create no garbage
    try:
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)  # the log's end is the reason of a loss
        app.command()(worker)
        app()
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    finally:
        gc.freeze()  # skip the search for reference cycles at exit
