"""Workers with different clocks: totals stay right, and inaccurate clocks make a run inconclusive."""

from dataclasses import replace

import pytest

from tests.pathological.brute import MS, Raw, S, check_summary, judged

SAMPLES = [
    Raw(second + n / 20, (20 + n) * MS, worker=f"local-{worker}")
    for worker in (1, 2)
    for second in range(10)
    for n in range(20)
]


def codes(bundle):
    return {reason.code for reason in bundle.verdict.reasons}


@pytest.mark.parametrize(
    ("offset_s", "uncertainty_s", "sure"),
    [
        (0.999, 0.0, True),
        (1.0, 0.0, True),
        (1.001, 0.0, False),
        (-1.001, 0.0, False),
        (-0.999, 0.0, True),
        (0.7, 0.29, True),
        (0.7, 0.31, False),
        (-0.7, 0.31, False),
        (0.0, 1.1, False),
        (86_400.0, 0.0, False),
    ],
)
def test_offset_and_uncertainty_of_a_clock_may_add_up_to_one_second(tmp_path, offset_s, uncertainty_s, sure):
    clocks = {"local-2": (offset_s, uncertainty_s)}
    assert (abs(offset_s) + uncertainty_s <= 1) == sure
    bundle = judged(tmp_path, SAMPLES, "p90>1s", clock_s=clocks)
    check_summary(bundle.summary.to_dict(), SAMPLES)
    assert bundle.outcome == ("passed" if sure else "inconclusive")
    assert codes(bundle) == ({"kept"} if sure else {"unsure-clock"})


@pytest.mark.parametrize("ahead_s", [0.4, 0.95, -0.95])
def test_a_wrong_clock_moves_samples_to_other_seconds_and_changes_no_total(tmp_path, ahead_s):
    moved = [replace(one, completed_s=one.completed_s + ahead_s) if one.worker == "local-2" else one for one in SAMPLES]
    assert [one.second for one in moved] != [one.second for one in SAMPLES]
    straight = judged(tmp_path / "straight", SAMPLES, "p90>1s", "hits>400")
    bundle = judged(tmp_path / "moved", moved, "p90>1s", "hits>400", clock_s={"local-2": (ahead_s, 0.0)})
    check_summary(bundle.summary.to_dict(), moved)
    for key in ("samples", "failures", "response_us", "histogram"):
        assert getattr(bundle.summary.total, key) == getattr(straight.summary.total, key)
    assert bundle.outcome == straight.outcome == "passed"


def test_an_inaccurate_clock_excuses_slow_responses_but_no_failures(tmp_path):
    bad = [replace(one, us=3 * S, ok=False, rc="500", message="down") for one in SAMPLES]
    clocks = {"local-1": (5.0, 0.1)}
    slow = judged(tmp_path / "slow", bad, "p50>1s", clock_s=clocks)
    assert (slow.outcome, slow.verdict.criteria[0].code) == ("inconclusive", "excused-breach")
    assert judged(tmp_path / "failing", bad, "p50>1s", "fail>50%", clock_s=clocks).outcome == "failed"
