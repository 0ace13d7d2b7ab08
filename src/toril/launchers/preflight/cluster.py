"""Where tasks run: the cluster, and the revisions of the task definitions."""

from collections.abc import Iterator

from toril.aws.errors import AwsError
from toril.launchers.preflight.findings import Finding, Look, missing, ok
from toril.records import DeployedWorker

PROCESSORS = {"x86-64": "X86_64", "arm64": "ARM64"}  # as ECS calls them


def cluster(look: Look) -> Iterator[Finding]:
    """Active, and with the capacity that the run wants."""
    arn = look.deployment.cluster
    answer = look.ask("ecs", "describe_clusters", "ecs:DescribeClusters", clusters=[arn])
    found = next(iter(answer.get("clusters", [])), None)
    status = "missing" if found is None else found.get("status", "")
    if found is None or status != "ACTIVE":
        yield missing("cluster", f"{arn} is {status}; {look.up}")
        return
    spot = look.plan is not None and look.plan.task is not None and look.plan.task.spot
    if spot and "FARGATE_SPOT" not in found.get("capacityProviders", []):
        yield missing("cluster", f"{arn} has no FARGATE_SPOT; {look.up}, or set toril.worker.spot to false")
        return
    yield ok("cluster", f"{arn.rpartition('/')[2]} is active")


def definitions(look: Look) -> Iterator[Finding]:
    """Each is active, and is what the stack said of it."""
    for kind in look.kinds:
        yield _definition(look, kind)


def _definition(look: Look, kind: DeployedWorker) -> Finding:
    name, arn = f"task definition {kind.flavour} {kind.architecture}", kind.task_definition
    try:
        answer = look.ask("ecs", "describe_task_definition", "ecs:DescribeTaskDefinition", taskDefinition=arn)
    except AwsError as refused:
        if refused.fault.aws_code == "ClientException":  # what ECS says of one that is not there
            return missing(name, f"{arn} does not exist; {look.up}")
        raise
    found = answer["taskDefinition"]
    if found.get("status") != "ACTIVE":
        return missing(name, f"{arn} is {found.get('status')}; {look.up}")
    processor = found.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    if processor != PROCESSORS[kind.architecture]:
        return missing(name, f"{arn} is for {processor}, not for {PROCESSORS[kind.architecture]}; {look.up}")
    containers = {one["name"]: one.get("image", "") for one in found.get("containerDefinitions", [])}
    if kind.container not in containers:
        return missing(name, f"{arn} has no container {kind.container}; {look.up}")
    if containers[kind.container] != kind.image:
        return missing(name, f"{arn} runs {containers[kind.container]}, not {kind.image}; {look.up}")
    return ok(name, f"{arn.rpartition('/')[2]} is active")
