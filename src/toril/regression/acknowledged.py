"""`toril-trend.yml`: the changes of trends that people have accepted, each with a reason and an end."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """One accepted change. Empty fields fit any series; one of `commit` and `run` is given."""

    suite: str
    commit: str = ""
    run: str = ""  # the first run after the change
    label: str = ""
    location: str = ""
    metric: str = ""
    reason: str
    until: date  # the last day


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """All acknowledgements of a file, in its order."""

    entries: tuple[Acknowledgement, ...] = ()


def read_acknowledged(path: Path) -> Acknowledged:
    """Returns the acknowledgements of a file; none if it does not exist.

    OptionError `bad-acknowledgement` for unknown or missing keys, and for dates that cannot be read.
    """
    raise NotImplementedError
