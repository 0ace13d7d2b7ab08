"""The trust of roles in GitHub's jobs: exact subjects in both forms, and the repository's id."""

import json
import re

import pytest

from infra.hub.github import trust_in_jobs, workflow_roles
from infra.permissions.statements import document, render
from infra.rules import reasons
from infra.settings import HubSettings, SettingError, parse

PROVIDER = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
HOME = {"name": "acme/shop", "ownerId": "11", "repositoryId": "22"}
OTHER = {"name": "acme/Cart.api", "ownerId": "11", "repositoryId": "33", "run": "nightly"}


def roles(**settings):
    found = parse("hub", {"github": json.dumps({"home": HOME, **settings})}).settings
    assert isinstance(found, HubSettings)
    assert found.github
    return {one.role: one for one in workflow_roles(found.github)}


def condition(found, provider=PROVIDER):
    statement = trust_in_jobs(provider, found.repository, found.suffixes)
    assert statement["Principal"] == {"Federated": provider}
    assert set(statement["Condition"]) == {"StringEquals"}
    return {key.rpartition(":")[2]: value for key, value in statement["Condition"]["StringEquals"].items()}


def test_the_role_run_trusts_its_environment_in_both_forms_of_the_subject():
    assert condition(roles()["run"]) == {
        "aud": "sts.amazonaws.com",
        "repository_id": "22",
        "sub": ["repo:acme/shop:environment:load-test", "repo:acme@11/shop@22:environment:load-test"],
    }


def test_the_role_run_also_trusts_the_nightly_environment():
    assert condition(roles(nightly="night")["run"])["sub"] == [
        "repo:acme/shop:environment:load-test",
        "repo:acme/shop:environment:night",
        "repo:acme@11/shop@22:environment:load-test",
        "repo:acme@11/shop@22:environment:night",
    ]


def test_the_role_preview_trusts_pull_requests_alone():
    assert condition(roles()["preview"])["sub"] == [
        "repo:acme/shop:pull_request",
        "repo:acme@11/shop@22:pull_request",
    ]


@pytest.mark.parametrize("preview", [None, "look"])
def test_the_role_drift_trusts_the_default_branch_alone(preview):
    assert condition(roles(branch="trunk", preview=preview)["drift"])["sub"] == [
        "repo:acme/shop:ref:refs/heads/trunk",
        "repo:acme@11/shop@22:ref:refs/heads/trunk",
    ]


def test_the_role_preview_with_an_environment_trusts_only_its_jobs():
    assert condition(roles(preview="look")["preview"])["sub"] == [
        "repo:acme/shop:environment:look",
        "repo:acme@11/shop@22:environment:look",
    ]


def test_the_roles_deploy_and_publish_trust_only_their_environments():
    found = roles(deploy="production", publish="images")
    assert {end for role in ("deploy", "publish") for end in found[role].suffixes} == {
        "environment:production",
        "environment:images",
    }


def test_another_repository_gets_only_a_role_to_run():
    found = roles(repositories=[OTHER])
    assert set(found) == {"preview", "drift", "deploy", "publish", "run", "run-33"}
    assert found["run-33"].purpose == "run"
    assert condition(found["run-33"])["sub"] == [
        "repo:acme/Cart.api:environment:nightly",
        "repo:acme@11/Cart.api@33:environment:nightly",
    ]


def test_a_repository_without_an_environment_for_runs_gets_no_role_to_run():
    assert "run" not in roles(home={**HOME, "run": None})


def test_the_same_repository_twice_is_an_error():
    with pytest.raises(SettingError, match="same repositoryId"):
        roles(repositories=[{**OTHER, "repositoryId": "22"}])


@pytest.mark.parametrize("name", ["*", "load*", "a:b", ""])
def test_a_pattern_in_an_environments_name_is_an_error(name):
    with pytest.raises(SettingError, match="deploy"):
        roles(deploy=name)


def test_every_trust_keeps_the_rules_and_fits_into_a_role():
    long = {"name": "o" * 39 + "/" + "r" * 100, "ownerId": "9" * 12, "repositoryId": "9" * 12, "run": "e" * 255}
    for found in roles(repositories=[OTHER, long]).values():
        text = render(document([trust_in_jobs(PROVIDER, found.repository, found.suffixes)]))
        assert reasons("aws:iam/role:Role", {"assumeRolePolicy": text}) == []
        assert len(text) <= 2048
        assert not re.search(r"[*?]", text)


def test_govcloud_uses_the_partitions_own_provider():
    government = PROVIDER.replace("arn:aws:", "arn:aws-us-gov:")
    assert condition(roles()["run"], government)["repository_id"] == "22"
