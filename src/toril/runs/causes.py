"""Gathers the evidence for the probable causes of a finished run: its own figures, X-Ray's traces, and log lines.

Only settings of the suite ask AWS. A refused question becomes a problem in the record, since a verdict does not depend
on it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from toril.aws.client import Clients, ClientSettings, clients
from toril.aws.errors import AwsError, Fault
from toril.clock import Clock
from toril.cloudwatch.logs import MOST_BYTES, USD_PER_GB, Logs
from toril.cloudwatch.traces import own_times
from toril.errors import UserError
from toril.records import Plan
from toril.records.cause import Cause, RareLine, SlowPart, Trouble
from toril.records.evidence import Exchange
from toril.reports import Bundle
from toril.text import size
from toril.verdict.findings.cause import FALSE_DISCOVERIES, troubles_of
from toril.verdict.findings.lines import MINUTE_S, frequent_texts, rare_line, slow_part

SETTINGS = ClientSettings(connect_timeout_s=3, read_timeout_s=5, attempts=2, fips_if_there=True)  # within a lease
MOST_SLOW = 20  # requests of a run, or of an arm


def cause_of(
    bundle: Bundle, carried_out: Plan, started_at: float | None, clock: Clock | None = None,
    aws: Clients | None = None, check: Callable[[], bool] = lambda: True,
) -> Cause | None:  # fmt: skip
    """Returns the evidence for a run's causes; None if the suite does not ask for it, or without measurements.

    `started_at`: the start signal, in seconds since the epoch. Without it or a clock, AWS is not asked. `check` is
    called while AWS works; False ends the questions.
    """
    plan = bundle.plan
    if bundle.timeline is None or not (plan.service or plan.log_groups or plan.xray is not None):
        return None
    found: dict[str, Any] = {"false_discoveries": FALSE_DISCOVERIES, "troubles": ()}
    timeline, ask, problems = bundle.timeline, aws or clients(SETTINGS), list[str]()
    steps: dict[str, Callable[[], object]] = {
        "troubles": lambda: troubles_of(carried_out, bundle.summary, timeline, bundle.verdict, bundle.metrics)
    }
    if started_at is not None and clock is not None:
        logs, lasted_s, duet = (
            Logs(plan.log_groups, ask, clock, check),
            bundle.summary.duration_s or 0.0,
            carried_out.duet,
        )
        steps["part"] = lambda: _part(bundle, found["troubles"], ask, check, is_duet=duet is not None)
        steps["line"] = lambda: _line(logs, found["troubles"], started_at, lasted_s)
    for name, step in steps.items():
        try:
            found[name] = step()
        except Exception as error:  # a verdict must not depend on it
            if isinstance(error, UserError) and not isinstance(error, AwsError):  # of the store, or a lost lease
                raise
            problems.append(str(error) if isinstance(error, AwsError) else f"{type(error).__name__}: {error}")
    scanned = logs.scanned_bytes if "line" in steps else 0
    found |= {"scanned_bytes": scanned, "usd": scanned / 1e9 * USD_PER_GB, "problems": problems}
    return Cause.model_validate(found)


def _part(
    bundle: Bundle, troubles: Sequence[Trouble], ask: Clients, check: Callable[[], bool], *, is_duet: bool
) -> SlowPart | None:
    """Returns the part of the slow requests that took the time: of the run's troubles, or of head in a failed duet."""
    exchanges, region = bundle.evidence.exchanges if bundle.evidence else (), bundle.plan.xray
    traced = sorted((one for one in exchanges if one.trace_id), key=lambda one: -one.response_us)
    wanted = [one for one in traced if any(_is_within(one, trouble) for trouble in troubles)][:MOST_SLOW]
    if is_duet and bundle.outcome == "failed":
        wanted = [one for arm in ("arm 1", "arm 2") for one in [two for two in traced if two.arm == arm][:MOST_SLOW]]
    if region is None or not wanted:
        return None
    return slow_part(wanted, own_times([one.trace_id for one in wanted], region, ask, check))


def _is_within(exchange: Exchange, trouble: Trouble) -> bool:
    first_s, last_s = trouble.span
    return first_s <= exchange.at_s + exchange.response_us / 1e6 and exchange.at_s <= last_s


def _line(logs: Logs, troubles: Sequence[Trouble], started_at: float, lasted_s: float) -> RareLine | None:
    """Returns the log line of the first trouble's first minute that is rare outside it. AwsError; also: too many logs.

    The first minute begins with a minute of the clock, as in CloudWatch.
    """
    if not logs.groups or not troubles:
        return None
    began_s, ended_s = troubles[0].span
    minute = int((started_at + began_s + MINUTE_S / 2) // MINUTE_S) * MINUTE_S
    large = logs.size(started_at, started_at + lasted_s) + 2 * logs.size(minute, minute + MINUTE_S - 1)
    if large > MOST_BYTES:
        text = f"{', '.join(logs.groups)}: the queries would scan {size(large)}, the limit is {size(MOST_BYTES)}"
        raise AwsError(Fault(code="refused", problem=text, fix="name fewer log groups"))
    other = minute - MINUTE_S if not troubles[0].ended else math.ceil((started_at + ended_s) / MINUTE_S) * MINUTE_S
    texts = frequent_texts(logs.lines(minute), logs.lines(other))
    minutes = logs.counts(texts, started_at, started_at + lasted_s) if texts else {}
    found = rare_line(texts, minutes, minute, (started_at + began_s, started_at + ended_s))
    if found is None:
        return None
    text, count, most = found
    from_s, to_s = max(0.0, minute - started_at), min(lasted_s, minute - started_at + MINUTE_S)
    return RareLine(group=", ".join(logs.groups), text=text, from_s=from_s, to_s=to_s, count=count, most=most)
