"""verdict.json as a record: nothing is lost on the way, and a stranger's file stays within bounds."""

import json
from typing import Any

import pytest

from tests.refusals import refused
from tests.verdict.test_golden import stored
from toril.records.document import MOST_ENTRIES, document
from toril.records.verdict import Reason, Verdict

PASSED: dict[str, Any] = {"schema": "toril.verdict/1", "outcome": "passed"}


def data(**changes: Any) -> bytes:
    return json.dumps({**PASSED, **changes}).encode()


@pytest.mark.parametrize("written", stored())
def test_a_verdict_that_is_read_and_written_is_the_same_file(written):
    assert Verdict.from_json(written.encode(), "verdict.json").to_json().decode() == written


@pytest.mark.parametrize("written", stored())
def test_a_stranger_s_verdict_is_read_into_the_same_record(written):
    assert Verdict.from_stranger(written.encode(), "verdict.json") == Verdict.from_json(
        written.encode(), "verdict.json"
    )


def test_a_verdict_of_an_older_version_has_defaults_and_of_a_newer_one_more_fields():
    more = data(new=1, reasons=[{"code": "kept", "weight": 3}], criteria=[{"criterion": "p95>1s", "scope": {"x": 1}}])
    verdict = Verdict.from_json(more, "verdict.json")
    assert verdict.reasons == (Reason("kept", ""),)
    assert (verdict.criteria[0].outcome, verdict.criteria[0].scope.executions) == ("inconclusive", ())
    assert Verdict.from_stranger(more, "verdict.json") == verdict
    assert Verdict.from_json(more, "verdict.json").to_json() == document(json.loads(more))


def test_half_a_character_from_an_engine_is_written_as_json_s_escape():
    verdict = Verdict(outcome="failed", reasons=(Reason("breach", "\ud800"),))
    assert Verdict.from_json(verdict.to_json(), "verdict.json") == verdict


def test_credentials_are_masked_in_every_text():
    secret = "postgres://shop:hunter2@db/x"
    verdict = Verdict(outcome="failed", reasons=(Reason("breach", secret),), notes=(secret,))
    assert b"hunter2" not in verdict.masked().to_json()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", data(reasons=[1]), data(notes=3), b'{"schema":"toril.verdict/1"}']
)
def test_a_damaged_file_is_named(content):
    with refused("damaged-file", "verdict.json"):
        Verdict.from_json(content, "verdict.json")
    with refused("damaged-file", "verdict.json"):
        Verdict.from_stranger(content, "verdict.json")


def test_another_version_is_named():
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
def test_a_stranger_s_file_outside_the_bounds_is_refused(changes):
    with refused("damaged-file", "verdict.json"):
        Verdict.from_stranger(data(**changes), "verdict.json")
