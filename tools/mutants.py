"""Plants the mistakes of tests/mutants.toml, one at a time, and runs the tests that must find each of them.

    python -m tools.mutants [ID …]      without ids: all of them

It works in a copy of the tree. First the tests run without a mistake, since a failing test finds nothing. The exit code
is 1 if a mistake survives its tests, if its old text is not exactly once in its file, or if its tests cannot run.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tests/mutants.toml"
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", ".tools", ".*_cache", ".hypothesis", ".toril", "__pycache__", "build"
)
LONGEST_S = 300.0  # of the tests of one mistake
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake: `new` replaces `old` in `file`, and one of `tests` must fail."""

    id: str
    room: str
    mistake: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def main(ids: Sequence[str]) -> int:
    listed = [
        Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in tomllib.loads(LIST.read_text())["mutant"]
    ]
    unknown = set(ids) - {mutant.id for mutant in listed}
    if unknown:
        print(f"{LIST.name} has no mutant {', '.join(sorted(unknown))}", file=sys.stderr)
        return 1
    chosen = [mutant for mutant in listed if not ids or mutant.id in ids]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = copied_tree(Path(folder) / "tree")
        code, output = run_tests(tree, sorted({test for mutant in chosen for test in mutant.tests}), 10 * LONGEST_S)
        if code:
            print(f"{output}\nThe tests fail without any mistake: mend them first", file=sys.stderr)
            return 1
        results = [show(mutant, *tried(mutant, tree)) for mutant in chosen]
    print(f"{results.count('killed')} of {len(results)} mutants killed")
    return int(set(results) != {"killed"})


def listed_mutants() -> list[Mutant]:
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in tomllib.loads(LIST.read_text())["mutant"]]


def copied_tree(tree: Path) -> Path:
    """Returns a copy of the working tree, which shares the installed environments."""
    shutil.copytree(ROOT, tree, symlinks=True, ignore=LEFT_OUT)
    for name in (".venv", ".tools"):
        (tree / name).symlink_to(ROOT / name)
    return tree


def tried(mutant: Mutant, tree: Path) -> tuple[str, str, float]:
    """Returns the result of one mistake, its details, and the seconds of its tests."""
    file, began_at = tree / mutant.file, time.monotonic()
    text = file.read_text() if file.is_file() else ""
    if text.count(mutant.old) != 1:
        return "not applicable", f"its old text is {text.count(mutant.old)} times in {mutant.file}", 0.0
    unchanged = file.stat()
    file.write_text(text.replace(mutant.old, mutant.new))
    # Python compiles a file again if its time differs, in whole seconds, or its size.
    os.utime(file, (began_at, began_at))
    try:
        code, output = run_tests(tree, mutant.tests, LONGEST_S)
    finally:
        file.write_text(text)
        os.utime(file, (unchanged.st_atime, unchanged.st_mtime))
    took_s = time.monotonic() - began_at
    if code == 0:
        return "survived", " ".join(mutant.tests), took_s
    failed = FAILED.search(output)
    if code != 1 or failed is None:  # no tests, none that can be imported, or a hang
        return "not applicable", output[-2000:], took_s
    return "killed", failed[1], took_s


def run_tests(tree: Path, tests: Sequence[str], longest_s: float) -> tuple[int | None, str]:
    """Runs tests in the tree until one fails. Returns pytest's exit code, None for a hang, and its output."""
    options = ("-x", "-q", "--tb=no", "--durations=0", "--hypothesis-profile=mutants", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", *options, *tests]
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # otherwise each process compiles the copy again
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=longest_s)
    except subprocess.TimeoutExpired:
        return None, f"the tests take longer than {longest_s:g} s"
    return done.returncode, done.stdout + done.stderr


def show(mutant: Mutant, result: str, details: str, took_s: float) -> str:
    print(f"{result}\t{mutant.id}\t{mutant.room}\t{mutant.mistake}\t{details}\t{took_s:.1f} s", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
