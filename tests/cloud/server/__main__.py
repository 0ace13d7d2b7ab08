"""Serves the embedded cloud on an inherited listening socket, whose file descriptor is the first argument.

The server ends when its standard input closes, and so with the process that started it.
"""

import asyncio
import os
import sys
import threading

from hypercorn.asyncio import serve
from hypercorn.config import Config

from tests.cloud.server import containers
from tests.cloud.server.app import app
from tests.cloud.server.processes import CLIENT


def main() -> None:
    config = Config()
    config.bind = [f"fd://{sys.argv[1]}"]
    config.errorlog = "-"
    config.loglevel = "WARNING"
    config.graceful_timeout = 0.2
    # Keep connections open: closing one while a client uses it again would cause a random error.
    config.keep_alive_timeout, config.keep_alive_max_requests = 3600, 1_000_000
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asyncio.run(serve(app, config))


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    CLIENT.end_all()
    if CLIENT.real:
        containers.end()
    os._exit(0)


if __name__ == "__main__":
    main()
