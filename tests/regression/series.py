"""Made-up measurements: duets whose pairs have given ratios, and nights with given values."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.duets import Measured, interval_of, merged
from toril.records import HEAD, Plan
from toril.records.history import Fingerprint, HistoryRecord, KeptFigures, KeptPercentile
from toril.timeline import Timeline

BASE_US = 40_000
FIRST_NIGHT, NIGHT_S = 1_767_225_600, 86_400  # 2026-01-01


def samples_of(
    plan: Plan,
    ratios: Sequence[float | None],
    *,
    spread: float = 0.1,
    rate: float = 20.0,
    failing: tuple[float, float] = (0.0, 0.0),
    labels: Sequence[str] = ("home", "checkout"),
    seed: int = 1,
) -> Iterator[Measured]:
    """Yields the requests of a duet. Head's times in pair i are base's times `ratios[i]`; None: no requests.

    Each turn has `rate` requests per second of each label. Their times are lognormal around 40 ms with the standard
    deviation `spread`. `failing` are the shares of failed requests of base and head.
    """
    assert plan.duet is not None
    chance = random.Random(seed)
    steps = round(plan.duet.block_s * rate)
    lead_s = plan.duet.turn_s - plan.duet.block_s
    for turn in plan.duet.turns():
        ratio = ratios[turn.block - 1] if 0 < turn.block <= len(ratios) else None
        for step in range(0 if ratio is None else steps):
            for label in labels:
                us = BASE_US * chance.lognormvariate(0, spread) * (ratio or 1 if turn.arm == HEAD else 1)
                ok = chance.random() >= failing[turn.arm - 1]
                yield Measured(turn.arm, turn.block, lead_s + step / rate, round(us), label, ok)


def duet_of(plan: Plan, ratios: Sequence[float | None], **more: Any) -> tuple[Timeline, dict[int, Timeline]]:
    """Returns the timeline of the whole duet and of each arm; options as for `samples_of`."""
    return merged(plan, interval_of(plan, samples_of(plan, ratios, **more)))


def whole_of(plan: Plan, ratios: Sequence[float | None], **more: Any) -> Timeline:
    """Returns the timeline of the whole duet alone; options as for `samples_of`."""
    whole = Timeline()
    whole.add(interval_of(plan, samples_of(plan, ratios, **more)))
    return whole


def nights(values: Sequence[float], *, label: str = "checkout", **record: Any) -> list[HistoryRecord]:
    """Returns a passed run for each night, the oldest first.

    `values` are the p95 in µs of all requests and of `label`; p50 and p99 have a fixed ratio to it. Each run has a
    commit of its own. `record` replaces fields of all records.
    """
    return [_night(night, value, label, record) for night, value in enumerate(values)]


def _night(night: int, p95_us: float, label: str, record: dict[str, Any]) -> HistoryRecord:
    started_at = FIRST_NIGHT + night * NIGHT_S
    suite = record.get("suite", "shop")
    percentiles = {
        name: KeptPercentile(value_us=round(p95_us * factor), low_us=round(p95_us * factor * 0.98))
        for name, factor in (("p50", 0.5), ("p95", 1.0), ("p99", 1.5))
    }
    figures = KeptFigures(samples=60_000, failures=0, rps=100.0, mean_us=p95_us * 0.55, percentiles=percentiles)
    fields: dict[str, Any] = {
        "run_id": f"{datetime.fromtimestamp(started_at, UTC):%Y%m%dT%H%M%SZ}-{suite}-{night:04x}",
        "suite": suite,
        "started_at": started_at,
        "duration_s": 600,
        "outcome": "passed",
        "reasons": ("kept",),
        "tags": {"commit": f"{night:012x}"},
        "workers": 1,
        "total": figures,
        "labels": {label: figures},
        "locations": {"local": figures},
        "fingerprint": Fingerprint(suite="5" * 16, size="1x2", locations="local"),
    }
    return HistoryRecord(**fields | record)
