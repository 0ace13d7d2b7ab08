"""Unusual distributions: all figures and verdicts equal those of the raw samples, pooled and sorted."""

import random

import pytest

from tests.pathological.brute import MS, PERCENTILES, Raw, S, check_summary, judged, true_percentile


def outcomes(bundle):
    return {entry.criterion: entry.outcome for entry in bundle.verdict.criteria}


def lognormal(count, middle_us, seed, **fields):
    chance = random.Random(seed)
    return [
        Raw(completed_s=chance.uniform(0, 20), us=int(middle_us * chance.lognormvariate(0, 0.4)), **fields)
        for _ in range(count)
    ]


def test_one_slow_worker_of_ten_affects_percentiles_by_its_share_of_samples(tmp_path):
    samples = [one for n in range(1, 10) for one in lognormal(200, 50 * MS, n, worker=f"local-{n}")]
    slow = lognormal(200, 900 * MS, 10, worker="local-10")
    samples += slow
    bundle = judged(tmp_path, samples, "p50>100ms", "p89>200ms", "p92>200ms", "p99>500ms", "avg-rt>200ms")
    check_summary(bundle.summary.to_dict(), samples)
    assert true_percentile(samples, "89") < 200 * MS < 500 * MS < true_percentile(samples, "92")
    mean_of_p99s = (
        sum(true_percentile([o for o in samples if o.worker == f"local-{n}"], "99") for n in range(1, 11)) / 10
    )
    assert (
        mean_of_p99s < 0.5 * bundle.summary.to_dict()["labels"][""]["response_us"]["p99"]
    )  # the result of averaging percentiles
    assert outcomes(bundle) == {
        "p50>100ms": "passed", "p89>200ms": "passed", "p92>200ms": "failed", "p99>500ms": "failed",
        "avg-rt>200ms": "passed",
    }  # fmt: skip


def test_windows_find_one_slow_second_that_the_median_hides(tmp_path):
    samples = [one for one in lognormal(2000, 40 * MS, 1) if one.second != 11]
    samples += [Raw(completed_s=11 + n / 100, us=3 * S) for n in range(100)]
    bundle = judged(
        tmp_path, samples, "p50>1s", "p50>1s for 1s", "p50>1s for 2s", "avg-rt>1s over 2s", "p100>1s over 3s"
    )
    check_summary(bundle.summary.to_dict(), samples)
    in_two = [one.us for one in samples if one.second in (10, 11)]
    assert sum(in_two) / len(in_two) > 1 * S
    assert outcomes(bundle) == {
        "p50>1s": "passed", "p50>1s for 1s": "failed", "p50>1s for 2s": "passed", "avg-rt>1s over 2s": "failed",
        "p100>1s over 3s": "failed",
    }  # fmt: skip
    assert [entry.at_s for entry in bundle.verdict.criteria] == [None, 11, None, 11, 11]


def test_a_tenth_of_a_millisecond_beside_a_hundred_seconds(tmp_path):
    samples = [Raw(us=100, completed_s=n / 100) for n in range(990)]
    samples += [Raw(us=100 * S, completed_s=100 + n) for n in range(10)]
    bundle = judged(tmp_path, samples, "p99>1ms", "p99.1>99s", "p100<100s")
    check_summary(bundle.summary.to_dict(), samples)
    times = bundle.summary.to_dict()["labels"][""]["response_us"]
    assert (times["min"], times["p99"], times["p99_9"], times["max"]) == (100, 100, 100 * S, 100 * S)
    assert times["mean"] == round(sum(one.us for one in samples) / 1000)
    assert [entry.outcome for entry in bundle.verdict.criteria][::2] == ["passed", "passed"]


def test_a_label_of_one_worker_is_judged_on_its_own_samples(tmp_path):
    samples = [one for n in (1, 2, 3) for one in lognormal(300, 20 * MS, n, worker=f"local-{n}")]
    samples += lognormal(60, 800 * MS, 9, worker="local-2", label="admin")
    bundle = judged(
        tmp_path, samples, "p50 of admin>400ms", "p90 of home>400ms", "hits of admin>59", "hits of admin>60"
    )
    check_summary(bundle.summary.to_dict(), samples)
    assert list(outcomes(bundle).values()) == ["failed", "passed", "failed", "passed"]


def test_a_location_that_ends_early_keeps_its_samples(tmp_path):
    early = [one for one in lognormal(400, 900 * MS, 1, worker="eu-1") if one.completed_s < 5]
    samples = early + lognormal(800, 30 * MS, 2, worker="us-1")
    rule = {"subject": "p50", "condition": ">", "threshold": "500ms", "location": "eu"}
    late = {"subject": "hits", "condition": "<", "threshold": 1, "timeframe": "1s", "logic": "for", "location": "eu"}
    bundle = judged(tmp_path, samples, rule, late, "p50>500ms")
    check_summary(bundle.summary.to_dict(), samples)
    assert [entry.outcome for entry in bundle.verdict.criteria][::2] == ["failed", "passed"]
    assert bundle.verdict.criteria[0].samples == len(early)
    after = [entry.locations["eu"].samples for entry in bundle.summary.series if entry.second >= 5]
    assert after == [0] * len(after)


