#!/usr/bin/env python3
"""Assembles the home of a Java tool from Maven artifacts: maven.py TOOL HOME [--lock].

TOOL is a folder with `pom.xml`, which lists the artifacts, `jars.sha256`, which has their hashes, and perhaps `conf`,
which the home gets, too. `--lock` writes the hashes again.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

RECIPE = ("jars.sha256", "pom.xml")  # a home keeps a copy, which shows whether it is up to date


def main() -> int:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("tool", type=Path, help="Folder with pom.xml and jars.sha256.")
    arguments.add_argument("home", type=Path, help="Folder to make, unless it is up to date.")
    arguments.add_argument("--lock", action="store_true", help="Write jars.sha256 again.")
    options = arguments.parse_args()
    tool: Path = options.tool
    home: Path = options.home.expanduser().absolute()
    name, locked = tool.name.capitalize(), tool / "jars.sha256"
    if not options.lock and _recipe(home / "recipe") == _recipe(tool):
        return 0
    if shutil.which("mvn") is None:
        print(f"Maven is missing. Install `mvn`, for example by the Debian package maven, to assemble {name}.")
        return 1
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}-") as scratch:
        new = Path(scratch, "home")
        done = _download(tool / "pom.xml", new / "lib")
        if done.returncode != 0:
            print(f"{done.stdout}{done.stderr}\nMaven could not download {name}'s parts. See its output above.")
            return 1
        sums = "".join(f"{_sha256(jar)}  {jar.name}\n" for jar in sorted((new / "lib").glob("*.jar")))
        if options.lock:
            locked.write_text(sums)
        elif sums != locked.read_text():
            different = {line.split()[1] for line in {*sums.splitlines()} ^ {*locked.read_text().splitlines()}}
            names = ", ".join(sorted(different))
            print(f"{locked.name}: These jars have other hashes: {names}. After an upgrade, run `make lock`.")
            return 1
        if (tool / "conf").is_dir():
            shutil.copytree(tool / "conf", new / "conf")
        (new / "recipe").mkdir()
        for part in RECIPE:
            shutil.copy(tool / part, new / "recipe")
        if home.exists():
            home.rename(Path(scratch, "old"))
        new.rename(home)
    print(f"{name} assembled in {home}")
    return 0


def _download(pom: Path, jars: Path) -> subprocess.CompletedProcess[str]:
    command = ["mvn", "--batch-mode", "--quiet", "-Dstyle.color=never", "--file", str(pom)]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={jars.absolute()}", "-DincludeScope=runtime"]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def _recipe(folder: Path) -> list[bytes] | None:
    try:
        return [(folder / name).read_bytes() for name in RECIPE]
    except FileNotFoundError:
        return None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
