"""The cost of a run at list prices: estimated before its tasks start, and computed after they have ended.

A plan, or the tasks of a run, become a `Use` of each region and requests to the bucket; `table.py` has the prices.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from toril import text
from toril.errors import InfrastructureError, OptionError
from toril.launchers.fargate.rate_limit import CALLS_PER_S, Rates, usual_rates
from toril.launchers.fargate.tasks import AT_ONCE, kind_for
from toril.launchers.pricing.table import BASE, VARIABLE, Assumed, PriceTable, Tariff, list_prices, read_prices
from toril.plan.division import CPU_UNITS_PER_CORE
from toril.records import Deployment, End, Plan, RanTask, TaskSize
from toril.records.progress import EVERY_S
from toril.suite.engines import engine_of

HOUR_S, GB, MILLION = 3600.0, 1e9, 1e6
SAFE_PART = 0.5  # `Engine.requests_per_core` uses half of an engine's capacity
FREE_STORAGE_GIB = 20
LEAST_S = 60.0  # Fargate's minimum billing time of a task
LIMIT_S = 8 * 3600.0  # of a load without any other limit, as in the coordinator
# From AWS' example of a task's events, and the start of a 413 MB image in AWS' blog (2024)
BEFORE_PULL_S = 10.0  # from RunTask to the image pull, where billing begins
PULLED_MB_PER_S = 9.0  # with unpacking
IMAGE_MB = {"slim": 130.0, "full": 260.0, "browser": 600.0}  # compressed; upper limits for slim and full
PARKED_S = {"slim": 2.5, "full": 5.0, "browser": 10.0}  # from the container's start to an engine ready to start
ANSWERED_IN_S = 0.25  # response time of RunTask
ENDING_S = 10.0  # from a worker's last request to the end of its task
LABELS_OF_SCRIPTS = 10  # an assumption, because a script's labels are unknown before its run
STORED_BYTES = 200  # for each label and second of each worker
GETS_AROUND = 25  # plan, launch, the suite's files, clock readings
PUTS_AROUND = 4  # ready, log, exit, and the last intervals
EXPECTED = 0.8  # the coordinator asks for the next file at this part of the interval, so some requests find none


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a bill. `usd` is None if it is unknown before the run."""

    name: str
    quantity: str
    usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run costs at list prices, in US dollars."""

    items: tuple[Item, ...]
    workers: Mapping[str, int]  # by region
    requests: float | None  # of the load; None if their number is unlimited
    start_s: float | None  # from the launch to the first request; None after the run
    load_s: float
    at_most: bool  # the load's duration is an upper limit, because its real duration is unknown
    as_of: str
    unpriced: tuple[str, ...] = ()  # regions without a price for the tasks
    notes: tuple[str, ...] = ()

    @property
    def total_usd(self) -> float:
        """The sum of all known items."""
        return sum(item.usd or 0.0 for item in self.items)

    @property
    def complete(self) -> bool:
        return all(item.usd is not None for item in self.items)

    @property
    def per_million_usd(self) -> float | None:
        """The price of a million requests; None if their number or the price of tasks is unknown."""
        return None if not self.requests or self.unpriced else self.total_usd / self.requests * MILLION

    def lines(self) -> tuple[str, ...]:
        """Returns the bill for a terminal."""
        return tuple(_lines(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """The resources that a run uses in one region."""

    region: str
    workers: int
    billed_s: float  # of all its tasks together
    spot_s: float  # … of those on Fargate Spot
    public: bool  # whether its tasks have public addresses
    tariff: Tariff


def estimate(
    plan: Plan,
    deployments: Mapping[str, Deployment],
    prices: PriceTable,
    *,
    rates: Mapping[str, Rates] | None = None,
) -> Estimate:
    """Returns the price of a plan; a region without a deployment counts as a stack with default settings.

    `rates`: how fast each region starts tasks.
    """
    spot, paced = plan.task is not None and plan.task.spot, rates or {}
    bounds = [bound for bound in (plan.bounded_s, plan.max_duration_s) if bound is not None]
    allowed = [float(deployments[location].limits.duration_s) for location in plan.locations if location in deployments]
    load_s = min(bounds or allowed, default=LIMIT_S)
    asked_at = {region: _asked_at_s(plan, region, paced.get(region, usual_rates(region))) for region in plan.locations}
    ready_at = (times[-1] + _ready_s(plan, deployments.get(region)) for region, times in asked_at.items())
    start_s = max(ready_at, default=0.0) + plan.pace.start_lead_s  # all wait for the last worker of all regions
    uses = []
    for region, times in asked_at.items():
        billed_s = sum(max(LEAST_S, start_s - time_s - BEFORE_PULL_S + load_s + ENDING_S) for time_s in times)
        uses.append(_use(region, len(times), billed_s, billed_s if spot else 0.0, deployments, prices))
    return _estimate(
        plan,
        uses,
        prices,
        waited_s=start_s,
        load_s=load_s,
        requests=requests_of(plan),
        start_s=start_s,
        at_most=not bounds or bool(plan.searched),
    )


def cost_of(
    plan: Plan,
    tasks: Mapping[str, RanTask],
    deployments: Mapping[str, Deployment],
    prices: PriceTable,
    *,
    load_s: float,
    requests: float | None,
    until: float,
) -> Estimate:
    """Returns the price of each worker's last task, from the pull of its image to its end (`until`, if unknown)."""
    by_region: dict[str, list[tuple[RanTask, float]]] = {}
    for task in tasks.values():
        if task.pull_started_at is not None:
            ran_s = (until if task.stopped_at is None else task.stopped_at) - task.pull_started_at
            by_region.setdefault(task.region, []).append((task, max(LEAST_S, ran_s)))
    uses = []
    for region, ran in sorted(by_region.items()):
        spot_s = sum(seconds for task, seconds in ran if task.capacity == "FARGATE_SPOT")
        uses.append(_use(region, len(ran), sum(seconds for _, seconds in ran), spot_s, deployments, prices))
    workers = sum(use.workers for use in uses)
    waited_s = max(0.0, sum(use.billed_s for use in uses) / workers - load_s) if workers else 0.0
    return _estimate(plan, uses, prices, waited_s=waited_s, load_s=load_s, requests=requests)


