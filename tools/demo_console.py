"""`make demo-console`: the console over made-up runs of two suites, with a real run going on. Ctrl-C ends everything.

The real run loads the shop of loadtests/shop on this machine for ten minutes; its rate can be changed.

- `PORT` is the console's port; by default a free one.
- `BROWSER=none` opens no browser. The printed address signs in one browser.
- `python -m tools.demo_console OPTION…` passes options to `toril console`, such as `--bind 127.0.0.1`.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from rich.console import Console

from tools import demo_store
from toril.clock import SystemClock
from toril.console.starter import LocalStarter
from toril.coordinator.lease import read_lease
from toril.desk.runs import ask_to_stop
from toril.desk.starting import request_run
from toril.errors import UserError
from toril.plan.options import RunOptions
from toril.runs import activity
from toril.store import FolderStore

ROOT = Path(__file__).resolve().parent.parent
LONGEST_S = 4 * 3600
OF_THE_DEMO = ("execution.0.throughput=60", "execution.0.hold-for=580s")  # ten minutes beside the browser
END_S = 30  # for runs to end
POLL_S = 0.2

console = Console(highlight=False, soft_wrap=True, stderr=True)


def main() -> int:
    """Serves the console until it is interrupted, at most LONGEST_S seconds."""
    for one in (signal.SIGINT, signal.SIGTERM):  # a shell's background jobs would ignore SIGINT
        signal.signal(one, signal.default_int_handler)
    with TemporaryDirectory(prefix="toril-demo-") as folder, shop() as address, suppress(KeyboardInterrupt):
        began = time.monotonic()
        store = FolderStore(Path(folder, "store"))
        demo_store.make(store, address, time.time())
        count = len(demo_store.STORIES)
        console.print(f"{count} stored runs of two suites, made up in {time.monotonic() - began:.0f} s.")
        console.print("toril's own code judged them. They have the tag made-up=yes.")
        try:
            run_id = start_run(store)
            console.print(f"A real run of ten minutes is going on: {run_id}. It loads the shop at {address}.")
            console.print("The console opens. Ctrl-C ends it, the run and the shop; nothing is left.\n")
            serve(Path(folder, "store"))
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            end_runs(store)
    console.print("\nNothing of the demo is left. Your own runs: toril console")
    return 0


def start_run(store: FolderStore) -> str:
    """Starts a run of the storefront suite as the console does. Returns its id."""
    clock = SystemClock()
    options = RunOptions(overrides=OF_THE_DEMO, workers=2, tags={"by": "demo"})
    request = request_run(store, "storefront", options, by="demo", at=clock.now())
    LocalStarter(store).start(request)
    return request.run_id


def serve(store: Path) -> None:
    """Runs `toril console` until it ends."""
    words = ["--store", str(store), "--port", os.environ.get("PORT") or "0", *sys.argv[1:]]
    words += ["--no-browser"] if os.environ.get("BROWSER") == "none" else []
    process = subprocess.Popen([sys.executable, "-m", "toril", "console", *words], cwd=ROOT)
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(LONGEST_S)
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


def end_runs(store: FolderStore) -> None:
    """Stops the runs that go on, also those that were started in the console, and waits for their end."""
    until, owners = time.monotonic() + END_S, set[int]()
    while time.monotonic() < until:
        now = time.time()
        going_on = [one for one in activity.unfinished(store, now) if one.going_on]
        owners |= {lease.pid for one in going_on if (lease := read_lease(store, one.row.run_id)) is not None}
        if not going_on and not any(map(psutil.pid_exists, owners)):
            return
        for one in going_on:
            if one.state == "starting":  # its process may be too far to notice a cancellation
                continue
            with suppress(UserError):  # it has just ended
                ask_to_stop(store, one.row.run_id, now, by="the demo's end")
        time.sleep(POLL_S)


@contextmanager
def shop() -> Iterator[str]:
    """Starts the system under test on a free loopback port. Yields its address."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "loadtests/shop/service.py", "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C must not end it before the run
    )
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        yield process.stdout.readline().strip()
    finally:
        process.communicate(timeout=10)


if __name__ == "__main__":
    sys.exit(main())
