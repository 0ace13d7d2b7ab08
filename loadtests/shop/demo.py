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
    # A session of its own: Ctrl-C is for toril, which needs the shop until its last request.
    shop = subprocess.Popen(
        [sys.executable, HERE / "service.py", "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **knobs},
        text=True,
        start_new_session=True,
    )
    try:
        assert shop.stdout is not None
        address = shop.stdout.readline().strip()
        if not address:
            print("the shop did not start", file=sys.stderr)
            return 4
        page = Path(".toril", "shop.html")
        print(f"the shop is open at {address}; half a minute of load follows", file=sys.stderr)
        code = load_test(address, page)
        if page.is_file():
            print(f"report page: {page.resolve().as_uri()}", file=sys.stderr)
        return code
    finally:
        shop.communicate(timeout=10)  # closes its stdin, and with it the shop


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
