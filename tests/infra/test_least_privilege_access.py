"""Who gets a role by `access`, under IAM: the examples of the manual, and their neighbours."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.hub.access import trust_policies
from infra.names import Names
from infra.permissions.statements import render
from infra.place import Place
from infra.settings import HubSettings, parse
from infra.settings.access import Access
from tests.cloud.embedded import ACCOUNT, Credentials, embedded_cloud
from tests.cloud.refused import refused

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("access")]
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/give-people-and-cis-access.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
RECORDED = """
pulumi() { [ "$1 $2" != "config set" ] || printf '%s\\n%s\\n' "$4" "$5"; }
aws() { echo 123456789012; }
"""
PATH = "/toril/main/"
TAKE = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}
)
ORG, PROJECT = "6f0ec3a1-2b4d-4f0e-9c58-1d2a7b3c4e5f", "0c9be2d4-7a61-4b3f-8e20-5f6d1a2b3c4d"
REPOSITORY, STEP = "9e8d7c6b-5a4f-4e3d-8c2b-1a0f9e8d7c6b", "11111111-2222-4333-8444-555555555555"
OF_CIRCLECI = f"org/{ORG}/project/{PROJECT}/user/{STEP}/vcs-origin/github.com/acme/shop/vcs-ref/refs/heads"
JOBS: dict[str, dict[str, str]] = {
    "gitlab": {
        "iss": "https://gitlab.com",
        "aud": "sts.amazonaws.com",
        "sub": "project_path:acme/shop:ref_type:branch:ref:main",
    },
    "buildkite": {
        "iss": "https://agent.buildkite.com",
        "aud": "sts.amazonaws.com",
        "sub": f"organization:acme:pipeline:shop:ref:refs/heads/main:commit:{'9f' * 20}:step:load-test",
    },
    "circleci": {"iss": f"https://oidc.circleci.com/org/{ORG}", "aud": ORG, "sub": f"{OF_CIRCLECI}/main"},
    "bitbucket": {
        "iss": "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc",
        "aud": "ari:cloud:bitbucket::workspace/3d1f5a7c-9b2e-4c6d-8f10-2a4b6c8d0e1f",
        "sub": f"{{{REPOSITORY}}}:{{{STEP}}}",
    },
}
ROLE_OF = {"gitlab": "run", "buildkite": "publish", "circleci": "publish", "bitbucket": "run"}
NEIGHBOURS = [
    ("gitlab", {"sub": "project_path:acme/shop2:ref_type:branch:ref:main"}),
    ("gitlab", {"sub": "project_path:acme/shop:ref_type:branch:ref:feature"}),
    ("gitlab", {"sub": "project_path:acme/shop:ref_type:tag:ref:main"}),
    ("gitlab", {"sub": "project_path:mallory/shop:ref_type:branch:ref:main"}),
    ("gitlab", {"aud": "https://gitlab.com"}),
    ("gitlab", {"iss": "https://gitlab.mallory.example"}),
    ("buildkite", {"sub": f"organization:acme:pipeline:shop:ref:refs/heads/main2:commit:{'9f' * 20}:step:load-test"}),
    ("buildkite", {"sub": f"organization:acme:pipeline:shop2:ref:refs/heads/main:commit:{'9f' * 20}:step:load-test"}),
    ("buildkite", {"sub": f"organization:mallory:pipeline:shop:ref:refs/heads/main:commit:{'9f' * 20}:step:x"}),
    ("buildkite", {"aud": "https://buildkite.com/acme"}),
    ("circleci", {"sub": f"{OF_CIRCLECI}/feature"}),
    ("circleci", {"sub": f"{OF_CIRCLECI}/x/vcs-origin/github.com/acme/shop/vcs-ref/refs/heads/main"}),
    ("circleci", {"sub": f"{OF_CIRCLECI}/main".replace(PROJECT, STEP)}),
    ("circleci", {"sub": f"org/{ORG}/project/{PROJECT}/user/{STEP}"}),
    ("circleci", {"aud": PROJECT}),
    ("bitbucket", {"sub": f"{{{STEP}}}:{{{STEP}}}"}),
    ("bitbucket", {"aud": "ari:cloud:bitbucket::workspace/3d1f5a7c-9b2e-4c6d-8f10-000000000000"}),
]


def documented() -> HubSettings:
    """Returns the settings of the manual's commands, which it runs in a shell without Pulumi, and of its table."""
    done = subprocess.run(
        ["bash", "-ec", RECORDED + "".join(BLOCKS[:3])], capture_output=True, text=True, check=True, env={}
    )
    lines = done.stdout.splitlines()
    access: list[dict[str, Any]] = []
    for path, value in zip(lines[::2], lines[1::2], strict=True):
        number, key, item = re.fullmatch(r"access\[(\d+)\]\.(\w+)(\[\d+\])?", path).groups()  # type: ignore[union-attr]
        access += [{} for _ in range(int(number) + 1 - len(access))]
        if item:
            access[int(number)].setdefault(key, []).append(value)
        else:
            access[int(number)][key] = value
    for ci, values in (("CircleCI", {"ORG": ORG, "ID": PROJECT, "OWNER/NAME": "acme/shop"}), ("Bitbucket", {})):
        issuer, audience, subject = re.findall(rf"^ *\| {ci} \| ([^|]+) \| ([^|]+) \| `([^`]+)`", PAGE, re.MULTILINE)[0]
        job = JOBS[ci.lower()]
        shown = {"issuer": issuer, "audiences": [audience.partition(",")[0]]} if values else {}
        filled = {"roles": [ROLE_OF[ci.lower()]], "issuer": job["iss"], "audiences": [job["aud"]], **shown}
        text = json.dumps({**filled, "subjects": [subject]}).replace("`", "").replace("REPOSITORY", REPOSITORY)
        for name, value in values.items():
            text = re.sub(rf"\b{name}\b", value, text)
        access.append(json.loads(text))
    found = parse("hub", {"access": json.dumps(access)}).settings
    assert isinstance(found, HubSettings)
    return found


