"""The role `deploy` under IAM: it allows every call of the stacks' life."""

import json

import pytest

from tests.infra.full import BOUNDARY_DOCUMENT, HOME, OTHER
from tests.infra.full import HUB as USUAL
from tests.infra.inventory import inventory
from tests.infra.packages import package
from tests.infra.world import REGIONS, World, acting, world

pytestmark = [pytest.mark.live, pytest.mark.nightly, pytest.mark.xdist_group("lived")]
DEPLOY = "arn:aws:iam::123456789012:role/toril/main/toril-deploy"
JOB = {"sub": "repo:acme/shop:environment:deploy", "repository_id": "22"}
HUB = {**USUAL, "console": {"admin": "ada@acme.example", "package": package()}}
COPY = "copy-of-deploy"  # has the same rights, but no stack owns it: the destroyed hub removes its own roles
AWAY = {
    "network": {"mode": "private"},
    "targets": {"cidrs": ["203.0.113.0/24"]},
    "flavours": {"slim": {}},
    "permissionsBoundary": HOME["permissionsBoundary"],
}


@pytest.fixture(scope="module")
def lived():
    """Deploys, changes and destroys hub and regions with the rights of `deploy`.

    Returns IAM's decisions and the resources that are left.
    """
    with world(auth=True) as root:
        root.cloud.client("iam").create_policy(PolicyName="boundary", PolicyDocument=BOUNDARY_DOCUMENT)
        before = {*inventory(root.cloud, *REGIONS), f"global arn:aws:iam::{root.cloud.account}:role/{COPY}"}
        hub = root.stack("hub", **HUB)
        hub.up()
        with acting(root, root.cloud.assume_with_github(DEPLOY, **JOB)) as deploying:
            own = deploying.stack("hub", **HUB)
            own.automation.import_stack(hub.automation.export_stack())
            own.refresh(expect_no_changes=True)
            _change_hub(deploying)
            _regions(deploying)
            hub.automation.import_stack(own.automation.export_stack())
        _copy(root)
        with acting(root, root.cloud.assume(f"arn:aws:iam::{root.cloud.account}:role/{COPY}")) as copy:
            own = copy.stack("hub", **HUB, protect=False)
            own.automation.import_stack(hub.automation.export_stack())
            own.destroy()
            left = inventory(root.cloud, *REGIONS) - before
            own.up()
        yield root.cloud.decisions(), left


def _copy(root: World) -> None:
    """Makes a role with the policies of `deploy`."""
    iam = root.cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{root.cloud.account}:root"}}
    document = {"Version": "2012-10-17", "Statement": [{**trust, "Action": "sts:AssumeRole"}]}
    iam.create_role(RoleName=COPY, AssumeRolePolicyDocument=json.dumps(document))
    for one in iam.list_attached_role_policies(RoleName="toril-deploy")["AttachedPolicies"]:
        version = iam.get_policy(PolicyArn=one["PolicyArn"])["Policy"]["DefaultVersionId"]
        policy = iam.get_policy_version(PolicyArn=one["PolicyArn"], VersionId=version)["PolicyVersion"]["Document"]
        iam.put_role_policy(RoleName=COPY, PolicyName=one["PolicyName"], PolicyDocument=json.dumps(policy))


def _change_hub(deploying: World) -> None:
    """Changes the hub like an operator, and reverts the changes. The hub stays unprotected for its end."""
    changed = {
        "retention": {"runs": 30},
        "tags": {"owner": "ops"},
        "budget": {"monthlyUsd": 60, "emails": ["costs@acme.example", "more@acme.example"]},
        "emails": ["others@acme.example"],
        "access": [HUB["access"][0], {**HUB["access"][1], "audiences": ["https://gitlab.com"]}],
        "publicRepository": {"about": "# Another", "usage": "docker run"},
    }
    deploying.stack("hub", **{**HUB, **changed}).up()
    deploying.stack("hub", **HUB).up()


def _regions(deploying: World) -> None:
    home = deploying.stack("us-east-1", **HOME)
    home.up()
    home.refresh(expect_no_changes=True)
    away = deploying.stack("eu-west-1", **AWAY)
    away.up()
    away.destroy()
    deploying.stack("us-east-1", **_other_home()).up()
    home.destroy()
    deploying.stack("hub", **HUB, protect=False).up()


def _other_home() -> dict[str, object]:
    """Returns settings of the home region with all in-place changes."""
    grants = [{"principal": OTHER, "rights": ["push"]}]
    login = {"docker-hub": {"username": "acme", "accessToken": "another"}}
    nightly = [{**HOME["schedules"][0], "cron": "rate(12 hours)"}]
    return {
        **HOME,
        "credentials": login,
        "logs": {"days": 30},
        "repositories": [{"name": "acme/tools", "grants": grants, "keep": 5}],
        "registry": {"scanning": "BASIC", "policy": grants},
        "schedules": nightly,
        "tags": {"owner": "ops"},
        "targets": {"hosts": ["shop.example.com", "cart.example.com"]},
    }


def test_every_call_of_the_stacks_life_is_allowed(lived):
    decisions, _ = lived
    refused = {(one.action, one.resource) for one in decisions if not one.allowed}
    assert refused == set()


def test_nothing_is_left_behind(lived):
    assert lived[1] == set()
