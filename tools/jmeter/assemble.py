#!/usr/bin/env python3
"""Assembles JMeter's home from Maven artifacts: assemble.py HOME [--lock].

No package registry has the official package, but Maven Central has its parts. `pom.xml` lists them, `jars.sha256` has
their hashes; `--lock` writes the hashes again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUMS = HERE / "jars.sha256"
SOURCES = (
    "Arrivals.java",
    "Concurrency.java",
    "Connections.java",
    "Evidence.java",
    "FreeFormArrivals.java",
    "Part.java",
    "Post.java",
    "Setup.java",
    "Stepping.java",
    "Threads.java",
    "Turns.java",
    "Ultimate.java",
)
RECIPE = (
    *SOURCES,
    "assemble.py",
    "jars.sha256",
    "jmeter",
    "pom.xml",
)  # a home keeps a copy of these files, which shows whether it is up to date
PLUGINS = ("jmeter-plugins-casutg-", "jmeter-plugins-tst-")
COMPILER = "ecj-"
LISTENER = "toril-evidence.jar"
MANIFEST = "Manifest-Version: 1.0\nJMeter-Skip-Class-Scanning: true\n"


def main() -> int:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("home", type=Path, help="Folder to make, unless it is up to date.")
    arguments.add_argument("--lock", action="store_true", help="Write jars.sha256 again.")
    options = arguments.parse_args()
    home: Path = options.home.expanduser().absolute()
    if not options.lock and _recipe(home / "recipe") == _recipe(HERE):
        return 0
    if shutil.which("mvn") is None:
        print("Maven is missing. Install `mvn`, for example by the Debian package maven, to assemble JMeter.")
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
            print(
                f"{SUMS.name}: These jars have other hashes: {', '.join(different)}. After an upgrade, run `make lock`."
            )
            return 1
        _arrange(jars, Path(scratch, "home"))
        _compile(next(jars.glob(f"{COMPILER}*.jar")), Path(scratch, "home"))
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
    if done.returncode != 0:  # after a success, Maven prints only colour codes
        print(done.stdout + done.stderr)
        sys.exit(f"Maven could not download JMeter's parts (exit code {done.returncode}). See its output above.")


def _arrange(jars: Path, home: Path) -> None:
    """Copies the jars to the folders where JMeter searches for them."""
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
        elif not jar.name.startswith(COMPILER):
            shutil.copy(jar, home / "lib")
    shutil.copy(HERE / "jmeter", home / "bin")
    for name in RECIPE:
        shutil.copy(HERE / name, home / "recipe")


def _compile(compiler: Path, home: Path) -> None:
    """Compiles toril's own elements of test plans. The compiler is a jar, since many machines have no JDK."""
    java = str(Path(os.environ["JAVA_HOME"], "bin", "java")) if os.environ.get("JAVA_HOME") else "java"  # as Maven does
    with tempfile.TemporaryDirectory() as classes:
        jars = os.pathsep.join(map(str, (home / "lib").glob("**/*.jar")))
        command = [java, "-jar", str(compiler), "-11", "-proc:none", "-nowarn", "-cp", jars, "-d", classes]
        done = subprocess.run(
            [*command, *(str(HERE / name) for name in SOURCES)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            print(done.stdout + done.stderr)
            sys.exit("toril's sources do not compile. The compiler needs Java 17 or newer. See its output above.")
        with zipfile.ZipFile(home / "lib" / "ext" / LISTENER, "w") as archive:
            archive.writestr(zipfile.ZipInfo("META-INF/MANIFEST.MF"), MANIFEST)
            for path in sorted(Path(classes).rglob("*.class")):
                archive.writestr(zipfile.ZipInfo(path.relative_to(classes).as_posix()), path.read_bytes())


def _swap(new: Path, home: Path, old: Path) -> None:
    """Replaces the old home by the new one. Other processes see a complete home or none."""
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