@pytest.fixture(scope="module")
def cloud():
    """A cloud with the documented roles, and one for a user. Principals that they name do not exist yet."""
    place = Place(
        region="us-east-1",
        account=ACCOUNT,
        partition="aws",
        names=Names("main"),
        permissions_boundary=None,
        tags={},
    )
    settings = documented()
    user = Access(roles=("preview",), principals=(f"arn:aws:iam::{ACCOUNT}:user/ada",))
    settings = settings.model_copy(update={"access": (*settings.access, user)})
    with embedded_cloud(auth=True) as running:
        iam = running.client("iam")
        for one in settings.access:
            if one.issuer:
                iam.create_open_id_connect_provider(Url=one.issuer, ClientIDList=list(one.audiences))
        for role, policy in trust_policies(settings, place).items():
            iam.create_role(RoleName=f"toril-{role}", Path=PATH, AssumeRolePolicyDocument=render(policy))
        yield running


def arn(role):
    return f"arn:aws:iam::{ACCOUNT}:role{PATH}toril-{role}"


def taken(cloud, role, who):
    answer = cloud.client("sts", credentials=who).assume_role(RoleArn=arn(role), RoleSessionName="ada")
    return f":assumed-role/toril-{role}/" in answer["AssumedRoleUser"]["Arn"]


def session(cloud, name, path="/"):
    """Returns credentials of a role with the right to take every role that trusts it."""
    iam = cloud.client("iam")
    root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [root]})
    made = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="take", PolicyDocument=TAKE)
    return cloud.assume(made)


@pytest.mark.parametrize("ci", JOBS)
def test_the_documented_job_gets_its_role_and_no_other(cloud, ci):
    who = cloud.assume_with_token(arn(ROLE_OF[ci]), **JOBS[ci])
    assert f":assumed-role/toril-{ROLE_OF[ci]}/" in cloud.client("sts", credentials=who).get_caller_identity()["Arn"]
    with refused("AccessDenied"):
        cloud.assume_with_token(arn("publish" if ROLE_OF[ci] == "run" else "run"), **JOBS[ci])


@pytest.mark.parametrize(("ci", "claims"), NEIGHBOURS, ids=lambda value: value if isinstance(value, str) else "")
def test_another_project_branch_audience_or_issuer_gets_no_role(cloud, ci, claims):
    with refused("InvalidIdentityToken" if "sub" not in claims else "AccessDenied"):
        cloud.assume_with_token(arn(ROLE_OF[ci]), **{**JOBS[ci], **claims})


SSO = "/aws-reserved/sso.amazonaws.com/eu-west-1/"


@pytest.mark.parametrize("suffix", ["0123456789abcdef", "fedcba9876543210"])
def test_people_of_a_permission_set_get_its_role_whatever_its_suffix(cloud, suffix):
    who = session(cloud, f"AWSReservedSSO_Developers_{suffix}", SSO)
    assert taken(cloud, "run", who)
    with refused("AccessDenied"):
        taken(cloud, "publish", who)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("AWSReservedSSO_Developers_Ops_0123456789abcdef", SSO),
        ("AWSReservedSSO_Operators_0123456789abcdef", SSO),
        ("AWSReservedSSO_Developers_00000000000000aa", "/aws-reserved/sso.amazonaws.com/us-west-2/"),
        ("AWSReservedSSO_Developers_00000000000000bb", "/"),
        ("somebody", "/"),
    ],
)
def test_other_permission_sets_and_roles_get_no_role(cloud, name, path):
    who = session(cloud, name, path)
    for role in ("run", "publish"):
        with refused("AccessDenied"):
            taken(cloud, role, who)


def user(cloud, name):
    """Returns credentials of a new user with the right to take every role that trusts it."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="take", PolicyDocument=TAKE)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])


def test_a_named_role_gets_its_role_and_no_other_also_when_it_was_made_anew(cloud):
    for _ in range(2):
        who = session(cloud, "jenkins")
        assert taken(cloud, "publish", who)
        with refused("AccessDenied"):
            taken(cloud, "run", who)
        cloud.client("iam").delete_role_policy(RoleName="jenkins", PolicyName="take")
        cloud.client("iam").delete_role(RoleName="jenkins")


def test_a_named_user_gets_its_role_and_other_users_of_the_account_none(cloud):
    assert taken(cloud, "preview", user(cloud, "ada"))
    for who in (user(cloud, "adam"), user(cloud, "mallory")):
        for role in ("preview", "run", "publish"):
            with refused("AccessDenied"):
                taken(cloud, role, who)