def hourly_usd(plan: Plan, deployments: Mapping[str, Deployment], prices: PriceTable) -> float | None:
    """Returns the price of all tasks of a run for an hour, with their addresses; None if a region has no price."""
    size, total_usd = plan.task or TaskSize(), 0.0
    for region, workers in Counter(share.location for share in plan.shares).items():
        billed_s = workers * HOUR_S
        use = _use(region, workers, billed_s, billed_s if size.spot else 0.0, deployments, prices)
        tasks_usd = _compute(use, size, prices.spot).usd
        if tasks_usd is None:
            return None
        total_usd += tasks_usd
        total_usd += workers * use.tariff.address_hour if use.public else 0.0
    return total_usd


def refuse_above(price: Estimate, most_usd: float | None) -> None:
    """OptionError if a run would cost more than `--max-cost` allows, or if its tasks have no price."""
    if most_usd is None:
        return
    if price.total_usd <= most_usd:
        if price.unpriced:
            fix = f"name its price in {VARIABLE}=file.json, use another region, or remove --max-cost"
            raise OptionError(
                f"--max-cost {most_usd:g}: the cost of this run is unknown: no listed price for "
                f"{', '.join(price.unpriced)}; {fix}",
                code="unknown-price",
            )
        return
    dearest = max(price.items, key=lambda item: item.usd or 0.0)
    upper = "at most " if price.at_most else ""
    raise OptionError(
        f"--max-cost {most_usd:g}: this run costs {upper}{text.dollars(price.total_usd)} at list prices of "
        f"{price.as_of}, mostly for {dearest.name} ({dearest.quantity}); "
        "make the run shorter or smaller, or raise --max-cost; `console.maxCost` limits suites that operators saved",
        code="over-max-cost",
    )


