"""Starts two shops in the background: that of a base commit and that of the working tree.

python loadtests/shop/pair.py --base origin/main     prints BASE_URL, HEAD_URL and LOAD_CPUS
python loadtests/shop/pair.py --stop                 stops both

In a GitHub job, the following steps get the same variables. If the base commit is unknown or has no shop, a notice
gives the reason, and BASE_URL is missing. SLOW and ERRORS affect only the working tree's shop.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from demo import cores, stay_on, whose  # beside this file

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RUNNING = ROOT / ".toril" / "pair.json"
REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./~^@-]*")
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+\n")  # another line would set another variable of the job
PATIENCE_S = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="", help="Commit to compare with.")
    parser.add_argument("--stop", action="store_true", help="Stop both shops.")
    options = parser.parse_args()
    return stop() if options.stop else start(options.base)


def start(base: str) -> int:
    if RUNNING.exists():
        print("Two shops are running. Stop them first: python loadtests/shop/pair.py --stop", file=sys.stderr)
        return 2
    engines, own = cores()
    print(whose(engines, own), file=sys.stderr)
    stay_on(own)  # both shops inherit one core, since they are never under load at the same time
    RUNNING.parent.mkdir(parents=True, exist_ok=True)
    head = opened("head", HERE / "service.py", os.environ)
    if head is None:
        stop()
        return 4
    found = {"HEAD_URL": head}
    service = checked_out(base)
    if service is not None:
        unhindered = {name: value for name, value in os.environ.items() if name not in ("SLOW", "ERRORS")}
        address = opened("base", service, unhindered)
        if address is None:  # not an error of this change, which may be the fix
            print(f"::notice::There is no base to compare with: the shop of {base} does not start.")
        else:
            found["BASE_URL"] = address
    if engines:
        found["LOAD_CPUS"] = ",".join(map(str, sorted(engines)))
    variables = "".join(f"{name}={value}\n" for name, value in sorted(found.items()))
    if os.environ.get("GITHUB_ENV"):
        with Path(os.environ["GITHUB_ENV"]).open("a") as steps:
            steps.write(variables)
    print(variables, end="")
    return 0


def checked_out(base: str) -> Path | None:
    """Writes the commit's service to a file and returns its path. Returns None, with a notice, if there is none."""
    if not REVISION.fullmatch(base):
        print(f"::notice::There is no base to compare with: {base!r} is not the name of a commit.")
        return None
    wanted = f"{base}:{HERE.relative_to(ROOT).as_posix()}/service.py"
    done = subprocess.run(["git", "cat-file", "blob", wanted], cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        print(f"::notice::There is no base to compare with: git has no {wanted}.")
        return None
    service = RUNNING.parent / "pair" / "base" / "service.py"
    service.parent.mkdir(parents=True, exist_ok=True)
    service.write_bytes(done.stdout)
    return service


def opened(name: str, service: Path, environment: "os._Environ[str] | dict[str, str]") -> str | None:
    """Starts a shop that outlives this program. Returns its address, or None after printing an error."""
    with tempfile.NamedTemporaryFile("w+", prefix=f"shop-{name}-", suffix=".log", delete=False) as log:
        shop = subprocess.Popen(
            [sys.executable, service],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**environment},
            cwd=ROOT,
            start_new_session=True,  # signals to this step must not reach the shop
        )
        remember(shop.pid)
        give_up_at = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up_at and shop.poll() is None:
            output = Path(log.name).read_text()
            if ADDRESS.fullmatch(output):
                return output.strip()
            time.sleep(0.05)
        print(f"The {name} shop did not start: {Path(log.name).read_text()[-500:]}", file=sys.stderr)
    shop.terminate()  # without an address it is useless, and would slow the other shop
    return None


def remember(pid: int) -> None:
    known = json.loads(RUNNING.read_text()) if RUNNING.exists() else []
    RUNNING.write_text(json.dumps([*known, pid]))


def stop() -> int:
    """Stops both shops. Without shops it succeeds, since the last step of a job always calls it."""
    for pid in json.loads(RUNNING.read_text()) if RUNNING.exists() else []:
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            print(f"The shop with process id {pid} had already ended.", file=sys.stderr)
    RUNNING.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
