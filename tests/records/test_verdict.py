"""verdict.json as a record: reading and writing loses nothing; foreign files are read within bounds only."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.refusals import refused
from tests.verdict.test_golden import RUNS
from toril.records.document import MOST_ENTRIES, document
from toril.records.verdict import Reason, Verdict

PASSED: dict[str, Any] = {"schema": "toril.verdict/1", "outcome": "passed"}


STORED = [path.read_text() for path in sorted(Path(__file__).parent.glob("stored/*/verdict.json"))]
WRITTEN = [*STORED, *(document(RUNS[name]()).decode() for name in ("CloudWatch", "slower-than-earlier"))]


def data(**changes: Any) -> bytes:
    return json.dumps({**PASSED, **changes}).encode()


@pytest.mark.parametrize("written", WRITTEN)
def test_a_verdict_is_the_same_file_after_reading_and_writing(written):
    assert Verdict.from_json(written.encode(), "verdict.json").to_json().decode() == written


@pytest.mark.parametrize("written", WRITTEN)
def test_a_foreign_verdict_is_read_into_the_same_record(written):
    assert Verdict.from_stranger(written.encode(), "verdict.json") == Verdict.from_json(
        written.encode(), "verdict.json"
    )


def test_a_verdict_of_an_older_version_gets_defaults_and_fields_of_newer_ones_are_kept():
    more = data(new=1, reasons=[{"code": "kept", "weight": 3}], criteria=[{"criterion": "p95>1s", "scope": {"x": 1}}])
    verdict = Verdict.from_json(more, "verdict.json")
    assert verdict.reasons == (Reason("kept", ""),)
    assert (verdict.criteria[0].outcome, verdict.criteria[0].scope.executions) == ("inconclusive", ())
    assert Verdict.from_stranger(more, "verdict.json") == verdict
    assert Verdict.from_json(more, "verdict.json").to_json() == document(json.loads(more))


def test_a_lone_surrogate_from_an_engine_is_written_as_a_json_escape():
    verdict = Verdict(outcome="failed", reasons=(Reason("breach", "\ud800"),))
    assert Verdict.from_json(verdict.to_json(), "verdict.json") == verdict


def test_credentials_are_masked_in_all_texts():
    secret = "postgres://shop:hunter2@db/x"
    verdict = Verdict(outcome="failed", reasons=(Reason("breach", secret),), notes=(secret,))
    assert b"hunter2" not in verdict.masked().to_json()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", data(reasons=[1]), data(notes=3), b'{"schema":"toril.verdict/1"}']
)
def test_an_error_names_the_damaged_file(content):
    with refused("damaged-file", "verdict.json"):
        Verdict.from_json(content, "verdict.json")
    with refused("damaged-file", "verdict.json"):
        Verdict.from_stranger(content, "verdict.json")


def test_an_error_names_the_other_version():
    with refused("other-version", "verdict.json", "toril.verdict/2"):
        Verdict.from_json(data(schema="toril.verdict/2"), "verdict.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "passed<script>"},
        {"notes": [""] * (MOST_ENTRIES + 1)},
        {"notes": ["x" * 10_001]},
        {"criteria": [{"observed": 1e300}]},
        {"criteria": [{"observed": "1"}]},
        {"criteria": [{"samples": -1}]},
        {"criteria": [{"stop": "yes"}]},
        {"comparison": {"outcome": "passed", "arms": {"middle": {}}}},
    ],
)
def test_a_foreign_file_outside_the_bounds_is_rejected(changes):
    with refused("damaged-file", "verdict.json"):
        Verdict.from_stranger(data(**changes), "verdict.json")
