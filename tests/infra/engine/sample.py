"""A small program for the tests of the engine: a network, a registry, a role, a task definition and a secret."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

TOKEN = "a made-up token that no output may show"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The parameters that tests vary."""

    region: str = "eu-west-1"
    tags: Mapping[str, str] = field(default_factory=lambda: {"owner": "tests"})
    encryption: str = "AES256"
    mutability: str = "IMMUTABLE"
    image: str = "1"
    protect: bool = False


def program(sample: Sample) -> Callable[[], None]:
    """Returns the program of a sample, which the engine may run several times."""
    return lambda: main(sample)


def main(sample: Sample) -> None:
    provider = aws.Provider("aws", region=sample.region, default_tags={"tags": {"project": "toril"}})
    options = pulumi.ResourceOptions(provider=provider)
    protected = pulumi.ResourceOptions(provider=provider, protect=sample.protect)
    region, tags = sample.region, dict(sample.tags)

    vpc = aws.ec2.Vpc("workers", cidr_block="10.20.0.0/16", region=region, tags=tags, opts=options)
    aws.ec2.Subnet("workers", vpc_id=vpc.id, cidr_block="10.20.1.0/24", region=region, tags=tags, opts=options)
    repository = aws.ecr.Repository(
        "worker",
        name="toril/worker",
        image_tag_mutability=sample.mutability,
        encryption_configurations=[{"encryption_type": sample.encryption}],
        region=region,
        tags=tags,
        opts=protected,
    )
    aws.ecr.PullThroughCacheRule(
        "public", ecr_repository_prefix="public", upstream_registry_url="public.ecr.aws", region=region, opts=options
    )
    role = aws.iam.Role("worker", assume_role_policy=json.dumps(TRUST), path="/toril/main/", tags=tags, opts=options)
    image = pulumi.Output.concat(repository.repository_url, ":", sample.image)
    container = {"name": "worker", "image": image, "essential": True}
    aws.ecs.TaskDefinition(
        "worker",
        family="toril",
        cpu="256",
        memory="512",
        network_mode="awsvpc",
        requires_compatibilities=["FARGATE"],
        execution_role_arn=role.arn,
        container_definitions=pulumi.Output.json_dumps([container]),
        region=region,
        tags=tags,
        opts=options,
    )
    secret = aws.secretsmanager.Secret(
        "token", name="ecr-pullthroughcache/token", recovery_window_in_days=0, region=region, tags=tags, opts=options
    )
    aws.secretsmanager.SecretVersion(
        "token", secret_id=secret.id, secret_string=pulumi.Output.secret(TOKEN), region=region, opts=options
    )
    pulumi.export("repository", repository.repository_url)
    pulumi.export("token", pulumi.Output.secret(TOKEN))


RESOURCES = 10  # 8 AWS resources, the stack itself and the provider
