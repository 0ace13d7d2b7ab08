#!/usr/bin/env python3
"""Assembles JMeter's home from Maven artifacts: assemble.py HOME [--lock].

The official package is on no package registry; its parts are. `pom.xml` says which, `jars.sha256` what each has to be;
`--lock` writes the latter anew.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUMS = HERE / "jars.sha256"
RECIPE = (
    "assemble.py",
    "jars.sha256",
    "jmeter",
    "pom.xml",
)  # a home keeps what made it: that tells whether it is up to date
PLUGINS = ("jmeter-plugins-casutg-", "jmeter-plugins-tst-")


def main() -> int:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("home", type=Path, help="the folder to make; nothing is done if it is up to date")
    arguments.add_argument("--lock", action="store_true", help="write jars.sha256 anew")
    options = arguments.parse_args()
    home: Path = options.home.expanduser().absolute()
    if not options.lock and _recipe(home / "recipe") == _recipe(HERE):
        return 0
    if shutil.which("mvn") is None:
        print(
            "Maven is missing: JMeter is assembled from Maven artifacts. Install `mvn`, e.g. the Debian package maven."
        )
        return 1
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}-") as scratch:
        jars = Path(scratch, "jars")
        _download(jars)
        sums = "".join(f"{_sha256(jar)}  {jar.name}\n" for jar in sorted(jars.glob("*.jar")))
        if options.lock:
            SUMS.write_text(sums)
        elif sums != SUMS.read_text():
            different = sorted(
                {line.split()[1] for line in set(sums.splitlines()) ^ set(SUMS.read_text().splitlines())}
            )
            print(f"These jars are not those of {SUMS.name}: {', '.join(different)}")
            return 1
        _arrange(jars, Path(scratch, "home"))
        _swap(Path(scratch, "home"), home, Path(scratch, "old"))
    print(f"JMeter assembled in {home}")
    return 0


def _download(jars: Path) -> None:
    command = [
        "mvn",
        "--batch-mode",
        "--quiet",
        "-Dstyle.color=never",
        "--file",
        str(HERE / "pom.xml"),
        "dependency:copy-dependencies",
    ]
    command += [f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:  # otherwise its output only resets colours
        print(done.stdout + done.stderr)
        sys.exit(f"Maven could not download JMeter's parts (exit code {done.returncode}; its own words are above)")


def _arrange(jars: Path, home: Path) -> None:
    """Lay the jars out as JMeter looks for them."""
    for folder in ("bin", "lib/ext", "lib/junit", "recipe"):
        (home / folder).mkdir(parents=True)
    for jar in jars.glob("*.jar"):
        if jar.name.startswith("ApacheJMeter_config-"):
            with zipfile.ZipFile(jar) as archive:
                archive.extractall(home, [name for name in archive.namelist() if name.startswith("bin/")])
        elif jar.name.startswith("ApacheJMeter-"):
            shutil.copy(jar, home / "bin" / "ApacheJMeter.jar")
        elif jar.name.startswith(("ApacheJMeter_", *PLUGINS)):
            shutil.copy(jar, home / "lib" / "ext")
        else:
            shutil.copy(jar, home / "lib")
    shutil.copy(HERE / "jmeter", home / "bin")
    for name in RECIPE:
        shutil.copy(HERE / name, home / "recipe")


def _swap(new: Path, home: Path, old: Path) -> None:
    """Replaces the old home by the new one; readers find a whole one, or none."""
    if home.exists():
        home.rename(old)
    new.rename(home)


def _recipe(folder: Path) -> list[bytes] | None:
    try:
        return [(folder / name).read_bytes() for name in RECIPE]
    except FileNotFoundError:
        return None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
