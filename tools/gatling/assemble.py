#!/usr/bin/env python3
"""Assembles Gatling's home from Maven artifacts: assemble.py HOME [--lock].

`pom.xml` lists them, `jars.sha256` has their hashes; `--lock` writes the hashes again.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUMS = HERE / "jars.sha256"
RECIPE = ("assemble.py", "jars.sha256", "pom.xml")  # a home keeps a copy, which shows whether it is up to date
QUIET = '<configuration><root level="WARN"/></configuration>\n'  # for logback; by default Gatling logs every request


def main() -> int:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("home", type=Path, help="Folder to make, unless it is up to date.")
    arguments.add_argument("--lock", action="store_true", help="Write jars.sha256 again.")
    options = arguments.parse_args()
    home: Path = options.home.expanduser().absolute()
    if not options.lock and _recipe(home / "recipe") == _recipe(HERE):
        return 0
    if shutil.which("mvn") is None:
        print("Maven is missing. Install `mvn`, for example by the Debian package maven, to assemble Gatling.")
        return 1
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}-") as scratch:
        new = Path(scratch, "home")
        done = _download(new / "lib")
        if done.returncode != 0:
            print(f"{done.stdout}{done.stderr}\nMaven could not download Gatling's parts. See its output above.")
            return 1
        sums = "".join(f"{_sha256(jar)}  {jar.name}\n" for jar in sorted((new / "lib").glob("*.jar")))
        if options.lock:
            SUMS.write_text(sums)
        elif sums != SUMS.read_text():
            different = {line.split()[1] for line in {*sums.splitlines()} ^ {*SUMS.read_text().splitlines()}}
            names = ", ".join(sorted(different))
            print(f"{SUMS.name}: These jars have other hashes: {names}. After an upgrade, run `make lock`.")
            return 1
        for folder in ("conf", "recipe"):
            (new / folder).mkdir()
        (new / "conf" / "logback.xml").write_text(QUIET)
        for name in RECIPE:
            shutil.copy(HERE / name, new / "recipe")
        if home.exists():
            home.rename(Path(scratch, "old"))
        new.rename(home)
    print(f"Gatling assembled in {home}")
    return 0


def _download(jars: Path) -> subprocess.CompletedProcess[str]:
    command = ["mvn", "--batch-mode", "--quiet", "-Dstyle.color=never", "--file", str(HERE / "pom.xml")]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
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
