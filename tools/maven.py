#!/usr/bin/env python3
"""Assembles the home of a Java tool from Maven artifacts: maven.py TOOL HOME [--lock].

TOOL is a folder with `pom.xml`, which lists the artifacts, `jars.sha256`, which has their hashes, and perhaps `conf`,
which the home gets, too. Scala sources in `src` are compiled with these artifacts. `--lock` writes the hashes again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
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
    if not options.lock and _is_current(home, tool):
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
        if (tool / "src").is_dir():
            done = _compile(tool / "src", new / "lib", new / f"toril-{tool.name}.jar")
            if done.returncode != 0:
                print(f"{done.stdout}{done.stderr}\n{name}'s Scala sources cannot be compiled. Correct them.")
                return 1
        if (tool / "conf").is_dir():
            shutil.copytree(tool / "conf", new / "conf")
        (new / "recipe").mkdir()
        for part in _parts(tool):
            shutil.copy(part, new / "recipe")
        if home.exists():
            home.rename(Path(scratch, "old"))
        new.rename(home)
    print(f"{name} assembled in {home}")
    return 0


def _download(pom: Path, jars: Path) -> subprocess.CompletedProcess[str]:
    command = ["mvn", "--batch-mode", "--quiet", "-Dstyle.color=never", "--file", str(pom)]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={jars.absolute()}", "-DincludeScope=runtime"]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def _compile(sources: Path, lib: Path, jar: Path) -> subprocess.CompletedProcess[str]:
    java = Path(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else "java"
    jars = os.pathsep.join(map(str, sorted(lib.glob("*.jar"))))
    command = [java, "-cp", jars, "scala.tools.nsc.Main", "-Werror", "-d", jar, "-cp", jars]
    command += sorted(sources.glob("*.scala"))
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def _parts(tool: Path) -> list[Path]:
    return [*(tool / name for name in RECIPE), *sorted((tool / "src").glob("*.scala"))]


def _is_current(home: Path, tool: Path) -> bool:
    kept = home / "recipe"
    parts = {part.name: part.read_bytes() for part in _parts(tool)}
    return kept.is_dir() and {part.name: part.read_bytes() for part in kept.iterdir()} == parts


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main())
