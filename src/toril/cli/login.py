"""Commands that sign in at a console and out again."""

from typing import Annotated

import typer

from toril.clock import SystemClock
from toril.errors import OptionError

Address = Annotated[str, typer.Argument(help="Address of the console, such as https://load.example.com.")]


def login(
    console: Address,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
    token: Annotated[bool, typer.Option("--token", help="Print a valid token, for other programs.")] = False,
    out: Annotated[bool, typer.Option("--out", help="Sign out: delete the stored tokens of this console.")] = False,
) -> None:
    """Sign in at a console by the browser, for --store https://….

    The tokens are stored for this user only. In a workflow of GitHub no sign-in
    is needed: the command uses the job's identity token.

    Example: toril login https://load.example.com
    """
    import webbrowser

    from toril.store import login as tokens
    from toril.store.console import open_console

    if not console.startswith(("https://", "http://")):
        raise OptionError(f"`{console}`: write the console's address, as https://load.example.com", code="bad-store")
    address = open_console(console).url
    if token:
        typer.echo(tokens.Tokens(address, SystemClock()).token())
        return
    if out:
        there = tokens.forget_tokens(address)
        typer.echo(f"signed out of {address}" if there else f"there are no tokens for {address}")
        return

    def show(url: str) -> None:
        typer.echo(f"Open this address to sign in:\n{url}", err=True)
        if browser:
            webbrowser.open(url)

    tokens.login(address, SystemClock(), show)
    typer.echo(f"signed in at {address}; use it with --store {address}")
