"""Trends of 60 nights for tests of surfaces, made without the computation of trends."""

import math
from dataclasses import replace
from typing import Any

from tests.regression.series import nights
from toril.records.trend import Trend, TrendGroup, TrendMember, TrendPoint, TrendSeries

STEP = 45  # the first night after the change
VALUES = [50_000 * (1 + 0.02 * math.sin(7 * night)) * (1.2 if night >= STEP else 1.0) for night in range(60)]
RECORDS = nights(VALUES)
HOLLOW = 20
AT = RECORDS[-1].started_at + 3600


def points(factor: float = 1.0) -> tuple[TrendPoint, ...]:
    return tuple(
        TrendPoint(
            run_id=record.run_id,
            started_at=record.started_at,
            value=value * factor,
            hollow=night == HOLLOW,
            segment=int(night >= 12),
            commit=record.tags["commit"],
            outcome="inconclusive" if night == HOLLOW else record.outcome,
        )
        for night, (record, value) in enumerate(zip(RECORDS, VALUES, strict=True))
    )


def series(label: str, metric: str = "p95", *, factor: float = 1.0, unit: str = "us", at: str = "") -> TrendSeries:
    """Returns a series of a location (`at`), or of all of them."""
    return TrendSeries(label=label, location=at, metric=metric, unit=unit, points=points(factor), changes=(STEP,))


def member(label: str, metric: str = "p95", **changes: Any) -> TrendMember:
    usual = {"before": 50_000.0, "after": 60_000.0, "change": 0.2, "low": 0.18, "high": 0.22, "delay": 3}
    return TrendMember(label=label, metric=metric, **{**usual, **changes})


def group(state: Any = "confirmed", at: int = STEP, **changes: Any) -> TrendGroup:
    return TrendGroup(
        **{
            "id": RECORDS[at].run_id,
            "state": state,
            "from_run": RECORDS[at - 1].run_id,
            "to_run": RECORDS[at].run_id,
            "from_commit": RECORDS[at - 1].tags["commit"],
            "to_commit": RECORDS[at].tags["commit"],
            "series": (member("checkout"), member("")),
            "message": "p95 of checkout rose by 20 % (18 % to 22 %), found after 3 runs",
        }
        | changes
    )


def trend(*groups: TrendGroup, **changes: Any) -> Trend:
    """Returns a trend with these groups, the newest first."""
    every = (
        series("checkout"),
        series(""),
        series("", "throughput", factor=0.002, unit="/s"),
        series("", "failures", factor=0.0, unit="share"),
        series("checkout", "p99", factor=1.5),
        series("checkout", at="us-east-1"),
    )
    new = any(one.state == "confirmed" and one.worse and not one.small for one in groups)
    found = Trend(
        suite="shop",
        at=AT,
        series=every,
        groups=groups,
        segments=("", "image"),
        runs=60,
        outcome="regressed" if new else "clean",
    )
    return replace(found, **changes)
