"""Test cases of a functional suite, as workers leave them: files of JSON lines, of which the first says what it is."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from toril.errors import StoreError

SCHEMA = "toril.tests/1"
CaseOutcome = Literal["passed", "failed", "broken", "skipped"]


class Case(BaseModel):
    """One test case that has ended."""

    model_config = ConfigDict(frozen=True)
    name: str
    suite: str  # its class, or the file or scenario that it is of
    execution: str
    outcome: CaseOutcome  # failed: an assertion; broken: it could not be carried out
    at_s: float  # when it began, in seconds since the start signal
    duration_us: int
    message: str = ""  # why it did not pass
    trace: str = ""


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Some test cases of one worker; its files are counted from 1."""

    worker: str
    number: int
    cases: Sequence[Case]


def case_file_name(number: int) -> str:
    """The file name of a worker's n-th file of test cases, counted from 1."""
    return f"tests-{number:06d}"


def encode_cases(file: CaseFile) -> bytes:
    head = {"schema": SCHEMA, "worker": file.worker, "number": file.number, "cases": len(file.cases)}
    lines = [json.dumps(head), *(json.dumps(case.model_dump()) for case in file.cases)]
    return ("\n".join(lines) + "\n").encode()


def decode_cases(data: bytes, where: str) -> CaseFile:
    """What is in it; StoreError, naming `where`, when it is another schema, damaged or cut."""
    try:
        head, *rows = map(json.loads, _lines(data))
        if not isinstance(head, dict) or head.get("schema") != SCHEMA:
            raise StoreError(f"{where}: no {SCHEMA!r}; it is of another version")
        if head["cases"] != len(rows):
            raise StoreError(f"{where} is damaged: it has {len(rows)} of {head['cases']} test cases")
        return CaseFile(str(head["worker"]), int(head["number"]), tuple(map(Case.model_validate, rows)))
    except (ValueError, KeyError, TypeError, ValidationError, RecursionError) as error:
        raise StoreError(f"{where} is damaged: {(str(error).splitlines() or ['it is empty'])[0]}") from error


def _lines(data: bytes) -> Iterable[str]:
    return data.decode().splitlines() if data.endswith(b"\n") else ()
