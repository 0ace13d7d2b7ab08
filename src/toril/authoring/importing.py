"""`toril import` and `toril record`: from a source to a suite that can be planned."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from toril.authoring.correlation import Correlation, correlated, unfolded
from toril.authoring.credentials import Credentials, referenced, refuse_secrets
from toril.authoring.draft import FILES, SuiteDraft, draft_of
from toril.authoring.filters import kept
from toril.authoring.init import SUITES, Created, place
from toril.authoring.options import ImportOptions
from toril.authoring.readers import Input, read
from toril.authoring.readme import readme_of
from toril.authoring.recorded import Recorded
from toril.authoring.routes import named
from toril.authoring.shapes import shape_of
from toril.authoring.writer import files_of, rule_text
from toril.errors import OptionError
from toril.records.recording import RECORDING, PossibleRule, RecordedStep, Recording

MOST_STEPS = 500
CARRIED = re.compile(r"\$\{([a-z]\w*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The written suite, and what it was made from."""

    created: Created
    recorded: Recorded
    correlation: Correlation


def imported(given: Sequence[Input], options: ImportOptions, folder: Path, *, force: bool = False) -> Imported:
    """Writes the suite of one source below `folder`; a second input is another observation of the same journey."""
    recorded, *others = (read(one, options) for one in given)
    return suite_of(recorded, next(iter(others), None), options, folder, force=force)


def suite_of(
    recorded: Recorded, second: Recorded | None, options: ImportOptions, folder: Path, *, force: bool = False
) -> Imported:
    """Writes the suite of a recording: filters, routes, correlation, credentials, draft, files, plan."""
    recorded, correlation, contents = contents_of(recorded, second, options)
    home = next(iter(contents)).parent
    action = options.action if options.workflow else None
    created = place({SUITES / path: data for path, data in contents.items()}, SUITES / home, folder, force=force, action=action)
    created = replace(created, notes=(*recorded.notes, *created.notes))
    return Imported(created=created, recorded=recorded, correlation=correlation)
