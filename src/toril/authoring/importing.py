"""`toril import` and `toril record`: from a source to a suite that can be planned."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toril.authoring.correlation import Correlation
from toril.authoring.init import Created
from toril.authoring.options import ImportOptions
from toril.authoring.readers import Input
from toril.authoring.recorded import Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The written suite, and what it was made from."""

    created: Created
    recorded: Recorded
    correlation: Correlation


def imported(given: Sequence[Input], options: ImportOptions, folder: Path, *, force: bool = False) -> Imported:
    """Writes the suite of one source below `folder`; a second input is another observation of the same journey."""
    raise NotImplementedError


def suite_of(
    recorded: Recorded, second: Recorded | None, options: ImportOptions, folder: Path, *, force: bool = False
) -> Imported:
    """Writes the suite of a recording: filters, routes, correlation, credentials, draft, files, plan."""
    raise NotImplementedError
