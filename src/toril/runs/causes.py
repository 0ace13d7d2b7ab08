"""Gathers the evidence for the probable causes of a finished run: its own figures, X-Ray's traces, and log lines.

Only settings of the suite ask AWS. A refused question becomes a problem in the record, since a verdict does not depend
on it.
"""

import math
from collections.abc import Callable, Iterable

from toril.aws.client import Clients, ClientSettings, clients
from toril.aws.errors import AwsError
from toril.clock import Clock
from toril.cloudwatch.logs import MOST_BYTES, USD_PER_GB, Logs
from toril.cloudwatch.traces import own_times
from toril.records import Plan
from toril.records.cause import Cause, RareLine, SlowPart, Trouble
from toril.records.evidence import Exchange
from toril.reports import Bundle
from toril.text import size
from toril.verdict.findings.cause import FALSE_DISCOVERIES, troubles_of
from toril.verdict.findings.lines import MINUTE_S, frequent_texts, rare_lines, slow_part, slower_part

SETTINGS = ClientSettings(connect_timeout_s=3, read_timeout_s=5, attempts=2, fips_if_there=True)  # within a lease
MOST_SLOW = 20  # requests of a run, or of an arm


def is_wanted(plan: Plan) -> bool:
    """Whether the suite asks for probable causes, by one of their sources."""
    return bool(plan.log_groups or plan.xray is not None)


def cause_of(
    bundle: Bundle,
    carried_out: Plan,
    started_at: float | None,
    clock: Clock | None = None,
    *,
    aws: Clients | None = None,
    check: Callable[[], bool] = lambda: True,
) -> Cause | None:
    """Returns the evidence for a run's causes; None if the suite does not ask for it, or without measurements.

    `started_at`: the start signal, in seconds since the epoch. Without it or a clock, AWS is not asked. `check` is
    called while AWS works; False ends the questions.
    """
    if not is_wanted(bundle.plan) or bundle.timeline is None:
        return None
    troubles = troubles_of(carried_out, bundle.summary, bundle.timeline, bundle.verdict, bundle.metrics)
    cause = Cause(false_discoveries=FALSE_DISCOVERIES, troubles=troubles)
    if started_at is None or clock is None:
        return cause
    ask, problems, parts, lines = aws or clients(SETTINGS), list[str](), list[SlowPart](), list[RareLine]()
    try:
        parts += _parts(bundle, troubles, ask, check, is_duet=carried_out.duet is not None)
    except AwsError as error:
        problems.append(str(error))
    scanned = 0
    for region, groups in _by_region(bundle.plan.log_groups if troubles else ()).items():
        logs = Logs(groups, region, ask, clock, check)
        try:
            found, bytes_ = _lines(logs, troubles[0], started_at, bundle.summary.duration_s or 0.0)
            lines, scanned = [*lines, *found], scanned + bytes_
        except AwsError as error:
            problems.append(f"{', '.join(groups)}: {error}")
        except ValueError as error:
            problems.append(f"{', '.join(groups)}: {error}")
    usd = scanned / 1e9 * USD_PER_GB
    update = {"parts": tuple(parts), "lines": tuple(lines), "scanned_bytes": scanned, "usd": usd}
    return cause.model_copy(update={**update, "problems": tuple(problems)})


def _parts(
    bundle: Bundle, troubles: Iterable[Trouble], ask: Clients, check: Callable[[], bool], *, is_duet: bool
) -> list[SlowPart]:
    """Returns the part of the slow requests that took the time: of the run's troubles, or of head in a duet."""
    plan, exchanges = bundle.plan, bundle.evidence.exchanges if bundle.evidence else ()
    traced = sorted((one for one in exchanges if one.trace_id), key=lambda one: -one.response_us)
    if plan.xray is None or not traced:
        return []
    if is_duet:
        arms = [[one for one in traced if one.arm == arm][:MOST_SLOW] for arm in ("arm 1", "arm 2")]
        chosen = [*arms[0], *arms[1]] if bundle.outcome == "failed" else []
        traces = own_times([one.trace_id for one in chosen], plan.xray, ask, check)
        found = slower_part(chosen, traces)
    else:
        chosen = [one for one in traced if any(_is_within(one, trouble) for trouble in troubles)][:MOST_SLOW]
        traces = own_times([one.trace_id for one in chosen], plan.xray, ask, check)
        found = slow_part(chosen, traces)
    return [found] if found else []


def _is_within(exchange: Exchange, trouble: Trouble) -> bool:
    first, last = (0.0, trouble.at_s) if trouble.ended else (trouble.low_s, trouble.to_s or math.inf)
    return first <= exchange.at_s + exchange.response_us / 1e6 and exchange.at_s <= last


def _by_region(groups: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Returns log groups by region; names without one are in the environment's."""
    regions: dict[str, tuple[str, ...]] = {}
    for group in groups:
        region = group.split(":")[3] if group.startswith("arn:") else ""
        regions[region] = (*regions.get(region, ()), group)
    return regions


def _lines(logs: Logs, trouble: Trouble, started_at: float, lasted_s: float) -> tuple[list[RareLine], int]:
    """Returns the log lines of a trouble's first minute that are rare outside it, and the scanned bytes.

    ValueError if the logs are too large. The first minute begins with a minute of the clock, as in CloudWatch.
    """
    began, ended = (0.0, trouble.at_s) if trouble.ended else (trouble.low_s, trouble.to_s or lasted_s)
    minute = int((started_at + began + MINUTE_S / 2) // MINUTE_S) * MINUTE_S
    before = minute + MINUTE_S if trouble.ended and ended < 2 * MINUTE_S else minute - MINUTE_S
    large = logs.size(started_at, started_at + lasted_s) + 2 * logs.size(minute, minute + MINUTE_S - 1)
    if large > MOST_BYTES:
        raise ValueError(f"the queries would scan {size(large)}, the limit is {size(MOST_BYTES)}")
    now, earlier = (logs.lines(at, at + MINUTE_S) for at in (minute, before))
    scanned = now.scanned_bytes + earlier.scanned_bytes
    texts = frequent_texts(*([row.get("@message", "") for row in answer.rows] for answer in (now, earlier)))
    if not texts:
        return [], scanned
    minutes, bytes_ = logs.counts(texts, started_at, started_at + lasted_s)
    at = started_at + began, started_at + ended
    found = rare_lines(texts, minutes, minute, at, ", ".join(logs.groups))
    seconds = [
        one.model_copy(update={"from_s": one.from_s - started_at, "to_s": one.to_s - started_at}) for one in found
    ]
    return seconds, scanned + bytes_
