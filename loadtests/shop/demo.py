"""Starts the shop on this machine, load-tests it, stops it; the exit code is the verdict.

SLOW=1 makes checkouts 400 ms slower, ERRORS=1 fails 5 % of all requests; other numbers are ms and per cent.
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
    # A session of its own: Ctrl-C is for toril, which needs the shop until its last request.
    stay_on(own)  # what is started now inherits it
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
            print("the shop did not start", file=sys.stderr)
            return 4
        page = Path(".toril", "shop.html")
        print(f"the shop is open at {address}; half a minute of load follows", file=sys.stderr)
        print(whose(engines, own), file=sys.stderr)
        code = load_test(address, page)
        if page.is_file():
            print(f"report page: {page.resolve().as_uri()}", file=sys.stderr)
        return code
    finally:
        shop.communicate(timeout=10)  # closes its stdin, and with it the shop


def cores() -> tuple[set[int], set[int]]:
    """Those of the load generators and that of the shop, which would falsify what they measure if it took theirs."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (set(usable[:-1]), set(usable[-1:])) if len(usable) > 1 else (set(usable), set(usable))


def stay_on(chosen: set[int]) -> None:
    if chosen and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, chosen)


def whose(engines: set[int], own: set[int]) -> str:
    if not engines:
        return "load generators and shop share all cores: this system keeps no program on its own"
    if engines == own:
        return "load generators and shop share one core: the run may be inconclusive, as they delay each other"
    some = "core" if len(engines) == 1 else "cores"
    listed = ", ".join(map(str, sorted(engines)))
    return f"load generators have {some} {listed} for themselves, the shop core {', '.join(map(str, own))}"


def load_test(address: str, page: Path) -> int:
    """`toril run`, to its end whatever signal comes: it knows what to do with them."""
    command = ["run", "loadtests/shop", "--env", f"SHOP_URL={address}", "--report", f"html={page}"]
    page.unlink(missing_ok=True)
    print(f"$ toril {' '.join(command)}", file=sys.stderr)
    run = subprocess.Popen([sys.executable, "-m", "toril", *command], cwd=ROOT)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells toril as well
    signal.signal(signal.SIGTERM, lambda *_: run.terminate())
    return run.wait()


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