def finished_cost(
    plan: Plan, end: End, deployments: dict[str, Deployment], *, load_s: float, requests: int | None
) -> Estimate | None:
    """Returns a finished run's cost; None if no task is known to have run."""
    if not any(task.pull_started_at is not None for task in end.tasks.values()):
        return None
    prices = read_prices(os.environ)
    return cost_of(plan, end.tasks, deployments, prices, load_s=load_s, requests=requests, until=end.at)


def cost_line(plan: Plan, price: Estimate | None) -> str:
    """Returns a finished run's cost, in total and for a million requests; empty if it is unknown."""
    if price is None:
        return ""
    parts = [f"cost {text.dollars(price.total_usd)} at list prices of {price.as_of}"]
    if not price.complete:
        parts[0] += " (known items only)"
    if price.per_million_usd is not None:
        parts.append(f"{text.dollars(price.per_million_usd)} for a million requests")
    count, size = sum(price.workers.values()), plan.task
    if size is not None:
        each = f"{size.cpu / 1024:g} vCPU and {size.memory_mib / 1024:g} GiB, {size.architecture}"
        parts.append(f"{count} task{'s' if count != 1 else ''} of {each}")
    return " · ".join(parts)


def requests_of(plan: Plan) -> float | None:
    """Returns the maximum number of requests of the load; None if throughput or time does not limit all executions."""
    known = [
        rate.total * execution.requests_per_due
        for execution in plan.executions
        if (rate := execution.planned_rate()) is not None
        and (execution.model != "arrivals" or (execution.journey and execution.journey.requests))
    ]
    return sum(known) if len(known) == len(plan.executions) else None


