"""Measures every figure of bench/README.md but the soak, and says how long each took.

    python bench [SCRIPT …]

`make bench` installs what it needs. A script beside this file that has a `main` is one of them. Scripts that count
seconds of CPU come first: meanwhile the images are built, at the lowest priority. Whatever tells wall-clock time has
the machine to itself after that.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NONE = {"__main__", "constant_target", "soak"}  # a target that another one starts; ten minutes of its own, `make soak`
CPU_ALONE = ["merge", "exports"]
GOAL_S = 15 * 60


def main() -> int:
    found = sorted(path.stem for path in HERE.glob("[a-z]*.py") if path.stem not in NONE)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", default=found, help="of " + ", ".join(found))
    asked = parser.parse_args().scripts
    if unknown := sorted(set(asked) - set(found)):
        parser.error(f"{', '.join(unknown)}: no script of {HERE.name}/; there are {', '.join(found)}")
    began = time.monotonic()
    first = [name for name in CPU_ALONE if name in asked]
    building = built_beside() if "image" in asked else None
    took, failed = {}, []
    for name in [*first, *(name for name in asked if name not in first)]:
        if building is not None and name not in first:
            at, _ = time.monotonic(), building.wait()
            took["image, until it was built"], building = time.monotonic() - at, None
        print(f"\n## {name}\n", flush=True)
        at = time.monotonic()
        if subprocess.run([sys.executable, HERE / f"{name}.py"], cwd=ROOT, check=False).returncode:
            failed.append(name)
        took[name] = time.monotonic() - at
    print("\n| script | took |\n|---|---|")
    for name, seconds in took.items():
        print(f"| {name} | {seconds:.0f} s{' (failed)' if name in failed else ''} |")
    print(f"| **in all** | **{time.monotonic() - began:.0f} s** (goal {GOAL_S} s) |")
    return 1 if failed else 0


def built_beside() -> "subprocess.Popen[bytes]":
    """The images on their way; bench/image.py finds them, or says why there are none."""
    command = ["nice", "-n", "19", sys.executable, str(HERE / "image.py"), "--build"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
