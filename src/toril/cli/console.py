"""The command that serves the console on this machine."""

import socket
from typing import Annotated

import typer

from toril.cli.options import StoreOption
from toril.errors import InfrastructureError, OptionError


def console(
    store: StoreOption = ".toril",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 chooses a free one.")] = 8080,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
) -> None:
    """Serve the console for a store on this machine, for you alone.

    The printed address works once: it signs this browser in. Ctrl-C ends the
    console; runs that it started continue.

    Example: toril console --store s3://toril-123456789012-us-east-1
    """
    try:
        import uvicorn

        from toril.console.app import Setup, create_app
    except ModuleNotFoundError as error:
        text = f"the console needs {error.name}, which is not installed; install `toril[console]`"
        raise InfrastructureError(text, code="no-console") from error
    import webbrowser

    from toril.clock import SystemClock
    from toril.console.identity import Loopback
    from toril.launchers.doctor import examine_all as examine
    from toril.store import open_store

    identity = Loopback()
    with _listening(port) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        opened, clock = open_store(store), SystemClock()
        setup = Setup(
            store=opened,
            identity=identity,
            clock=clock,
            examine=lambda one: examine(one, store, clock),
            address=address,
        )
        app = create_app(setup)
        typer.echo(f"{address}{identity.entrance}")
        typer.echo("This address signs one browser in. Press Ctrl-C to end the console.", err=True)
        if browser:
            webbrowser.open(f"{address}{identity.entrance}")
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        uvicorn.Server(config).run(sockets=[listener])


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        text = f"--port {port}: the port cannot be used ({error.strerror}); choose another one, or 0 for any"
        raise OptionError(text, code="port-in-use") from error
    return listener
