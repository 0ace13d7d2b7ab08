"""Duets made up for tests: a suite's plan against two addresses, and the workers' records."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toril.plan.duet import plan_duet
from toril.plan.options import RunOptions
from toril.records import ARMS, Plan
from toril.timeline import Timeline
from toril.timeline.arms import Arm
from toril.timeline.intervals import Interval, Recorder, decode

BASE_URL, HEAD_URL = "http://base.example:8001", "http://head.example:8002"
SUITE = """
execution:
- {scenario: shop, executor: apiritif, concurrency: 4, hold-for: 40s}
scenarios:
  shop:
    default-address: ${SHOP_URL}
    requests: [{label: home, url: /}, {label: checkout, url: /checkout}]
"""
SWITCHED = SUITE.replace("apiritif", "locust")  # its engine runs through

ALTERNATING = 183  # a seed of BA AB BA AB, for up to ten pairs


def planned(folder: Path, text: str = SUITE, run_id: str = "run", **options: Any) -> Plan:
    """Returns the plan of a duet of the suite."""
    file = folder / "suite.yml"
    file.write_text(text)
    wanted: dict[str, Any] = {"blocks": 4, "base": BASE_URL, "head": HEAD_URL, "seed": ALTERNATING}
    return plan_duet([file], RunOptions(run_id=run_id), 0.0, **wanted | options)[1]


def on_one_host(plan: Plan, **facts: Any) -> Plan:
    """Returns the plan with other facts of its duet; small changes are not proven between two hosts."""
    assert plan.duet is not None
    return plan.model_copy(update={"duet": plan.duet.model_copy(update={"two_hosts": False, **facts})})


@dataclass(frozen=True)
class Measured:
    """One request of a turn, with its completion in seconds after the turn's begin."""

    arm: int
    block: int
    since_s: float
    us: int = 40_000
    label: str = "home"
    ok: bool = True
    steady: bool = True
    execution: str = "shop"
    size: int = 0  # bytes of the response


def interval_of(plan: Plan, samples: Iterable[Measured]) -> Interval:
    """Returns one worker's interval of the samples."""
    return decode(file_of(plan, samples), "made up")


def file_of(plan: Plan, samples: Iterable[Measured], blocks: int | None = None) -> bytes:
    """Returns one worker's interval file of the samples; `blocks`: it ends after this number of pairs."""
    assert plan.duet is not None
    starts = {(turn.arm, turn.block): turn.starts_s for turn in plan.duet.turns()}
    recorder = Recorder("local-1", "local")
    for one in samples:
        recorder.add_one(
            one.execution,
            completed_s=starts[one.arm, one.block] + one.since_s,
            label=one.label,
            response_us=one.us,
            ok=one.ok,
            bytes=one.size,
            steady=one.steady,
            rc="200" if one.ok else "503",
            message="" if one.ok else "it broke",
            arm=one.arm,
            block=one.block,
        )
    for turn in plan.duet.turns():
        if blocks is not None and turn.block > blocks:
            break
        for second in range(int(turn.starts_s), int(turn.ends_s)):
            recorder.virtual_users(second, "shop", 4)
            recorder.health(second, 0.1 * turn.arm, 0.1, 1 << 20, 0.0)
        if not plan.duet.switched:
            recorder.virtual_users(int(turn.ends_s), "shop", 0)
            recorder.health(int(turn.ends_s), 0.99, 0.99, 1 << 20, 0.0)  # the next engine starts
    data = recorder.flush()
    assert data is not None
    return data


def merged(plan: Plan, interval: Interval) -> tuple[Timeline, dict[int, Timeline]]:
    """Returns the timeline of the whole run and of each arm."""
    whole, arms = Timeline(), {arm: Timeline() for arm in ARMS}
    whole.add(interval)
    for arm, timeline in arms.items():
        timeline.add(Arm(plan, arm).interval(interval))
    return whole, arms
