"""action.yml in another repository with its own service, and the reusable workflow."""

import re
from pathlib import Path

import pytest

from tests.targets import target
from tests.workflows.acting import acting
from tests.workflows.repository import begun, project
from tests.workflows.shop import runs

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"
KEEP = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"
SUITE = """execution:
- {executor: locust, concurrency: 4, hold-for: 3s, scenario: home}
scenarios:
  home:
    default-address: ${HOME_URL}
    requests:
    - {label: home, url: /home, think-time: 30ms}
toril:
  regression: {blocks: 6, block: 2s}
reporting:
- module: passfail
  criteria:
  - LABEL
"""
CRITERION = "p95 of home>500ms"


def suite(criterion: str = CRITERION) -> str:
    return SUITE.replace("LABEL", criterion)


@pytest.mark.solo
def test_another_repository_compares_two_versions_with_the_action(tmp_path: Path) -> None:
    toril = project(tmp_path / "toril", name="acme/toril")
    with target(delay_s=0.02) as base, target(delay_s=0.3) as head:
        workflow = f"""
on: push
jobs:
  load-test:
    runs-on: ubuntu-latest
    steps:
    - uses: {CHECKOUT}
    - uses: acme/toril@v1
      id: toril
      with: {{suite: tests/load, base-url: "{base.url}", head-url: "{head.url}", fail-on: failed}}
    - if: always()
      run: echo "outcome=$OUTCOME comparison=$COMPARISON run=$RUN"; grep -c '<html' "$REPORT"
      env:
        OUTCOME: ${{{{ steps.toril.outputs.outcome }}}}
        COMPARISON: ${{{{ steps.toril.outputs.comparison }}}}
        RUN: ${{{{ steps.toril.outputs.run-id }}}}
        REPORT: ${{{{ steps.toril.outputs.report }}}}
    - uses: {KEEP}
      if: always()
      with: {{name: runs-load, path: .toril/runs}}
"""
        files = {"tests/load/suite.yml": suite(), ".github/workflows/load.yml": workflow}
        service = begun(tmp_path / "service", files, name="acme/service")
        with acting(tmp_path / "stage", service, others={"acme/toril": toril.folder}) as stage:
            done = stage.run("push", {}, "load.yml")
    assert done.jobs == {"load-test": "failure"}, done.log  # the run passed, but head is slower
    printed = next(line["msg"] for line in done.lines if line.get("msg", "").startswith("outcome="))
    assert re.search("outcome=(passed|inconclusive) comparison=failed run=20", printed)
    summary, comparison = done.summaries
    assert "load: failed" not in summary.splitlines()[0]
    assert "Base and head" in comparison
    assert min(base.answered, head.answered) > 0
    assert base.paths["/home"] == base.answered and head.paths["/home"] == head.answered
    assert "  | 1\n" in done.log  # the report page


@pytest.mark.parametrize(("fail_on", "code"), [("failed,inconclusive", 1), ("failed", 0)])
def test_an_inconclusive_run_fails_unless_the_caller_allows_it(tmp_path, fail_on, code):
    repository = project(tmp_path / "repository")
    with target() as service:
        caller = f"""
on: push
permissions: {{}}
jobs:
  call:
    permissions: {{contents: read, id-token: write}}
    uses: ./.github/workflows/loadtest.yml
    with: {{suites: '["home"]', against: "{service.url}", fail-on: "{fail_on}"}}
"""
        repository.settle(
            {"loadtests/home/suite.yml": suite("p95 of hoem>500ms"), ".github/workflows/caller.yml": caller}
        )
        with acting(tmp_path / "stage", repository) as stage:
            done = stage.run("push", {}, "caller.yml")
    assert done.code == code, done.log
    found = runs(done)["run"]
    assert found.verdict["outcome"] == "inconclusive"
    least, most = found.samples()
    assert 0 < least <= service.answered <= most
    assert "home: inconclusive" in done.summaries[0].splitlines()[0]
