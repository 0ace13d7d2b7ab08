"""Runs all benchmarks of bench/README.md except the soak, and prints the duration of each.

    python bench [SCRIPT …]

`make bench` installs the dependencies. Every script in this folder is a benchmark, except those that others start.
Benchmarks that count CPU seconds run first, in parallel, while the images are built at the lowest priority. Benchmarks
that measure wall-clock time follow, one at a time.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
NONE = {  # started by another script, or alone: minutes each
    "__main__",
    "cause",
    "constant_target",
    "duets",
    "evidence",
    "gatling",
    "imports",
    "journeys",
    "soak",
    "taurus_examples",
}
CPU_ALONE = ["merge", "exports"]
GOAL_S = 15 * 60


def main() -> int:
    found = sorted(path.stem for path in HERE.glob("[a-z]*.py") if path.stem not in NONE)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scripts", nargs="*", metavar="SCRIPT", default=found, help="of " + ", ".join(found))
    asked = parser.parse_args().scripts
    if unknown := sorted(set(asked) - set(found)):
        parser.error(f"{', '.join(unknown)}: {HERE.name}/ has no such script. Choose from {', '.join(found)}.")
    began = time.monotonic()
    took, failed = {}, []
    building = built_beside() if "image" in asked else None
    cpu_alone = [name for name in CPU_ALONE if name in asked]
    side_by_side = [(name, started(name, stdout=subprocess.PIPE)) for name in cpu_alone]
    for name, process in side_by_side:
        output, _ = process.communicate()
        print(f"\n## {name}\n\n{output}", flush=True)
        took[name] = time.monotonic() - began
        failed += [name] if process.returncode else []
    if building is not None:
        at, _ = time.monotonic(), building.wait()
        took["image, until it was built"] = time.monotonic() - at
    for name in asked:
        if name not in cpu_alone:
            print(f"\n## {name}\n", flush=True)
            at = time.monotonic()
            failed += [name] if started(name).wait() else []
            took[name] = time.monotonic() - at
    print("\n| script | took |\n|---|---|")
    for name, seconds in took.items():
        print(f"| {name} | {seconds:.0f} s{' (failed)' if name in failed else ''} |")
    print(f"| **in all** | **{time.monotonic() - began:.0f} s** (goal {GOAL_S} s) |")
    return 1 if failed else 0


def started(name: str, **more: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, HERE / f"{name}.py"], cwd=ROOT, text=True, **more)


def built_beside() -> "subprocess.Popen[bytes]":
    """Starts the build of the images, for bench/image.py, which reports a failed build."""
    command = ["nice", "-n", "19", sys.executable, str(HERE / "image.py"), "--build"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
