"""Caches with a login: failed updates continue, secrets of operators come later, and no output shows a credential."""

import json

import pytest
from pulumi.automation.errors import CommandError

from tests.infra.engine.stacks import PASSPHRASE
from tests.infra.full import TOKEN

pytestmark = [pytest.mark.live, pytest.mark.nightly, pytest.mark.xdist_group("stage")]
REGION = "eu-central-1"  # another region than the stage's
LATER = {"upstream": "ghcr", "secret": "later"}
GITHUB_SECRET = "ecr-pullthroughcache/toril/github"
LOGIN = {"docker-hub": {"username": "acme", "accessToken": TOKEN}}


@pytest.fixture(scope="module")
def here(stage_without_iam):
    return stage_without_iam.world


@pytest.fixture(scope="module")
def output():
    """The engine's whole output, with all details of differences."""
    return []


@pytest.fixture(scope="module")
def region(here, output):
    """A region whose rule was rejected at first due to an invalid credential, and the result of the next update."""
    secrets = here.cloud.client("secretsmanager", REGION)
    wrong = secrets.create_secret(Name="ecr-pullthroughcache/wrong", SecretString='{"user": "acme"}')["ARN"]
    stack = here.stack(REGION, caches=["ecr-public", {"upstream": "docker-hub", "secret": wrong}])
    with pytest.raises(CommandError, match="UnableToAccessSecretException") as failure:
        stack.up()
    made = {urn: one["id"] for urn, one in stack.resources().items() if one.get("id")}
    stack.configure({"caches": json.dumps(["ecr-public", "docker-hub", LATER])})
    stack = here.stack(REGION, credentials=LOGIN)
    done = stack.up(on_output=output.append, diff=True)
    yield stack, made, str(failure.value), done
    stack.destroy()


def rules(here):
    found = here.cloud.client("ecr", REGION).describe_pull_through_cache_rules()["pullThroughCacheRules"]
    return {one["ecrRepositoryPrefix"]: one.get("credentialArn", "") for one in found}


def test_the_next_update_completes_a_failed_one(here, region):
    stack, made, failure, done = region
    assert "docker-hub" in failure
    assert made  # the first update failed in the middle
    after = stack.resources()
    assert set(done) == {"same", "create", "update"}
    assert {urn: after[urn]["id"] for urn in made} == made  # no resource was made twice
    assert set(stack.up(expect_no_changes=True)) == {"same"}


def test_a_rule_uses_its_own_secret(here, region):
    secrets = here.cloud.client("secretsmanager", REGION)
    arn = rules(here)["docker-hub"]
    assert ":secret:ecr-pullthroughcache/toril/docker-hub-" in arn
    assert json.loads(secrets.get_secret_value(SecretId=arn)["SecretString"]) == LOGIN["docker-hub"]


def test_no_output_shows_the_credential(here, region, output):
    stack, *_ = region
    folder = here.pulumi.home
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == f"{REGION}.json" for path in written)
    assert [str(path) for path in written if TOKEN.encode() in path.read_bytes()] == []
    workspace = stack.automation.workspace
    asked = (["stack", "export", "--stack", REGION], ["stack", "--stack", REGION], ["config", "--stack", REGION])
    shown = [workspace.pulumi_command.run(list(one), workspace.work_dir, workspace.env_vars).stdout for one in asked]
    assert "docker-hub" in shown[0]
    assert "aws:secretsmanager" in "".join(output)
    assert TOKEN not in "".join([*shown, *output, PASSPHRASE])
    assert TOKEN not in here.deployment(REGION).to_json().decode()


def test_a_cache_waits_for_an_operators_secret_and_a_warning_names_it(here, region):
    stack, *_ = region
    assert "github" not in rules(here)
    waiting = next(one for one in here.deployment(REGION).caches if one.prefix == "github")
    assert not waiting.ready
    assert GITHUB_SECRET in waiting.reason
    shown: list[str] = []
    stack.preview(on_output=shown.append)
    assert f"cache `github` of ghcr.io: {waiting.reason}" in "".join(shown)
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
def test_another_credential_changes_only_the_secret(here):
    other = {"docker-hub": {"username": "acme", "accessToken": "another"}}
    counts = here.stack(REGION, credentials=other).up()
    counts.pop("same")
    assert sum(counts.values()) == 1
    secrets = here.cloud.client("secretsmanager", REGION)
    assert "another" in secrets.get_secret_value(SecretId=rules(here)["docker-hub"])["SecretString"]
