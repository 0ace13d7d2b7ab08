"""What a figure becomes in words: never nothing, never all, never the limit, unless it is."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measured import execution, plan_of, timeline_of
from tests.reports.examples import criterion, passed, verdict
from tests.reports.runs import judged, small, store_run
from toril.reports import Bundle, view, wording


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


@pytest.mark.slow
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
