"""ECR's repositories, creation templates and registry settings, with Pulumi's calls from create to delete."""

import json

import pytest

from tests.cloud.refused import refused

PUBLIC = {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [PUBLIC]})


@pytest.fixture
def ecr(cloud):
    return cloud.client("ecr", "eu-west-1")


@pytest.fixture
def repository(ecr):
    ecr.create_repository(repositoryName="toril/worker")
    return "toril/worker"


@pytest.mark.parametrize(
    "policy",
    [
        "{",
        "{}",
        json.dumps({"Statement": [{**PUBLIC, "Effect": "allow"}]}),
        json.dumps({"Statement": [{"Effect": "Allow", "Action": "*"}]}),
        json.dumps({"Version": "2026-01-01", "Statement": [PUBLIC]}),
    ],
)
def test_an_invalid_resource_policy_is_an_error(ecr, repository, policy):
    with refused("InvalidParameterException"):
        ecr.set_repository_policy(repositoryName=repository, policyText=policy)
    with refused("InvalidParameterException"):
        ecr.put_registry_policy(policyText=policy)


@pytest.mark.parametrize(
    "more", [{"resourceTags": [{"Key": "a", "Value": "b"}]}, {"encryptionConfiguration": {"encryptionType": "KMS"}}]
)
def test_a_template_with_tags_or_kms_needs_a_role(cloud, ecr, more):
    template = {"prefix": "docker-hub", "appliedFor": ["PULL_THROUGH_CACHE"], **more}
    with refused("InvalidParameterException", "customRoleArn"):
        ecr.create_repository_creation_template(**template)
    ecr.create_repository_creation_template(**template, customRoleArn=f"arn:aws:iam::{cloud.account}:role/template")


def test_the_role_of_a_template_has_no_path(cloud, ecr):
    template = {"prefix": "docker-hub", "appliedFor": ["PULL_THROUGH_CACHE"]}
    with refused("InvalidParameterException", "customRoleArn"):
        ecr.create_repository_creation_template(**template, customRoleArn=f"arn:aws:iam::{cloud.account}:role/a/b")


def test_a_registry_policy_of_an_older_account_allows_three_actions_only(ecr):
    ecr.put_account_setting(name="REGISTRY_POLICY_SCOPE", value="V1")
    with refused("InvalidParameterException", "ecr:"):
        ecr.put_registry_policy(policyText=POLICY)
    ecr.put_account_setting(name="REGISTRY_POLICY_SCOPE", value="V2")
    ecr.put_registry_policy(policyText=POLICY)
