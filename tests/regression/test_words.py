"""The sentences about compared figures. Other tests compare codes and figures."""

from typing import Any

import pytest

from toril.records import ComparedMetric, Outcome
from toril.regression.words import in_words

TIMES: dict[str, Any] = {"label": "checkout", "metric": "p95", "unit": "us", "margin": 0.03, "detectable": 0.018}
FAILURES = TIMES | {"metric": "failures", "unit": "share", "margin": 0.01, "detectable": 0.004}
THROUGHPUT = TIMES | {"metric": "throughput", "unit": "/s"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ((0.041, 0.032, 0.05), "is 4.1 % slower (3.2 % to 5 %). Limit 3 %. Smallest detectable change 1.8 %."),
        ((0.003, -0.004, 0.011), "is not slower by 3 % or more (−0.4 % to 1.1 %). Smallest detectable change 1.8 %."),
        ((-0.12, -0.14, -0.1), "is 12 % faster (10 % to 14 %). Limit 3 %. Smallest detectable change 1.8 %."),
        ((0.024, -0.012, 0.06), "is between 1.2 % faster and 6 % slower. Limit 3 %."),
        ((0.038, 0.014, 0.056), "is between 1.4 % and 5.6 % slower. Limit 3 %."),
        ((0.2, None, None), "is 20 % slower. This is not proven, because there are too few pairs."),
    ],
)
def test_times_are_slower_or_faster(changes: tuple[float | None, ...], words: str) -> None:
    assert sentence(TIMES, *changes) == f"p95 of checkout {words}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ((0.018, 0.012, 0.024), "rose by 1.8 points (1.2 points to 2.4 points). Limit 1 point."),
        ((0.0, 0.0, 0.002), "did not rise by 1 point or more (0 points to 0.2 points)."),
        ((0.006, -0.002, 0.014), "changed by −0.2 points to 1.4 points. Limit 1 point."),
    ],
)
def test_failures_rise_or_fall_by_points(changes: tuple[float, float, float], words: str) -> None:
    assert sentence(FAILURES | {"detectable": None}, *changes) == f"Failures of checkout {words}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ((-0.041, -0.05, -0.032), "is 4.1 % lower (3.2 % to 5 %). Limit 3 %. Smallest detectable change 1.8 %."),
        ((-0.024, -0.06, 0.012), "is between 1.2 % higher and 6 % lower. Limit 3 %."),
    ],
)
def test_less_throughput_is_worse(changes: tuple[float, float, float], words: str) -> None:
    assert sentence(THROUGHPUT, *changes) == f"Throughput of checkout {words}"


def test_a_better_figure_without_enough_answers_is_no_pass() -> None:
    """Head may hang: its few answers are fast."""
    metric = ComparedMetric(**TIMES, change=-0.04, low=-0.05, high=-0.03, spread=0.01, blocks=10)
    assert in_words(metric).startswith("p95 of checkout is between 5 % and 3 % faster. Limit 3 %. This is no pass,")


def test_a_figure_without_pairs_has_a_sentence_as_well() -> None:
    assert sentence(TIMES | {"label": ""}, None) == "There are too few samples to compare p95 of all requests."


def test_an_open_question_names_the_pairs_that_would_decide() -> None:
    def asked(change: float, spread: float, joined: int = 1) -> str:
        return sentence(TIMES | {"spread": spread, "blocks": 10, "joined": joined}, change, -0.012, 0.06)

    assert asked(0.06, 0.054).endswith(" 14 more pairs would decide at this spread.")
    assert asked(0.06, 0.054, 2).endswith(" 28 more pairs would decide at this spread.")
    assert asked(0.0301, 0.05).endswith("The change is too near to the limit to decide at this spread.")


def sentence(figure: dict[str, Any], change: float | None, low: float | None = None, high: float | None = None) -> str:
    """Returns the sentence of a figure with these bounds, with the outcome that they have."""
    metric = ComparedMetric(**figure, change=change, low=low, high=high)
    ends = sorted(-one if metric.unit == "/s" else one for one in (low, high) if one is not None)
    outcome: Outcome = "inconclusive"
    if ends and metric.margin is not None:
        outcome = "failed" if ends[0] > metric.margin else "passed" if ends[1] < metric.margin else "inconclusive"
    return in_words(ComparedMetric(**figure, change=change, low=low, high=high, outcome=outcome))
