"""Asks CloudWatch before the load, so that what will be missing after it costs no load."""

from collections.abc import Iterable, Iterator

from toril.errors import InfrastructureError, SuiteError, UserError
from toril.metrics.answers import ClientFactory, Fault, FaultKind, asking, grouped, name_of, place_of
from toril.metrics.fetch import MINUTE_S, SHORT_PERIODS_KEPT_S, too_long
from toril.metrics.periods import recent
from toril.records import MetricQuery

LOOKED_BACK_S = 2 * 3600  # as far back as CloudWatch has values of every period, and an hour less
ERRORS: dict[FaultKind, type[UserError]] = {
    "query": SuiteError,
    "settings": UserError,
    "access": InfrastructureError,
    "unreachable": InfrastructureError,
}


def check(
    queries: Iterable[MetricQuery], now: float, clients: ClientFactory, *, load_s: float = 0.0
) -> tuple[str, ...]:
    """Notes on queries that may stay without an answer; UserError for those that certainly will.

    A metric that had no value lately may be new, or idle, or its name may be wrong: nobody can tell.
    `load_s`: how long the load will take, as far as that is known.
    """
    wanted = list(queries)
    for query in wanted:
        if query.period_s < MINUTE_S and load_s >= SHORT_PERIODS_KEPT_S:
            _said(too_long(query.period_s), query)
    return tuple(note for group in grouped(wanted) for note in _group(group, now, clients))


def _group(group: list[MetricQuery], now: float, clients: ClientFactory) -> Iterator[str]:
    answers = asking()(group, recent(now, group[0].period_s, LOOKED_BACK_S), clients)
    for query in {query.key: query for query in group}.values():
        answer = answers[query.key]
        if answer.fault is not None:
            yield _said(answer.fault, query)
        elif not answer.points:
            fix = "unless it is new or idle, check namespace, metric, dimensions, unit and region"
            yield f"{name_of(query)}: {place_of(query.region)} has no value of the last two hours; {fix}"


def _said(fault: Fault, query: MetricQuery) -> str:
    message = f"{name_of(query)}: {fault.message}"
    if fault.kind in ERRORS:
        raise ERRORS[fault.kind](message)
    return message
