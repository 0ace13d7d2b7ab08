"""A plan, its regions and a fleet over fakes, for tests with their own clock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.launchers.fake_ecs import Clock, FakeEcs
from toril.launchers import WorkerExit
from toril.launchers.fargate.fleet import Fleet, Site
from toril.launchers.fargate.rate_limit import Rates, usual_rates
from toril.launchers.fargate.tasks import kind_for
from toril.records import (
    DeployedHome,
    DeployedLimits,
    DeployedNetwork,
    DeployedWorker,
    Deployment,
    Launch,
    Plan,
    PlannedExecution,
    Share,
    TaskSize,
)

REGION = "eu-west-1"
DEADLINE = 5_000.0
DIGEST = f"sha256:{'0a' * 32}"
HOME = DeployedHome(
    schedule_group="toril-main",
    scheduler_role="arn:aws:iam::123456789012:role/scheduler",
    sweeper_role="arn:aws:iam::123456789012:role/sweeper",
    coordinator=f"arn:aws:ecs:{REGION}:123456789012:task-definition/toril-main-coordinator:3",
    dead_letters=f"arn:aws:sqs:{REGION}:123456789012:toril-main-dead",
)


def kind(flavour: str = "slim", architecture: str = "arm64", digest: str | None = DIGEST) -> DeployedWorker:
    return DeployedWorker(
        flavour=flavour,
        architecture=architecture,
        task_definition=f"arn:aws:ecs:{REGION}:123456789012:task-definition/toril-main-{flavour}-{architecture}:7",
        container="worker",
        image=f"123456789012.dkr.ecr.{REGION}.amazonaws.com/toril/worker",
        digest=digest,
    )


def deployment(region: str = REGION, **changes: Any) -> Deployment:
    made = Deployment(
        toril_version="1",
        environment="main",
        region=region,
        account="123456789012",
        store="s3://results",
        store_region=REGION,
        cluster=f"arn:aws:ecs:{region}:123456789012:cluster/toril-main",
        network=DeployedNetwork(subnets=("subnet-1", "subnet-2"), security_groups=("sg-1",), public_addresses=True),
        workers=(kind("slim"), kind("full")),
        log_group="/toril/main",
        execution_role="arn:aws:iam::123456789012:role/execution",
        worker_role="arn:aws:iam::123456789012:role/worker",
        limits=DeployedLimits(vcpus=64, cost_usd=10, duration_s=3600),
    )
    return made.model_copy(update=changes)


def plan(workers: int = 3, regions: tuple[str, ...] = (REGION,), executor: str = "locust", **changes: Any) -> Plan:
    """A plan with `workers` workers in each region."""
    shares = [
        Share(worker=f"{region}-{number}", location=region, index=number, executions=())
        for region in regions
        for number in range(1, workers + 1)
    ]
    made = Plan(
        run_id="run",
        suite="shop",
        toril_version="1",
        executions=(PlannedExecution(name="s", index=0, executor=executor, scenario="s"),),
        shares=tuple(shares),
        common={},
        on="fargate",
        task=TaskSize(),
    )
    return made.model_copy(update=changes)


def launch_of(planned: Plan, deadline: float = DEADLINE) -> Launch:
    return Launch(at=0.0, deadline=deadline, attempts={one.worker: ("first", "second") for one in planned.shares})


@dataclass(slots=True, kw_only=True)
class One:
    """A fleet without a thread, which tests step."""

    fleet: Fleet
    ecs: FakeEcs
    clock: Clock
    plan: Plan

    def start_all(self) -> None:
        for share in self.plan.shares:
            self.fleet.start(share, "first")

    def find_all(self) -> None:
        for share in self.plan.shares:
            self.fleet.find(share, "first")

    def pass_time(self, seconds: float = 0.0, step_s: float = 0.5) -> None:
        """Steps the fleet every `step_s` seconds of the clock."""
        end = self.clock.at + seconds
        self.fleet.step()
        while self.clock.at < end:
            self.clock.at += step_s
            self.fleet.step()

    def run_all(self) -> None:
        for share in self.plan.shares:
            self.ecs.moves(share.worker, "RUNNING")

    def exit(self, number: int = 1) -> WorkerExit:
        return self.fleet.ended()[f"{REGION}-{number}"]

    def codes(self) -> dict[str, tuple[str, bool]]:
        """Returns the code of each ended worker, and whether another attempt may succeed."""
        return {worker: (one.code, one.again) for worker, one in self.fleet.ended().items()}


Make = Callable[..., One]


def one_fleet(
    workers: int = 3,
    *,
    ecs: FakeEcs | None = None,
    rates: Rates | None = None,
    begin: bool = False,
    here: Deployment | None = None,
    clock: Clock | None = None,
    **changes: Any,
) -> One:
    """A fleet of one region. `ecs`: with the tasks of an earlier owner of the run."""
    time = ecs.clock if ecs is not None else clock or Clock()
    found = ecs or FakeEcs(REGION, time)
    planned, place = plan(workers, **changes), here or deployment()
    usual = rates or usual_rates(REGION)
    site = Site(place, kind_for(planned, place), usual)
    fleet = Fleet(planned, site, lambda service, region: found, time, deadline=DEADLINE, begin=begin)
    return One(fleet=fleet, ecs=found, clock=time, plan=planned)
