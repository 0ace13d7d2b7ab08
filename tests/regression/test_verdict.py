"""The verdict of a duet: criteria on head, validity of both arms, and the comparison."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.duets import HEAD_URL, SUITE, Measured, interval_of, merged, on_one_host, planned
from tests.measured import plan_of
from tests.verdict import test_server_criteria as servers
from toril.records import ARMS, BASE, HEAD, Exit, Plan, ServerMetrics, Stop
from toril.regression import judge_duet
from toril.regression.calibration import Calibration
from toril.summary import Completeness
from toril.timeline.intervals import HEALTH_SCALE, Interval

START = 1_700_000_000.0
CRITERIA = "reporting: [{module: passfail, criteria: [%s]}]\n"
LIMIT = CRITERIA % "p95 of checkout>200ms"
PER_BLOCK = 200  # requests of each label, arm and block


def measured(plan: Plan, *, slower: float = 1.0, failing: float = 0.0, blocks: range | None = None) -> Interval:
    """Returns requests of both arms, 40 ms each with noise; `slower` is the factor of head's checkouts."""
    assert plan.duet is not None
    chance = random.Random(1)
    samples = []
    for turn in plan.duet.turns():
        if blocks is not None and turn.block not in blocks:
            continue
        for label in ("home", "checkout"):
            for step in range(PER_BLOCK):
                head = turn.arm == HEAD
                us = 40_000 * chance.lognormvariate(0, 0.1) * (slower if head and label == "checkout" else 1)
                ok = not (head and chance.random() < failing)
                samples.append(Measured(turn.arm, turn.block, step * 10 / PER_BLOCK, round(us), label, ok))
    return interval_of(plan, samples)


def left(plan: Plan, interval: Interval, **more: Any) -> Completeness:
    """Returns the completeness of a run with one finished worker."""
    assert plan.duet is not None
    *_, last = plan.duet.turns()
    exit = Exit(
        worker="local-1",
        attempt="a",
        at=START + last.ends_s + 0.2,
        outcome="finished",
        samples=interval.samples,
        last_sample_s=last.ends_s - 0.1,
        first_sample_lateness_s={one.name: 0.01 for one in plan.executions},
    )
    exit = exit.model_copy(update=more.pop("exit", {}))
    return Completeness(planned=("local-1",), reported=("local-1",), exits={"local-1": exit}, started_at=START, **more)


def verdict(plan: Plan, interval: Interval, **more: Any) -> dict[str, Any]:
    whole, arms = merged(plan, interval)
    return judge_duet(plan, arms, whole, left(plan, interval, **more)).verdict.to_dict()


def codes(found: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in found["reasons"]]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return on_one_host(planned(tmp_path, SUITE + LIMIT))


def test_a_head_slower_than_the_margin_fails(plan: Plan) -> None:
    found = verdict(plan, measured(plan, slower=1.3))
    assert (found["outcome"], codes(found)) == ("failed", ["regression"])
    (metric, failures) = found["comparison"]["metrics"]
    assert (metric["label"], metric["metric"], metric["outcome"]) == ("checkout", "p95", "failed")
    assert 0.2 < metric["low"] < metric["change"] < metric["high"] < 0.4
    assert (failures["metric"], failures["outcome"], failures["change"]) == ("failures", "passed", 0)


def test_times_recorded_in_coarse_steps_prove_less(plan: Plan) -> None:
    found = verdict(plan, replace(measured(plan, slower=1.3), resolution_us={"shop": 20_000}))
    assert (found["outcome"], codes(found)[0]) == ("inconclusive", "unproven")
    assert "20 ms" in found["comparison"]["metrics"][0]["message"]


def test_an_equal_head_passes(plan: Plan) -> None:
    found = verdict(plan, measured(plan, slower=0.97))
    assert (found["outcome"], codes(found)) == ("passed", ["no-regression", "kept"])
    assert found["comparison"]["outcome"] == "passed"
    assert found["comparison"]["arms"]["head"] == {"address": HEAD_URL, "samples": 4 * 2 * PER_BLOCK, "failures": 0}


