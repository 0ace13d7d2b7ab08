"""The command that serves the console on this machine."""

import errno
import gc
import os
import secrets
import socket
import sys
import threading
from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from toril.cli.options import Browser, StoreOption, wrong_value
from toril.cli.streams import echo
from toril.errors import InfrastructureError, OptionError

if TYPE_CHECKING:
    from toril.console.app import Setup
    from toril.desk import Desk
    from toril.store import Store

COMMON = ("127.0.0.1", "localhost", "::1")  # hosts that most local servers share


def _option(name: str, help: str, variable: str = "", *, shown: bool = False) -> Any:
    """Returns an option that a variable of the environment sets, too. `shown`: its help shows the default."""
    variable = variable or name.removeprefix("--").replace("-", "_").upper()
    return typer.Option(name, envvar=f"TORIL_CONSOLE_{variable}", show_default=shown, help=help)


def console(
    store: StoreOption = ".toril",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 chooses a free one.")] = 8080,
    browser: Browser = True,
    host: Annotated[
        str,
        _option("--bind", "Address to serve on, e.g. 0.0.0.0. The default is this machine, under a name that changes."),
    ] = "",
    public_address: Annotated[
        str, _option("--public-address", "Address in browsers, e.g. https://load.example.com.", "ADDRESS")
    ] = "",
    issuer: Annotated[str, _option("--issuer", "Address of the OpenID Connect issuer.")] = "",
    client_id: Annotated[str, _option("--client-id", "Id of the issuer's client.")] = "",
    login_client_id: Annotated[
        str, _option("--login-client-id", "Id of the public client for `toril login`. Default: the same client.")
    ] = "",
    groups_claim: Annotated[str, _option("--groups-claim", "Claim with a person's groups.", shown=True)] = "groups",
    groups: Annotated[
        list[str] | None,
        _option(
            "--groups",
            "Role of a group, as GROUP=ROLE; repeatable. Default: toril-viewer, toril-operator, toril-admin.",
        ),
    ] = None,
    audience: Annotated[str, _option("--audience", "Audience of bearer tokens. Default: the public address.")] = "",
    machines: Annotated[
        list[str] | None,
        _option("--machine", "Jobs on GitHub, e.g. operator=123456/environment/load-test; repeatable.", "MACHINES"),
    ] = None,
) -> None:
    """Serve the console: on this machine for you alone, or for others with an issuer.

    The printed address works once: it signs this browser in. Ctrl-C ends the
    console; runs that it started continue.

    Examples:
      toril console --store s3://toril-123456789012-us-east-1
      toril console --port 0 --no-browser
    """
    try:
        import uvicorn

        from toril.console.app import create_app
    except ModuleNotFoundError as error:
        raise _not_installed(error) from error
    import webbrowser
    from contextlib import ExitStack

    from toril.clock import SystemClock
    from toril.console.identity import Loopback, local_host
    from toril.runs.stored import fill
    from toril.store import open_store

    if not issuer and (public_address or not _is_loopback(host)):
        text = f"others can reach {public_address or host}, so people must sign in; add --issuer and --client-id"
        raise OptionError(text, code="no-issuer")
    with ExitStack() as stack:
        listeners = [stack.enter_context(listener) for listener in _listening(host, port)]
        name = host or ("127.0.0.1" if issuer else local_host())
        address = public_address.rstrip("/") or f"http://{f'[{name}]' if ':' in name else name}:{_port(listeners[0])}"
        opened, clock = open_store(store), SystemClock()
        identity: Any
        if issuer:
            from toril.console.oidc import Oidc

            plain = {"issuer": issuer, "login_client_id": login_client_id, "groups_claim": groups_claim}
            settings = _oidc(
                client_id=client_id, groups=groups or (), audience=audience, machines=machines or (), **plain
            )
            identity, entrance = Oidc(settings, address=_checked(address), store=opened, clock=clock), "/"
        else:
            identity = Loopback()
            entrance = identity.entrance
        app = create_app(_setup(store, opened, identity, address))
        threading.Thread(target=lambda: fill(opened, clock.now()), daemon=True).start()
        echo(f"{address}{entrance}")
        if not issuer:
            echo("This address signs one browser in. Press Ctrl-C to end the console.", err=True)
        if not host and not issuer:
            echo(f"A browser that does not find it needs `toril console --bind {_own_loopback()}`.", err=True)
        if not issuer and host in COMMON:
            text = f"Warning: your browser sends this session to every server of {host}, on all ports. "
            echo(f"{text}Use it only where you trust all users of this machine.", err=True)
        if browser:
            webbrowser.open(f"{address}{entrance}")
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, proxy_headers=False)
        gc.freeze()  # modules last as long as the process
        gc.set_threshold(50_000, 20, 100)  # a search of all kept records takes a tenth of a second
        uvicorn.Server(config).run(sockets=listeners)


