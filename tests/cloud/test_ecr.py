"""ECR's repositories, creation templates and registry settings, with Pulumi's calls from create to delete."""

import json

import pytest

from tests.cloud.refused import refused

PUBLIC = {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [PUBLIC]})
SELECTION = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7}


@pytest.fixture
def ecr(cloud):
    return cloud.client("ecr", "eu-west-1")


@pytest.fixture
def repository(ecr):
    ecr.create_repository(repositoryName="toril/worker")
    return "toril/worker"


def lifecycle(**selection):
    rule = {"rulePriority": 1, "selection": {**SELECTION, **selection}, "action": {"type": "expire"}}
    return json.dumps({"rules": [rule]})


def test_exclusion_filters_require_a_setting_with_exclusions(ecr):
    filters = [{"filterType": "WILDCARD", "filter": "latest*"}]
    with refused("InvalidParameterException"):
        ecr.create_repository(
            repositoryName="one", imageTagMutability="IMMUTABLE", imageTagMutabilityExclusionFilters=filters
        )
    with refused("InvalidParameterException"):
        ecr.create_repository(repositoryName="one", imageTagMutability="IMMUTABLE_WITH_EXCLUSION")


def test_a_repository_with_images_can_be_deleted_only_by_force(ecr, repository):
    ecr.put_image(repositoryName=repository, imageManifest='{"schemaVersion": 2}', imageTag="1")
    with refused("RepositoryNotEmptyException"):
        ecr.delete_repository(repositoryName=repository)
    ecr.delete_repository(repositoryName=repository, force=True)


def test_repositories_come_in_pages(ecr):
    for number in range(7):
        ecr.create_repository(repositoryName=f"r{number}")
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 3})
    assert [len(page["repositories"]) for page in pages] == [3, 3, 1]


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
    "selection",
    [
        {"tagStatus": "tagged"},
        {"tagStatus": "none"},
        {"countNumber": 0},
        {"countType": "imageCountMoreThan"},
        {"tagPrefixList": ["v"]},
        {"countUnit": "hours"},
        {"more": 1},
    ],
)
def test_an_invalid_lifecycle_policy_is_an_error(ecr, repository, selection):
    with refused("InvalidParameterException", "Lifecycle policy"):
        ecr.put_lifecycle_policy(repositoryName=repository, lifecyclePolicyText=lifecycle(**selection))


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