def test_a_change_about_as_large_as_the_margin_is_inconclusive(plan: Plan) -> None:
    found = verdict(plan, measured(plan, slower=1.03))
    assert (found["outcome"], codes(found)) == ("inconclusive", ["unproven"])


def test_a_faster_head_that_breaches_a_criterion_fails(tmp_path: Path) -> None:
    plan = planned(tmp_path, SUITE + CRITERIA % "p95 of checkout>5ms")
    found = verdict(plan, measured(plan, slower=0.5))
    assert (found["outcome"], codes(found)) == ("failed", ["breach"])
    assert found["comparison"]["outcome"] == "passed"


def test_criteria_are_judged_on_heads_samples_alone(plan: Plan) -> None:
    (criterion,) = verdict(plan, measured(plan, slower=4))["criteria"]
    assert (criterion["outcome"], criterion["samples"]) == ("passed", 4 * PER_BLOCK)
    assert 160_000 < criterion["observed"] < 200_000


@pytest.mark.parametrize(
    "rule", ["throughput<35/s", "throughput<35/s for 8s", "hits<35 for 8s", "concurrency<4 for 20s"]
)
def test_criteria_judge_the_load_of_heads_blocks(tmp_path: Path, rule: str) -> None:
    """40 requests per second in head's blocks, without the turns of base between them."""
    where = f"toril: {{criteria: ['{rule}']}}\n" if "throughput" in rule else CRITERIA % rule
    plan = planned(tmp_path, SUITE + where)
    (criterion,) = verdict(plan, measured(plan))["criteria"]
    assert criterion["outcome"] == "passed", criterion["message"]


def test_failures_beyond_the_margin_fail(plan: Plan) -> None:
    found = verdict(plan, measured(plan, failing=0.2))
    assert found["outcome"] == "failed"
    metric = found["comparison"]["metrics"][-1]
    assert (metric["metric"], metric["unit"], metric["outcome"]) == ("failures", "share", "failed")
    assert 0.15 < metric["low"] < metric["change"] == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"lost": (("local-1", "gone"),)}, "lost-worker"),
        ({"damaged": ("workers/local-1/a/intervals-000003 is missing",)}, "damaged-file"),
        ({"clock_s": {"local-1": (2.0, 0.1)}}, "unsure-clock"),
        ({"exit": {"first_sample_lateness_s": {"shop, base 2": 3.0}}}, "late-start"),
        ({"exit": {"unreadable_records": 3}}, "unreadable-records"),
    ],
)
def test_invalid_or_missing_data_proves_no_regression(plan: Plan, more: dict[str, Any], code: str) -> None:
    found = verdict(plan, measured(plan, slower=1.5), **more)
    assert found["outcome"] == "inconclusive"
    assert {code, "unsure-arms"} <= set(codes(found))
    assert codes(found).count(code) == 1


def test_blocks_measured_before_a_stop_count(plan: Plan) -> None:
    """The load ended in the last of four pairs; three pairs are too few."""
    assert plan.duet is not None
    stop = Stop(at=START + 80, cause="user", message="enough")
    found = verdict(plan, measured(plan, slower=1.5, blocks=range(1, 4)), stop=stop)
    assert (found["outcome"], set(codes(found))) == ("inconclusive", {"stopped", "unproven"})
    assert found["comparison"]["metrics"][0]["blocks"] == 3


def test_blocks_with_too_few_samples_are_left_out_with_advice(tmp_path: Path) -> None:
    plan = planned(tmp_path, SUITE + CRITERIA % "p99.9 of checkout>200ms")
    metric = verdict(plan, measured(plan))["comparison"]["metrics"][0]
    assert (metric["blocks"], metric["base"], metric["outcome"]) == (0, None, "inconclusive")
    assert "toril.regression.block" in metric["message"]


