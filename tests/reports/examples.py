"""Hand-written runs in the schemas toril.summary/1 and toril.verdict/1."""

import math
import re
from dataclasses import replace
from typing import Any

from toril.records import ExecutionShare, Plan, PlannedCriterion, PlannedExecution, Share, Verdict
from toril.records.evidence import Asserted, Content, Exchange, Exchanges
from toril.records.history import IndexRow, ListedRun
from toril.records.summary import Summary
from toril.reports import Bundle

HOSTILE = "</script><img src=x onerror=alert(1)>|`\"'&\u2028\x1b[31m\x00[red]@octocat\ud800{{7*7}}"


def listed(run_id: str, state: str, **figures: Any) -> ListedRun:
    """One run in the list of runs."""
    outcome: Any = state
    row = {"run_id": run_id, "suite": "shop", "started_at": 1_764_000_000.0, "outcome": outcome, "workers": 2}
    return ListedRun(IndexRow(**{**row, **figures}), state)


def plan(**changes: Any) -> Plan:
    execution = PlannedExecution(
        name="buy", index=0, executor="locust", scenario="buy", concurrency=10, ramp_up_s=5, hold_for_s=25
    )
    return Plan(
        **{
            "run_id": "20261124T150405Z-shop-1a2b",
            "suite": "shop",
            "toril_version": "0.1.0",
            "tags": {"commit": "4e5f6a7"},
            "executions": (execution,),
            "shares": tuple(
                Share(
                    worker=f"{location}-1",
                    location=location,
                    index=index,
                    executions=(ExecutionShare(execution="buy", concurrency=5, config={}),),
                )
                for index, location in enumerate(("madrid", "sevilla"))
            ),
            "common": {},
            "criteria": (
                PlannedCriterion(source="p95 of checkout>250ms", where="suite.yml: reporting[0].criteria[0]"),
            ),
            "ramp_up_exclude": True,
        }
        | changes
    )


def figures(samples: int = 3000, failures: int = 0, scale: float = 1.0, **changes: Any) -> dict[str, Any]:
    """Returns one label of a summary."""
    times = {"min": 900, "mean": 21_300, "stdev": 9_000, "p50": 18_400, "p75": 24_000, "p90": 38_000, "p95": 51_200,
             "p99": 88_700, "p99_9": 140_000, "p99_99": 161_000, "max": 163_204}  # fmt: skip
    times = {key: int(value * scale) for key, value in times.items()}
    return {
        "kind": "request",
        "samples": samples,
        "failures": failures,
        "unfinished": 0,
        "bytes": samples * 812,
        "rps": samples / 30,
        "resolution_us": 1,
        "histogram": histogram(samples, scale),
        "response_us": {
            **times,
            "interval": {"p95": [int(49_000 * scale), int(53_300 * scale)], "p99_99": [None, None]},
        },
        "failed_response_us": {"p95": 3_100} if failures else None,
        "rc": {"200": samples - failures} | ({"503": failures} if failures else {}),
        "errors": [{"message": "503 Service Unavailable", "rc": "503", "count": failures}] if failures else [],
    } | changes


def histogram(samples: int, scale: float = 1.0) -> list[list[int]]:
    """Returns buckets [low, high, count] of exponentially distributed times."""
    counts = [max(1, round(samples * 0.3 * 0.7**step)) for step in range(20)]
    return [[int(6000 * scale * step), int(6000 * scale * (step + 1)) - 1, count] for step, count in enumerate(counts)]


