"""The setting `access`: exact trust in people and in jobs of CIs, and errors for everything wider."""

import json
import re
from itertools import permutations

import pytest

from infra.hub.access import LONGEST_TRUST, SUFFIX, trust_policies
from infra.names import Names
from infra.permissions.statements import render
from infra.place import Place, partition_of
from infra.rules import reasons
from infra.settings import HubSettings, SettingError, parse
from tests.infra.full import ACCOUNT, OTHER, REPOSITORY

ID, NEXT = "6f0ec3a1-2b4d-4f0e-9c58-1d2a7b3c4e5f", "0c9be2d4-7a61-4b3f-8e20-5f6d1a2b3c4d"
USERS = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com"
PEOPLE = {"roles": ["run"], "principals": [f"{USERS}/eu-west-1/AWSReservedSSO_Developers_*"]}
GITLAB = {
    "roles": ["run"],
    "issuer": "https://gitlab.com",
    "audiences": ["sts.amazonaws.com"],
    "subjects": ["project_path:acme/shop:ref_type:branch:ref:main"],
}


def settings(*access, **more):
    found = parse("hub", {"access": json.dumps(access), **{key: json.dumps(one) for key, one in more.items()}}).settings
    assert isinstance(found, HubSettings)
    return found


def trusts(*access, region="eu-west-1", **more):
    place = Place(
        region=region,
        account=ACCOUNT,
        partition=partition_of(region),
        names=Names("main"),
        permissions_boundary=None,
        tags={},
    )
    return {role: policy["Statement"] for role, policy in trust_policies(settings(*access, **more), place).items()}


def with_subject(subject):
    return {**GITLAB, "subjects": [subject]}


def error(*access):
    with pytest.raises(SettingError) as refused:
        settings(*access)
    return str(refused.value)


def test_a_role_exists_as_soon_as_a_setting_names_it():
    assert trusts() == {}
    assert set(trusts(PEOPLE, {**GITLAB, "roles": ["publish", "run"]})) == {"publish", "run"}
    both = trusts(PEOPLE, github={"home": REPOSITORY})
    assert len(both["run"]) == 2
    assert len(both["deploy"]) == 1


def test_named_roles_and_users_are_trusted_by_account_and_name():
    named = [f"arn:aws:iam::{ACCOUNT}:role/ci/jenkins", f"arn:aws:iam::{ACCOUNT}:user/ada"]
    other = f"arn:aws:iam::{OTHER}:role/ci/jenkins"
    found = trusts({"roles": ["run"], "principals": [*named[::-1], other]})["run"]
    assert {one["Principal"]["AWS"]: one["Condition"] for one in found} == {
        f"arn:aws:iam::{ACCOUNT}:root": {"ArnLike": {"aws:PrincipalArn": named}},
        f"arn:aws:iam::{OTHER}:root": {"ArnLike": {"aws:PrincipalArn": other}},
    }


@pytest.mark.parametrize("end", ["*", "0123456789abcdef"])
def test_roles_of_identity_center_are_trusted_by_account_and_name(end):
    arn = f"{USERS}/AWSReservedSSO_Developers_{end}"
    (statement,) = trusts({"roles": ["run"], "principals": [arn]})["run"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert statement["Condition"] == {"ArnLike": {"aws:PrincipalArn": arn.replace("*", SUFFIX)}}


def test_an_exact_subject_is_compared_exactly():
    (statement,) = trusts(GITLAB)["run"]
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/gitlab.com"}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {"gitlab.com:aud": GITLAB["audiences"][0], "gitlab.com:sub": GITLAB["subjects"][0]}
    }


OPEN = {
    "project_path:acme/shop:*": None,
    "project_path:acme/team/shop:ref_type:branch:ref:*": None,
    "organization:acme:pipeline:shop:*": None,
    "organization:acme:pipeline:shop:ref:refs/heads/main:commit:*": None,
    f"org/{ID}/project/{NEXT}/user/*": None,
    f"org/{ID}/project/{NEXT}/user/*/vcs-origin/github.com/acme/shop/vcs-ref/refs/heads/main": (
        f"org/{ID}/project/{NEXT}/user/{'?' * 36}/vcs-origin/github.com/acme/shop/vcs-ref/refs/heads/main"
    ),
    f"{{{ID}}}:*": None,
    f"{{{ID}}}:{{{NEXT}}}:*": None,
}


@pytest.mark.parametrize("subject", OPEN)
def test_parts_that_change_with_each_run_may_be_open_after_a_fixed_project(subject):
    (statement,) = trusts(with_subject(subject))["run"]
    assert statement["Condition"]["StringEquals"] == {"gitlab.com:aud": "sts.amazonaws.com"}
    assert statement["Condition"]["StringLike"] == {"gitlab.com:sub": OPEN[subject] or subject}
    text = render({"Version": "2012-10-17", "Statement": [statement]})
    assert reasons("aws:iam/role:Role", {"assumeRolePolicy": text}) == []