def test_an_arm_without_its_full_load_is_inconclusive(plan: Plan) -> None:
    """Base's users are inactive for most of its time."""
    interval = measured(plan)
    assert plan.duet is not None
    away = {s for turn in plan.duet.turns_of(BASE) for s in range(int(turn.starts_s), int(turn.ends_s))}
    users = interval.users.copy()
    users[2][[second in away for second in users[0].tolist()]] = 1
    found = verdict(plan, replace(interval, users=users))
    assert found["outcome"] == "inconclusive"
    assert [reason["message"][:5] for reason in found["reasons"] if reason["code"] == "unreached-load"] == ["base:"]


@pytest.mark.parametrize(("criterion", "outcome"), [("fail>90%", "passed"), ("p95>900ms", "inconclusive")])
def test_a_criterion_judges_the_failures_of_both_arms(tmp_path: Path, criterion: str, outcome: str) -> None:
    plan = planned(tmp_path, SUITE + CRITERIA % criterion)
    assert plan.duet is not None
    chance, samples = random.Random(1), []
    for turn in plan.duet.turns():
        for step in range(PER_BLOCK):
            us = round(40_000 * chance.lognormvariate(0, 0.1))
            samples.append(Measured(turn.arm, turn.block, step * 10 / PER_BLOCK, us, ok=step % 5 > 0))
    found = verdict(plan, interval_of(plan, samples))
    assert (found["outcome"], "unjudged-failures" in codes(found)) == (outcome, outcome == "inconclusive")


def test_a_base_with_failures_only_proves_no_regression(plan: Plan) -> None:
    assert plan.duet is not None
    chance, samples = random.Random(1), []
    for turn in plan.duet.turns():
        for label in ("home", "checkout"):
            for step in range(PER_BLOCK):
                dead = turn.arm == BASE and label == "checkout"
                us = round((2_000 if dead else 40_000) * chance.lognormvariate(0, 0.1))
                samples.append(Measured(turn.arm, turn.block, step * 10 / PER_BLOCK, us, label, not dead))
    found = verdict(plan, interval_of(plan, samples))
    assert (found["outcome"], {"dead-label", "unsure-arms"} <= set(codes(found))) == ("inconclusive", True)


def test_a_label_that_head_never_sends_is_noted(plan: Plan) -> None:
    assert plan.duet is not None
    chance, samples = random.Random(1), []
    for turn in plan.duet.turns():
        for label, count in (("checkout", PER_BLOCK), ("pay", 10 if turn.arm == BASE else 0)):
            for step in range(count):
                us = round(40_000 * chance.lognormvariate(0, 0.1))
                samples.append(Measured(turn.arm, turn.block, step * 10 / PER_BLOCK, us, label))
    found = verdict(plan, interval_of(plan, samples))
    assert found["note_codes"] == ["missing-label"]


def two_labels(plan: Plan, head: dict[str, int], size: int = 5_000, head_size: int = 5_000) -> Interval:
    """Returns requests of `fast` (2 ms) and `slow` (34 ms); `head`: other times of head's labels in µs."""
    assert plan.duet is not None
    usual, chance = {"fast": 2_000, "slow": 34_000}, random.Random(3)
    samples = []
    for turn in plan.duet.turns():
        times, bytes = (usual | head, head_size) if turn.arm == HEAD else (usual, size)
        for label, us in times.items():
            samples += [
                Measured(
                    turn.arm,
                    turn.block,
                    step * 10 / PER_BLOCK,
                    round(us * chance.uniform(0.95, 1.05)),
                    label,
                    size=bytes,
                )
                for step in range(PER_BLOCK)
            ]
    return interval_of(plan, samples)


@pytest.mark.parametrize(
    ("head", "sizes", "found"),
    [
        ({}, (5_000, 5_200), []),
        ({"fast": 16_000}, (5_000, 5_000), ["slower-label"]),
        ({"fast": 100, "slow": 100}, (5_000, 5_000), ["other-responses"]),
        ({}, (5_000, 300), ["other-responses"]),
    ],
)
def test_a_label_that_the_compared_figures_do_not_show_is_named(
    plan: Plan, head: dict[str, int], sizes: tuple[int, int], found: list[str]
) -> None:
    judged = verdict(plan, two_labels(plan, head, *sizes))
    assert judged["note_codes"] == found
    assert "regression" not in codes(judged)


