"""The manual, as a person with an empty account and an empty folder follows it; and `make demo-cloud`."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.infra.engine.stacks import pulumi_program
from tests.infra.inventory import inventory
from tests.infra.manual import GUIDES, LEFT_OUT, Reader, reader, steps_of
from tests.outcomes import passes

pytestmark = [pytest.mark.live, pytest.mark.nightly]
ROOT = Path(__file__).parents[2]
REGIONS = ("us-east-1", "eu-west-1", "eu-central-1")
# In this order: each page changes the account of the pages before it.
PAGES = (
    "run-in-several-regions",
    "schedule-nights",
    "set-up-the-console",
    "give-people-and-cis-access",
    "use-a-private-registry",
    "run-under-fips",
    "run-without-internet-access",
)
VARIANTS = ("slim", "full")
FIRST, LAST = "set-up-aws", "maintain-the-stacks"
# Their one block for the stacks is a section of a guide about something else.
OTHERS = {"break-the-service", "find-the-cause", "notifications", "use-private-locations"}


@dataclass(frozen=True)
class Account:
    """The account of a reader, what was in it before, and what setting up printed."""

    reader: Reader
    before: set[str]
    set_up: str


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with reader(tmp_path_factory.mktemp("manual")) as person:
        before = inventory(person.cloud, *REGIONS)
        yield Account(person, before, person.follows(FIRST))


@pytest.mark.xdist_group("manual")
@pytest.mark.timeout(1200)  # the guide for AWS alone deploys five times
def test_a_person_who_sets_up_aws_gets_a_green_doctor_for_both_regions(account):
    lines = account.set_up.rpartition("──── set-up-aws.md:")[2].splitlines()
    states = {line.split()[0] for line in lines[1:]}
    assert states == {"ok"}
    for image in (f"{region} image {variant} arm64" for region in ("us-east-1", "eu-west-1") for variant in VARIANTS):
        assert [line for line in lines if image in line and line.endswith(" exists")]


@pytest.mark.xdist_group("manual")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", PAGES)
def test_a_person_can_follow_the_page(account, page):
    account.reader.follows(page)


@pytest.mark.xdist_group("manual")
@pytest.mark.timeout(1200)
def test_a_person_who_destroys_the_stacks_has_an_empty_account(account):
    account.reader.follows(LAST)
    left = inventory(account.reader.cloud, *REGIONS) - account.before
    assert not [name for name in left if not re.search("/aws-service-role/|secretsmanager acme/registry", name)]


def test_every_guide_that_deploys_is_followed():
    guides = [path.stem for path in GUIDES.glob("*.md")]
    deploying = {guide for guide in guides if any("pulumi up" in step.script for step in steps_of(guide))}
    assert deploying == {FIRST, *PAGES, LAST, *OTHERS}


def test_every_block_that_is_left_out_is_on_a_page():
    assert set(LEFT_OUT) <= {
        step.script.partition("\n")[0] for page in (FIRST, *PAGES, LAST) for step in steps_of(page)
    }


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
