"""When a duet fails, passes or goes on."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.duets import interval_of
from tests.regression.series import samples_of, whole_of
from tests.regression.test_pairs import duet
from tests.tiers import examples
from toril.records import BASE, Plan
from toril.regression.pairs import DuetFigure, Pair
from toril.regression.rule import Decided, DecidedFigure, Sequential, change_of, decide, judged, with_sample
from toril.stats.paired import sample_of
from toril.timeline import Timeline

LOOKS = (5, 7, 9, 10)
LABELS = ("checkout",)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return duet(tmp_path, 10, looks=LOOKS, labels=("checkout",), failures_margin=0.05)


def found(plan: Plan, ratios: list[float | None], complete: int = 10, **more: Any) -> Decided:
    return decide(plan, whole_of(plan, ratios, labels=LABELS, rate=40, **more), complete)


def outcomes(decided: Decided) -> list[str]:
    return [one.outcome for one in decided.figures]


def measured(figure: DuetFigure, values: list[float]) -> DecidedFigure:
    return DecidedFigure(figure, sample_of(values), None, None, 0.05, "inconclusive", ())


def test_a_much_slower_head_fails_at_the_first_look(plan: Plan) -> None:
    decided = found(plan, [1.3] * 10)
    assert (decided.outcome, decided.look, decided.pairs) == ("failed", 1, 5)
    assert outcomes(decided)[0] == "failed"
    assert len(decided.figures[0].pairs) == 10  # those after the look stay, unused


def test_an_equal_head_passes_before_the_last_look(plan: Plan) -> None:
    decided = found(plan, [0.99] * 10, spread=0.02)
    assert (decided.outcome, outcomes(decided)) == ("passed", ["passed", "passed"])
    assert decided.pairs < 10


def test_a_change_about_as_large_as_the_margin_is_decided_by_no_look(plan: Plan) -> None:
    decided = found(plan, [1.0, 1.06] * 5, spread=0.02)
    assert (decided.outcome, decided.look, decided.pairs) == ("inconclusive", 4, 10)


def test_before_the_first_look_nothing_is_decided(plan: Plan) -> None:
    decided = found(plan, [1.5] * 10, complete=4)
    assert (decided.outcome, decided.look, decided.pairs) == ("inconclusive", 0, 4)
    assert decided.figures[0].sample is not None
    assert decided.figures[0].low is None


def test_one_worse_figure_fails_and_all_must_be_proven_to_pass(plan: Plan) -> None:
    assert found(plan, [1.0] * 10, spread=0.02, failing=(0.0, 0.3)).outcome == "failed"
    unsure = found(plan, [1.0, 1.06] * 5, spread=0.02)
    assert outcomes(unsure) == ["inconclusive", "passed"]


def test_few_requests_without_failures_prove_little(plan: Plan) -> None:
    assert plan.duet is not None
    strict = plan.model_copy(update={"duet": plan.duet.model_copy(update={"failures_margin": 0.003})})
    assert outcomes(found(strict, [0.99] * 10, spread=0.02))[1] == "inconclusive"


def test_failures_vary_at_least_as_independent_ones() -> None:
    """One failure of 100 in each of five pairs: 0 to 5 of 500 is no proof of more than half a point."""
    figure, pair = DuetFigure("", "failures", None, 0.005), Pair(1, 0.0, 0.01, 100, last=1)
    one = with_sample(DecidedFigure(figure, None, None, None, 0.05, "inconclusive", (pair,) * 5), 5)
    assert judged([one], (5,), 1)[0].outcome == "inconclusive"


def test_a_look_with_more_void_pairs_than_valid_ones_decides_nothing(plan: Plan) -> None:
    whole = whole_of(plan, [1.3] * 10, labels=LABELS, rate=40)
    busy = dict.fromkeys(range(1, 6), "busy")
    assert [decide(plan, whole, complete, busy).outcome for complete in (9, 10)] == ["inconclusive", "failed"]


def test_a_head_that_hangs_does_not_pass(tmp_path: Path) -> None:
    """Half of its requests have no answer yet, and no time."""
    plan = duet(tmp_path, 10, looks=LOOKS)
    samples = list(samples_of(plan, [0.99] * 10, rate=40, labels=LABELS, spread=0.02))
    for kept, outcome in (
        (samples, "passed"),
        ([one for one in samples if one.arm == BASE or one.us % 2], "inconclusive"),
    ):
        whole = Timeline()
        whole.add(interval_of(plan, kept))
        assert decide(plan, whole, 10).outcome == outcome


@examples(60)
@given(st.lists(st.lists(st.floats(-0.2, 0.3), min_size=5, max_size=5), min_size=1, max_size=6))
def test_bounds_and_outcomes_agree(values: list[list[float]]) -> None:
    figures = [measured(DuetFigure(str(place), "p95", 95.0, 0.03), one) for place, one in enumerate(values)]
    for one in judged(figures, LOOKS, 1):
        assert one.low is not None and one.high is not None
        assert (one.outcome == "failed") == (one.low > one.figure.limit)
        assert (one.outcome == "passed") == (one.high < one.figure.limit)


@examples(30)
@given(st.lists(st.floats(-0.2, 0.3), min_size=10, max_size=10), st.randoms())
def test_the_order_of_pairs_before_a_look_changes_nothing(values: list[float], chance: random.Random) -> None:
    shuffled = values[:]
    chance.shuffle(shuffled)
    first, second = (
        judged([measured(DuetFigure("", "p95", 95.0, 0.03), one)], (10,), 1)[0] for one in (values, shuffled)
    )
    assert (first.low, first.high) == pytest.approx((second.low, second.high))


def test_more_figures_need_more_evidence() -> None:
    worse, same = [0.1, 0.16, 0.05, 0.12, 0.09], [0.0, 0.01, -0.01, 0.0, 0.005]
    alone = judged([measured(DuetFigure("", "p95", 95.0, 0.03), worse)], (5,), 1)[0]
    among = judged(
        [measured(DuetFigure(str(k), "p95", 95.0, 0.03), one) for k, one in enumerate([worse, *[same] * 4])], (5,), 1
    )[0]
    assert alone.outcome == among.outcome == "failed"
    assert [alone.level, among.level] == pytest.approx([0.05, 0.01], rel=1e-3)
    assert among.low is not None and alone.low is not None and among.low < alone.low
    assert among.high == alone.high


@pytest.mark.parametrize("count", range(4))
def test_fewer_than_four_pairs_prove_nothing(count: int) -> None:
    (one,) = judged([measured(DuetFigure("", "p95", 95.0, 0.03), [1.0, 1.1, 0.9][:count])], (4,), 1)
    assert (one.outcome, one.low) == ("inconclusive", None)


@pytest.mark.parametrize(("base", "head", "outcome"), [(4, 5, "inconclusive"), (5, 4, "passed"), (40, 50, "failed")])
def test_a_difference_of_one_recording_step_is_no_change(base: int, head: int, outcome: str) -> None:
    """4.99 ms and 5.01 ms are recorded as 4 and 5 in whole milliseconds."""
    pair, figure = Pair(1, base * 1000, head * 1000, 100), DuetFigure("", "p95", 95.0, 0.03)
    sample = sample_of([change_of(figure, pair)] * 4)
    one = DecidedFigure(figure, sample, None, None, 0.05, "inconclusive", (pair,), 1, (pair,) * 4, 1000)
    assert judged([one], (4,), 1)[0].outcome == outcome


def test_a_slower_host_of_two_does_not_fail_a_version() -> None:
    figure = measured(DuetFigure("", "p95", 95.0, 0.03), [0.05, 0.06] * 5)
    (of_one,), (of_two,) = (judged([figure], (10,), 1, two_hosts=apart) for apart in (False, True))
    assert (of_one.outcome, of_two.outcome) == ("failed", "inconclusive")
    assert of_one.high == of_two.high
    (much,) = judged([measured(of_one.figure, [0.1, 0.11] * 5)], (10,), 1, two_hosts=True)
    assert much.outcome == "failed"


def test_less_throughput_is_worse() -> None:
    figure = DuetFigure("", "throughput", None, 0.03)
    assert change_of(figure, Pair(1, 100.0, 97.0, 100)) == pytest.approx(figure.limit)


def test_a_running_duet_stops_at_the_look_that_decides(plan: Plan) -> None:
    assert plan.duet is not None
    whole, looks = whole_of(plan, [1.3] * 10, labels=LABELS, rate=40), Sequential(plan)
    fifth = max(turn.ends_s for turn in plan.duet.turns() if turn.block == 5)
    assert looks.stop(whole, None, 1.0) is None
    assert looks.stop(whole, int(fifth) - 1, 1.0) is None
    stop = looks.stop(whole, int(fifth) + 1, 2.0)
    assert stop is not None and (stop.cause, stop.at) == ("decided", 2.0)
    assert [note.code for note in looks.notes()] == ["look"]
    again = Sequential(plan).stop(whole, int(fifth) + 9, 3.0)  # the next owner
    assert again is not None and again.message == stop.message


def test_a_duet_that_is_not_decided_goes_on_to_its_end(plan: Plan) -> None:
    assert plan.duet is not None
    whole, looks = whole_of(plan, [1.0, 1.06] * 5, labels=LABELS, rate=40, spread=0.02), Sequential(plan)
    assert not [stop for second in range(300) if (stop := looks.stop(whole, second, 0.0)) is not None]
    assert len(looks.notes()) == len(LOOKS)
    assert Sequential(plan.model_copy(update={"duet": None})).stop(whole, 300, 0.0) is None
