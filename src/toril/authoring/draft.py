"""A suite before it is written: what a recording becomes, and what `writer.files_of` turns into texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from toril.authoring.correlation import Correlation
from toril.authoring.options import ImportOptions
from toril.authoring.recorded import Expected, Extract, FilePart, Recorded
from toril.errors import Note


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRequest:
    """One request of a scenario."""

    number: int  # of its exchange
    label: str
    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | dict[str, Any] | None = None
    uploads: tuple[FilePart, ...] = ()
    follow_redirects: bool = True
    think_time: str = ""
    checks: tuple[Expected, ...] = ()
    extracts: tuple[Extract, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftGroup:
    """The requests of one step: a transaction."""

    name: str
    requests: tuple[DraftRequest, ...]
    think_time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftScenario:
    name: str
    requests: tuple[DraftRequest | DraftGroup, ...]
    default_address: str = ""
    store_cookie: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    data_sources: tuple[PurePosixPath, ...] = ()
    think_time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftExecution:
    """The load of one scenario, as its keys are written."""

    scenario: str
    load: Mapping[str, Any]
    executor: str = ""  # empty: the draft's
    locations: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteDraft:
    """A whole suite."""

    name: str
    executor: str
    scenarios: tuple[DraftScenario, ...]
    executions: tuple[DraftExecution, ...]
    hosts: Mapping[str, str] = field(default_factory=dict)  # variable → address
    credentials: Mapping[str, str] = field(default_factory=dict)  # variable → what it is; never its value
    criteria: tuple[str, ...] = ()
    curves: Mapping[str, Any] = field(default_factory=dict)  # as under `toril.curves`
    functional: bool = False
    files: Mapping[PurePosixPath, bytes] = field(default_factory=dict)  # data and uploads
    notes: tuple[Note, ...] = ()


def draft_of(recorded: Recorded, correlation: Correlation, options: ImportOptions) -> SuiteDraft:
    """Returns the suite of a recording whose credentials are references already."""
    raise NotImplementedError
