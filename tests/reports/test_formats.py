import json

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
