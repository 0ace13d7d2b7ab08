"""CloudWatch: what the account uses of Fargate, a metric of AWS' own."""

from typing import Any

from ministack.services import cloudwatch, ecs

from tests.cloud.server.gateway import Service

CLASSES = {"FARGATE": "Standard/OnDemand", "FARGATE_SPOT": "Standard/Spot"}
UNITS_PER_VCPU = 1024


def count(request: dict[str, Any]) -> None:
    """Count the vCPU in use as AWS does each minute; here as often as somebody asks."""
    vcpu = dict.fromkeys(CLASSES, 0.0)
    for task in ecs._tasks.values():
        if task["lastStatus"] != "STOPPED":
            vcpu[task.get("capacityProviderName") or "FARGATE"] += int(task["cpu"]) / UNITS_PER_VCPU
    for provider, number in vcpu.items():
        dimensions = {"Service": "Fargate", "Type": "Resource", "Resource": "vCPU", "Class": CLASSES[provider]}
        # The newest count alone: MiniStack 1.5.33 answers in the order of time, whatever ScanBy says.
        cloudwatch._metric_bucket(("AWS/Usage", "ResourceCount", cloudwatch._dims_key(dimensions))).clear()
        cloudwatch.record_metric("AWS/Usage", "ResourceCount", number, dimensions=dimensions)


SERVICE = Service(
    name="monitoring",
    model="cloudwatch",
    invalid="ValidationError",
    checks={"GetMetricData": count, "GetMetricStatistics": count},
)
