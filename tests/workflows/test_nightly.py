"""nightly.yml on Fargate in the embedded cloud: a role by id token, real workers, a verdict in the store."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.embedded import web_identity_token
from tests.fargate.stage import HOME
from tests.fargate.stage import Stage as Deployed
from tests.github.fake_api import GitHub, serving
from tests.infra.full import REPOSITORY
from tests.outcomes import passes
from tests.targets import Target, target
from tests.workflows.acting import Acted, acting
from tests.workflows.repository import project

pytestmark = [pytest.mark.nightly, pytest.mark.live, pytest.mark.xdist_group("guarded"), pytest.mark.timeout(300)]
SUITE_FILE = "loadtests/two-regions/suite.yml"
NIGHT: dict[str, Any] = {
    "schedule": "23 2 * * *",
    "repository": {"full_name": REPOSITORY["name"], "default_branch": "main"},
}
REMEMBERED = """#!/bin/sh
printf '%s\\n' "$@" >> "$GH_SAYS"
"""


@pytest.fixture
def cloud(guarded: Deployed) -> Deployed:
    return guarded


def night(
    folder: Path, cloud: Deployed, service: Target, *, environment: str = "load-test", suite: str | None = None
) -> Acted:
    """Runs nightly.yml in the repository of this hub; jobs have the claims of this environment."""
    repository = project(folder / "repository", name=REPOSITORY["name"])
    shorter = repository.text(SUITE_FILE)
    for old, new in (("ramp-up: 3s", "ramp-up: 0s"), ("hold-for: 17s", "hold-for: 12s")):
        assert old in shorter
        shorter = shorter.replace(old, new)  # without a ramp-up, all samples are judged and countable
    repository.settle({SUITE_FILE: shorter if suite is None else suite})
    claims = {
        "sub": f"repo:{REPOSITORY['name']}:environment:{environment}",
        "repository_id": REPOSITORY["repositoryId"],
    }
    identity = web_identity_token(iss="https://token.actions.githubusercontent.com", aud="sts.amazonaws.com", **claims)
    programs = folder / "bin"
    programs.mkdir()
    (programs / "gh").write_text(REMEMBERED)
    (programs / "gh").chmod(0o755)
    with serving(GitHub(repository=REPOSITORY["name"])) as api, acting(folder / "stage", repository, api=api) as stage:
        stage.variables = {
            "TORIL_STORE": cloud.address,
            "TORIL_REGION": HOME,
            "TORIL_RUN_ROLE": f"arn:aws:iam::{cloud.cloud.account}:role/toril/main/toril-run",
            "TORIL_TARGET": service.url,
        }
        stage.environment = {
            "STAND_IN_CLOUD": cloud.cloud.url,
            "STAND_IN_IDENTITY": identity,
            "NO_PROXY": "127.0.0.1,localhost",
            "GH_SAYS": str(folder / "gh.txt"),
        }
        stage.programs = programs
        return stage.run("schedule", NIGHT, "nightly.yml")


def test_the_nightly_run_uses_all_regions_and_stores_its_verdict(tmp_path, cloud):
    with target(delay_s=0.01) as service:
        done = night(tmp_path, cloud, service)
    (verdict,) = [key for key in cloud.store.keys("runs/") if "-two-regions-" in key and key.endswith("/verdict.json")]
    found = json.loads(cloud.store.get(verdict))
    assert passes(found), done.log
    expected = {"suites": "success", "fargate": "success", "trend": "success"}
    if found["outcome"] != "passed":  # act runs nothing after a called workflow that failed
        expected = {"suites": "success", "fargate": "failure"}
    assert done.jobs == expected, done.log
    if "trend" in expected:
        assert (done.artifact("trends") / "two-regions.html").is_file()
    plan = json.loads(cloud.store.get(verdict.replace("verdict", "plan")))
    assert (plan["on"], plan["tags"]["trigger"]) == ("fargate", "nightly")
    summary = json.loads(cloud.store.get(verdict.replace("verdict", "summary")))
    assert set(summary["locations"]) == set(cloud.regions)
    whole = summary["labels"][""]
    assert 0 < whole["samples"] <= service.answered <= whole["samples"] + whole["unfinished"]
    assert f"two-regions on Fargate: {found['outcome']}" in done.summaries[0].splitlines()[0]
    assert (done.artifact("runs-*") / verdict.split("/")[1] / "report.html").is_file()
    assert cloud.running_tasks() == []
    assert not (tmp_path / "gh.txt").exists()


def test_a_nightly_run_without_the_role_sends_no_load(tmp_path, cloud):
    with target() as service:
        done = night(tmp_path, cloud, service, environment="another")
    assert done.code == 1
    assert "Not authorized to perform sts:AssumeRoleWithWebIdentity" in done.log
    assert service.started == 0


def test_a_failed_nightly_run_opens_an_issue(tmp_path, cloud):
    with target() as service:
        done = night(tmp_path, cloud, service, suite="execution: many\n")
    assert done.jobs == {"suites": "failure", "tell": "success"}, done.log
    printed = (tmp_path / "gh.txt").read_text()
    assert printed.startswith("issue\ncreate\n--title\nNightly load tests did not pass on ")
    assert f"https://github.com/{REPOSITORY['name']}/actions/runs/9001" in printed
