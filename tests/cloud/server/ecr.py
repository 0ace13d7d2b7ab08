"""Amazon ECR: pull-through cache rules, creation templates and registry settings beside MiniStack's repositories."""

from tests.cloud.server import (
    ecr_images,
    ecr_pull_through,
    ecr_registry,
    ecr_repositories,
    ecr_templates,
    registry_access,
)
from tests.cloud.server.gateway import Service

SERVICE = Service(
    name="ecr",
    model="ecr",
    invalid="InvalidParameterException",
    before=ecr_pull_through.own_registry,
    operations={
        "CreatePullThroughCacheRule": ecr_pull_through.create,
        "DescribePullThroughCacheRules": ecr_pull_through.describe,
        "UpdatePullThroughCacheRule": ecr_pull_through.update,
        "DeletePullThroughCacheRule": ecr_pull_through.delete,
        "CreateRepositoryCreationTemplate": ecr_templates.create,
        "DescribeRepositoryCreationTemplates": ecr_templates.describe,
        "UpdateRepositoryCreationTemplate": ecr_templates.update,
        "DeleteRepositoryCreationTemplate": ecr_templates.delete,
        "PutRegistryPolicy": ecr_registry.put_policy,
        "GetRegistryPolicy": ecr_registry.get_policy,
        "DeleteRegistryPolicy": ecr_registry.delete_policy,
        "PutRegistryScanningConfiguration": ecr_registry.put_scanning,
        "GetRegistryScanningConfiguration": ecr_registry.get_scanning,
        "PutAccountSetting": ecr_registry.put_setting,
        "GetAccountSetting": ecr_registry.get_setting,
        "PutReplicationConfiguration": ecr_registry.put_replication,
        "DescribeRegistry": ecr_registry.describe,
        "DescribeRepositories": ecr_repositories.describe,
        "PutImageTagMutability": ecr_repositories.put_mutability,
        "GetAuthorizationToken": registry_access.give_token,
        "DescribeImages": ecr_images.describe,
        "DescribeImageScanFindings": ecr_images.scanned,
    },
    checks={
        "CreateRepository": ecr_repositories.check_create,
        "SetRepositoryPolicy": ecr_repositories.check_policy,
        "PutLifecyclePolicy": ecr_repositories.check_lifecycle,
        "PutImage": ecr_images.check_put,
    },
    amends={"CreateRepository": ecr_repositories.created},
)
