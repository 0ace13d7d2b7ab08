"""ECR Public: one registry per account, with a catalogue."""

import json

import pytest

from tests.cloud.refused import refused

POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*"}]})


@pytest.fixture
def public(cloud):
    return cloud.client("ecr-public", "us-east-1")


def test_a_public_repository_lives_from_create_to_delete(public):
    made = public.create_repository(repositoryName="worker", catalogData={"description": "a worker"})["repository"]
    assert made["repositoryUri"].endswith("/worker")
    with refused("RepositoryAlreadyExistsException"):
        public.create_repository(repositoryName="worker")
    public.put_repository_catalog_data(repositoryName="worker", catalogData={"aboutText": "# worker"})
    assert public.get_repository_catalog_data(repositoryName="worker")["catalogData"] == {"aboutText": "# worker"}
    public.delete_repository(repositoryName="worker")
    with refused("RepositoryNotFoundException"):
        public.describe_repositories(repositoryNames=["worker"])
    with refused("RepositoryNotFoundException"):
        public.get_repository_catalog_data(repositoryName="worker")


def test_policy_and_tags_of_a_repository_can_be_set_and_removed(public):
    arn = public.create_repository(repositoryName="worker", tags=[{"Key": "a", "Value": "1"}])["repository"][
        "repositoryArn"
    ]
    with refused("RepositoryPolicyNotFoundException"):
        public.get_repository_policy(repositoryName="worker")
    public.set_repository_policy(repositoryName="worker", policyText=POLICY)
    assert public.get_repository_policy(repositoryName="worker")["policyText"] == POLICY
    public.delete_repository_policy(repositoryName="worker")
    with refused("RepositoryPolicyNotFoundException"):
        public.get_repository_policy(repositoryName="worker")
    public.tag_resource(resourceArn=arn, tags=[{"Key": "b", "Value": "2"}])
    public.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert public.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "b", "Value": "2"}]


def test_us_west_2_has_the_same_registry_and_other_regions_have_none(cloud, public):
    public.create_repository(repositoryName="worker")
    assert cloud.client("ecr-public", "us-west-2").describe_repositories()["repositories"]
    with refused("UnknownOperationException"):
        cloud.client("ecr-public", "eu-west-1").describe_repositories()


def test_ecr_public_returns_a_token(public):
    assert public.get_authorization_token()["authorizationData"]["authorizationToken"]
