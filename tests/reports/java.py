"""HdrHistogram for Java, the reference of the log format: a Maven artifact in the cache of the user."""

import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

VERSION = "2.2.2"
SHA_256 = "22d1d4316c4ec13a68b559e98c8256d69071593731da96136640f864fa14fad8"
FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "toril")


@cache
def jar() -> Path:
    """Returns the library; Maven downloads it once."""
    found = FOLDER / f"HdrHistogram-{VERSION}.jar"
    if not found.exists():
        if shutil.which("mvn") is None:
            pytest.skip("no Maven: `make jmeter` says what to install")
        artifact = f"org.hdrhistogram:HdrHistogram:{VERSION}"
        command = ["mvn", "--batch-mode", "--quiet", "dependency:copy", f"-Dartifact={artifact}"]
        subprocess.run([*command, f"-DoutputDirectory={FOLDER}"], check=True, timeout=240)
    assert hashlib.sha256(found.read_bytes()).hexdigest() == SHA_256
    return found


def distribution(log: Path, tag: str | None = None) -> list[str]:
    """Returns the lines of the percentile distribution by Java's HistogramLogProcessor."""
    out = log.with_suffix(".java")
    command = ["java", "-Dfile.encoding=UTF-8", "-Duser.language=en", "-cp", str(jar())]
    command += ["org.HdrHistogram.HistogramLogProcessor", "-v", "-i", str(log), "-o", str(out)]
    command += ["-outputValueUnitRatio", "1000", *(("-tag", tag) if tag else ())]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    assert not done.stderr, done.stderr
    lines = out.with_name(out.name + ".hgrm").read_text().splitlines()
    return [line for line in lines if not line.startswith(("#[Overall", "#[StartTime"))]
