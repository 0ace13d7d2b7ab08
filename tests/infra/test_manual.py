"""The manual's literal commands on a copy of the project, and `make demo-cloud`."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cloud.embedded import embedded_cloud
from tests.infra.engine.stacks import engine, pulumi_program
from tests.infra.inventory import inventory
from tests.outcomes import passes

pytestmark = [pytest.mark.live, pytest.mark.nightly]
ROOT = Path(__file__).parents[2]
PAGES = ("set-up-aws", "maintain-the-stacks")
MANUAL = "\n".join((ROOT / f"docs/how-to/{page}.md").read_text() for page in PAGES)
REGION = "eu-west-1"
TOKEN = "dckr_pat_typed_by_an_operator"


@pytest.fixture
def project(tmp_path):
    for file in ROOT.glob("Pulumi*.yaml"):
        shutil.copy(file, tmp_path)
    shutil.copytree(ROOT / "infra", tmp_path / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def documented(command: str) -> None:
    """Checks that the manual has the command."""
    assert f"pulumi {command}" in re.sub(r"\s+", " ", MANUAL), command


def test_the_manuals_commands_make_update_and_destroy_stacks(project):
    with embedded_cloud() as cloud, engine(cloud.url) as pulumi:

        def run(command: str, *more: str, check: bool = True) -> str:
            documented(command)
            done = pulumi.cli(*command.replace("'", "").split(), *more, cwd=project, check=check)
            assert check or done.returncode != 0
            return done.stdout + done.stderr

        def stack(command: str, name: str, *more: str, check: bool = True) -> str:
            """Runs a command that the manual shows for any region."""
            documented(command)
            return pulumi.cli(*command.split(), name, *more, cwd=project, check=check).stdout

        before = inventory(cloud, "us-east-1", REGION)
        run("stack init hub")
        run("config set stateBucket", "acme-state", "--stack", "hub")
        assert "created" in run("up --stack hub", "--yes", "--skip-preview")
        stack("stack init", REGION)
        run("config set --path 'caches[1]' docker-hub", "--stack", REGION)
        for key, value in (("username", "acme"), ("accessToken", TOKEN)):
            run("config set --secret --path", f"credentials.docker-hub.{key}", value, "--stack", REGION)
        assert TOKEN not in (project / f"Pulumi.{REGION}.yaml").read_text()
        assert "created" in stack("up --stack", REGION, "--yes", "--skip-preview")
        assert (
            "unchanged"
            in pulumi.cli("preview", "--refresh", "--expect-no-changes", "--stack", REGION, cwd=project).stdout
        )
        documented("preview --refresh --expect-no-changes --stack")
        bucket = run("stack output bucket --stack hub").strip()
        assert bucket == f"toril-{cloud.account}-us-east-1"
        assert TOKEN not in run("stack", "export", "--stack", REGION) + run("stack", "output", "--stack", REGION)
        run("config set protect false --stack hub")
        assert f"still depend on this hub: {REGION}" in run("up --stack hub", "--yes", "--skip-preview", check=False)
        stack("destroy --stack", REGION, "--yes", "--skip-preview")
        run("up --stack hub", "--yes", "--skip-preview")
        run("destroy --stack hub", "--yes", "--skip-preview")
        for name in ("hub", REGION):
            run("stack rm", "--yes", "--stack", name)
        assert json.loads(pulumi.cli("stack", "ls", "--json", cwd=project).stdout) == []
        assert inventory(cloud, "us-east-1", REGION) == before


@pytest.mark.xdist_group("image")
@pytest.mark.timeout(600)  # without a cache of the image
def test_the_demo_deploys_a_hub_and_two_regions_twice_and_prints_them(tmp_path):
    report = tmp_path / "run.json"
    done = subprocess.run(
        [sys.executable, "-m", "tools.demo_cloud", "--report", "terminal", "--report", f"json={report}"],
        cwd=ROOT,
        env={**os.environ, "PULUMI": pulumi_program(), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    verdict = json.loads(report.read_text())["verdict"]
    assert passes(verdict), done.stdout + done.stderr
    assert done.returncode == {"passed": 0, "inconclusive": 3}[verdict["outcome"]]
    first, again = done.stdout.split("A second deployment changes nothing:")
    made = re.findall(r"^\$ pulumi up --yes --skip-preview --stack (\S+)  (\d+) created", first, re.MULTILINE)
    assert {name for name, _ in made} == {"hub", "us-east-1", "eu-west-1"}
    unchanged = re.findall(r"--stack (\S+) --expect-no-changes  (\d+) unchanged · ", again)
    assert set(unchanged) == set(made)
    for region in ("us-east-1", "eu-west-1"):
        assert f".dkr.ecr.{region}.amazonaws.com/toril/worker\n" in again
    assert again.count("public.ecr.aws as ecr-public/…") == 2
    assert "deployments/eu-west-1.json, deployments/us-east-1.json" in again
    assert "TORIL_STORE=s3://toril-123456789012-us-east-1" in again
    assert "localhost/toril:slim docker://" in again or "Tasks run as processes" in again
    assert "PASSED   two-regions" in again or "INCONCLUSIVE   two-regions" in again
    assert re.search(r"curl -i https://\S+\.cloudfront\.net/  303, location: /login", again)
    assert re.search(r"opens https://\S+\.cloudfront\.net/runs  200, “Runs", again)
    assert again.count("Running tasks in") == again.count(": 0\n")
    assert re.search(r"Setting up took (\d+) s", again)
