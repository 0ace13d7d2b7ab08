"""The command of a private location: `toril agent`."""

from typing import Annotated

import typer

from toril.cli.options import StoreOption
from toril.errors import OptionError


def agent(
    location: Annotated[str, typer.Option("--location", help="Private location that this machine serves.")],
    store: StoreOption = ".toril",
) -> None:
    """Run workers of a private location on this machine, as runs ask for them.

    Example: toril agent --location office --slots 4
    """
    raise OptionError(f"--location `{location}`: this version has no private locations.", code="not-yet")
