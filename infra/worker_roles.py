"""The two roles of a worker's task: that of the worker, and that of ECS while it starts one."""

import pulumi

from infra.images import Image
from infra.place import Place
from infra.policies import trust
from infra.roles import Role, make_role
from infra.settings import RegionSettings
from infra.worker_policies import Results, execution_policy, worker_policy


class WorkerRoles(pulumi.ComponentResource):
    """Both can be taken by tasks of this account and region only."""

    worker: Role
    execution: Role

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
        tasks = trust("ecs-tasks.amazonaws.com", place.account, place.arn("ecs", "*"))
        self.worker = make_role(
            f"{name}-worker",
            place,
            role=place.names.role("worker", place.region),
            description="A worker: reads runs, adds its results",
            trust=tasks,
            policy=worker_policy(place, results, settings.secrets, settings.secret_keys),
            opts=child,
        )
        self.execution = make_role(
            f"{name}-execution",
            place,
            role=place.names.role("execution", place.region),
            description="ECS as it starts a worker: pulls its image, opens its log",
            trust=tasks,
            policy=execution_policy(place, images, place.names.log_group(), settings.secret_keys),
            opts=child,
        )
        self.register_outputs({"worker": self.worker.arn, "execution": self.execution.arn})
