"""Caches with a login: what breaks off is taken up again, an operator's secret is waited for, and nothing is told."""

import json

import pytest
from pulumi.automation.errors import CommandError

from tests.infra.engine.stacks import PASSPHRASE
from tests.infra.full import TOKEN

pytestmark = [pytest.mark.live, pytest.mark.nightly, pytest.mark.xdist_group("stage")]
REGION = "eu-central-1"  # beside those of the stage
LATER = {"upstream": "ghcr", "secret": "later"}
GITHUB_SECRET = "ecr-pullthroughcache/toril/github"
LOGIN = {"docker-hub": {"username": "acme", "accessToken": TOKEN}}


@pytest.fixture(scope="module")
def here(stage_without_iam):
    return stage_without_iam.world


@pytest.fixture(scope="module")
def said():
    """All that the engine printed, with differences in full."""
    return []


@pytest.fixture(scope="module")
def region(here, said):
    """A region whose rule was refused at first, since its credential was none; and what the next update did."""
    secrets = here.cloud.client("secretsmanager", REGION)
    wrong = secrets.create_secret(Name="ecr-pullthroughcache/wrong", SecretString='{"user": "acme"}')["ARN"]
    stack = here.stack(REGION, caches=["ecr-public", {"upstream": "docker-hub", "secret": wrong}])
    with pytest.raises(CommandError, match="UnableToAccessSecretException") as failure:
        stack.up()
    made = {urn: one["id"] for urn, one in stack.resources().items() if one.get("id")}
    stack.configure({"caches": json.dumps(["ecr-public", "docker-hub", LATER])})
    stack = here.stack(REGION, credentials=LOGIN)
    done = stack.up(on_output=said.append, diff=True)
    yield stack, made, str(failure.value), done
    stack.destroy()


def rules(here):
    found = here.cloud.client("ecr", REGION).describe_pull_through_cache_rules()["pullThroughCacheRules"]
    return {one["ecrRepositoryPrefix"]: one.get("credentialArn", "") for one in found}


def test_an_update_that_failed_is_completed_by_the_next_one(here, region):
    stack, made, failure, done = region
    assert "docker-hub" in failure
    assert made  # it was broken off in the middle
    after = stack.resources()
    assert set(done) == {"same", "create", "update"}
    assert {urn: after[urn]["id"] for urn in made} == made  # nothing was made a second time
    assert set(stack.up(expect_no_changes=True)) == {"same"}


def test_a_rule_has_the_secret_that_was_made_for_it(here, region):
    secrets = here.cloud.client("secretsmanager", REGION)
    arn = rules(here)["docker-hub"]
    assert ":secret:ecr-pullthroughcache/toril/docker-hub-" in arn
    assert json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"]) == LOGIN["docker-hub"]


def test_nobody_is_told_the_credential(here, region, said):
    stack, *_ = region
    folder = here.pulumi.home
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == f"{REGION}.json" for path in written)
    assert [str(path) for path in written if TOKEN.encode() in path.read_bytes()] == []
    workspace = stack.automation.workspace
    asked = (["stack", "export", "--stack", REGION], ["stack", "--stack", REGION], ["config", "--stack", REGION])
    shown = [workspace.pulumi_command.run(list(one), workspace.work_dir, workspace.env_vars).stdout for one in asked]
    assert "docker-hub" in shown[0]
    assert "aws:secretsmanager" in "".join(said)
    assert TOKEN not in "".join([*shown, *said, PASSPHRASE])
    assert TOKEN not in here.deployment(REGION).to_json().decode()


def test_a_secret_that_an_operator_fills_is_waited_for_and_named(here, region):
    stack, *_ = region
    assert "github" not in rules(here)
    waiting = next(one for one in here.deployment(REGION).caches if one.prefix == "github")
    assert not waiting.ready
    assert GITHUB_SECRET in waiting.reason
    shown: list[str] = []
    stack.preview(on_output=shown.append)
    assert f"cache github of ghcr.io is left out: secret {GITHUB_SECRET} is empty" in "".join(shown)
    value = json.dumps({"username": "acme", "accessToken": "ghp_filled_by_hand"})
    here.cloud.client("secretsmanager", REGION).put_secret_value(SecretId=GITHUB_SECRET, SecretString=value)
    done = stack.up()
    assert done["create"] == 1
    assert done["update"] == 1  # deployments/<region>.json
    assert set(rules(here)) == {"ecr-public", "docker-hub", "github"}
    assert all(one.ready for one in here.deployment(REGION).caches)
    assert "ghp_filled_by_hand" not in json.dumps(stack.export())
    assert set(stack.preview(expect_no_changes=True)) == {"same"}


@pytest.mark.usefixtures("region")
def test_another_credential_changes_the_secret_and_nothing_else(here):
    other = {"docker-hub": {"username": "acme", "accessToken": "another"}}
    counts = here.stack(REGION, credentials=other).up()
    counts.pop("same")
    assert sum(counts.values()) == 1
    secrets = here.cloud.client("secretsmanager", REGION)
    assert "another" in secrets.get_secret_value(SecretId=rules(here)["docker-hub"])["SecretString"]
