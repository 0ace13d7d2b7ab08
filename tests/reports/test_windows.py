"""Figures of a window: compared with raw samples, sorted and counted by hand, and with the whole run."""

import json
import random
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measured import MS, START, Sample, every_second, execution
from tests.pathological.brute import Raw, check_figures, judged, parts
from tests.reports.runs import run_of, small, store_run
from tests.tiers import examples
from toril import cli
from toril.errors import Note, OptionError
from toril.records import Stop
from toril.reports.windows import NOT_OF_A_WINDOW, span_of, windowed

LENGTH = 20
RULES = (
    "p95 of cart>300ms", "p50>1ms for 3s", "avg-rt>1ms within 4s", "fail>1%", "fail>1 over 5s", "rc5??>0",
    "stdev-rt>1ms", "hits>10 for 2s", "succ<100% within 3s", "p99 of (transaction)>1s",
)  # fmt: skip


def mixed(seed: int, count: int = 600) -> list[Raw]:
    """Returns samples of two workers, two executions, requests, transactions and failures."""
    chance = random.Random(seed)
    found = []
    for _ in range(count):
        ok = chance.random() > 0.1
        found.append(
            Raw(
                completed_s=chance.uniform(0, LENGTH),
                us=int(40 * MS * chance.lognormvariate(0, 1)),
                label=chance.choice(["home", "cart", "pay"]),
                worker=chance.choice(["madrid-1", "local-1"]),
                execution=chance.choice(["shop", "browse"]),
                kind="request" if chance.random() < 0.8 else "transaction",
                ok=ok,
                rc="200" if ok else chance.choice(["500", "503"]),
                message="" if ok else "it broke",
                bytes=chance.randrange(5000),
            )
        )
    return [*found, Raw(completed_s=LENGTH - 0.01, label="home")]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    samples = mixed(7)
    return samples, judged(tmp_path_factory.mktemp("run"), samples, *RULES)


@examples(40)
@given(ends=st.lists(st.integers(0, LENGTH), min_size=2, max_size=2, unique=True).map(sorted))
def test_the_figures_of_a_window_are_those_of_its_raw_samples(run, ends):
    samples, bundle = run
    summary = windowed(bundle, (ends[0], ends[1])).summary.to_dict()

    inside = [one for one in samples if ends[0] <= one.second < ends[1]]
    scopes = [(summary["labels"], inside)]
    for name in ("madrid", "local"):
        scopes.append((summary["locations"][name]["labels"], [one for one in inside if one.location == name]))
    for name in ("shop", "browse"):
        scopes.append((summary["executions"][name]["labels"], [one for one in inside if one.execution == name]))
    for labels, mine in scopes:
        expected = {"": [], **parts(mine, samples)}
        assert set(labels) == set(expected)
        for label, part in expected.items():
            check_figures(labels[label], part)


@pytest.mark.parametrize("ends", [(0, 1), (3, 9), (12, LENGTH)])
def test_criteria_have_the_values_of_a_run_with_only_the_samples_of_the_window(run, ends, tmp_path):
    samples, bundle = run
    alone = judged(tmp_path, [one for one in samples if ends[0] <= one.second < ends[1]], *RULES)
    found = windowed(bundle, (ends[0], ends[1])).verdict.criteria

    assert [rule.outcome for rule in found] == [rule.outcome for rule in bundle.verdict.criteria]
    for rule, expected in zip(found, alone.verdict.criteria, strict=True):
        assert (rule.observed, rule.interval, rule.window) == (expected.observed, expected.interval, expected.window)
        assert rule.samples == expected.samples


def test_the_whole_run_is_a_window_with_the_figures_of_the_summary(run):
    _, bundle = run

    assert windowed(bundle, (0, LENGTH)) is bundle
    nearly = windowed(bundle, (0, LENGTH - 1)).summary
    assert nearly.series == bundle.summary.series[:-1]
    assert nearly.total.samples < bundle.summary.total.samples


def test_rates_are_divided_by_the_planned_time_inside_the_window():
    plan = {"executions": [execution(hold_for_s=10.0), execution("late", delay_s=6.0, hold_for_s=4.0)]}
    samples = [
        *every_second(range(12), Sample(0, label="home"), 10),
        *every_second(range(6, 10), Sample(0, label="late", execution="late"), 30),
    ]
    run = run_of(samples, plan={**plan, "ours": ["throughput of late<40/s", "throughput<1/s for 2s"]})

    labels = windowed(run, (4, 8)).summary.labels
    assert (labels["home"].rps, labels["late"].rps, labels[""].rps) == (10, 30, 25)
    after = windowed(run, (8, 12))
    assert (after.summary.labels["home"].rps, after.summary.labels["late"].rps) == (20, 30)
    assert [rule.observed for rule in after.verdict.criteria] == [30, 40]
    assert windowed(run, (10, 12)).summary.labels["home"].rps is None


