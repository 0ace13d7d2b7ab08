"""The command of a private location: `toril agent`."""

import os
import re
import secrets
import socket
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from toril import __version__
from toril.cli.options import StoreOption, wrong_value
from toril.clock import SystemClock
from toril.errors import InfrastructureError

PATIENCE_S = 10.0  # for a call to a bucket, because the agent has to announce itself


def agent(
    location: Annotated[str, typer.Argument(help="Private location that this machine serves.")],
    slots: Annotated[
        int | None, typer.Option("--slots", min=1, max=1000, help="Workers at once; default: half of the cores.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--agent-name", help="Name of this agent; default: the host's name.")
    ] = None,
    store: StoreOption = ".toril",
    max_duration: Annotated[
        str | None, typer.Option("--max-duration", help="Longest load to accept, e.g. 2h; default: any.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", help="Host that may be loaded, e.g. *.example.com; repeatable; default: any."),
    ] = None,
) -> None:
    """Run workers of a private location on this machine, when a run needs them.

    The right to write runs into the store is the right to run code on this machine.

    Examples:
      toril agent office --slots 4
      toril agent office --store s3://toril-123456789012-us-east-1 --target '*.example.com' --max-duration 2h
    """
    from toril.criteria import duration_s
    from toril.launchers.doctor import installed_engines
    from toril.launchers.preflight.agents import refusal
    from toril.records.agent import AGENT, Announcement, is_private
    from toril.store import FolderStore, open_store
    from toril.suite.packages import this_platform
    from toril.worker.agent import run_agent

    if not is_private(location):
        text = "use 3 to 32 letters, digits and underscores; AWS regions have hyphens, and `local` is this machine."
        raise wrong_value("LOCATION", location, text)
    own = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:63] if name is None else name
    if not AGENT.fullmatch(own):
        raise wrong_value("--agent-name", own, "use at most 63 letters, digits, `.`, `_` and `-`.")
    try:
        longest_s = None if max_duration is None else float(duration_s(max_duration))
        if longest_s == 0:
            raise ValueError("no load lasts 0 s")
    except ValueError as error:
        raise wrong_value("--max-duration", max_duration, "expected a duration such as 30m or 2h.") from error
    opened = open_store(store, patience_s=PATIENCE_S)
    engines = installed_engines()
    if not engines:
        text = "this machine has no engine; install the extra `worker`, and see `toril doctor`"
        raise InfrastructureError(text, code="no-engine")
    local = isinstance(opened, FolderStore)
    number = slots or max(1, (os.cpu_count() or 1) // 2)
    about = Announcement(
        location=location,
        agent=own,
        instance=secrets.token_hex(8),
        at=0.0,
        slots=number,
        free=number,
        toril_version=__version__,
        executors=engines,
        targets=tuple(host.lower() for host in target or ()),
        max_duration_s=longest_s,
        platform=this_platform(local=False),
    )
    address, poll_s = (str(Path(store).absolute()), 0.2) if local else (store, 2.0)
    run_agent(opened, address, about, SystemClock(), poll_s, partial(refusal, about))
