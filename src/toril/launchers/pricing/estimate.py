"""The list price of a run: estimated before its tasks start, and of what they used once they have ended."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toril.launchers.fargate.rate_limit import Rates
from toril.launchers.pricing import usage
from toril.launchers.pricing.items import Item, items_of, notes_of
from toril.launchers.pricing.table import PriceTable
from toril.launchers.pricing.usage import Use
from toril.records import Deployment, Plan, RanTask, TaskSize

MILLION = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a run costs at list prices, in US dollars."""

    items: tuple[Item, ...]
    workers: Mapping[str, int]  # by region
    requests: float | None  # of the load; None when nothing bounds them
    start_s: float | None  # from the launch to the first request; None once that is past
    load_s: float
    at_most: bool  # the length of the load is the limit, because nothing else bounds it
    as_of: str
    notes: tuple[str, ...] = ()

    @property
    def total_usd(self) -> float:
        """Of what is known."""
        return sum(item.usd or 0.0 for item in self.items)

    @property
    def complete(self) -> bool:
        return all(item.usd is not None for item in self.items)

    @property
    def per_million_usd(self) -> float | None:
        """For a million requests of such a run; None when their number is not known."""
        return None if not self.requests else self.total_usd / self.requests * MILLION

    def lines(self) -> tuple[str, ...]:
        """For a terminal."""
        return tuple(_lines(self))


def estimate(
    plan: Plan,
    deployments: Mapping[str, Deployment],
    prices: PriceTable,
    *,
    rates: Mapping[str, Rates] | None = None,
    spot_rates: Mapping[str, Rates] | None = None,
) -> Estimate:
    """Of a plan; a region that is not deployed is taken to be as stacks are by default."""
    load = usage.load_of(plan, usage.longest_of(plan, deployments))
    paced = (spot_rates if plan.task is not None and plan.task.spot else rates) or {}
    begin_s = usage.start_s(plan, deployments, paced)
    uses = usage.uses_of(plan, deployments, paced, load.seconds)
    asked = usage.bucket_requests(plan, begin_s, load.seconds)
    requests = usage.requests_of(plan)
    return Estimate(
        items=tuple(items_of(uses, asked, requests, prices)),
        workers=usage.workers_in(plan),
        requests=requests,
        start_s=begin_s,
        load_s=load.seconds,
        at_most=load.at_most,
        as_of=prices.as_of,
        notes=tuple(notes_of(uses, prices)),
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
    """Of what has run: of each worker its last task, from the pull of its image to its end (`until`, if unknown)."""
    size = plan.task or TaskSize()
    by_region: dict[str, list[tuple[RanTask, float]]] = {}
    for task in tasks.values():
        if task.pull_started_at is not None:
            ran_s = (until if task.stopped_at is None else task.stopped_at) - task.pull_started_at
            by_region.setdefault(task.region, []).append((task, max(usage.LEAST_S, ran_s)))
    uses = tuple(
        Use(
            region=region,
            workers=len(ran),
            size=size,
            billed_s=sum(seconds for _, seconds in ran),
            spot_s=sum(seconds for task, seconds in ran if task.capacity == "FARGATE_SPOT"),
            public=region not in deployments or deployments[region].network.public_addresses,
        )
        for region, ran in sorted(by_region.items())
    )
    workers = sum(use.workers for use in uses)
    waited_s = max(0.0, sum(use.billed_s for use in uses) / workers - load_s) if workers else 0.0
    return Estimate(
        items=tuple(items_of(uses, usage.bucket_requests(plan, waited_s, load_s), requests, prices)),
        workers={use.region: use.workers for use in uses},
        requests=requests,
        start_s=None,
        load_s=load_s,
        at_most=False,
        as_of=prices.as_of,
        notes=tuple(notes_of(uses, prices)),
    )


def _lines(found: Estimate) -> Iterator[str]:
    if found.start_s is not None:
        places = ", ".join(f"{count} in {region}" for region, count in found.workers.items())
        yield f"start: {places}; the load begins about {found.start_s:.0f} s after the first is asked for"
    yield f"cost, at list prices of {found.as_of} in US dollars{', at most' if found.at_most else ''}"
    wide = max(len(item.name) for item in found.items)
    for item in found.items:
        yield f"  {item.name:<{wide}}  {money(item.usd):>8}  {item.quantity}"
    yield f"  {'sum':<{wide}}  {money(found.total_usd):>8}{'' if found.complete else '  of what is known'}"
    per = found.per_million_usd
    if per is not None:
        yield f"  {'':<{wide}}  {money(per):>8}  for a million requests"
    else:
        yield f"  {'':<{wide}}  {'unknown':>8}  for a million requests: no throughput says how many there will be"
    yield from (f"  {note}" for note in found.notes)


def money(usd: float | None) -> str:
    """With as many digits as make a difference."""
    if usd is None:
        return "unknown"
    return f"{usd:,.2f}" if usd >= 1 else f"{usd:.3f}" if usd >= 0.0005 or usd == 0 else "<0.001"
