"""Starts the shop on this machine, runs its load test and stops the shop. The exit code is the verdict's.

SLOW=1 makes checkouts 400 ms slower, ERRORS=1 fails 5 % of all requests. Other numbers are milliseconds and percent.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SWITCHED_ON = {"SLOW": "400", "ERRORS": "5"}


def main() -> int:
    knobs = {
        name: value if os.environ.get(name) == "1" else os.environ.get(name, "0") for name, value in SWITCHED_ON.items()
    }
    engines, own = cores()
    # The shop gets its own session, since it has to outlive Ctrl-C: toril needs it until the last request.
    stay_on(own)  # the shop inherits the core
    shop = subprocess.Popen(
        [sys.executable, HERE / "service.py", "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **knobs},
        text=True,
        start_new_session=True,
    )
    stay_on(engines)
    try:
        assert shop.stdout is not None
        address = shop.stdout.readline().strip()
        if not address:
            print("The shop did not start. See its error above.", file=sys.stderr)
            return 4
        page = Path(".toril", "shop.html")
        print(f"The shop listens at {address}. The load test takes half a minute.", file=sys.stderr)
        print(whose(engines, own), file=sys.stderr)
        code = load_test(address, page)
        if page.is_file():
            print(f"Report page: {page.resolve().as_uri()}", file=sys.stderr)
        return code
    finally:
        shop.communicate(timeout=10)  # closes the shop's stdin, which ends it


def cores() -> tuple[set[int], set[int]]:
    """Returns the cores of the load generators, and the shop's. A shared core would distort the measurement."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (set(usable[:-1]), set(usable[-1:])) if len(usable) > 1 else (set(usable), set(usable))


def stay_on(chosen: set[int]) -> None:
    if chosen and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, chosen)


def whose(engines: set[int], own: set[int]) -> str:
    if not engines:
        return "Load generators and shop share all cores: this system cannot assign cores."
    if engines == own:
        return "Load generators and shop share one core and delay each other. The run may be inconclusive."
    some = "core" if len(engines) == 1 else "cores"
    listed = ", ".join(map(str, sorted(engines)))
    return f"Load generators run on {some} {listed}, the shop on core {', '.join(map(str, own))}."


def load_test(address: str, page: Path) -> int:
    """Runs `toril run` and returns its exit code. Leaves all signals to it."""
    command = ["run", "loadtests/shop", "--env", f"SHOP_URL={address}", "--report", f"html={page}"]
    page.unlink(missing_ok=True)
    print(f"$ toril {' '.join(command)}", file=sys.stderr)
    run = subprocess.Popen([sys.executable, "-m", "toril", *command], cwd=ROOT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to toril too
    signal.signal(signal.SIGTERM, lambda *_: run.terminate())
    return run.wait()


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
