"""Compares a try of a suite with the recording that the suite was made from."""

from collections.abc import Sequence
from dataclasses import dataclass

from toril.records.evidence import Exchange
from toril.records.recording import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One step that did not go as recorded."""

    label: str
    code: str  # such as `status`, `shape`, `not-sent` or `missing-value`
    recorded: str
    now: str
    proposal: str = ""  # what to change
    yaml: str = ""  # of a proposed rule
    because: str = ""  # the label of the earlier difference that this one follows from


def differences(recording: Recording, exchanges: Sequence[Exchange]) -> tuple[Difference, ...]:
    """Returns the differences between recorded steps and tried requests, aligned by label, in order."""
    raise NotImplementedError
