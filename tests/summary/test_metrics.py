"""Checks, own metrics and tags in a summary: the workers' figures together are those of all values."""

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measured import Sample, execution, plan_of, timeline_of
from toril.records.document import document
from toril.records.summary import Summary
from toril.summary import Completeness, summarise
from toril.timeline.intervals import MAX_DURATION_US

KINDS = ("check", "trend", "counter", "gauge", "rate")
values = st.integers(0, 5000) | st.integers(0, MAX_DURATION_US - 1)  # in 1/1000
measured = st.builds(
    Sample,
    second=st.integers(0, 9),
    us=values,
    label=st.sampled_from(["one", "two"]),
    ok=st.booleans(),
    kind=st.sampled_from(KINDS),
    location=st.sampled_from(["eu", "us"]),
)


def figures(samples, workers=1):
    planned = plan_of(executions=[execution(hold_for_s=10.0)], locations=("eu", "us"), workers=workers)
    names = tuple(share.worker for share in planned.shares)
    return summarise(planned, timeline_of(samples, workers=workers), Completeness(planned=names, reported=names), 0.0)


def expected(samples, kind):
    """Returns the figures by definition, in exact arithmetic."""
    numbers = sorted(Fraction(sample.us, 1000) for sample in samples)
    known: dict[str, Any] = {"samples": len(numbers), "failures": sum(not sample.ok for sample in samples)}
    per_s = (sum(numbers) if kind == "counter" else len(numbers)) / 10
    known["per_s"] = pytest.approx(float(per_s), abs=1e-3)
    if kind in ("trend", "counter"):
        known["sum"] = float(sum(numbers))
    if kind in ("trend", "gauge"):
        known |= {"min": float(numbers[0]), "max": float(numbers[-1])}
        known["mean"] = pytest.approx(float(sum(numbers) / len(numbers)), abs=1e-6)
    if kind == "trend":
        for percent in (50, 90, 95, 99):
            exact = numbers[max(1, math.ceil(Fraction(percent, 100) * len(numbers))) - 1]
            known[f"p{percent}"] = float(exact) if few_digits(exact) else pytest.approx(float(exact), rel=1e-3)
    return known


def few_digits(number):
    return len(str(int(number * 1000)).strip("0")) <= 3


@given(st.lists(measured, min_size=1, max_size=40), st.integers(1, 4))
def test_the_figures_of_all_workers_are_those_of_all_values(samples, workers):
    together = figures(samples, workers)

    found = together.metrics
    assert found == figures(samples).metrics
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.label, sample.kind), []).append(sample)
    shared = {name for name, _ in groups if sum(one == name for one, _ in groups) > 1}
    assert found.keys() == {f"{name} ({kind})" if name in shared else name for name, kind in groups}
    for (name, kind), own in groups.items():
        figure = found[f"{name} ({kind})" if name in shared else name]
        assert {k: v for k, v in figure.members().items() if v is not None} == {"kind": kind, **expected(own, kind)}


def test_tagged_requests_have_the_figures_of_requests_and_a_total_by_tag():
    tagged = [("buy{tenant=big}", 300), ("home{tenant=big}", 100), ("home{tenant=small}", 50)]
    samples = [Sample(0, us, label, kind="tagged", ok=us < 200, location="eu") for label, us in tagged]
    found = figures([*samples, Sample(0, 300, "buy", ok=False, location="eu")])

    assert {label: (one.samples, one.failures, one.response_us.max) for label, one in found.tagged.items()} == {
        "buy{tenant=big}": (1, 1, 300),
        "home{tenant=big}": (1, 0, 100),
        "home{tenant=small}": (1, 0, 50),
        "{tenant=big}": (2, 1, 300),
        "{tenant=small}": (1, 0, 50),
    }
    assert {one.kind for one in found.tagged.values()} == {"tagged"}
    assert (list(found.labels), found.total.samples) == (["", "buy"], 1)


def test_a_part_of_a_run_has_the_metrics_that_it_measured():
    samples = [Sample(0, 3000, "items", kind="trend", location=place) for place in ("eu", "us", "us")]
    found = figures([*samples, Sample(0, label="seen", kind="check", ok=False, location="us")])

    counts = {
        place: {name: one.samples for name, one in part.metrics.items()} for place, part in found.locations.items()
    }
    assert counts == {"eu": {"items": 1}, "us": {"items": 2, "seen": 1}}
    assert found.executions["shop"].metrics == found.metrics
    assert Summary.from_json(document(found), "x").locations == found.locations