def test_a_run_without_samples_is_inconclusive(tmp_path):
    bundle = judged(tmp_path, [], "p95>1s", "fail>0")
    check_summary(bundle.summary.to_dict(), [])
    assert bundle.outcome == "inconclusive"
    assert set(outcomes(bundle).values()) == {"inconclusive"}


def test_a_run_with_failures_only_never_passes(tmp_path):
    samples = [Raw(n / 10, 5 * MS + n, ok=False, rc="503", message="down") for n in range(100)]
    bundle = judged(tmp_path, samples, "p95>1s", "fail>50%", "succ<1%")
    check_summary(bundle.summary.to_dict(), samples)
    assert list(outcomes(bundle).values()) == ["passed", "failed", "failed"]
    assert bundle.outcome == "failed"
    assert "no-success" in [reason.code for reason in bundle.verdict.reasons]
    assert judged(tmp_path / "quiet", samples, "p95>1s").outcome == "inconclusive"


def test_the_longest_duration_is_exact_in_minimum_maximum_and_mean(tmp_path):
    longest = (1 << 40) - 1  # 12.7 days
    samples = [Raw(us=longest, completed_s=3.0), Raw(us=longest - 1, completed_s=3.5), Raw(us=0, completed_s=3.9)]
    bundle = judged(tmp_path, samples, "p100<12d", "avg-rt<8d")
    check_summary(bundle.summary.to_dict(), samples)
    assert list(outcomes(bundle).values()) == ["passed", "passed"]


def test_completions_before_the_start_signal_count_in_second_0(tmp_path):
    samples = [Raw(completed_s=-0.75, us=3 * MS), Raw(completed_s=-20.0, us=4 * MS), Raw(completed_s=0.25, us=5 * MS)]
    bundle = judged(tmp_path, samples, "hits>2", "p100>4.5ms for 1s")
    check_summary(bundle.summary.to_dict(), samples)
    assert [entry.samples for entry in bundle.summary.series] == [3]


def test_a_request_and_a_transaction_of_one_name_stay_separate(tmp_path):
    samples = [Raw(n / 20, 10 * MS, label="buy") for n in range(100)]
    samples += [Raw(n / 20, 900 * MS, label="buy", kind="transaction", ok=n % 2 == 0, rc="") for n in range(100)]
    bundle = judged(tmp_path, samples, "p95 of buy>500ms", "hits>100")
    check_summary(bundle.summary.to_dict(), samples)
    assert list(outcomes(bundle).values()) == ["passed", "passed"]


@pytest.mark.nightly
@pytest.mark.live
def test_a_thousand_workers_of_one_label_are_one_distribution(tmp_path):
    chance = random.Random(3)
    samples = [
        Raw(chance.uniform(0, 3), int(chance.paretovariate(1.5) * 1000), worker=f"local-{n % 1000 + 1}")
        for n in range(4000)
    ]
    bundle = judged(tmp_path, samples, "p95>10s", cut=0.0)
    check_summary(bundle.summary.to_dict(), samples)
    assert bundle.summary.workers.to_dict() == {
        "planned": 1000, "reported": 1000, "lost": [], "damaged_files": [], "unreadable_records": 0
    }  # fmt: skip
    assert bundle.outcome == "passed"


def test_executions_of_different_resolution_keep_their_own_figures(tmp_path):
    samples = [Raw(n / 50, 150 + n, execution="fine") for n in range(200)]
    samples += [Raw(n / 50, 1000 * (n % 5), execution="coarse", label="slow") for n in range(200)]
    bundle = judged(tmp_path, samples, "p95 of slow>3.5ms", {"subject": "p50", "condition": ">", "threshold": "0.3ms"})
    check_summary(bundle.summary.to_dict(), samples)
    assert list(outcomes(bundle).values()) == ["failed", "failed"]
    for name in PERCENTILES:
        of_both = getattr(bundle.summary.total.response_us, name)
        apart = [getattr(bundle.summary.executions[part].labels[""].response_us, name) for part in ("fine", "coarse")]
        assert min(apart) <= of_both <= max(apart)


@pytest.mark.nightly
@pytest.mark.live
@pytest.mark.parametrize("seconds", [(10, 28_000), (0, 1, 27_999)])
def test_seconds_far_apart_have_correct_figures_and_windows(tmp_path, seconds):
    samples = [Raw(second + n / 100, (20 + n) * MS) for second in seconds for n in range(60)]
    bundle = judged(tmp_path, samples, "p95>1s", "p95>1s for 5s", "hits>59 for 1s", "hits>120 within 9s")
    check_summary(bundle.summary.to_dict(), samples)
    assert len(bundle.summary.series) == seconds[-1] + 1
    assert list(outcomes(bundle).values()) == ["passed", "passed", "failed", "passed"]
