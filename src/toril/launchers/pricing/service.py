"""The cost of the service under test at list prices: of its resources in the plan, with their use in CloudWatch.

Parts with a size cost by the hour, other parts by their use in the judged time. What has no price says so, and then the
service has none. Storage, backups, traffic and free quotas are not included.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from toril.criteria import criteria_of
from toril.errors import OptionError
from toril.launchers.pricing.table import VARIABLE, PriceTable, Tariff, read_prices
from toril.records import MetricSeries, Plan, ServerMetrics
from toril.records.deployment import Architecture
from toril.records.plan import ServiceResource
from toril.records.summary import ServiceCost, ServiceItem, Summary

HOUR_S, MINUTE_S = 3600.0, 60.0
COMPLETE = 5 / 6  # of the judged time that needs values of a metric


class NotPricedError(Exception):
    """A part without a price; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a resource's cost: units an hour × dollars a unit."""

    what: str
    units_hour: float
    usd: float
    grows_with: Literal["", "tasks", "requests"] = ""


def finished_service_cost(plan: Plan, metrics: ServerMetrics | None, summary: Summary) -> ServiceCost | None:
    """Returns what the service of a finished run costs; a wrong file of own prices is an item without a price."""
    if all(resource.kind not in PARTS for resource in plan.service):
        return None
    try:
        return service_cost(plan.service, metrics, summary, read_prices(os.environ))
    except OptionError as problem:
        item = ServiceItem(resource="", kind="", what="prices", message=str(problem))
        return ServiceCost(as_of="", hours=0.0, requests=0, items=(item,))


def service_cost(
    resources: Sequence[ServiceResource], metrics: ServerMetrics | None, summary: Summary, prices: PriceTable
) -> ServiceCost | None:
    """Returns what the service costs in the judged time; None without resources or load."""
    priced = [resource for resource in resources if resource.kind in PARTS]
    if not priced or summary.window is None or summary.window.to_s <= summary.window.from_s:
        return None
    from_s, to_s = float(summary.window.from_s), float(summary.window.to_s)
    items, dates = list[ServiceItem](), set[str]()
    for resource in priced:
        tariff = _tariff(resource, prices)
        use = _Use(resource, () if metrics is None else metrics.queries, from_s, to_s)
        blank = ServiceItem(resource=resource.id, kind=resource.kind, what=resource.kind)
        try:
            for part in PARTS[resource.kind](resource, use, tariff):
                usd, tasks = part.units_hour * part.usd, part.units_hour if part.grows_with == "tasks" else 0.0
                item = replace(blank, what=part.what, usd_hour=usd, grows_with=part.grows_with, tasks=tasks)
                items.append(item)
        except NotPricedError as problem:
            items.append(replace(blank, message=str(problem)))
        dated = tariff if resource.kind == "ecs-service" else prices.sources.get(resource.kind)
        dates.add((dated and dated.as_of) or prices.as_of)
    as_of = " to ".join(dict.fromkeys((min(dates), max(dates)))) + (f" and {prices.own}" if prices.own else "")
    requests = summary.total.samples
    return ServiceCost(as_of=as_of, hours=(to_s - from_s) / HOUR_S, requests=requests, items=tuple(items))


def refuse_unpriced(plan: Plan, prices: PriceTable) -> None:
    """Raises OptionError if the plan judges the price of its service, and a resource has none."""
    if not any(criterion.metric.source == "cost" for criterion in criteria_of(plan.criteria)):
        return
    for resource in plan.service:
        try:
            if resource.kind in PARTS:
                list(PARTS[resource.kind](resource, _Unmeasured(resource, (), 0, 1), _tariff(resource, prices)))
        except NotPricedError as problem:
            raise OptionError(f"`cost-per-million`: {resource.id}: {problem}", code="no-price") from problem


@dataclass(frozen=True, slots=True)
class _Use:
    """The use of one resource in the judged time."""

    resource: ServiceResource
    series: Sequence[MetricSeries]
    from_s: float
    to_s: float

    def an_hour(self, metric: str) -> float:
        """Returns the sum of a metric, as a rate per hour."""
        series = self._find(metric, "Sum")
        if series is None:
            raise NotPricedError(f"CloudWatch's {metric} (Sum) was not fetched")
        total, covered_s = self._sums(series)
        if covered_s < COMPLETE * (self.to_s - self.from_s) and not (series.answered and series.error is None):
            raise NotPricedError(series.error or f"CloudWatch's {metric} has too few values in the judged time")
        return total / (self.to_s - self.from_s) * HOUR_S

    def tasks(self) -> float:
        """Returns the mean number of running tasks: ECS reports their CPU once a minute each."""
        series = self._find("CPUUtilization", "SampleCount")
        if series is not None:
            total, covered_s = self._sums(series)
            if covered_s >= COMPLETE * (self.to_s - self.from_s):
                return total / covered_s * MINUTE_S
        return self.size("tasks")

    def size(self, name: str) -> float:
        value = self.resource.size.get(name)
        if not isinstance(value, (int, float)):
            raise NotPricedError(f"its size has no `{name}`; add it under `toril.service`")
        return float(value)

    def word(self, name: str) -> str:
        value = self.resource.size.get(name)
        if not value or not isinstance(value, str):
            raise NotPricedError(f"its size has no `{name}`; add it under `toril.service`")
        return value

    def _find(self, metric: str, statistic: str) -> MetricSeries | None:
        wanted = self.resource.id, metric, statistic
        return next((one for one in self.series if (one.resource, one.metric, one.statistic) == wanted), None)

    def _sums(self, series: MetricSeries) -> tuple[float, float]:
        """Returns the sum in the judged time, and the seconds of it that have a value."""
        total = covered_s = 0.0
        for at_s, value in series.points:
            overlap_s = max(0.0, min(self.to_s, at_s + series.period_s) - max(self.from_s, at_s))
            total, covered_s = total + value * overlap_s / series.period_s, covered_s + overlap_s
        return total, covered_s


