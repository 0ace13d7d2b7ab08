"""Readers of foreign formats, each of which fills the model of a recording.

A reader is tolerant: it leaves out what it cannot read, and says so in `Recorded.left_out` or `Recorded.notes`.
"""

from dataclasses import dataclass
from pathlib import Path

from toril.authoring.options import ImportOptions
from toril.authoring.recorded import Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The bytes to import, and where they come from."""

    data: bytes
    name: str  # for messages and the default name of the suite: a file name, a host or `stdin`
    folder: Path | None = None  # where relative file names are; None: nowhere
    address: str = ""  # of a source from the network


def input_of(text: str) -> Input:
    """Returns the content of a file, an address, or stdin (`-`); OptionError if it cannot be read."""
    raise NotImplementedError


def read(given: Input, options: ImportOptions) -> Recorded:
    """Returns the recording in the bytes, whose format is known by content; OptionError for an unknown one."""
    raise NotImplementedError