def peak_gbit_s(plan: Plan, assumed: Assumed) -> dict[str, float]:
    """Returns the highest traffic of each region in Gbit/s: requests per second × assumed bytes, sent and received.

    An execution without a rate counts with what its engine can send at most.
    """
    cores = max(1, (plan.task or TaskSize()).cpu // CPU_UNITS_PER_CORE)
    bits = 8 * (assumed.sent_bytes_per_request + assumed.received_bytes_per_request)
    peaks = dict.fromkeys(plan.locations, 0.0)
    for execution in plan.executions:
        engine = engine_of(execution.executor)
        most = (engine.requests_per_core or 0) * (1 if engine.single_threaded else cores) / SAFE_PART
        parts = [(share.location, part) for share in plan.shares for part in share.executions]
        own = [(location, part.throughput_rps) for location, part in parts if part.execution == execution.name]
        even = execution.throughput_rps / len(own) if execution.throughput_rps and own else most
        for location, rate in own:
            peaks[location] += (rate or even) * execution.requests_per_due * bits / GB
    return peaks


# ── the resources of a plan


def _asked_at_s(plan: Plan, region: str, rates: Rates) -> list[float]:
    """Returns when each task of a region is requested, in seconds since the launch."""
    workers = sum(share.location == region for share in plan.shares)
    per_s, fastest = min(rates.sustained_per_s, CALLS_PER_S), AT_ONCE / ANSWERED_IN_S
    return [max(number / fastest, (number - rates.burst) / per_s) for number in range(1, workers + 1)]


def _ready_s(plan: Plan, deployment: Deployment | None) -> float:
    """Returns the seconds from RunTask to an engine that is ready to start."""
    flavour = "full"
    if deployment is not None:
        with suppress(InfrastructureError):  # the region has no such worker; the preflight reports it
            flavour = kind_for(plan, deployment).flavour
    image_mb, parked_s = IMAGE_MB.get(flavour, IMAGE_MB["full"]), PARKED_S.get(flavour, PARKED_S["full"])
    return BEFORE_PULL_S + image_mb / PULLED_MB_PER_S + parked_s


def _use(
    region: str,
    workers: int,
    billed_s: float,
    spot_s: float,
    deployments: Mapping[str, Deployment],
    prices: PriceTable,
) -> Use:
    public = region not in deployments or deployments[region].network.public_addresses
    tariff = prices.of(region)
    return Use(region=region, workers=workers, billed_s=billed_s, spot_s=spot_s, public=public, tariff=tariff)


# ── the items of the cost


def _estimate(
    plan: Plan,
    uses: Sequence[Use],
    prices: PriceTable,
    *,
    waited_s: float,
    load_s: float,
    requests: float | None,
    start_s: float | None = None,
    at_most: bool = False,
) -> Estimate:
    """Returns the cost. `waited_s`: how long workers wait before the load; `requests`: None if unknown."""
    size, assumed = plan.task or TaskSize(), prices.assumed
    items = [_compute(use, size, prices.spot) for use in uses]
    beyond_gib = max(0, (size.storage_gib or 0) - FREE_STORAGE_GIB)
    if beyond_gib:
        usd = sum(use.billed_s / HOUR_S * beyond_gib * use.tariff.storage_gib_hour for use in uses)
        items.append(Item(name="storage", quantity=f"{beyond_gib} GiB per task above the free 20", usd=usd))
    public = [use for use in uses if use.public]
    if public:
        hours = sum(use.billed_s for use in public) / HOUR_S
        usd = sum(use.billed_s / HOUR_S * use.tariff.address_hour for use in public)
        items.append(Item(name="addresses", quantity=f"public IPv4 for {hours:,.1f} h", usd=usd))
    usd = sum(use.workers * assumed.log_bytes_per_worker / GB * use.tariff.logs_gb for use in uses)
    logs = Item(name="logs", quantity=f"assuming {assumed.log_bytes_per_worker / 1e6:g} MB per worker", usd=usd)
    return Estimate(
        items=(*items, _bucket(plan, waited_s, load_s, prices), _transfer(uses, requests, prices), logs),
        workers={use.region: use.workers for use in uses},
        requests=requests,
        start_s=start_s,
        load_s=load_s,
        at_most=at_most or any(_is_bounded(use, size) for use in uses),
        as_of=_dates(uses, size, prices),
        unpriced=tuple(use.region for use in uses if _is_unpriced(use, size)),
        notes=tuple(_notes(uses, size, prices)),
    )


def _compute(use: Use, size: TaskSize, spot: float) -> Item:
    vcpus, gib = size.cpu / 1024, size.memory_mib / 1024
    hourly = use.tariff.task_hour(size.architecture, vcpus, gib)
    usd = None if hourly is None else (use.billed_s - use.spot_s + use.spot_s * spot) / HOUR_S * hourly
    how = "" if not use.spot_s else ", Spot" if use.spot_s == use.billed_s else ", partly on Spot"
    minutes = use.billed_s / use.workers / 60
    sizes = f"{vcpus:g} vCPU, {gib:g} GiB, {size.architecture}{how}"
    return Item(name=use.region, quantity=f"{use.workers} × {minutes:,.1f} min of {sizes}", usd=usd)


def _bucket(plan: Plan, waited_s: float, load_s: float, prices: PriceTable) -> Item:
    """Returns the cost of requests to the results bucket, at the plan's pace, and of storing the run's folder."""
    pace, workers, base = plan.pace, len(plan.shares), prices.of(BASE)
    files, leases = load_s / pace.flush_s, (waited_s + load_s) / pace.lease_renew_s
    polls = (2 * waited_s + load_s) / pace.poll_s  # before the start, a worker asks for two files: start and stop
    labels = sum(len(execution.labels) or LABELS_OF_SCRIPTS for execution in plan.executions)
    lists = waited_s / pace.poll_s * (1 + 2 * workers // 1000)  # a page has 1,000 keys
    puts = workers * (files + PUTS_AROUND) + leases + lists + (waited_s + load_s) / EVERY_S
    gets = workers * (polls + leases + files / EXPECTED + GETS_AROUND) + (waited_s + load_s) / pace.poll_s
    stored_bytes = STORED_BYTES * labels * load_s * workers
    usd = puts / 1000 * base.put_1000 + gets / 1000 * base.get_1000
    kept = stored_bytes / GB * base.stored_gb_month * prices.assumed.kept_months
    quantity = f"about {_count(puts)} PUT and LIST, {_count(gets)} GET, {stored_bytes / 1e6:,.1f} MB"
    return Item(name="S3", quantity=quantity, usd=usd + kept)


def _transfer(uses: Sequence[Use], requests: float | None, prices: PriceTable) -> Item:
    """Returns the cost of data transfer: requests to the internet, and through NAT their responses, too."""
    if requests is None:
        return Item(name="transfer", quantity="no throughput limits the number of requests", usd=None)
    workers, assumed = sum(use.workers for use in uses), prices.assumed
    sent, both = assumed.sent_bytes_per_request, assumed.sent_bytes_per_request + assumed.received_bytes_per_request
    usd = 0.0
    for use in uses:
        a_request = sent * use.tariff.egress_gb + (0 if use.public else both * use.tariff.nat_gb)
        usd += use.workers / workers * requests / GB * a_request
    through = "" if all(use.public for use in uses) else f" and {both:,.0f} bytes each through NAT"
    quantity = f"about {_count(requests)} requests, assuming {sent:,.0f} bytes each to the internet{through}"
    return Item(name="transfer", quantity=quantity, usd=usd)


def _is_unpriced(use: Use, size: TaskSize) -> bool:
    return use.tariff.task_hour(size.architecture, 0, 0) is None


def _is_bounded(use: Use, size: TaskSize) -> bool:
    return not use.tariff.lists(size.architecture) and not _is_unpriced(use, size)


def _dates(uses: Sequence[Use], size: TaskSize, prices: PriceTable) -> str:
    """Returns the dates of the tasks' prices: one, or the oldest and the newest."""
    dates = sorted({use.tariff.as_of or prices.as_of for use in uses if not _is_unpriced(use, size)})
    return f"{dates[0]} to {dates[-1]}" if len(dates) > 1 else (dates or [prices.as_of])[0]


def _notes(uses: Sequence[Use], size: TaskSize, prices: PriceTable) -> Iterator[str]:
    """Yields the assumptions on prices."""
    if unpriced := [use.region for use in uses if _is_unpriced(use, size)]:
        yield (
            f"{', '.join(unpriced)}: no price is known for {size.architecture}, and other items count as in {BASE}; "
            f"name prices in {VARIABLE}=file.json"
        )
    if bounded := [use.region for use in uses if _is_bounded(use, size)]:
        yield f"{', '.join(bounded)}: {size.architecture} has no listed price; that of x86-64 is an upper bound"
    if any(use.spot_s for use in uses):
        yield (
            f"Spot is assumed at {prices.spot:.0%} of the on-demand price; "
            "Spot prices vary, and tasks may fall back to on-demand"
        )
    if prices.own:
        yield f"some prices come from {prices.own}"


def _lines(price: Estimate) -> Iterator[str]:
    if price.start_s is not None:
        places = ", ".join(f"{count} in {region}" for region, count in price.workers.items())
        yield f"start: {places}; the load begins about {price.start_s:.0f} s after the first task is requested"
    yield f"cost{' (at most)' if price.at_most else ''} at list prices of {price.as_of}"
    per = price.per_million_usd
    unknown = "" if per is not None or price.requests else ": no throughput limits their number"
    rows = [(item.name, item.usd, item.quantity) for item in price.items]
    rows.append(("sum", price.total_usd, "" if price.complete else "known items only"))
    rows.append(("", per, f"for a million requests{unknown}"))
    wide = max(len(name) for name, _, _ in rows)
    yield from (f"  {name:<{wide}}  {_amount(usd):>8}  {about}".rstrip() for name, usd, about in rows)
    yield from (f"  {note}" for note in price.notes)


def _count(number: float) -> str:
    """Returns a count with three significant digits."""
    return f"{float(f'{number:.3g}'):,.0f}"


def _amount(usd: float | None) -> str:
    return "unknown" if usd is None else text.dollars(usd)
