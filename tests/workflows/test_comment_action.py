"""comment/action.yml in another repository: a job with a token and without code of the pull request."""

from pathlib import Path

import pytest

from tests.github.fake_api import GitHub, serving
from tests.targets import target
from tests.workflows.acting import acting
from tests.workflows.repository import begun, project
from tests.workflows.test_action import CHECKOUT, suite

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(300)]
KEEP = "actions/upload-artifact@bbbca2ddaa5d8feaa63e36b76fdaad77386f024f"
GET = "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c"


def test_another_repository_comments_with_the_action(tmp_path: Path) -> None:
    toril = project(tmp_path / "toril", name="acme/toril")
    with target() as service, serving(GitHub()) as api:
        workflow = f"""
on: pull_request
jobs:
  load-test:
    runs-on: ubuntu-latest
    steps:
    - uses: {CHECKOUT}
    - uses: acme/toril@v1
      with: {{suite: tests/load, head-url: "{service.url}", fail-on: failed}}
    - uses: {KEEP}
      if: always()
      with: {{name: runs, path: .toril/runs}}
  comment:
    needs: load-test
    if: always()
    runs-on: ubuntu-latest
    steps:
    - uses: {GET}
      with: {{name: runs, path: runs}}
    - uses: acme/toril/comment@v1
      with: {{runs: runs, pull-request: "${{{{ github.event.pull_request.number }}}}"}}
"""
        files = {"tests/load/suite.yml": suite(), ".github/workflows/load.yml": workflow}
        repository = begun(tmp_path / "service", files)
        repository.change({"README.md": "A change."})
        with acting(tmp_path / "stage", repository, api=api, others={"acme/toril": toril.folder}) as stage:
            done = stage.run("pull_request", repository.pull_request(), "load.yml")
    assert done.jobs == {"load-test": "success", "comment": "success"}, done.log
    (comment,) = api.comments
    assert comment["body"].splitlines()[0].startswith("## ")
    assert "load: " in comment["body"].splitlines()[0]
    assert "https://github.com/acme/shop/actions/runs/" in comment["body"]
