"""Where the prepared JMeter lies: one answer for the worker that runs it and the doctor that looks for it."""

import os
from pathlib import Path

JMETER_VERSION = "5.6.3"  # of which the worker reads the records, and that `make jmeter` assembles


def jmeter_home() -> Path:
    """$TORIL_JMETER_HOME, or where `make jmeter` puts it."""
    if named := os.environ.get("TORIL_JMETER_HOME"):
        return Path(named).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache).absolute() / "toril" / f"jmeter-{JMETER_VERSION}"


def is_complete(home: Path) -> bool:
    """Can JMeter be started from there?"""
    return (home / "bin" / "jmeter").is_file() and (home / "bin" / "ApacheJMeter.jar").is_file()
