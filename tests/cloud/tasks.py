"""A network, a cluster and task definitions, for tests that run tasks in the embedded cloud."""

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.cloud.embedded import Cloud, Credentials

REGION = "eu-west-1"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/toril/worker:1"
GROUP = "/toril/worker"
TASKS = {"Service": "ecs-tasks.amazonaws.com"}
EXECUTION: list[dict[str, Any]] = [
    {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
    {
        "Effect": "Allow",
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"],
        "Resource": "arn:aws:ecr:eu-west-1:123456789012:repository/toril/worker",
    },
    {
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"arn:aws:logs:eu-west-1:123456789012:log-group:{GROUP}:*",
    },
]


def role(
    cloud: Cloud, name: str, statements: Iterable[Mapping[str, Any]], principal: Mapping[str, str], **more: Any
) -> str:
    """Makes a role with one policy. Returns its ARN."""
    iam = cloud.client("iam")
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document([trust]), **more)["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="main", PolicyDocument=document(statements))
    return str(made)


def document(statements: Iterable[Mapping[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster with a subnet in one region, for tasks."""

    cloud: Cloud
    network: Mapping[str, Any]
    task_role: str
    execution_role: str

    def define(self, family: str, script: str, *, volumes: Sequence[Mapping[str, Any]] = (), **container: Any) -> str:
        """Registers a task definition whose container runs a Python script. Returns its ARN."""
        options = {"awslogs-group": GROUP, "awslogs-region": REGION, "awslogs-stream-prefix": family}
        one = {
            "name": "main",
            "image": IMAGE,
            "command": ["-c", script],
            "logConfiguration": {"logDriver": "awslogs", "options": options},
            **container,
        }
        made = self.cloud.client("ecs", REGION).register_task_definition(
            family=family,
            cpu="256",
            memory="512",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            taskRoleArn=self.task_role,
            executionRoleArn=self.execution_role,
            containerDefinitions=[one],
            volumes=list(volumes),
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def run(self, definition: str, credentials: Credentials | None = None, **more: Any) -> dict[str, Any]:
        asked = {"cluster": "toril", "launchType": "FARGATE", "networkConfiguration": self.network, **more}
        asked = {name: value for name, value in asked.items() if value is not None}
        answer: dict[str, Any] = self.cloud.client("ecs", REGION, credentials).run_task(
            taskDefinition=definition, **asked
        )
        return answer

    def start(self, definition: str, **more: Any) -> str:
        """Starts one task. Returns its ARN."""
        return str(self.run(definition, **more)["tasks"][0]["taskArn"])

    def task(self, arn: str) -> dict[str, Any]:
        found: dict[str, Any] = self.cloud.client("ecs", REGION).describe_tasks(cluster="toril", tasks=[arn])["tasks"][
            0
        ]
        return found

    def wait(self, arn: str, status: str = "STOPPED", within_s: float = 20) -> dict[str, Any]:
        give_up = time.monotonic() + within_s
        while (task := self.task(arn))["lastStatus"] != status:
            if time.monotonic() > give_up:
                raise TimeoutError(f"{task['lastStatus']} instead of {status}: {task.get('stoppedReason')}")
            time.sleep(0.03)
        return task

    def output(self, family: str, within_s: float = 10) -> list[str]:
        """Waits for output of a family's tasks. Returns its lines."""
        logs, give_up = self.cloud.client("logs", REGION), time.monotonic() + within_s
        while time.monotonic() < give_up:
            streams = logs.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=f"{family}/")["logStreams"]
            lines = [
                event["message"]
                for stream in streams
                for event in logs.get_log_events(logGroupName=GROUP, logStreamName=stream["logStreamName"])["events"]
            ]
            if lines:
                return lines
            time.sleep(0.05)
        raise TimeoutError(f"no output of {family}")


def place(cloud: Cloud, task_statements: Sequence[Mapping[str, Any]] = ()) -> Place:
    """Makes a cluster of Fargate and Fargate Spot with an image that runs this Python."""
    ec2, ecs = cloud.client("ec2", REGION), cloud.client("ecs", REGION)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    (table,) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"]
    ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ecs.create_cluster(clusterName="toril", capacityProviders=["FARGATE", "FARGATE_SPOT"])
    cloud.client("logs", REGION).create_log_group(logGroupName=GROUP)
    cloud.client("ecr", REGION).create_repository(repositoryName="toril/worker")
    cloud.set_image("toril/worker", [sys.executable, "-u"])
    network = {"awsvpcConfiguration": {"subnets": [subnet], "assignPublicIp": "ENABLED"}}
    return Place(
        cloud, network, role(cloud, "task", task_statements, TASKS), role(cloud, "execution", EXECUTION, TASKS)
    )
