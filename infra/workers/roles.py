"""The two roles of a worker's task: the worker's, and that of ECS to start it."""

import pulumi

from infra.permissions.grants import service_trust
from infra.permissions.role import make_role
from infra.place import Place
from infra.registry.images import Image
from infra.settings import RegionSettings
from infra.workers.policies import Results, execution_policy, worker_policy


class WorkerRoles(pulumi.ComponentResource):
    """Only tasks of this account and region can assume them."""

    worker: pulumi.Output[str]  # ARN
    execution: pulumi.Output[str]  # ARN

    def __init__(
        self,
        name: str,
        settings: RegionSettings,
        place: Place,
        results: Results,
        images: tuple[Image, ...],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("toril:region:WorkerRoles", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        of_this_place = {
            "StringEquals": {"aws:SourceAccount": place.account},
            "ArnLike": {"aws:SourceArn": place.arn("ecs", "*")},
        }
        tasks = service_trust("ecs-tasks.amazonaws.com", of_this_place)
        self.worker = make_role(
            f"{name}-worker",
            place,
            place.names.role("worker", place.region),
            "A worker reads runs and adds its results",
            tasks,
            {"worker": worker_policy(place, results, settings.secrets, settings.secret_keys)},
            child,
        ).arn
        self.execution = make_role(
            f"{name}-execution",
            place,
            place.names.role("execution", place.region),
            "ECS pulls a worker's image and opens its log",
            tasks,
            {"execution": execution_policy(place, images, place.names.log_group(), settings.secret_keys)},
            child,
        ).arn
        self.register_outputs({"worker": self.worker, "execution": self.execution})
