"""Test cases of a functional suite, as workers leave them: files of JSON lines, of which the first says what it is."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from toril.errors import StoreError
from toril.records.base import Count, Seconds, Text
from toril.records.document import parsed, why

SCHEMA = "toril.tests/1"
MOST_BYTES_OF_CASES = 1 << 24
MOST_CASES = 2000  # of a file
CaseOutcome = Literal["passed", "failed", "broken", "skipped"]


class Case(BaseModel):
    """One test case that has ended."""

    model_config = ConfigDict(frozen=True)
    name: Text
    suite: Text  # its class, or the file or scenario that it is of
    execution: Text
    outcome: CaseOutcome  # failed: an assertion; broken: it could not be carried out
    at_s: Seconds  # when it began, in seconds since the start signal
    duration_us: Count
    message: Text = ""  # why it did not pass
    trace: Text = ""


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
        if len(data) > MOST_BYTES_OF_CASES or not data.endswith(b"\n"):
            raise ValueError(f"{len(data):,} bytes are too many, or cut")
        first, *lines = data[:-1].split(b"\n")
        head = parsed(first)
        if not isinstance(head, dict) or head.get("schema") != SCHEMA:
            raise ValueError(f"no {SCHEMA!r}; it is of another version")
        if head["cases"] != len(lines) or len(lines) > MOST_CASES:
            raise ValueError(
                f"it has {len(lines)} test cases; its first line says {head['cases']}, and {MOST_CASES} are the most"
            )
        cases = tuple(Case.model_validate(parsed(line)) for line in lines)
        return CaseFile(head["worker"], head["number"], cases)
    except (ValueError, KeyError, OverflowError) as error:
        raise StoreError(f"{where} is damaged: {why(error)}") from error
