"""A cloud with IAM, a hub and two regions, for tests of the roles' rights."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.cloud.embedded import Credentials
from tests.fargate.stage import AWAY, HOME, SECRET, Stage
from tests.infra.world import World
from toril.records import Deployment

REGION, HUB = AWAY, HOME
ACCOUNT = "123456789012"
BUCKET = f"toril-{ACCOUNT}-{HUB}"
OTHER_CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/toril-prod"
RUN = "runs/20261124T203406Z-shop-9ce8"


@dataclass(frozen=True)
class Place:
    """A hub and two regions, deployed by the account's root, and other resources beside them."""

    stage: Stage
    listed: str  # a secret on the region's list
    unlisted: str

    @property
    def world(self) -> World:
        return self.stage.world

    @cached_property
    def deployment(self) -> Deployment:
        return self.world.deployment(REGION)

    @cached_property
    def home(self) -> Deployment:
        return self.world.deployment(HUB)

    def arn(self, role: str) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/toril/main/toril-{role}"

    def github(self, role: str, end: str, **claims: str) -> Credentials:
        subject = {"sub": f"repo:acme/shop:{end}", "repository_id": "22"}
        return self.world.cloud.assume_with_github(self.arn(role), **{**subject, **claims})

    def acting(self, role: str) -> Credentials:
        """Returns credentials of a role as for a task or service. Other tests check the role's trust."""
        iam = self.world.cloud.client("iam")
        name = f"toril-{role}"
        kept = json.dumps(iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"])
        root = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        open_to_root = json.dumps({"Version": "2012-10-17", "Statement": [root]})
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=open_to_root)
        try:
            return self.world.cloud.assume(self.arn(role))
        finally:
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=kept)

    def client(self, service: str, who: Credentials | None = None, region: str = REGION) -> Any:
        return self.world.cloud.client(service, region, who)

    def task(self, deployment: Deployment | None = None, **more: Any) -> dict[str, Any]:
        """Returns the launcher's RunTask request."""
        there = deployment or self.deployment
        network = {
            "subnets": list(there.network.subnets),
            "securityGroups": list(there.network.security_groups),
            "assignPublicIp": "ENABLED",
        }
        asked = {
            "cluster": there.cluster,
            "taskDefinition": there.workers[0].task_definition,
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": network},
            "tags": [{"key": "toril:environment", "value": "main"}],
        }
        return {**asked, **more}


def granted(stage: Stage) -> Place:
    """Adds a run, a suite, another cluster and another secret to the stage."""
    cloud, vault = stage.cloud, stage.cloud.client("secretsmanager", REGION)
    unlisted = vault.create_secret(Name="other", SecretString="s3cr3t")["ARN"]
    s3 = cloud.client("s3")
    s3.put_object(Bucket=BUCKET, Key=f"{RUN}/plan.json", Body=b"{}")
    s3.put_object(Bucket=BUCKET, Key="suites/shop/suite.yml", Body=b"{}")
    cloud.client("ecs", REGION).create_cluster(clusterName="toril-prod", capacityProviders=["FARGATE"])
    return Place(stage, vault.describe_secret(SecretId=SECRET)["ARN"], unlisted)


def denied(call: Any, **asked: Any) -> None:
    """Checks that IAM denies the call, and that it does not fail for another reason."""
    with pytest.raises(ClientError, match=r"AccessDenied|not authorized|UnauthorizedOperation|AuthorizationError"):
        call(**asked)