@pytest.mark.parametrize(
    "subject",
    [
        "*",
        "project_path:*",
        "project_path:acme/*",
        "project_path:acme/*:ref_type:branch:ref:main",
        "project_path:acme/shop*",
        "project_path:acme:*",
        "project_path:acme/shop:ref_type:*:ref:main",
        "project_path:acme/shop:ref_type:branch:ref:ma*",
        "project_path:acme/shop:ref_type:branch:ref:mai?",
        "project_path:${aws:PrincipalTag/a}/shop:*",
        "project_path:acme/shop:ref_type:branch:ref:${aws:PrincipalTag/a}",
        "organization:*:pipeline:shop:*",
        "organization:acme:*",
        "organization:acme:pipeline:*",
        "organization:acme:pipeline:shop:ref:*:commit:0",
        f"org/{ID}/*",
        f"org/{ID}/project/*",
        f"org/{ID}/project/*/user/*",
        f"org/{ID}/project/{NEXT}/user/*/vcs-origin/*",
        "org/acme/project/shop/user/*",
        "{*}:*",
        f"{ID}:*",
        "repo:acme/shop:*",
        "system:serviceaccount:*",
        "two words",
        "",
    ],
)
def test_wider_subjects_are_an_error_that_names_the_setting(subject):
    assert "toril:access[0].subjects[0]: " in error(with_subject(subject))


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        ACCOUNT,
        f"arn:aws:iam::{ACCOUNT}:root",
        f"arn:aws:iam::{ACCOUNT}:role/*",
        f"arn:aws:iam::{ACCOUNT}:role/ci-*",
        "arn:aws:iam::*:role/ci",
        f"arn:aws:iam::{ACCOUNT}:group/ci",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/ada",
        f"{USERS}/*",
        f"{USERS}/AWSReservedSSO_*",
        f"{USERS}/*/AWSReservedSSO_Developers_*",
        f"{USERS}/AWSReservedSSO_Dev*_*",
        f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/other.amazonaws.com/AWSReservedSSO_Developers_*",
    ],
)
def test_wider_principals_are_an_error_that_names_the_setting(principal):
    found = error({"roles": ["run"], "principals": [principal]})
    assert "toril:access[0].principals[0]: " in found
    assert "IAM Identity Center" in found


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"issuer": "http://gitlab.com"}, "issuer"),
        ({"issuer": "https://gitlab.com/"}, "issuer"),
        ({"issuer": "https://gitlab.com:8443"}, "issuer"),
        ({"issuer": "https://*.example.com"}, "issuer"),
        ({"issuer": "https://token.actions.githubusercontent.com"}, "issuer"),
        ({"audiences": ["*"]}, "audiences[0]"),
        ({"audiences": ["sts.amazonaws.co?"]}, "audiences[0]"),
        ({"roles": []}, "roles"),
        ({"roles": ["coordinator"]}, "roles[0]"),
    ],
)
def test_each_wrong_part_is_an_error_that_names_it(changed, key):
    assert f"toril:access[0].{key}: " in error({**GITLAB, **changed})


@pytest.mark.parametrize(
    "entry",
    [
        {"roles": ["run"]},
        {**GITLAB, **PEOPLE},
        {**GITLAB, "subjects": []},
        {**GITLAB, "audiences": []},
        {**PEOPLE, "audiences": ["sts.amazonaws.com"]},
        {**PEOPLE, "existing": True},
    ],
)
def test_an_entry_has_either_principals_or_an_issuer_with_audiences_and_subjects(entry):
    assert "toril:access[0]: " in error(entry)


@pytest.mark.parametrize(
    ("region", "partition"), [("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn"), ("eu-west-1", "aws")]
)
def test_a_trust_has_the_arns_of_its_partition(region, partition):
    people = json.loads(json.dumps(PEOPLE).replace("arn:aws:", f"arn:{partition}:"))
    found = json.dumps(trusts(people, GITLAB, region=region))
    assert set(re.findall(r"arn:(aws[a-z-]*):", found)) == {partition}
    elsewhere = "eu-west-1" if partition != "aws" else "cn-north-1"
    with pytest.raises(SettingError, match=r"toril:access: .* another AWS partition than"):
        trusts(people, region=elsewhere)


def test_the_order_of_entries_makes_no_difference():
    entries = [PEOPLE, GITLAB, {**GITLAB, "subjects": ["project_path:acme/cart:*"]}]
    first = trusts(*entries)
    assert all(trusts(*some) == first for some in permutations(entries))


def test_a_trust_policy_that_iam_would_refuse_is_an_error():
    many = {**GITLAB, "subjects": [f"project_path:acme/shop-{number}:ref_type:branch:ref:main" for number in range(20)]}
    assert len(render({"Version": "2012-10-17", "Statement": trusts(many)["run"]})) < LONGEST_TRUST
    with pytest.raises(SettingError, match=r"toril:access: .*`run`.* 2,048"):
        trusts(many, {**many, "issuer": "https://gitlab.acme.example"})


def test_too_many_issuers_are_an_error():
    entries = [{**GITLAB, "issuer": f"https://gitlab-{number}.acme.example"} for number in range(6)]
    assert "toril:access: " in error(*entries)
