"""Duets in which engines run through: one copy of each execution for each arm, and short turns."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.duets import BASE_URL, HEAD_URL, SUITE, SWITCHED, planned
from tests.refusals import refused
from toril.load.curve import Curve
from toril.plan import share_config
from toril.plan.turns import order_of
from toril.records import BASE, HEAD, Plan

VEGETA = SUITE.replace("apiritif, concurrency: 4", "vegeta, throughput: 50, ramp-up: 3s, delay: 3s")
SCRIPTED = SWITCHED.replace("requests: [{label: home, url: /}, {label: checkout, url: /checkout}]", "script: own.py")
JMETER = SUITE.replace("apiritif", "jmeter")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("suite")
    (made / "own.py").write_text("from locust import HttpUser\n")
    return made


@given(blocks=st.integers(4, 400), seed=st.integers(0, 1 << 32))
def test_the_order_is_balanced_at_any_time(blocks: int, seed: int) -> None:
    order = order_of(seed, blocks)
    assert len(order) == 2 * blocks and order == order_of(seed, blocks)
    pairs = [order[2 * pair : 2 * pair + 2] for pair in range(blocks)]
    assert set(pairs) <= {"AB", "BA"}
    for first in range(0, blocks - 3, 4):
        assert sorted(pairs[first : first + 4]) == ["AB", "AB", "BA", "BA"]
    assert abs(pairs.count("AB") - pairs.count("BA")) <= 1


def test_each_order_of_four_pairs_occurs() -> None:
    assert len({order_of(seed, 4) for seed in range(200)}) == 6


@given(blocks=st.integers(4, 60), block_s=st.integers(1, 30), hold_s=st.integers(1, 4000), ramp_up_s=st.integers(0, 60))
def test_turns_are_short_and_do_not_overlap(
    folder: Path, blocks: int, block_s: int, hold_s: int, ramp_up_s: int
) -> None:
    text = SWITCHED.replace("hold-for: 40s", f"hold-for: {hold_s}s, ramp-up: {ramp_up_s}s, delay: 7s")
    plan = planned(folder, f"{text}toril: {{regression: {{block: {block_s}s}}}}\n", blocks=blocks)
    duet = plan.duet
    assert duet is not None and duet.switched and duet.block_s == duet.turn_s == block_s
    turns = list(duet.turns())
    assert [(turn.arm, turn.block) for turn in turns[:2]] == [(BASE, 0), (HEAD, 0)]
    for turn, following in pairwise(turns):
        assert following.starts_s == pytest.approx(turn.ends_s + duet.gap_s)
    seconds = [second for turn in turns for second in range(int(turn.starts_s), int(turn.ends_s))]
    assert len(set(seconds)) == len(seconds) == 2 * (duet.warm_s + blocks * block_s)
    assert plan.duration_s <= 1.15 * len(seconds)
    for copy in plan.executions:
        assert copy.delay_s + copy.ramp_up_s <= duet.warm_s <= 10
        assert copy.steady_to_s == pytest.approx(turns[-1].ends_s)


def test_by_default_five_minutes_of_load_give_the_number_of_pairs(folder: Path) -> None:
    for text in (SWITCHED, VEGETA, JMETER):
        plan = planned(folder, text, blocks=None)
        assert plan.duet is not None
        assert (plan.duet.blocks, plan.duet.block_s, plan.duet.gap_s, plan.duet.looks[:3]) == (75, 2.0, 0.2, (5, 7, 10))
        assert plan.duration_s < 345
    started = planned(folder, SUITE, blocks=None).duet
    assert started is not None and (started.blocks, started.block_s) == (30, 5.0)


@pytest.mark.parametrize(
    ("text", "settings", "found"),
    [
        (SWITCHED, "time: 2m, block: 3s", (20, 3.0)),
        (SWITCHED, "time: 2m, blocks: 8", (8, 2.0)),
        (SUITE, "time: 2m, block: 10s", (6, 10.0)),
        (SUITE, "time: 2h, blocks: 8", (8, 5.0)),
        (SUITE, "time: 40m", (200, 6.0)),  # as many copies as one worker can have
    ],
)
def test_a_time_and_the_length_of_blocks_give_their_number(
    folder: Path, text: str, settings: str, found: tuple[int, float]
) -> None:
    duet = planned(folder, f"{text}toril: {{regression: {{{settings}}}}}\n", blocks=None).duet
    assert duet is not None and (duet.blocks, duet.block_s) == found


@pytest.mark.parametrize(("time", "pairs"), [("15s", "3 pairs"), ("1h", "900 pairs")])
def test_a_time_of_too_few_or_too_many_pairs_is_refused(folder: Path, time: str, pairs: str) -> None:
    with refused("out-of-range", "toril.regression.time", pairs):
        planned(folder, f"{SWITCHED}toril: {{regression: {{time: {time}}}}}\n", blocks=None)


def test_a_half_of_an_exchanged_duet_has_half_of_the_pairs_and_one_look(folder: Path) -> None:
    plan = planned(folder, SWITCHED, blocks=None, halved=True, first_half="other")
    assert plan.duet is not None
    assert (plan.duet.blocks, plan.duet.looks, plan.duet.first_half) == (38, (38,), "other")


def test_each_arm_has_one_copy_with_its_address_and_the_suites_load(folder: Path) -> None:
    plan = planned(folder, SWITCHED)
    assert [(one.name, one.copy_of, one.arm, one.block) for one in plan.executions] == [
        ("shop, base", "shop", BASE, 0),
        ("shop, head", "shop", HEAD, 0),
    ]
    assert {one.concurrency for one in plan.executions} == {4}
    assert {one.lead_s for one in plan.executions} == {None}
    (share,) = plan.shares
    config = share_config(plan, share)
    found = [config["scenarios"][item["scenario"]]["default-address"] for item in config["execution"]]
    assert found == [BASE_URL, HEAD_URL]


def test_the_planned_rate_is_in_the_arms_own_time(folder: Path) -> None:
    plan = planned(folder, VEGETA)
    assert plan.duet is not None and (plan.duet.warm_s, plan.duet.blocks, plan.duet.turn_s) == (6, 4, 2)
    for one in plan.executions:
        assert (one.delay_s, one.ramp_up_s) == (2.5, 2.5)
        curve = Curve(one.curve)
        assert curve.length_s == 11.5 and curve.count_to(11.5) == pytest.approx(50 * (1.25 + 9))


def together(plan: Plan) -> tuple[str, ...]:
    assert plan.duet is not None and plan.duet.switched
    return plan.duet.together


def test_both_arms_share_a_process_unless_a_script_reads_the_address(folder: Path) -> None:
    assert together(planned(folder, VEGETA)) == together(planned(folder, SWITCHED)) == ("shop",)
    assert together(planned(folder, SCRIPTED)) == together(planned(folder, JMETER)) == ()
    fixed = SCRIPTED.replace("${SHOP_URL}", "http://shop.example")
    assert together(planned(folder, fixed)) == ("shop",)


@pytest.mark.parametrize(
    ("text", "named"),
    [(SUITE, "Apiritif"), (JMETER.replace("concurrency: 4", "concurrency: 4, throughput: 9"), "JMeter")],
)
def test_an_engine_that_cannot_pause_restarts_all_engines(folder: Path, text: str, named: str) -> None:
    plan = planned(folder, text)
    assert plan.duet is not None and not plan.duet.switched and plan.duet.block_s == 10
    (note,) = (
        text for code, text in zip(plan.warning_codes, plan.warnings, strict=True) if code == "restarted-engines"
    )
    assert named in note


def test_the_load_of_a_script_must_be_constant(folder: Path) -> None:
    (folder / "own.py").write_text("class Wave(LoadTestShape): ...\n")
    with refused("unsupported-in-duet", "execution[0]", "own.py"):
        planned(folder, SCRIPTED)


def test_the_throughput_of_a_fixed_rate_is_not_comparable(folder: Path) -> None:
    wanted = "toril: {regression: {metrics: [throughput]}}\n"
    assert (found := planned(folder, SWITCHED + wanted).duet) is not None and found.metrics == ("throughput",)
    with refused("fixed-rate", "shop"):
        planned(folder, VEGETA + wanted)
