"""CloudWatch: AWS's metric of the account's Fargate usage."""

from typing import Any

from ministack.services import cloudwatch, ecs

from tests.cloud.server.gateway import Service

CLASSES = {"FARGATE": "Standard/OnDemand", "FARGATE_SPOT": "Standard/Spot"}
UNITS_PER_VCPU = 1024


def count(request: dict[str, Any]) -> None:
    """Records the vCPU in use, on each request; AWS records it each minute."""
    vcpu = dict.fromkeys(CLASSES, 0.0)
    for task in ecs._tasks.values():
        if task["lastStatus"] != "STOPPED":
            vcpu[task.get("capacityProviderName") or "FARGATE"] += int(task["cpu"]) / UNITS_PER_VCPU
    for provider, number in vcpu.items():
        dimensions = {"Service": "Fargate", "Type": "Resource", "Resource": "vCPU", "Class": CLASSES[provider]}
        # Keep only the newest count: MiniStack 1.5.33 ignores ScanBy and sorts by time.
        cloudwatch._metric_bucket(("AWS/Usage", "ResourceCount", cloudwatch._dims_key(dimensions))).clear()
        cloudwatch.record_metric("AWS/Usage", "ResourceCount", number, dimensions=dimensions)


SERVICE = Service(
    name="monitoring",
    model="cloudwatch",
    invalid="ValidationError",
    checks={"GetMetricData": count, "GetMetricStatistics": count},
)
