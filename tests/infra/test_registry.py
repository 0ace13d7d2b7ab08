"""Lifecycle policies and rights of repositories."""

import json

from infra.registry.private import grant_statements, lifecycle
from infra.settings.region import Grant
from tests.infra.regions import ACCOUNT, OTHER

PUSH = {"ecr:CompleteLayerUpload", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"}
PULL = {"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}


def test_untagged_images_expire_by_age_and_others_by_number():
    untagged, oldest = json.loads(lifecycle(keep=20, keep_untagged_days=3))["rules"]
    assert untagged["selection"] == {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 3,
    }
    assert oldest["selection"] == {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 20}
    assert untagged["rulePriority"] < oldest["rulePriority"]  # ECR requires the rule for `any` last


def test_images_of_a_cache_never_expire_by_age():
    (oldest,) = json.loads(lifecycle(keep=50))["rules"]
    assert oldest["selection"] == {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 50}


def test_an_account_may_pull_and_push_only_if_granted():
    pull, push = grant_statements(
        [Grant(principal=OTHER), Grant(principal=f"arn:aws:iam::{OTHER}:role/ci", rights=("push",))], "aws"
    )
    assert (pull["Principal"], set(pull["Action"])) == ({"AWS": f"arn:aws:iam::{OTHER}:root"}, PULL)
    assert (push["Principal"], set(push["Action"])) == ({"AWS": f"arn:aws:iam::{OTHER}:role/ci"}, PULL | PUSH)
    assert "Resource" not in pull
    assert pull["Sid"] != push["Sid"]


def test_a_grant_to_an_organisation_is_a_condition_on_all_principals():
    (found,) = grant_statements([Grant(principal="o-abcdefghij")], "aws")
    assert found["Principal"] == {"AWS": "*"}
    assert found["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}}


def test_the_registrys_policy_names_its_repositories():
    everything = f"arn:aws-us-gov:ecr:us-gov-west-1:{ACCOUNT}:repository/*"
    (found,) = grant_statements([Grant(principal=OTHER)], "aws-us-gov", [everything])
    assert found["Resource"] == [everything]
    assert found["Principal"] == {"AWS": f"arn:aws-us-gov:iam::{OTHER}:root"}
