"""ECR and ECR Public."""

import json

from tests.infra.engine.examples.common import (
    ACCOUNT_ROOT,
    LIFECYCLE,
    PUBLIC,
    REPOSITORY,
    RETAGGED,
    TAGS,
    Example,
    Of,
    policy,
)

REGISTRY = {
    REPOSITORY: Example(
        inputs={
            "name": "toril/worker",
            "imageTagMutability": "IMMUTABLE",
            "encryptionConfigurations": [{"encryptionType": "AES256"}],
            **TAGS,
        },
        change={"imageTagMutability": "MUTABLE", "imageScanningConfiguration": {"scanOnPush": True}, **RETAGGED},
    ),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": Example(
        inputs={"repository": Of(REPOSITORY, "name"), "policy": policy("ecr:BatchGetImage", None, ACCOUNT_ROOT)},
        change={"policy": policy("ecr:GetDownloadUrlForLayer", None, ACCOUNT_ROOT)},
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": Example(
        inputs={"repository": Of(REPOSITORY, "name"), "policy": json.dumps(LIFECYCLE)}
    ),
    "aws:ecr/pullThroughCacheRule:PullThroughCacheRule": Example(
        inputs={"ecrRepositoryPrefix": "ecr-public", "upstreamRegistryUrl": "public.ecr.aws"}
    ),
    "aws:ecr/repositoryCreationTemplate:RepositoryCreationTemplate": Example(
        inputs={
            "prefix": "ecr-public",
            "appliedFors": ["PULL_THROUGH_CACHE"],
            "encryptionConfigurations": [{"encryptionType": "AES256"}],
        },
        change={"description": "what is cached", "imageTagMutability": "MUTABLE"},
    ),
    "aws:ecr/registryPolicy:RegistryPolicy": Example(
        inputs={
            "policy": policy(
                "ecr:CreateRepository", "arn:aws:ecr:eu-west-1:123456789012:repository/*", ACCOUNT_ROOT, Sid="cache"
            )
        },
        change={
            "policy": policy(
                "ecr:ReplicateImage", "arn:aws:ecr:eu-west-1:123456789012:repository/*", ACCOUNT_ROOT, Sid="cache"
            )
        },
    ),
    "aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration": Example(
        inputs={
            "scanType": "BASIC",
            "rules": [
                {
                    "scanFrequency": "SCAN_ON_PUSH",
                    "repositoryFilters": [{"filter": "toril/*", "filterType": "WILDCARD"}],
                }
            ],
        },
        change={"rules": []},
        outlives=True,
    ),
    "aws:ecr/replicationConfiguration:ReplicationConfiguration": Example(
        inputs={
            "replicationConfiguration": {
                "rules": [{"destinations": [{"region": "us-east-1", "registryId": "123456789012"}]}]
            }
        },
        outlives=True,
    ),
    "aws:ecr/accountSetting:AccountSetting": Example(
        inputs={"name": "BASIC_SCAN_TYPE_VERSION", "value": "AWS_NATIVE"}, outlives=True
    ),
    PUBLIC: Example(
        inputs={"repositoryName": "toril", "catalogData": {"description": "workers"}, "region": "us-east-1", **TAGS},
        change={"catalogData": {"description": "workers of load tests"}},
    ),
    "aws:ecrpublic/repositoryPolicy:RepositoryPolicy": Example(
        inputs={
            "repositoryName": Of(PUBLIC, "repositoryName"),
            "policy": policy("ecr-public:DescribeImages", None),
            "region": "us-east-1",
        },
        change={"policy": policy("ecr-public:DescribeRepositories", None)},
    ),
}