def test_the_summary_is_that_of_head(plan: Plan) -> None:
    interval = measured(plan, slower=2)
    whole, arms = merged(plan, interval)
    judged = judge_duet(plan, arms, whole, left(plan, interval))
    assert judged.summary.total.samples == 4 * 2 * PER_BLOCK
    assert judged.summary.labels["checkout"].rps == pytest.approx(20, rel=0.05)
    assert list(judged.summary.executions) == ["shop"]
    assert [one.name for one in judged.plan.executions] == ["shop"]
    assert len(ARMS) == 2


def test_a_duet_of_base_with_itself_is_a_test_of_the_gate(plan: Plan) -> None:
    assert plan.duet is not None
    alike = plan.model_copy(update={"duet": plan.duet.model_copy(update={"aa": True})})
    clean, alarm = (verdict(alike, measured(alike, slower=slower)) for slower in (0.97, 1.3))
    assert (clean["outcome"], codes(clean)) == ("passed", ["aa-clean", "kept"])
    assert (alarm["outcome"], codes(alarm)) == ("failed", ["aa-false-alarm"])


def test_experience_from_earlier_duets_is_reported(plan: Plan) -> None:
    known = Calibration(40, 40, 3, 0.02, {("checkout", "p95"): 0.02}, {}, 10.0)
    interval = measured(plan)
    whole, arms = merged(plan, interval)
    judged = judge_duet(plan, arms, whole, left(plan, interval), calibration=known).verdict
    assert judged.note_codes == ("aa-rate",)
    assert judged.comparison is not None and judged.comparison.expected == pytest.approx(0.0425, abs=0.001)


@pytest.mark.parametrize(("busy", "outcome", "found"), [
    (1, "passed", {"no-regression", "kept"}),
    (5, "inconclusive", {"saturated"}),
])  # fmt: skip
def test_few_saturated_turns_make_their_pairs_void_and_not_the_run(
    tmp_path: Path, busy: int, outcome: str, found: set[str]
) -> None:
    plan = planned(tmp_path, SUITE + LIMIT, blocks=8)
    assert plan.duet is not None
    interval = measured(plan, slower=0.97)
    hot = {s for turn in plan.duet.turns() if turn.block <= busy for s in range(int(turn.starts_s), int(turn.ends_s))}
    health = interval.health.copy()
    health[1][[second in hot for second in health[0].tolist()]] = HEALTH_SCALE
    judged = verdict(plan, replace(interval, health=health))
    assert (judged["outcome"], set(codes(judged))) == (outcome, found)
    assert judged["comparison"]["voided"] == busy
    assert "void-pairs" in judged["note_codes"]


@pytest.mark.parametrize(("seconds", "outcome", "code"), [(0.1, "passed", "no-regression"), (0.9, "failed", "breach")])
def test_criteria_on_cloudwatch_judge_the_whole_duet(tmp_path: Path, seconds: float, outcome: str, code: str) -> None:
    plan = planned(tmp_path, SUITE + LIMIT)
    plan = plan.model_copy(update={"criteria": (*plan.criteria, *plan_of(ours=[servers.ALB]).criteria)})
    interval = measured(plan, slower=0.97)
    whole, arms = merged(plan, interval)
    metrics = servers.answers(servers.ALB, *[seconds] * 4)
    judged = judge_duet(plan, arms, whole, left(plan, interval), metrics=metrics).verdict
    assert (judged.outcome, judged.reasons[0].code) == (outcome, code)
    assert "both-arms-in-periods" in judged.note_codes
    assert len(judged.criteria) == 2
    alone = [one.model_copy(update={"version": "head"}) for one in metrics.queries]
    judged = judge_duet(plan, arms, whole, left(plan, interval), metrics=ServerMetrics(queries=alone)).verdict
    assert "both-arms-in-periods" not in judged.note_codes
