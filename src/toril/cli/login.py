"""Commands that sign in at a console, and out again."""

from typing import Annotated

import typer

from toril.cli.options import Browser, Yes
from toril.cli.streams import echo
from toril.clock import SystemClock
from toril.errors import OptionError

Address = Annotated[str, typer.Argument(help="Address of the console, such as https://load.example.com.")]


def login(
    console: Address,
    browser: Browser = True,
    token: Annotated[bool, typer.Option("--token", help="Print a valid token, for other programs.")] = False,
    yes: Yes = False,
    resource: Annotated[
        bool,
        typer.Option(
            "--resource/--no-resource",
            help="Bind the token to this console (RFC 8707). Microsoft Entra ID rejects the parameter.",
        ),
    ] = True,
) -> None:
    """Sign in at a console by the browser, for --store https://….

    The console names the issuer at which you sign in. The command shows it,
    and asks. The tokens are stored for this user only. In a workflow of GitHub no sign-in
    is needed: the command uses the job's identity token.

    Examples:
      toril login https://load.example.com
      toril login https://load.example.com --token
    """
    import sys
    import webbrowser
    from urllib.parse import urlsplit

    from toril.store import login as tokens
    from toril.text import plain

    address = _address(console)
    if token:
        echo(tokens.Tokens(address, SystemClock()).token())
        return

    def show(url: str) -> None:
        echo(f"Open this address to sign in:\n{url}", err=True)
        if browser:
            webbrowser.open(url)

    def agree(client: str, issuer: list[str]) -> None:
        hosts = ", ".join(dict.fromkeys(urlsplit(endpoint).netloc for endpoint in issuer))
        echo(plain(f"{address} lets you sign in at {hosts} for client {client}.", 1000), err=True)
        if sys.stdin.isatty() and not yes and not typer.confirm("Do you trust this console?", err=True):
            raise OptionError("not signed in: you declined", code="sign-in-declined")

    person = tokens.login(address, SystemClock(), agree, show, resource=resource)
    echo(f"signed in at {address} as {plain(person, 300)}; use it with --store {address}")


def logout(console: Address) -> None:
    """Sign out of a console: delete its tokens on this machine.

    Examples:
      toril logout https://load.example.com
      toril logout http://127.0.0.1:8080
    """
    from toril.store import login as tokens

    address = _address(console)
    there = tokens.forget_tokens(address)
    echo(f"signed out of {address}" if there else f"there are no tokens for {address}")


def _address(console: str) -> str:
    from toril.store.console import open_console

    if not console.startswith(("https://", "http://")):
        raise OptionError(f"`{console}`: write the console's address, as https://load.example.com", code="bad-store")
    return open_console(console).url