def mcp(store: StoreOption = ".toril") -> None:
    """Serve the store to an assistant: the Model Context Protocol on stdin and stdout.

    An assistant on this machine can write, check, try and run suites, and read and compare runs,
    with your rights on the store. Each load needs your consent.

    Examples:
      toril mcp
      toril mcp --store https://load.example.com
    """
    try:
        from toril.console.mcp import AS_ASSISTANT, server_of
    except ModuleNotFoundError as error:
        raise _not_installed(error) from error
    from toril.clock import SystemClock
    from toril.console.identity import Loopback
    from toril.desk import desk_of
    from toril.store import Store, open_reader

    identity, reader = Loopback(), open_reader(store)
    if isinstance(reader, Store):
        desk: Desk = _setup(store, reader, identity, "").desk(identity.user, AS_ASSISTANT)
    else:
        desk = desk_of(reader, identity.user.name)
    server_of(reader, desk, identity.user, SystemClock()).run("stdio")


def _setup(address_of_store: str, store: "Store", identity: Any, address: str) -> "Setup":
    """Returns the parts of a console on this machine."""
    from toril.clock import SystemClock
    from toril.console.app import Setup
    from toril.console.deployed import EventBridge, starter_of
    from toril.console.starter import LocalStarter
    from toril.launchers.doctor import examine_all
    from toril.launchers.prepare import vcpus_in_use
    from toril.store import FolderStore

    clock, is_folder = SystemClock(), isinstance(store, FolderStore)
    return Setup(
        store=store,
        identity=identity,
        clock=clock,
        examine=lambda other: examine_all(other, address_of_store, clock),
        address=address,
        starter=LocalStarter(store) if isinstance(store, FolderStore) else starter_of(store),
        quotas=lambda other: () if is_folder else vcpus_in_use(other, clock),
        schedules=None if is_folder else EventBridge(store),
    )


def _not_installed(error: ModuleNotFoundError) -> InfrastructureError:
    text = f"the console needs {error.name}, which is not installed; install the extra `console`"
    return InfrastructureError(text, code="no-console")


def _oidc(*, client_id: str, groups: Iterable[str], machines: Iterable[str], **plain: str) -> Any:
    """Returns the settings of the options. Secrets come from the environment only, and leave it for child processes."""
    from toril.console.lambda_settings import Machine
    from toril.console.oidc import DEFAULT_GROUPS, OidcSettings

    if not client_id:
        raise OptionError("--issuer needs --client-id, the id of the console's client there", code="no-client-id")
    roles = {group: _role("--groups", pair, role) for pair in groups for group, _, role in [pair.rpartition("=")]}
    jobs = []
    for text in machines:
        role, _, rest = text.partition("=")
        repository_id, kind, name = (*rest.split("/", 2), "", "")[:3]
        if kind not in ("environment", "ref") or not name or not repository_id.isdecimal():
            wanted = "operator=123456/environment/load-test or viewer=123456/ref/refs/heads/main"
            raise wrong_value("--machine", text, f"expected e.g. {wanted}.")
        jobs.append(Machine(repository_id=repository_id, role=_role("--machine", text, role), **{kind: name}))
    key = os.environ.pop("TORIL_CONSOLE_SESSION_KEY", "") or secrets.token_hex(32)
    try:
        session_key = bytes.fromhex(key)
    except ValueError as error:
        text = "$TORIL_CONSOLE_SESSION_KEY needs 64 hexadecimal digits, as `openssl rand -hex 32` prints them"
        raise OptionError(text, code="bad-session-key") from error
    return OidcSettings(
        **plain,
        client_id=client_id,
        client_secret=os.environ.pop("TORIL_CONSOLE_CLIENT_SECRET", ""),
        session_key=session_key,
        groups=roles or DEFAULT_GROUPS,
        machines=tuple(jobs),
    )


def _role(option: str, text: str, role: str) -> Any:
    from toril.console.identity import ROLES

    if role not in ROLES:
        raise wrong_value(option, text, f"expected one of the roles {', '.join(ROLES)}.")
    return role


def _checked(address: str) -> str:
    from toril.store.connections import is_safe_address

    if not is_safe_address(address) or urlsplit(address).path:
        text = f"{address}: --public-address needs https and no path, because sessions must not be readable on the way"
        raise OptionError(text, code="bad-public-address")
    return address


def _own_loopback() -> str:
    """Returns an address of this machine whose cookies no other server gets: on Linux, all of 127.0.0.0/8 is local."""
    return str(ip_address((127 << 24) + 2 + secrets.randbelow((1 << 24) - 3))) if sys.platform == "linux" else COMMON[0]


def _is_loopback(host: str) -> bool:
    try:
        return host in ("", "localhost") or ip_address(host).is_loopback
    except ValueError:
        return False


def _listening(host: str, port: int) -> list[socket.socket]:
    """Returns the listening sockets: for this machine's names, on both of its addresses.

    Browsers try `::1` first, so another user's server on the same port would get the requests there.
    """
    listeners: list[socket.socket] = []
    for address in ("127.0.0.1", "::1") if host in ("", "localhost") else (host,):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            listeners.append(socket.create_server((address, _port(listeners[0]) if listeners else port), family=family))
        except OSError as error:
            if listeners and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                continue  # this machine has no IPv6
            for listener in listeners:
                listener.close()
            text = f"--port {port}: the port cannot be used ({error.strerror}); choose another one, or 0 for any"
            raise OptionError(text, code="port-in-use") from error
    return listeners


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])
