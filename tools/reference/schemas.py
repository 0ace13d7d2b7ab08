"""JSON Schemas: of suites, and of the files that a run's folder, a store and `toril report` hold, one file each."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from toril.records import (
    Case,
    Deployment,
    End,
    Exit,
    Launch,
    Lease,
    Plan,
    Rate,
    Ready,
    ServerMetrics,
    Start,
    Stop,
    SuiteOrigin,
    Verdict,
)
from toril.records.agent import Announcement, Claim, Ended, Offers
from toril.records.bisect import Bisect
from toril.records.cause import Cause
from toril.records.console import (
    AuditLine,
    Baseline,
    RequestFailure,
    RunNote,
    RunRequest,
    SharedReport,
    SharingAllowed,
    SuiteVersion,
)
from toril.records.document import Record
from toril.records.event import Event
from toril.records.evidence import Exchanges
from toril.records.history import HistoryRecord, IndexRow
from toril.records.progress import Progress
from toril.records.recording import Recording
from toril.records.summary import Summary
from toril.records.trend import Trend
from toril.runs.suites import Pushed
from toril.suite.schema import schema_text

DIALECT = "https://json-schema.org/draft/2020-12/schema"
RECORDS: tuple[type[Record], ...] = (
    AuditLine, Baseline, RequestFailure, RunNote, RunRequest, SharedReport, SharingAllowed, SuiteVersion,
    Announcement, Bisect, Cause, Claim, Deployment, End, Ended, Exit, Launch, Lease, Offers, Plan, Pushed, Rate, Ready,
    Recording, ServerMetrics, Start, Stop, SuiteOrigin,
)  # fmt: skip
DOCUMENTS: dict[str, type[Any]] = {
    "toril.event/1": Event, "toril.evidence/1": Exchanges, "toril.history/1": HistoryRecord,
    "toril.index/1": IndexRow, "toril.progress/1": Progress, "toril.summary/1": Summary, "toril.trend/1": Trend,
    "toril.verdict/1": Verdict,
}  # fmt: skip
OTHER_NAMES = {"suite": "suite-origin"}  # suite.schema.json is the schema of suites
LINES = {"toril.tests/1": Case}  # of a file of JSON lines: each line but the first


def pages() -> dict[str, str]:
    """Each schema as indented JSON, by `schemas/<name>.json`."""
    records = {f"schemas/{_file_name(schema['title'])}.json": _text(schema) for schema in _schemas()}
    return records | {"schemas/suite.schema.json": schema_text()}


def _schemas() -> Iterator[dict[str, Any]]:
    for record in RECORDS:
        yield _document(record.SCHEMA, record.model_json_schema())
    for name, kind in DOCUMENTS.items():
        yield _document(name, TypeAdapter(kind).json_schema())
    for name, line in LINES.items():
        yield {"$schema": DIALECT, **line.model_json_schema(), "title": name}


def _document(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """The schema of a file, which names its version; a reader ignores the fields that it does not know."""
    properties = {
        "schema": {"const": name},
        **{key: one for key, one in found["properties"].items() if key != "schema"},
    }
    required = ["schema", *(key for key in found.get("required", ()) if key != "schema")]
    return {"$schema": DIALECT, **found, "title": name, "properties": properties, "required": required}


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(_without_titles(schema), indent=1, ensure_ascii=False) + "\n"


def _without_titles(value: Any, *, outermost: bool = True) -> Any:
    """The same without the titles that Pydantic makes of names."""
    if isinstance(value, list):
        return [_without_titles(one, outermost=False) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_titles(one, outermost=False)
        for key, one in value.items()
        if outermost or key != "title" or not isinstance(one, str)
    }


def _file_name(schema: str) -> str:
    return OTHER_NAMES.get(name := schema.partition("/")[0].removeprefix("toril."), name)
