import json
import re

import pytest

from tests.reports import examples
from toril.reports import EXPORTS, FORMATS, Bundle, render

RUNS = {
    "passed": examples.passed(),
    "failed": examples.failed(),
    "inconclusive": examples.inconclusive(),
    "hostile": examples.hostile(),
    "empty": examples.empty(),
}


@pytest.fixture(params=RUNS)
def run(request) -> Bundle:
    return RUNS[request.param]


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in EXPORTS])
def test_every_format_shows_every_run(name, run):
    data = render(name, run)

    assert data or (name, run.outcome) == ("annotations", "passed")  # a passed run has no annotations
    data.decode()


def test_json_has_verdict_summary_and_evidence_unchanged(run):
    found = json.loads(render("json", run))

    evidence = run.evidence and run.evidence.to_dict()
    records = {"verdict": run.verdict.to_dict(), "summary": run.summary.to_dict(), "evidence": evidence}
    assert found == {"schema": "toril.report/1", **records}


def test_untrusted_text_is_no_terminal_command():
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028]", render("terminal", RUNS["hostile"]).decode())


def test_a_value_below_the_resolution_is_shown_as_less_than():
    quick = examples.figures(scale=0.01, resolution_us=1000)
    run = Bundle(examples.plan(), examples.summary({"": quick}), examples.verdict())

    assert "< 1 ms" in render("terminal", run).decode()