class _Unmeasured(_Use):
    """Any use, before the load."""

    def an_hour(self, metric: str) -> float:
        return 1.0

    def tasks(self) -> float:
        return 1.0


def _tariff(resource: ServiceResource, prices: PriceTable) -> Tariff:
    return prices.of(resource.id.split(":")[3])


def _price(tariff: Tariff, name: str) -> float:
    return _listed(tariff.service.get(name), f"`{name}`", f'"service": {{"{name}": …}}')


def _listed(usd: float | None, what: str, written: str) -> float:
    if usd is None:
        fix = f'write {{"regions": {{"<region>": {{{written}}}}}}} into a file, and set {VARIABLE} to its path'
        raise NotPricedError(f"no listed price for {what} in its region; {fix}")
    return usd


def _ecs(resource: ServiceResource, use: _Use, tariff: Tariff) -> Iterator[Part]:
    tasks, vcpus, gib = use.tasks(), use.size("vcpu"), use.size("memory_mib") / 1024
    architecture = str(resource.size.get("arch", "x86-64"))
    usd = _listed(
        tariff.task_hour(cast("Architecture", architecture), vcpus, gib),
        f"Fargate's {architecture}",
        f'"vcpu_hour": {{"{architecture}": …}}, "gib_hour": {{"{architecture}": …}}',
    )
    yield Part(f"{tasks:.3g} × {vcpus:g} vCPU, {gib:g} GiB, {architecture}", tasks, usd, "tasks")


def _balancer(resource: ServiceResource, use: _Use, tariff: Tariff) -> Iterator[Part]:
    kind = f"load-balancer/{resource.id.split('/')[1]}"
    yield Part("load balancer", 1, _price(tariff, kind))
    lcus = use.an_hour("ConsumedLCUs")  # of each minute, so that an hour's sum is what AWS bills
    yield Part(f"{lcus:.3g} LCU", lcus, _price(tariff, f"{kind}/lcu"), "requests")


def _function(resource: ServiceResource, use: _Use, tariff: Tariff) -> Iterator[Part]:
    calls, gib = use.an_hour("Invocations"), use.size("memory_mib") / 1024
    yield Part(f"{calls:,.0f} invocations an hour", calls, _price(tariff, "lambda/request"), "requests")
    gib_s = use.an_hour("Duration") / 1000 * gib
    price = _price(tariff, f"lambda/gib-s/{resource.size.get('arch', 'x86-64')}")
    yield Part(f"{gib_s:,.0f} GiB-s an hour", gib_s, price, "requests")


def _instances(resource: ServiceResource, use: _Use, tariff: Tariff) -> Iterator[Part]:
    """Yields the price of instances of one class; those of databases and caches depend on the engine, too."""
    count, name, grows = use.size("instances"), use.word("class"), resource.kind == "auto-scaling-group"
    if not grows:
        name = f"{name}/{use.word('engine')}"
    yield Part(f"{count:g} × {name}", count, _price(tariff, name), "tasks" if grows else "")


def _queue(resource: ServiceResource, use: _Use, tariff: Tariff) -> Iterator[Part]:
    """Yields an upper bound, because a request may hold ten messages."""
    names = ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted", "NumberOfEmptyReceives")
    calls = sum(map(use.an_hour, names))
    price = _price(tariff, "queue/fifo" if resource.id.endswith(".fifo") else "queue/standard")
    yield Part(f"at most {calls:,.0f} requests an hour", calls, price, "requests")


def _table(resource: ServiceResource, use: _Use, tariff: Tariff) -> Iterator[Part]:
    if str(resource.size.get("billing", "")).upper() == "PROVISIONED":
        raise NotPricedError("provisioned capacity has no price here")
    for noun, metric in (("read", "ConsumedReadCapacityUnits"), ("write", "ConsumedWriteCapacityUnits")):
        units = use.an_hour(metric)
        yield Part(f"{units:,.0f} {noun} units an hour", units, _price(tariff, f"table/{noun}-unit"), "requests")


PARTS: Mapping[str, Callable[[ServiceResource, _Use, Tariff], Iterator[Part]]] = {
    "load-balancer": _balancer,
    "target-group": lambda *_: iter(()),  # a part of its load balancer
    "ecs-service": _ecs,
    "lambda": _function,
    "auto-scaling-group": _instances,
    "database": _instances,
    "cache": _instances,
    "queue": _queue,
    "table": _table,
}