def test_silence_inside_the_window_counts_in_windows_of_criteria():
    samples = [*every_second([0, 1, 2, 9], times=5), *every_second([5], times=1)]
    run = run_of(samples, "hits<1 for 2s", plan={"ours": ["throughput>100/s within 2s"]})

    silent, rate = windowed(run, (2, 9)).verdict.criteria
    assert (silent.observed, silent.at_s) == (0, 4)
    assert silent.window is not None
    assert (silent.window.from_s, silent.window.to_s) == (3, 4)
    assert (rate.observed, rate.at_s) == (5, None)
    assert windowed(run, (3, 5)).verdict.criteria[0].observed is None


def test_only_steady_samples_count_if_the_ramp_up_is_excluded():
    plan = {"executions": [execution(ramp_up_s=4.0, hold_for_s=6.0)], "ramp_up_exclude": True}
    samples = [Sample(second, 900 * MS if second < 4 else 9 * MS, steady=second >= 4) for second in range(10)]
    run = windowed(run_of(samples, "avg-rt>1s", plan=plan), (2, 6))

    assert (run.summary.total.samples, run.summary.total.rps) == (2, 1)
    assert run.verdict.criteria[0].observed == 9 * MS


def test_criteria_that_judge_no_samples_have_no_value_in_a_window():
    run = windowed(run_of(every_second(range(10)), plan={"ours": ["load<90%", "generator-cpu>90%"]}), (2, 6))

    assert [(rule.observed, rule.message) for rule in run.verdict.criteria] == [(None, NOT_OF_A_WINDOW)] * 2


def test_notes_keep_their_codes_in_a_window(run):
    _, bundle = run
    noted = replace(bundle, verdict=bundle.verdict.with_notes([Note("saturated", "The worker was busy.")]))

    assert Note("saturated", "The worker was busy.") in windowed(noted, (1, 3)).verdict.coded_notes


def test_ends_are_rounded_outwards_to_whole_seconds(run):
    _, bundle = run

    assert span_of(bundle, 2.5, 4.1) == (2, 5)
    assert span_of(bundle, 0.0, None) == (0, LENGTH)
    assert span_of(bundle, 3.0, 500.0) == (3, LENGTH)


@pytest.mark.parametrize("bounds", [(5.0, 5.0), (9.0, 3.0), (LENGTH, None)])
def test_a_window_without_a_second_of_the_run_is_refused(run, bounds):
    with pytest.raises(OptionError) as refused:
        span_of(run[1], *bounds)
    assert refused.value.code == "no-window"


def test_a_run_without_measurements_has_no_window(run):
    with pytest.raises(OptionError) as refused:
        span_of(replace(run[1], timeline=None), 1.0, 2.0)
    assert refused.value.code == "no-window"


def test_the_end_of_a_stopped_run_ends_the_planned_time():
    stop = Stop(at=START + 6.0, cause="criterion", message="enough", criterion_fails=True)
    run = run_of(every_second(range(7), times=10), "hits<1", stop=stop)

    assert windowed(run, (4, 7)).summary.total.rps == 15


def test_the_command_reports_a_window_in_each_format(tmp_path, monkeypatch):
    store_run(tmp_path / ".toril", "run", small(), "p95>250ms")
    monkeypatch.chdir(tmp_path)

    def report(*options: str) -> bytes:
        monkeypatch.setattr(sys, "argv", ["toril", "report", "run", "--out", "out", *options])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 0, options
        written: bytes = (tmp_path / "out").read_bytes()
        return written

    found = json.loads(report("--format", "json", "--from", "2s", "--to", "5500ms"))
    assert found["summary"]["window"] == {"from_s": 2, "to_s": 6}
    assert found["summary"]["labels"][""]["samples"] == 4 * 25
    assert found["verdict"]["outcome"] == json.loads(report("--format", "json"))["verdict"]["outcome"]
    assert b"from 2 s to 6 s" in report("--format", "terminal", "--from", "2s", "--to", "6s")
    rows = report("--format", "csv", "--from", "2s", "--to", "6s").decode().splitlines()[1:]
    assert {row.split(",")[1] for row in rows} == {"2", "3", "4", "5"}
    assert b'"span":[2,6]' in report("--format", "html", "--from", "2s", "--to", "6s")
