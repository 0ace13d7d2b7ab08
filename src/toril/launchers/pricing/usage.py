"""How much of what AWS bills a run uses: tasks, hours, requests; and when its load begins."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from toril.errors import InfrastructureError
from toril.launchers.fargate.rate_limit import CALLS_PER_S, Rates, usual_rates
from toril.launchers.fargate.tasks import AT_ONCE, kind_for
from toril.records import Deployment, Plan, TaskSize
from toril.summary import rate_of

FREE_STORAGE_GIB = 20
LEAST_S = 60.0  # Fargate bills a minute at least
# As in AWS' own example of a task's events, and the start of a 413 MB image in AWS' blog (2024): see docs/operations.md
BEFORE_PULL_S = 10.0  # from RunTask to the pull of the image, which is where bills begin
PULLED_MB_PER_S = 9.0  # with unpacking
IMAGE_MB = {"slim": 130.0, "full": 260.0, "browser": 600.0}  # compressed; at most, but for the last
PARKED_S = {"slim": 2.5, "full": 5.0, "browser": 10.0}  # from the container's start to an engine that waits
ANSWERED_IN_S = 0.25  # a RunTask
ENDING_S = 10.0  # of a worker, from its last request to the end of its task
LABELS_OF_SCRIPTS = 10  # guessed: only running a script tells
STORED_BYTES = 200  # for each label and second of each worker
GETS_AROUND = 25  # plan, launch, the suite's files, what the clock is
PUTS_AROUND = 4  # ready, log, exit, and the last intervals
EXPECTED = 0.8  # how early a coordinator looks for the next interval file, so that it also asks in vain


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How long the load is. `at_most`: the limit, because nothing else bounds it, or a search may end earlier."""

    seconds: float
    at_most: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a run uses of one region."""

    region: str
    workers: int
    size: TaskSize
    billed_s: float = 0.0  # of all its tasks together
    spot_s: float = 0.0  # … of those on Fargate Spot
    public: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """To the results bucket."""

    puts: float
    gets: float
    stored_bytes: float


def load_of(plan: Plan, longest_s: float | None) -> Load:
    """From suite and limits, the first that bounds it; 8 hours, as the launcher has it, where nothing does."""
    bounds = [one for one in (plan.bounded_s, plan.max_duration_s) if one is not None]
    if bounds:
        return Load(seconds=min(bounds), at_most=bool(plan.searched))
    return Load(seconds=longest_s or 8 * 3600.0, at_most=True)


def longest_of(plan: Plan, deployments: Mapping[str, Deployment]) -> float | None:
    """The most seconds that the regions of a plan allow."""
    there = [deployments[one] for one in plan.locations if one in deployments]
    return min((float(one.limits.duration_s) for one in there), default=None)


def requests_of(plan: Plan) -> float | None:
    """Of the load, at most; None when throughput or time bounds not all of it."""
    rates = [rate_of(one) for one in plan.executions]
    known = [rate.total for rate in rates if rate is not None]
    return sum(known) if len(known) == len(rates) else None


def workers_in(plan: Plan) -> dict[str, int]:
    """Region → workers."""
    return {one: sum(share.location == one for share in plan.shares) for one in plan.locations}


def asked_at_s(workers: int, rates: Rates) -> list[float]:
    """When each task of a region is asked for, in seconds since the launch."""
    per_s, fastest = min(rates.sustained_per_s, CALLS_PER_S), AT_ONCE / ANSWERED_IN_S
    return [max(number / fastest, (number - rates.burst) / per_s) for number in range(1, workers + 1)]


def start_s(plan: Plan, deployments: Mapping[str, Deployment], rates: Mapping[str, Rates]) -> float:
    """From the launch to the first request: all wait for the last worker of all regions."""
    regions = (
        asked_at_s(count, rates.get(region, usual_rates(region)))[-1] + _task_s(plan, deployments.get(region))
        for region, count in workers_in(plan).items()
    )
    return max(regions, default=0.0) + plan.pace.start_lead_s


def uses_of(
    plan: Plan, deployments: Mapping[str, Deployment], rates: Mapping[str, Rates], load_s: float
) -> tuple[Use, ...]:
    """What the tasks of a plan will use, region by region."""
    size, begin_s = plan.task or TaskSize(), start_s(plan, deployments, rates)
    found = []
    for region, count in workers_in(plan).items():
        asked = asked_at_s(count, rates.get(region, usual_rates(region)))
        billed_s = sum(max(LEAST_S, begin_s - one - BEFORE_PULL_S + load_s + ENDING_S) for one in asked)
        there = deployments.get(region)
        found.append(
            Use(
                region=region,
                workers=count,
                size=size,
                billed_s=billed_s,
                spot_s=billed_s if size.spot else 0.0,
                public=there is None or there.network.public_addresses,
            )
        )
    return tuple(found)


def bucket_requests(plan: Plan, waited_s: float, load_s: float) -> Requests:
    """What workers and their coordinator ask of the results bucket at the plan's pace."""
    pace, workers = plan.pace, len(plan.shares)
    files, leases = load_s / pace.flush_s, (waited_s + load_s) / pace.lease_renew_s
    looks = (2 * waited_s + load_s) / pace.poll_s  # a worker that is not started looks for start and stop
    labels = sum(len(one.labels) or LABELS_OF_SCRIPTS for one in plan.executions)
    lists = waited_s / pace.poll_s * (1 + 2 * workers // 1000)  # a page has 1,000 keys
    return Requests(
        puts=workers * (files + PUTS_AROUND) + leases + lists,
        gets=workers * (looks + leases + files / EXPECTED + GETS_AROUND) + (waited_s + load_s) / pace.poll_s,
        stored_bytes=STORED_BYTES * labels * load_s * workers,
    )


def _task_s(plan: Plan, deployment: Deployment | None) -> float:
    """From RunTask to an engine that waits for the start."""
    flavour = "full"
    if deployment is not None:
        with suppress(InfrastructureError):  # there is no such worker yet, which others say
            flavour = kind_for(plan, deployment).flavour
    image_mb, parked_s = IMAGE_MB.get(flavour, IMAGE_MB["full"]), PARKED_S.get(flavour, PARKED_S["full"])
    return BEFORE_PULL_S + image_mb / PULLED_MB_PER_S + parked_s
