"""Where the prepared JMeter lies: one answer for the worker that runs it and the doctor that looks for it."""

from pathlib import Path

from toril.cache import prepared

JMETER_VERSION = "5.6.3"  # of which the worker reads the records, and that `make jmeter` assembles


def jmeter_home() -> Path:
    """$TORIL_JMETER_HOME, or where `make jmeter` puts it."""
    return prepared("TORIL_JMETER_HOME", f"jmeter-{JMETER_VERSION}")


def is_complete(home: Path) -> bool:
    """Can JMeter be started from there?"""
    return (home / "bin" / "jmeter").is_file() and (home / "bin" / "ApacheJMeter.jar").is_file()
