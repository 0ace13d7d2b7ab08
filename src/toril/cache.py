"""Where `make` keeps the programs that it assembles and builds: a cache that outlives `make clean`."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Of this user, for toril; it need not be there."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "toril"


def prepared(variable: str, name: str) -> Path:
    """The home of a prepared program: what the variable names, or where `make` puts it."""
    named = os.environ.get(variable)
    return Path(named).expanduser().absolute() if named else cache_folder() / name
