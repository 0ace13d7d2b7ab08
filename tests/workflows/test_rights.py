"""Jobs have minimal permissions, which suites and forks cannot use."""

import re

import pytest

from infra.settings.hub import GitHub
from tests.workflows.parsed import FILES, Job, jobs, workflow

JOBS = jobs()
PUBLISHERS = ("pypa/gh-action-pypi-publish",)
RUNS_A_SUITE = re.compile(r"\btoril (run|duet)\b|--confirm|pair\.py --base|make (check|test)\b|image/build")
WRITES = {
    "id-token",
    "pull-requests",
    "contents",
    "issues",
    "attestations",
    "actions",
    "checks",
    "statuses",
    "packages",
}
# The variables with ARNs of roles, and the environment that the hub trusts for each by default.
HOME = {"name": "acme/shop", "ownerId": "1", "repositoryId": "2"}
HUB = GitHub.model_validate({"home": HOME})
ROLES = {
    "vars.TORIL_PREVIEW_ROLE": HUB.preview,
    "vars.TORIL_DRIFT_ROLE": None,  # the default branch, in no environment
    "vars.TORIL_DEPLOY_ROLE": HUB.deploy,
    "vars.TORIL_PUBLISH_ROLE": HUB.publish,
    "inputs.role": HUB.home.run,
    "vars.TORIL_RUN_ROLE": f"${{{{ vars.TORIL_NIGHTLY_ENVIRONMENT || '{HUB.home.run}' }}}}",
}


def named(job: Job) -> str:
    return str(job)


def written(job: Job) -> set[str]:
    return {right for right, level in job.permissions.items() if level == "write"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_workflows_have_permissions_only_per_job(file):
    assert workflow(file.stem)["permissions"] == {}


@pytest.mark.parametrize("job", JOBS, ids=named)
def test_each_job_has_minimal_permissions(job):
    assert set(job.permissions) <= WRITES
    assert "write-all" not in str(job.content["permissions"])


@pytest.mark.parametrize("job", [job for job in JOBS if any(map(RUNS_A_SUITE.search, job.lines))], ids=named)
def test_where_suites_or_a_changes_own_code_run_the_token_cannot_write(job):
    assert written(job) <= {"id-token"}
    assert ("id-token" in written(job)) == bool(job.uses("aws-actions/configure-aws-credentials"))
    assert "secrets." not in str(job.content)
    assert "github.token" not in str(job.content)


@pytest.mark.parametrize("job", JOBS, ids=named)
def test_id_tokens_are_only_for_roles_and_attestations(job):
    if "id-token" not in written(job) or "uses" in job.content:
        return
    signers = ("aws-actions/configure-aws-credentials", "actions/attest-build-provenance", *PUBLISHERS)
    assert any(map(job.uses, signers))


@pytest.mark.parametrize("job", [job for job in JOBS if any(map(job.uses, PUBLISHERS))], ids=named)
def test_the_package_index_trusts_a_job_without_code_of_the_repository(job):
    assert job.permissions == {"id-token": "write"}
    assert job.content["environment"] == "pypi"
    assert job.content["if"] == "vars.TORIL_PYPI"
    assert not job.lines
    assert not job.uses("actions/checkout")


@pytest.mark.parametrize("job", [job for job in JOBS if job.uses("aws-actions/configure-aws-credentials")], ids=named)
def test_a_role_is_taken_in_the_environment_that_the_hub_trusts_for_it(job):
    (step,) = job.uses("aws-actions/configure-aws-credentials")
    role = re.fullmatch(r"\$\{\{ (\S+) }}", step["with"]["role-to-assume"])
    assert role
    wanted = ROLES[role[1]]
    if role[1] == "inputs.role":
        assert job.content["environment"] == "${{ inputs.environment }}"
        assert workflow("loadtest")["on"]["workflow_call"]["inputs"]["environment"]["default"] == wanted
    elif (
        role[1] == "vars.TORIL_PREVIEW_ROLE"
    ):  # trusted without an environment, or in the one in the settings of the hub
        assert wanted is None
        assert job.content["environment"] == "${{ vars.TORIL_PREVIEW_ENVIRONMENT }}"
    else:
        assert job.content.get("environment") == wanted


def test_nightly_runs_can_use_an_environment_without_reviewers():
    night = workflow("nightly")["jobs"]["load"]["with"]["environment"]
    assert night == f"${{{{ vars.TORIL_NIGHTLY_ENVIRONMENT || '{HUB.home.run}' }}}}"


def test_only_own_pull_requests_and_schedules_preview_without_an_environment():
    roles = ("TORIL_PREVIEW_ROLE", "TORIL_DRIFT_ROLE")
    found = {(role, job.name): job.content["if"] for role in roles for job in JOBS if role in str(job.steps)}
    assert set(found) == {("TORIL_PREVIEW_ROLE", "preview"), ("TORIL_DRIFT_ROLE", "drift")}
    assert "head.repo.full_name == github.repository" in found["TORIL_PREVIEW_ROLE", "preview"]
    assert "github.event_name == 'schedule'" in found["TORIL_DRIFT_ROLE", "drift"]


@pytest.mark.parametrize("job", [job for job in JOBS if "pull-requests" in written(job) and job.steps], ids=named)
def test_who_comments_runs_nothing_of_the_pull_request(job):
    assert written(job) == {"pull-requests"}
    (checkout,) = job.uses("actions/checkout")
    ref = checkout["with"].get("ref")
    if "workflow_run" in workflow(job.workflow)["on"]:
        assert ref is None  # the default branch
    else:
        assert ref == "${{ github.event.pull_request.base.sha }}"
        assert job.content["needs"] in ("preview", ["runner", "fargate"])
    for download in job.uses("actions/download-artifact"):
        assert download["with"]["path"].startswith("${{ runner.temp }}/")  # no file can replace one of the checkout


@pytest.mark.parametrize("job", [job for job in JOBS if written(job) and job.uses("astral-sh/setup-uv")], ids=named)
def test_who_may_write_takes_nothing_out_of_a_cache(job):
    """Jobs of a pull request may fill a cache only for later jobs of the same pull request."""
    assert all(step["with"]["enable-cache"] is False for step in job.uses("astral-sh/setup-uv"))


@pytest.mark.parametrize("name", ["publish", "deploy"])
def test_images_are_published_and_deployed_only_from_main_or_a_version(name):
    condition = workflow("image")["jobs"][name]["if"]
    assert "github.ref == 'refs/heads/main'" in condition
    assert "refs/heads" not in condition.replace("refs/heads/main", "")


def test_a_fork_reaches_nothing_but_the_runner():
    same = "github.event.pull_request.head.repo.full_name == github.repository"
    found = {str(job): job.content for job in JOBS if job.workflow in ("pull-request", "infra") and written(job)}
    for name, content in found.items():
        if content.get("needs") in ("preview", "hub") or name in ("infra.yml: drift", "infra.yml: hub"):
            continue  # after a job with a check, or not for pull requests
        assert same in content["if"], name


@pytest.mark.parametrize("file", [f for f in FILES if "pull_request" in workflow(f.stem)["on"]], ids=lambda f: f.stem)
def test_pull_request_workflows_use_no_secrets(file):
    assert "secrets." not in file.read_text()


def test_no_workflow_uses_pull_request_target():
    assert not [file for file in FILES if "pull_request_target" in workflow(file.stem)["on"]]
    assert [file.stem for file in FILES if "workflow_run" in workflow(file.stem)["on"]] == ["comment"]
