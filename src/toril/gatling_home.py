"""Where the prepared Gatling lies."""

import os
from pathlib import Path

GATLING_VERSION = "3.9.5"  # of which the worker reads the log, and that `make gatling` assembles


def gatling_home() -> Path:
    """$TORIL_GATLING_HOME, or where `make gatling` puts it."""
    if named := os.environ.get("TORIL_GATLING_HOME"):
        return Path(named).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache).absolute() / "toril" / f"gatling-{GATLING_VERSION}"