def second(number: int, failures: int = 0) -> dict[str, Any]:
    """Returns one entry of the series of a summary."""
    users = min(10, 2 * number + 2)
    wave = 1 + 0.2 * math.sin(number)
    return {
        "second": number,
        "samples": 10 * users,
        "failures": failures,
        "virtual_users": users,
        "planned_users": users,
        "p50_us": int(18_000 * wave),
        "p95_us": int(50_000 * wave),
        "p99_us": int(90_000 * wave),
        "locations": {
            name: {"samples": 5 * users, "failures": 0, "virtual_users": users // 2, "p95_us": int(45_000 * wave)}
            for name in ("madrid", "sevilla")
        },
    }


def summary(labels: dict[str, Any] | None = None, **changes: Any) -> Summary:
    """Returns a summary read from its file format."""
    labels = labels or {"": figures(), "products": figures(2000, scale=0.8), "checkout": figures(1000, scale=1.4)}
    data = {
        "schema": "toril.summary/1",
        "run_id": "20261124T150405Z-shop-1a2b",
        "suite": "shop",
        "tags": {"commit": "4e5f6a7"},
        "started_at": "2026-11-24T15:04:07Z",
        "duration_s": 30,
        "workers": {"planned": 2, "reported": 2, "lost": []},
        "window": {"from_s": 5.0, "to_s": 30.0},
        "load": {
            "requested": {"virtual_users": 10, "rps": None},
            "achieved": {"virtual_users": 9.98, "rps": 100.0},
            "executions": {},
        },
        "generators": {
            "cpu_max": 0.31,
            "saturated": [],
            "workers": {
                f"{name}-1": {
                    "cpu_max": 0.31,
                    "cpu_mean": 0.2,
                    "busiest_core_max": 0.4,
                    "memory_max_bytes": 90_000_000,
                    "throttled_s": 0.0,
                }
                for name in ("madrid", "sevilla")
            },
        },
        "labels": labels,
        "executions": {"buy": {"labels": {"": figures()}}},
        "locations": {name: {"labels": {"": figures(1500)}} for name in ("madrid", "sevilla")},
        "series": [second(number) for number in range(30)],
    }
    return Summary.from_dict(data | changes)


def criterion(text: str = "p95 of checkout>250ms", outcome: str = "passed", **changes: Any) -> dict[str, Any]:
    return {
        "criterion": text,
        "outcome": outcome,
        "observed": 71_680,
        "threshold": 250_000,
        "unit": "us",
        "subject": re.split("[ <>]", text)[0],
        "label": "checkout",
        "scope": {"executions": [], "location": None},
        "window": None,
        "at_s": None,
        "samples": 1000,
        "interval": [68_600, 74_620],
        "message": "p95 of checkout was 71.7 ms; a breach is > 250 ms",
        "code": "kept",
    } | changes


def verdict(outcome: str = "passed", **changes: Any) -> Verdict:
    data = {"schema": "toril.verdict/1", "outcome": outcome, "reasons": [], "criteria": [criterion()]}
    return Verdict.from_dict(data | changes)


def with_summary(bundle: Bundle, **changes: Any) -> Bundle:
    """Returns the run with other entries in its summary file."""
    return replace(bundle, summary=Summary.from_dict({**bundle.summary.to_dict(), **changes}))


def with_verdict(bundle: Bundle, **changes: Any) -> Bundle:
    """Returns the run with other entries in its verdict file."""
    return replace(bundle, verdict=Verdict.from_dict({**bundle.verdict.to_dict(), **changes}))


def passed() -> Bundle:
    share: dict[str, Any] = {
        "observed": 0,
        "threshold": 1,
        "unit": "%",
        "interval": None,
        "samples": 3000,
        "message": "",
    }
    return Bundle(plan(), summary(), verdict(criteria=[criterion(), criterion("fail>1%", **share)]))


def failed() -> Bundle:
    broken = criterion(
        outcome="failed",
        observed=412_300,
        interval=None,
        window={"logic": "for", "timeframe_s": 10, "from_s": 12, "to_s": 21},
        at_s=21,
        code="breach",
        message="p95 of checkout was at the least 412 ms, 162 ms (65 %) above the limit of 250 ms",
    )
    reasons = [{"code": "breach", "message": "p95 of checkout>250ms: 412 ms, 162 ms above the limit"}]
    labels = {
        "": figures(3000, 120),
        "products": figures(2000),
        "checkout": figures(1000, 120, 5.6, resolution_us=1000),
    }
    return Bundle(
        plan(),
        summary(labels),
        verdict(
            "failed", reasons=reasons, criteria=[broken, criterion("avg-rt>1s", threshold=1_000_000, interval=None)]
        ),
    )


def inconclusive() -> Bundle:
    reasons = [{"code": "lost-worker", "message": "worker sevilla-1 was lost: killed by signal 9 after 12 s"}]
    workers = {"planned": 2, "reported": 1, "lost": [{"worker": "sevilla-1", "reason": "killed by signal 9"}]}
    return Bundle(plan(), summary(workers=workers), verdict("inconclusive", reasons=reasons))


def hostile(labels: int = 3) -> Bundle:
    """Returns a run with an attack in every untrusted string."""
    figures_of = {"": figures(100, 50), **{f"{HOSTILE}{number}": figures(10) for number in range(labels)}}
    figures_of[""]["errors"] = [{"message": HOSTILE, "rc": HOSTILE, "count": 50}]
    figures_of[""]["rc"] = {HOSTILE: 100}
    rule = criterion(HOSTILE, "failed", message=HOSTILE, scope={"executions": [HOSTILE], "location": HOSTILE})
    return Bundle(
        plan(
            run_id=HOSTILE.replace("\ud800", ""),
            suite="x" + HOSTILE.replace("\ud800", ""),
            warnings=("w" + HOSTILE[:-9],),
        ),
        summary(
            figures_of,
            locations={HOSTILE: {"labels": {"": figures()}}, "b": {"labels": {"": figures()}}},
            series=[{**second(0), "locations": {HOSTILE: {"samples": 1, "p95_us": 5}}}],
            started_at=HOSTILE,
        ),
        verdict("failed", reasons=[{"code": HOSTILE, "message": HOSTILE}], criteria=[rule]),
        evidence=Exchanges(exchanges=(_hostile_exchange(),)),
    )


def _hostile_exchange() -> Exchange:
    texts: dict[str, Any] = dict.fromkeys(
        ("execution", "label", "rc", "error", "worker", "location", "method", "remote"), HOSTILE
    )
    pairs = ((HOSTILE, HOSTILE), ("X-Id", HOSTILE))
    return Exchange(
        **texts,
        why="failure",
        ok=False,
        url=f"https://[{HOSTILE}",
        request_headers=pairs,
        response_headers=pairs,
        request=Content(text=HOSTILE, type=HOSTILE),
        status=500,
        response=Content(text=f'{{"{HOSTILE}', type="application/json"),
        asserted=(Asserted(name=HOSTILE, ok=False, expected=HOSTILE, message=HOSTILE),),
        variables=pairs,
        trace_id=HOSTILE,
        masked=(HOSTILE,),
        notes=(HOSTILE,),
    )


def empty() -> Bundle:
    """Returns a run without measurements."""
    return Bundle(
        plan(criteria=()),
        Summary.from_dict({"labels": {}, "workers": {"planned": 2, "reported": 0, "lost": []}}),
        verdict("inconclusive", reasons=[{"code": "no-samples", "message": "no sample came in"}], criteria=[]),
    )
