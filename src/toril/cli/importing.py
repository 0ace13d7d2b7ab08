"""Commands that make a suite of what exists: `toril import` and `toril record`."""

from typing import Annotated

import typer

from toril.errors import OptionError


def import_command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="File or address to import; - reads stdin.")],
) -> None:
    """Turn a HAR, an OpenAPI file, a Postman collection, curl commands or an access log into a suite.

    Example: toril import shop.har
    """
    raise OptionError(f"`{source}`: this version cannot import. Use `toril init`.", code="not-yet")


def record(url: Annotated[str, typer.Argument(metavar="URL", help="Address to open.")]) -> None:
    """Record a journey in Chromium, and turn it into a suite.

    Example: toril record https://shop.example.com/
    """
    raise OptionError(f"`{url}`: this version cannot record. Use `toril init`.", code="not-yet")
