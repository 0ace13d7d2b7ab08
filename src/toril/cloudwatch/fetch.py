"""Checks the metric queries of a plan before the load, and reads the metrics after it: of CloudWatch and Prometheus."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from toril.aws.errors import Fault
from toril.clock import Clock
from toril.cloudwatch.calls import (
    OF_THE_QUERY,
    ClientFactory,
    Readings,
    Span,
    ask,
    grouped,
    name_of,
    place_of,
    recent,
    span,
)
from toril.cloudwatch.prometheus import Authorize
from toril.cloudwatch.prometheus import ask as ask_prometheus
from toril.errors import InfrastructureError, Note, SuiteError, UserError
from toril.records import MetricQuery, MetricSeries, ServerMetrics

LIMIT_S = 300.0  # after the last period's end; AWS publishes its one-minute metrics after one to three minutes
POLL_S, QUICK_POLL_S = 10.0, 2.0  # the second for periods below a minute, which are published quickly
TICK_S = 0.2
SERVICE_LIMIT_S = 180.0  # for metrics of resources: AWS publishes no value of some idle ones
PROMETHEUS_LIMIT_S = 60.0  # for a value at the end; its values are there at once
MINUTE_S = 60
SHORT_PERIODS_KEPT_S = 3 * 3600  # CloudWatch's retention of periods below a minute
LOOKED_BACK_S = 2 * 3600  # an hour less than CloudWatch's shortest retention
ERRORS: dict[str, type[UserError]] = {  # by fault; InfrastructureError for all others
    **dict.fromkeys((*OF_THE_QUERY, "refused-query", "too-many-series", "not-prometheus"), SuiteError),
    **dict.fromkeys(("invalid-settings", "no-region"), UserError),
}


def check(
    queries: Iterable[MetricQuery],
    now: float,
    clients: ClientFactory,
    *,
    load_s: float = 0.0,
    authorize: Authorize = lambda _: "",
) -> tuple[Note, ...]:
    """Returns notes on queries that may get no value; UserError if a query cannot get one.

    A metric without a recent value may be new or idle, or its name may be wrong; CloudWatch does not distinguish them.
    `load_s`: the planned duration of the load, if known.
    """
    wanted = list(queries)
    for query in wanted:
        if _expires(query) and load_s >= SHORT_PERIODS_KEPT_S:
            raise SuiteError(f"{name_of(query)}: {too_long(query.period_s)}", code="short-metric-period")
    return tuple(note for group in grouped(wanted) for note in _notes(group, now, clients, authorize))


def _expires(query: MetricQuery) -> bool:
    return query.period_s < MINUTE_S and not query.promql


def _answers(
    queries: Sequence[MetricQuery], asked: Span, clients: ClientFactory, authorize: Authorize
) -> dict[str, Readings]:
    if not queries[0].promql:
        return ask(queries, asked, clients)
    return {query.key: ask_prometheus(query, asked, authorize) for query in queries}


def _notes(group: list[MetricQuery], now: float, clients: ClientFactory, authorize: Authorize) -> Iterator[Note]:
    answers = _answers(group, recent(now, group[0].period_s, LOOKED_BACK_S), clients, authorize)
    for query in {query.key: query for query in group}.values():
        answer = answers[query.key]
        if answer.fault is not None:
            if answer.fault.code != "busy":
                error = ERRORS.get(answer.fault.code, InfrastructureError)
                raise error(f"{name_of(query)}: {answer.fault}", code=answer.fault.code)
            yield Note(answer.fault.code, f"{name_of(query)}: {answer.fault}")
        elif not answer.points and (query.promql or query.resource is None):  # AWS publishes none of idle resources
            fix = f"unless the metric is new or idle, {_check_of(query)}"
            text = f"{_place(query)} has no value of the last two hours; {fix}"
            yield Note("no-recent-value", f"{name_of(query)}: {text}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """The progress of the wait."""

    settled: int  # queries that need no further request
    queries: int
    waited_s: float
    limit_s: float

    def __str__(self) -> str:
        there = f"{self.settled} of {self.queries} metrics are there"
        return f"{there}, after {self.waited_s:.0f} of at most {self.limit_s:.0f} s"


def fetch(
    queries: Iterable[MetricQuery],
    start_at: float,
    end_at: float,
    clock: Clock,
    clients: ClientFactory,
    *,
    limit_s: float = LIMIT_S,
    authorize: Authorize = lambda _: "",
    keep_waiting: Callable[[Wait], bool] = lambda _: True,
) -> ServerMetrics:
    """Returns the values of all periods that overlap the load from `start_at` to `end_at`, in seconds since the epoch.

    CloudWatch publishes late, so each query is repeated until it has the end of the load, for at most `limit_s` after
    the end of its last period. `keep_waiting` gets the progress several times a second. As soon as it returns False,
    open queries are sent once more and the wait ends. A query without an answer gets an `error`.
    """
    began = clock.now()
    every = {
        query.key: _Asked(
            query,
            span(start_at, end_at, query.period_s),
            min(limit_s, PROMETHEUS_LIMIT_S if query.promql else SERVICE_LIMIT_S) if query.resource else limit_s,
        )
        for query in _distinct(queries)
    }

    def may_continue() -> bool:
        waited_s = clock.now() - began
        end = max(asked.deadline for asked in every.values())
        over = sum(asked.over for asked in every.values())
        return keep_waiting(Wait(settled=over, queries=len(every), waited_s=waited_s, limit_s=max(0.0, end - began)))

    going = True
    while going and any(not asked.over for asked in every.values()):
        going = may_continue()
        open_ones = [asked for asked in every.values() if not asked.over]
        due = [asked.query for asked in open_ones if asked.is_due(clock.now()) or not going]
        for group in grouped(due):
            _ask([every[query.key] for query in group], clock, clients, authorize)
            may_continue()  # calls may be slow, and the caller must renew its lease; the next round uses the result
        if going:
            clock.sleep(TICK_S)
    return ServerMetrics(queries=tuple(asked.series(start_at, ended=not going) for asked in every.values()))


def unfetched(queries: Iterable[MetricQuery], why: str) -> ServerMetrics:
    """Returns the record of metrics that were not requested."""
    return ServerMetrics(queries=tuple(MetricSeries(**dict(query), error=why) for query in _distinct(queries)))


@dataclass(slots=True)
class _Asked:
    """One query, and the latest state of its answer."""

    query: MetricQuery
    span: Span
    limit_s: float
    points: Mapping[int, float] = field(default_factory=dict)
    fault: Fault | None = None
    asked_at: float = float("-inf")
    whole: bool = False  # `points` are all of CloudWatch's values at that time
    complete: bool = False  # `points` include the end of the load
    settled: bool = False  # `points` are complete, and were equal in two answers

    @property
    def deadline(self) -> float:
        return self.span.needed_end + self.limit_s

    @property
    def over(self) -> bool:
        """Whether another request is useless or too late."""
        lasting = self.fault is not None and not self.fault.passes
        return self.settled or lasting or self.asked_at >= self.deadline

    def is_due(self, now: float) -> bool:
        poll_s = QUICK_POLL_S if _expires(self.query) else POLL_S
        return now >= self.span.needed_end and now >= min(self.asked_at + poll_s, self.deadline)

    def take(self, answer: Readings, asked_at: float) -> None:
        """Takes an answer. After an error, earlier complete values stay."""
        self.asked_at, self.fault = asked_at, answer.fault
        if answer.fault is not None:
            if not self.whole:
                self.points = {**self.points, **answer.points}
            return
        there = self.span.needed in answer.points and asked_at >= self.span.needed_end
        self.settled = there and self.whole and answer.points == self.points  # CloudWatch adds late values
        self.points, self.whole, self.complete = answer.points, True, there

    def series(self, start_at: float, *, ended: bool) -> MetricSeries:
        last = max(self.points, default=None)
        known_to = self.span.end if self.complete else start_at if last is None else last + self.span.period_s
        answered = self.complete or (self.whole and self.fault is None and self.asked_at >= self.deadline)
        idle = answered and self.query.resource is not None and (last is not None or not self.query.promql)
        return MetricSeries(
            **dict(self.query),
            points=tuple((round(begin - start_at, 6), value) for begin, value in sorted(self.points.items())),
            complete_to_s=round(known_to - start_at, 6),
            answered=answered,
            error=None if self.complete or idle else self._error(last, ended=ended),
        )

    def _error(self, last: int | None, *, ended: bool) -> str:
        if self.fault is not None:
            return f"{name_of(self.query)}: {self.fault}"
        wanted = f"from {_clock_time(self.span.begin)} to {_clock_time(self.span.needed_end)}"
        if ended:
            fix = "the wait was interrupted; let it finish"
        elif last is None:
            fix = _check_of(self.query)
        else:
            fix = f"toril waited {self.limit_s:g} s; raise `toril.metrics-wait`"
        problem = "no value" if last is None else f"values until {_clock_time(last + self.span.period_s)} only"
        return f"{name_of(self.query)}: {_place(self.query)} has {problem} {wanted}; {fix}"


def _distinct(queries: Iterable[MetricQuery]) -> list[MetricQuery]:
    return list({query.key: query for query in queries}.values())


def _place(query: MetricQuery) -> str:
    return query.source if query.promql else place_of(query.region)


def _check_of(query: MetricQuery) -> str:
    return (
        f"check the query in {query.source}" if query.promql else "check namespace, metric, dimensions, unit and region"
    )


def _ask(group: Sequence[_Asked], clock: Clock, clients: ClientFactory, authorize: Authorize) -> None:
    asked_at, queries, periods = clock.now(), [asked.query for asked in group], group[0].span
    if queries[0].promql:  # Prometheus answers for the future, too
        ended = int(asked_at // periods.period_s) * periods.period_s
        periods = replace(periods, end=min(periods.end, ended))
    if _expires(queries[0]) and asked_at - periods.begin >= SHORT_PERIODS_KEPT_S:
        answers = dict.fromkeys((query.key for query in queries), Readings(fault=too_long(periods.period_s)))
    else:
        answers = _answers(queries, periods, clients, authorize)
    for asked in group:
        asked.take(answers[asked.query.key], asked_at)


def too_long(period_s: int) -> Fault:
    """Returns the fault of a load that is longer than CloudWatch's retention of its periods."""
    kept = f"CloudWatch keeps periods of {period_s} s for three hours only, and the load takes longer"
    return Fault(code="short-metric-period", problem=kept, fix="use `period: 60s`")


def _clock_time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%SZ}"
