"""Replaces credentials of a recording by references to variables, and refuses files that contain one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from toril.authoring.correlation import Correlation
from toril.authoring.recorded import Recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The credentials of a recording."""

    names: Mapping[str, str] = field(default_factory=dict)  # variable → what it is, for the README
    hidden: frozenset[str] = frozenset()  # values that no file may contain, of requests and responses
    literals: tuple[str, ...] = ()  # texts that stay in the suite, for a person to review; masked


def referenced(recorded: Recorded, correlation: Correlation) -> tuple[Recorded, Credentials]:
    """Returns the recording with `${NAME}` instead of each credential that no rule carries."""
    return recorded, Credentials()


def refuse_secrets(files: Mapping[PurePosixPath, bytes], hidden: Collection[str]) -> None:
    """Raises OptionError `secret-left` if a text or name contains a hidden value in any escaping."""
