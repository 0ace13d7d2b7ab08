"""What ordinary runs differ by: rarely less than they do, and not more because of one lasting change."""

import math
from dataclasses import replace

import numpy as np

from toril.records.history import Fingerprint, HistoryRecord, KeptFigures, KeptPercentile
from toril.regression.ordinary import is_ordinary, reach, why_not_comparable

PAIRS = [(label, metric) for label in ("", *"abcdefgh") for metric in ("p50", "p95")]


def run(values, place: int = 0, **changes) -> HistoryRecord:
    """A run with these p50 and p95 of all requests and each label, in µs."""
    times = dict(zip(PAIRS, values, strict=True))

    def figures(label: str) -> KeptFigures:
        kept = {metric: KeptPercentile(value_us=round(times[label, metric])) for metric in ("p50", "p95")}
        return KeptFigures(samples=1000, percentiles=kept)

    return HistoryRecord(
        run_id=f"run-{place}", suite="shop", started_at=float(place), outcome="passed", total=figures(""),
        labels={label: figures(label) for label, _ in PAIRS if label}, **changes,
    )  # fmt: skip


def beyond(ordinary, base: HistoryRecord, other: HistoryRecord) -> bool:
    """Whether any figure of two runs is beyond its range."""
    for label, metric in PAIRS:
        figures = [one.labels[label] if label else one.total for one in (base, other)]
        values = [one.percentiles[metric].value_us for one in figures]
        limit = reach(label, "", metric, ordinary, figures[1], len(PAIRS))
        assert limit is not None
        if abs(math.log(values[1] / values[0])) > limit:
            return True
    return False


def test_two_ordinary_runs_rarely_have_a_figure_beyond_the_range():
    chance, found = np.random.default_rng(1), 0
    for _ in range(200):
        runs = [run(50_000 * chance.lognormal(0, 0.04, len(PAIRS)), place) for place in range(14)]
        found += beyond(runs[:12], *runs[12:])
    assert found <= 20  # 5 % are expected at most


def test_a_lasting_change_among_the_runs_widens_the_range_little():
    chance = np.random.default_rng(2)
    noise = chance.lognormal(0, 0.02, (40, len(PAIRS)))
    steady = [run(50_000 * own, place) for place, own in enumerate(noise)]
    stepped = [run(50_000 * own * (1 if place < 20 else 1.4), place) for place, own in enumerate(noise)]

    limits = [reach("a", "", "p95", runs, steady[0].total, len(PAIRS)) for runs in (steady, stepped)]

    assert limits[0] is not None and limits[1] is not None
    assert limits[1] < math.log(1.4)  # so runs before and after the change stand out
    assert limits[0] < limits[1]


def test_few_failures_more_are_ordinary_and_many_are_not():
    figures = KeptFigures(samples=1000, failures=0)
    runs = [replace(run([1] * len(PAIRS), place), total=figures) for place in range(10)]

    limit = reach("", "", "failures", runs, figures, 25)

    assert limit is not None
    assert 1 / 1000 <= limit < 5 / 1000


def test_failed_incomparable_and_adjusted_runs_tell_nothing():
    like = run([50_000] * len(PAIRS))

    assert is_ordinary(like, like)
    for changes in (
        {"outcome": "failed"},
        {"fingerprint": Fingerprint(suite="x")},
        {"adjusted": True},
        {"branch": "b"},
    ):
        assert not is_ordinary(replace(like, **changes), like)
    assert why_not_comparable(replace(like, fingerprint=Fingerprint(size="2")), like) == "other workers"
    assert why_not_comparable(replace(like, branch="b"), like) == ""
