"""Where the prepared Gatling lies."""

from pathlib import Path

from toril.cache import prepared

GATLING_VERSION = "3.9.5"  # of which the worker reads the log, and that `make gatling` assembles


def gatling_home() -> Path:
    """$TORIL_GATLING_HOME, or where `make gatling` puts it."""
    return prepared("TORIL_GATLING_HOME", f"gatling-{GATLING_VERSION}")
