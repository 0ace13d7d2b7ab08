"""The workflow of `toril init` in a new repository, on its first pull request."""

from pathlib import Path

import pytest

from tests.authoring.calling import started
from tests.targets import target as serving
from tests.workflows.acting import acting
from tests.workflows.repository import Repository, project

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]


def test_the_written_workflow_runs_and_uploads_the_report(tmp_path: Path) -> None:
    toril = project(tmp_path / "toril", name="acme/toril")
    service = Repository(folder=tmp_path / "service", name="acme/service")
    with serving(delay_s=0.01) as target:
        load = ("--users", "2", "--ramp-up", "0", "--hold-for", "3s", "--criterion", "fail>0%")
        started(service.folder, "--url", f"{target.url}/home", *load, "--action", "acme/toril@v1")
        service.begin()
        service.change({"README.md": "A change.\n"})
        with acting(tmp_path / "stage", service, others={"acme/toril": toril.folder}) as stage:
            done = stage.run("pull_request", service.pull_request(), "loadtest.yml")
    assert done.code == 0, done.log
    assert done.jobs == {"load-test": "success"}
    assert target.paths["/home"] == target.answered > 0
    assert f"requests {target.answered}" in " ".join(done.log.split())
    assert "<html" in done.artifact("load test/**/*.html").read_text()
