"""The life of a hub with every setting, by the real engine in the embedded cloud."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from infra.rules import reasons, stack_reasons
from tests.cloud.embedded import embedded_cloud
from tests.infra.engine.stacks import engine
from tests.infra.packages import package

pytestmark = [pytest.mark.live, pytest.mark.nightly, pytest.mark.xdist_group("hub")]
ROOT = Path(__file__).parents[2]
ACCOUNT = "123456789012"
SETTINGS = {
    "bucket": "acme-results",
    "encryption": "KMS",
    "protect": "false",
    "publicRepository": {"about": "# Worker", "usage": "docker run"},
    "github": {
        "home": {"name": "acme/shop", "ownerId": "11", "repositoryId": "22"},
        "repositories": [{"name": "acme/cart", "ownerId": "11", "repositoryId": "33"}],
    },
    "stateBucket": "acme-state",
    "budget": {"monthlyUsd": 50, "emails": ["costs@acme.example"]},
    "console": {"admin": "ada@acme.example", "package": str(ROOT / package())},
    "emails": ["ops@acme.example"],
    "permissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
    "tags": {"team": "shop"},
}
ROLES = {
    "preview",
    "drift",
    "deploy",
    "publish",
    "run",
    "run-33",
    "coordinator",
    "scheduler",
    "sweeper",
    "notices",
    "console",
}
BOUNDARY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.fixture(scope="module")
def cloud():
    with embedded_cloud() as running:
        yield running


@pytest.fixture(scope="module")
def hub(cloud, tmp_path_factory):
    """The project with its deployed hub, the engine, and the result of the deployment."""
    project = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "Pulumi.yaml", project)
    shutil.copytree(ROOT / "infra", project / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    cloud.client("iam", "us-east-1").create_policy(PolicyName="boundary", PolicyDocument=json.dumps(BOUNDARY))
    with engine(cloud.url) as pulumi:
        pulumi.cli("stack", "init", "prod.hub", cwd=project)
        configure(project, SETTINGS)
        pulumi.cli("up", "--yes", "--skip-preview", "--stack", "prod.hub", cwd=project)
        yield project, pulumi


def configure(project, settings):
    file = project / "Pulumi.prod.hub.yaml"
    found = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**found, "config": {f"toril:{key}": one for key, one in settings.items()}}))


def up(hub, *arguments, check=True):
    project, pulumi = hub
    return pulumi.cli("up", "--yes", "--skip-preview", "--stack", "prod.hub", *arguments, cwd=project, check=check)


def resources(hub):
    project, pulumi = hub
    state = json.loads(pulumi.cli("stack", "export", "--stack", "prod.hub", cwd=project).stdout)
    return state["deployment"]["resources"]


def test_a_second_up_changes_nothing(hub):
    up(hub, "--expect-no-changes")


def test_the_attributes_of_the_first_administrator_become_the_persons_own(hub, cloud):
    _, pulumi = hub
    cognito = cloud.client("cognito-idp", "us-east-1")
    (pool,) = [one["Id"] for one in cognito.list_user_pools(MaxResults=60)["UserPools"]]
    person = {"UserPoolId": pool, "Username": "ada@acme.example"}
    cognito.admin_update_user_attributes(**person, UserAttributes=[{"Name": "name", "Value": "Ada"}])
    before = len(pulumi.log)
    up(hub, "--refresh")
    assert not [one for one in pulumi.log[before:] if "UserAttributes" in one.operation]


def test_the_resources_break_no_rule(hub):
    made = [(one["type"], one["inputs"]) for one in resources(hub) if one["type"].startswith("aws:")]
    assert {kind: found for kind, inputs in made if (found := reasons(kind, inputs))} == {}
    assert stack_reasons(made) == []


def test_the_roles_have_path_boundary_and_policies(hub, cloud):
    iam = cloud.client("iam", "us-east-1")
    found = {one["RoleName"]: one for one in iam.list_roles(PathPrefix="/toril/prod/")["Roles"]}
    assert set(found) == {f"toril-prod-{role}" for role in ROLES}
    role = iam.get_role(RoleName="toril-prod-run")["Role"]
    assert role["MaxSessionDuration"] == 12 * 3600
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == SETTINGS["permissionsBoundary"]
    attached = iam.list_attached_role_policies(RoleName="toril-prod-deploy")["AttachedPolicies"]
    assert {one["PolicyName"] for one in attached} == {
        f"toril-prod-deploy-{part}"
        for part in ("console", "hub", "identity", "network", "read", "read-console", "regions")
    }


def test_the_bucket_is_private_and_encrypted_and_expires_runs(hub, cloud):
    s3 = cloud.client("s3", "us-east-1")
    assert all(s3.get_public_access_block(Bucket="acme-results")["PublicAccessBlockConfiguration"].values())
    (rule,) = s3.get_bucket_encryption(Bucket="acme-results")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    rules = s3.get_bucket_lifecycle_configuration(Bucket="acme-results")["Rules"]
    expiring = {one["Filter"]["Prefix"]: one["Expiration"]["Days"] for one in rules if "Expiration" in one}
    assert (expiring["uploads/"], expiring["runs/"], expiring["history/"]) == (1, 90, 1095)


def test_the_hub_exports_the_values_for_regions_and_workflows(hub):
    project, pulumi = hub
    found = json.loads(pulumi.cli("stack", "output", "--json", "--stack", "prod.hub", cwd=project).stdout)
    assert found["bucket"] == "acme-results"
    assert found["coordinator_role"] == f"arn:aws:iam::{ACCOUNT}:role/toril/prod/toril-prod-coordinator"
    assert found["run-33_role"].endswith("/toril-prod-run-33")
    assert found["alarm_topic"].endswith(":toril-prod-notices")
    assert ":event-bus/toril-prod-notices" in found["notice_bus"]


def test_the_hub_keeps_its_protection_while_regions_depend_on_it(hub, cloud):
    s3 = cloud.client("s3", "us-east-1")
    keys = ["deployments/eu-west-1.json", "deployments/us-east-1.json"]
    for key in keys:
        s3.put_object(Bucket="acme-results", Key=key, Body=b"{}")
    done = up(hub, check=False)
    assert done.returncode != 0
    assert "still depend on this hub: eu-west-1, us-east-1" in done.stdout + done.stderr
    for key in keys:
        s3.delete_object(Bucket="acme-results", Key=key)


def test_a_protected_hub_cannot_be_destroyed_and_an_unprotected_one_leaves_nothing(hub, cloud):
    project, pulumi = hub
    destroy = ("destroy", "--yes", "--skip-preview", "--stack", "prod.hub")
    configure(project, SETTINGS | {"protect": "true"})
    up(hub)
    refused = pulumi.cli(*destroy, cwd=project, check=False)
    assert refused.returncode != 0
    assert "protected" in refused.stdout + refused.stderr
    configure(project, SETTINGS)
    up(hub)
    pulumi.cli(*destroy, cwd=project)
    assert cloud.client("iam", "us-east-1").list_roles(PathPrefix="/toril/prod/")["Roles"] == []
    assert cloud.client("s3", "us-east-1").list_buckets()["Buckets"] == []
    assert cloud.client("sns", "us-east-1").list_topics()["Topics"] == []
