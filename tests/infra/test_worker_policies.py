"""The rights of workers, and of ECS on their behalf."""

from typing import Any

import pytest

from infra.permissions.statements import Document
from infra.registry.hosts import PrivateRegistry
from infra.registry.images import Image
from infra.workers.policies import Results, execution_policy, worker_policy
from tests.infra.regions import ACCOUNT, OTHER, key, place, secret

RESULTS = Results(bucket="results", region="us-east-1")
HOME = PrivateRegistry(ACCOUNT, "us-east-1")
OWN = Image(uri="own", digest=None, registry=HOME, repository="toril/worker")
CACHED = Image(uri="c", digest=None, registry=HOME, repository="docker-hub/library/nginx", cache="docker-hub")
LOGIN = Image(uri="l", digest=None, credentials=secret("login-AbCdEf"))


def rights(policy: Document) -> dict[str, set[str]]:
    """Returns the resources by action."""
    found: dict[str, set[str]] = {}
    for statement in (one for one in policy["Statement"] if one["Effect"] == "Allow"):
        for action in statement["Action"]:
            found.setdefault(action, set()).update(statement["Resource"])
    return found


def statement(policy: Document, sid: str) -> dict[str, Any]:
    (found,) = [one for one in policy["Statement"] if one["Sid"] == sid]
    return dict(found)


def test_a_worker_only_reads_runs_and_adds_files_to_workers_folders():
    assert rights(worker_policy(place(), RESULTS, [], [])) == {
        "s3:GetObject": {"arn:aws:s3:::results/runs/*", "arn:aws:s3:::results/given/*"},
        "s3:ListBucket": {"arn:aws:s3:::results"},
        "s3:PutObject": {"arn:aws:s3:::results/runs/*/workers/*", "arn:aws:s3:::results/given/*"},
    }


def test_a_worker_cannot_write_to_suites_although_a_star_matches_slashes():
    found = statement(worker_policy(place(), RESULTS, [], []), "LeaveSuites")
    assert (found["Effect"], found["Action"]) == ("Deny", ["s3:PutObject"])
    assert found["Resource"] == ["arn:aws:s3:::results/runs/*/suite/*"]


def test_a_worker_cannot_announce_an_agent():
    found = statement(worker_policy(place(), RESULTS, [], []), "LeaveAgents")
    assert (found["Effect"], found["Action"]) == ("Deny", ["s3:PutObject"])
    assert found["Resource"] == ["arn:aws:s3:::results/runs/agents/*"]


def test_a_worker_cannot_overwrite_files_and_lists_only_runs():
    policy = worker_policy(place(), RESULTS, [], [])
    assert statement(policy, "AddResults")["Condition"] == {"Null": {"s3:if-none-match": "false"}}
    assert statement(policy, "ListRuns")["Condition"] == {"StringLike": {"s3:prefix": ["given/*", "runs/*"]}}


def test_the_buckets_key_is_usable_only_through_s3():
    found = statement(worker_policy(place(), Results(bucket="b", region="eu-west-1", key=key()), [], []), "Encrypt")
    assert found["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert found["Resource"] == [key()]
    assert found["Condition"] == {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}


def test_a_worker_reads_only_listed_secrets_and_keys_decrypt_only_those():
    policy = worker_policy(place(), RESULTS, [secret(), secret("b-AbCdEf", "eu-west-1")], [key()])
    assert rights(policy)["secretsmanager:GetSecretValue"] == {secret(), secret("b-AbCdEf", "eu-west-1")}
    equals = statement(policy, "DecryptSecrets")["Condition"]["StringEquals"]
    assert equals["kms:EncryptionContext:SecretARN"] == sorted([secret(), secret("b-AbCdEf", "eu-west-1")])
    assert "kms:Decrypt" not in rights(worker_policy(place(), RESULTS, [secret()], []))
    assert "kms:Decrypt" not in rights(worker_policy(place(), RESULTS, [], [key()]))


def test_ecs_pulls_the_images_of_the_stack_and_writes_its_log_group():
    assert rights(execution_policy(place(), [OWN], "/toril/main/workers", [])) == {
        "ecr:GetAuthorizationToken": {"*"},
        "ecr:BatchCheckLayerAvailability": {f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/toril/worker"},
        "ecr:BatchGetImage": {f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/toril/worker"},
        "ecr:GetDownloadUrlForLayer": {f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/toril/worker"},
        "logs:CreateLogStream": {f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/toril/main/workers:log-stream:*"},
        "logs:PutLogEvents": {f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/toril/main/workers:log-stream:*"},
    }


@pytest.mark.parametrize("action", ["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"])
def test_ecs_may_import_only_cached_images(action):
    assert action not in rights(execution_policy(place(), [OWN], "logs", []))
    found = rights(execution_policy(place(), [OWN, CACHED], "logs", []))
    assert found[action] == {f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/docker-hub/library/nginx"}


def test_ecs_may_read_the_secret_of_a_registry_with_a_login():
    found = rights(execution_policy(place(), [LOGIN], "logs", []))
    assert found["secretsmanager:GetSecretValue"] == {secret("login-AbCdEf")}
    assert "ecr:BatchGetImage" not in found


def test_ecs_may_pull_an_image_from_another_account():
    other = Image(uri="o", digest=None, registry=PrivateRegistry(OTHER, "eu-west-1"), repository="team/app")
    pulled = rights(execution_policy(place(), [other], "logs", []))["ecr:BatchGetImage"]
    assert pulled == {f"arn:aws:ecr:eu-west-1:{OTHER}:repository/team/app"}


def test_arns_belong_to_the_partition():
    government = place("us-gov-west-1")
    for policy in (worker_policy(government, RESULTS, [], []), execution_policy(government, [], "logs", [])):
        resources = {one for found in rights(policy).values() for one in found}
        assert all(one == "*" or one.startswith("arn:aws-us-gov:") for one in resources)
