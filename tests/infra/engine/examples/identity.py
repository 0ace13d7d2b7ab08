"""Secrets, keys, roles and buckets."""

import json

from tests.infra.engine.examples.common import (
    ACCOUNT_ROOT,
    BUCKET,
    KEY,
    RETAGGED,
    ROLE,
    SECRET,
    TAGS,
    Example,
    Of,
    policy,
    trust,
)

SECRETS = {
    SECRET: Example(
        inputs={
            "name": "ecr-pullthroughcache/toril",
            "recoveryWindowInDays": 0,
            "replicas": [{"region": "us-west-2"}],
            **TAGS,
        },
        change={"description": "a token", "replicas": [], **RETAGGED},
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": Example(
        inputs={"secretId": Of(SECRET), "secretString": "made up"}, outlives=True
    ),
    KEY: Example(
        inputs={"description": "results", "enableKeyRotation": True, "deletionWindowInDays": 7, **TAGS},
        change={
            "description": "the results",
            "policy": policy("kms:*", "*", ACCOUNT_ROOT),
            "enableKeyRotation": False,
            **RETAGGED,
        },
    ),
    "aws:kms/alias:Alias": Example(inputs={"name": "alias/toril", "targetKeyId": Of(KEY, "keyId")}),
}
IDENTITY = {
    ROLE: Example(
        inputs={
            "name": "worker",
            "path": "/toril/main/",
            "assumeRolePolicy": trust("ecs-tasks.amazonaws.com"),
            "permissionsBoundary": "arn:aws:iam::aws:policy/PowerUserAccess",
            **TAGS,
        },
        change={"description": "workers", "maxSessionDuration": 7200, "permissionsBoundary": None, **RETAGGED},
    ),
    "aws:iam/rolePolicy:RolePolicy": Example(
        inputs={
            "role": Of(ROLE),
            "policy": json.dumps(
                {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
            ),
        },
        change={
            "policy": json.dumps(
                {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}]}
            )
        },
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Example(
        inputs={"role": Of(ROLE), "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": Example(
        inputs={
            "url": "https://token.actions.githubusercontent.com",
            "clientIdLists": ["sts.amazonaws.com"],
            **TAGS,
        },
        change={"clientIdLists": ["sts.amazonaws.com", "toril"]},
    ),
    "aws:iam/serviceLinkedRole:ServiceLinkedRole": Example(inputs={"awsServiceName": "ecs.amazonaws.com"}),
}
STORAGE = {
    BUCKET: Example(inputs={"bucket": "toril-results", "forceDestroy": True, **TAGS}, change=RETAGGED),
    "aws:s3/bucketPolicy:BucketPolicy": Example(
        inputs={
            "bucket": Of(BUCKET),
            "policy": policy("s3:GetObject", "arn:aws:s3:::toril-results/*", ACCOUNT_ROOT),
        },
        change={"policy": policy("s3:PutObject", "arn:aws:s3:::toril-results/*", ACCOUNT_ROOT)},
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Example(
        inputs={"bucket": Of(BUCKET), "blockPublicAcls": True, "blockPublicPolicy": True},
        change={"ignorePublicAcls": True},
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Example(
        inputs={
            "bucket": Of(BUCKET),
            "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}, "bucketKeyEnabled": True}],
        },
        change={
            "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms"}, "bucketKeyEnabled": True}]
        },
        outlives=True,
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Example(
        inputs={"bucket": Of(BUCKET), "rules": [{"id": "old", "status": "Enabled", "expiration": {"days": 90}}]},
        change={"rules": [{"id": "old", "status": "Enabled", "expiration": {"days": 30}}]},
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Example(
        inputs={"bucket": Of(BUCKET), "rule": {"objectOwnership": "BucketOwnerEnforced"}},
        change={"rule": {"objectOwnership": "BucketOwnerPreferred"}},
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Example(
        inputs={"bucket": Of(BUCKET), "versioningConfiguration": {"status": "Enabled"}}, outlives=True
    ),
    "aws:s3/bucketObjectv2:BucketObjectv2": Example(
        inputs={
            "bucket": Of(BUCKET),
            "key": "deployments/eu-west-1.json",
            "content": "{}",
            "contentType": "application/json",
            **TAGS,
        },
        change={"content": '{"a": 1}', **RETAGGED},
    ),
}
