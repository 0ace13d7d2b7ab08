"""What a figure becomes in words: never nothing, never all, never the limit, unless it is."""

import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.measured import START, Sample, execution, plan_of, timeline_of
from tests.reports.examples import criterion, figures, passed, summary, verdict
from tests.reports.runs import MS, judged, run_of, small, store_run, wavering
from toril.records import Stop
from toril.reports import Bundle, render, terminal, view, wording


@given(st.floats(0.0001, 1e9))
def test_a_number_in_words_is_one_that_can_be_read_back(value):
    shown = wording.number(value)
    assert not shown.endswith(".")
    assert float(shown.lstrip("< ").replace(",", "")) == pytest.approx(value, rel=0.051, abs=0.001)


@given(st.floats(0, 100))
def test_a_share_is_nothing_or_all_only_where_it_is(value):
    assert (wording.percent(value) == "0 %") == (value == 0)
    assert (wording.percent(value) == "100 %") == (value == 100)


@pytest.mark.parametrize(
    ("observed", "threshold", "unit", "shown"),
    [
        (250_300, 250_000, "us", ("250.3 ms", "250 ms")),
        (99.999, 100, "%", ("> 99.99 %", "100 %")),
        (1.0004, 1, "%", ("1.0004 %", "1 %")),
        (0.0061, 0.005, "%", ("0.0061 %", "0.005 %")),
        (450.2, 450, "/s", ("450.2/s", "450/s")),
        (250_000, 250_000, "us", ("250 ms", "250 ms")),
    ],
)
def test_observed_and_limit_read_the_same_only_where_they_are(observed, threshold, unit, shown):
    run = passed()
    item = criterion(observed=observed, threshold=threshold, unit=unit, interval=None)
    (rule,) = view.criteria(Bundle(run.plan, run.summary, verdict(criteria=[item])))
    assert (rule.observed, rule.limit) == shown


def test_throughput_is_set_against_what_was_asked_for_only_where_all_of_it_was_asked_for():
    def throughput(**other: object) -> str:
        plan = plan_of(executions=(execution(throughput_rps=20.0), execution("open", **other)))
        return dict(view.facts(judged(timeline_of(small()), plan)))["throughput"]

    assert throughput() == "25/s"
    assert throughput(throughput_rps=5.0) == "25/s of 25/s"


@pytest.mark.live
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize("command", [["report", "one"], ["compare", "one", "one"], ["runs"]])
def test_a_locale_without_our_characters_costs_no_verdict(tmp_path, encoding, command):
    store_run(tmp_path, "one", small(), "p95>1ms")
    done = subprocess.run(
        [sys.executable, "-m", "toril", *command, "--store", str(tmp_path)],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode(encoding).isascii() or encoding != "ascii"


SLOW_LATER = [Sample(second, 900 * MS if second >= 4 else 9 * MS) for second in range(9)]


@pytest.mark.parametrize(
    ("cause", "criteria", "said"),
    [
        (
            "criterion",
            ["avg-rt>1ms", "avg-rt>500ms for 3s"],
            "; avg-rt>500ms for 3s ended the load after 9.2 s of 30 s",
        ),
        (
            "criterion",
            ["avg-rt>500ms for 3s", "avg-rt>100ms for 2s"],
            "; avg-rt>100ms for 2s ended the load after 9.2 s",
        ),
        ("user", ["avg-rt>1ms", "avg-rt>500ms for 3s"], ""),
        (None, ["avg-rt>1ms", "avg-rt>500ms for 3s"], ""),
    ],
)
@pytest.mark.parametrize("format", ["terminal", "html", "github"])
def test_the_headline_names_the_criterion_that_ended_the_load(cause, criteria, said, format):
    stop = cause and Stop(at=START + 9.2, cause=cause, message="enough", criterion_fails=True)
    run = run_of(SLOW_LATER, *criteria, plan={"executions": [execution(hold_for_s=30.0)]}, stop=stop)

    assert view.headline(run).startswith("2 of 2 criteria breached" + said)
    assert (" ended the load" in view.headline(run)) == bool(said)
    text = "".join(re.sub(r"<[^>]*>|┃", "", unescape(render(format, run).decode())).split())
    assert ("endedtheloadafter" in text) == bool(said)


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (["passed"], "The criterion holds"),
        (["passed"] * 3, "All 3 criteria hold"),
        (["triggered"], "No criterion is breached: 1 came true as non-failed"),
        (
            ["passed", "triggered", "inconclusive"],
            "No criterion is breached: 1 held, 1 came true as non-failed, 1 could not be judged",
        ),
    ],
)
def test_a_passed_run_says_what_did_not_hold(outcomes, said):
    run = passed()
    rules = [criterion(outcome=outcome) for outcome in outcomes]
    assert view.headline(Bundle(run.plan, run.summary, verdict(criteria=rules))) == said


@pytest.mark.parametrize(
    ("failed", "said"), [(99, "a p95 of 9.00 ms (9.00 … 9.01)"), (9, "a p95 of 9.00 ms (9.00 … ∞)")]
)
def test_the_percentile_of_failed_requests_has_its_interval_too(failed, said):
    broken = [Sample(1, 9 * MS, ok=False)] * failed
    assert view.failures_note(run_of([*broken, *[Sample(2, 50 * MS)] * 90])).endswith(said)


def test_figures_without_room_for_a_table_still_stand_in_columns():
    samples = [
        replace(sample, ok=number % 5 > 0)
        for label, ms in (("a label as long as this one", 19), ("cart", 98), ("search", 1200))
        for number, sample in enumerate(wavering(label, ms))
    ]
    file = io.StringIO()
    terminal.show(Console(file=file, width=78, color_system=None), run_of(samples, "p95>1s"))
    blocks = [line for line in file.getvalue().splitlines() if line.startswith("   p50")]

    assert len(blocks) == 4
    assert len({line.index("p95") for line in blocks}) == 1


@pytest.mark.parametrize(
    ("subject", "resolution_us", "observed_us", "shown"),
    [
        ("p95", 1000, 22_010, "22 ms"),
        ("p95", 1000, 0, "< 1 ms"),
        ("p95", 1, 22_010, "22.0 ms"),
        ("avg-rt", 1000, 22_010, "22.0 ms"),
        ("generator-lateness", 1000, 22_010, "22.0 ms"),
    ],
)
def test_a_percentile_is_judged_no_finer_than_it_was_recorded(subject, resolution_us, observed_us, shown):
    run = passed()
    labels = {"": figures(), "checkout": figures(resolution_us=resolution_us)}
    rule = criterion(subject=subject, observed=observed_us, interval=[observed_us, None])
    (read,) = view.criteria(Bundle(run.plan, summary(labels), verdict(criteria=[rule])))
    assert read.observed == shown
    assert read.detail.endswith(f"95 % sure between {shown} and ∞")
