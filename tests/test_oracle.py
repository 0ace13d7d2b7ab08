"""bzt's own passfail module judges the same samples: where it judges rightly, we say the same.

Where it does not, the second part shows both: what bzt says, and what we decided.
"""

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from bzt import AutomatedShutdown  # noqa: TID251 — the oracle
from bzt.modules.aggregator import DataPoint, KPISet  # noqa: TID251
from bzt.modules.passfail import CriteriaProcessor  # noqa: TID251
from hypothesis import given
from hypothesis import strategies as st

from tests.measured import MS, SLOW, Sample, every_second, judged, plan_of, timeline_of
from toril.criteria import LiveCriteria
from toril.errors import CriterionError
from toril.grammar import parse_criterion

QUIET = logging.Logger("bzt", logging.ERROR)
PERCENTILES = (0.0, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0)


class Bzt:
    """bzt's criteria, fed with the data points that its aggregator would make of the samples."""

    def __init__(self, *criteria: str | Mapping[str, object]) -> None:
        self.processor = CriteriaProcessor([copy.copy(criterion) for criterion in criteria], None)
        self.processor.log = QUIET
        self.stopped_at: int | None = None
        self._total = DataPoint(0)

    def run(self, samples: Sequence[Sample], *, checked_to: int = 1 << 30) -> "Bzt":
        """Feed every second; those after `checked_to` come in the final flush, when `check` is not called any more."""
        for second in sorted({sample.second for sample in samples}):
            point = DataPoint(second)
            for sample in samples:
                if sample.second == second:
                    for label in ("", sample.label):
                        self._set(point[DataPoint.CURRENT], label, sample)
                        self._set(self._total[DataPoint.CUMULATIVE], label, sample)
            point[DataPoint.CUMULATIVE] = self._total[DataPoint.CUMULATIVE]
            for kpis in (*point[DataPoint.CURRENT].values(), *point[DataPoint.CUMULATIVE].values()):
                kpis.recalculate()
            self.processor.aggregated_second(point)
            if second <= checked_to:
                try:
                    if self.processor.check():
                        self.stopped_at = second
                        return self
                except AutomatedShutdown:
                    self.stopped_at = second
                    raise
        return self

    @staticmethod
    def _set(labels: dict[str, KPISet], label: str, sample: Sample) -> None:
        kpis = labels.setdefault(label, KPISet(PERCENTILES))
        error = None if sample.ok else "it broke"
        kpis.add_sample((1, sample.us / 1e6, 0, 0, sample.rc, error, "", sample.bytes))

    def exit_code(self, samples: Sequence[Sample], *, checked_to: int = 1 << 30) -> int:
        """What bzt would exit with: 3 for a breach that it noticed."""
        try:
            self.run(samples, checked_to=checked_to)
            self.processor.post_process()
        except AutomatedShutdown:
            return 3
        return 0


def bzt_fires(criterion: str, samples: Sequence[Sample]) -> bool:
    """Whether bzt takes the criterion for true of the samples, all of them looked at."""
    exploring = Bzt(f"{criterion}, continue as failed").run(samples)
    (found,) = exploring.processor.criteria
    if found.selector == DataPoint.CUMULATIVE:
        found.aggregated_second(exploring.processor.last_datapoint)
    return bool(found.is_triggered)


sample = st.builds(
    Sample,
    second=st.integers(0, 12),
    us=st.sampled_from([20, 100, 150, 300, 1900]).map(lambda ms: ms * MS),  # whole milliseconds: bzt rounds others down
    label=st.sampled_from(["home", "cart"]),
    ok=st.booleans(),
    rc=st.sampled_from(["200", "404", "503", "Exception"]),
    bytes=st.integers(0, 3000),
)
home = st.just([Sample(0), Sample(12)])  # so that the label is there: bzt passes one that is not
many = st.tuples(st.lists(sample, max_size=50), home).map(lambda parts: parts[0] + parts[1])
single = st.sampled_from(
    ["avg-rt{}>149.7ms", "avg-rt{}<150.3ms", "p90{}>150.5ms", "p50{}<=100.5ms", "stdev-rt{}>50.3ms", "bytes{}>2kB"]
)
shares = st.sampled_from(["fail{}>=50%", "succ{}<60%", "rc404{}>=30%", "rc*{}>99%"])
counts = st.sampled_from(["hits{}>3", "hits{}<4", "hits{}=3", "fail{}>1", "succ{}<=1", "rc5??{}>0", "rcE*{}>=1"])
label = st.sampled_from(["", " of home"])


def written(subject: str, label: str) -> str:
    """The criterion on that label; without `<=`, which bzt takes for a label's last character and `=`."""
    source = subject.format(label)
    return source if not label else source.replace("<=", "<").replace(">=", ">")


seconds = st.integers(1, 5)


@given(many, st.one_of(single, shares, counts), label)
def test_whole_runs_are_judged_as_bzt_judges_them(samples, subject, label):
    source = written(subject, label)
    assert judged(source, timeline_of(samples)).fired == bzt_fires(source, samples)


@given(many, st.one_of(single, shares, counts), label, seconds)
def test_for_is_judged_as_bzt_judges_it(samples, subject, label, seconds):
    source = f"{written(subject, label)} for {seconds}s"
    assert judged(source, timeline_of(samples)).fired == bzt_fires(source, samples)


@given(many, counts, label, seconds)
def test_counts_within_a_window_are_judged_as_bzt_judges_them(samples, subject, label, seconds):
    source = f"{written(subject, label)} within {seconds}s"
    assert judged(source, timeline_of(samples)).fired == bzt_fires(source, samples)


@given(many, counts, label, seconds)
def test_counts_over_full_windows_are_judged_as_bzt_judges_them_where_no_second_is_silent(
    samples, subject, label, seconds
):
    samples = samples + every_second(range(13))
    source = f"{written(subject, label)} over {seconds}s"
    assert judged(source, timeline_of(samples)).fired == bzt_fires(source, samples)


@given(
    st.lists(st.sampled_from([20, 100, 150, 300]), min_size=1, max_size=12),
    seconds,
    st.sampled_from(["within", "over"]),
)
def test_averages_of_windows_are_judged_as_bzt_judges_them_where_every_second_has_as_many_samples(
    times, seconds, logic
):
    samples = [Sample(second, ms * MS) for second, ms in enumerate(times) for _ in range(3)]
    source = f"avg-rt>149.7ms {logic} {seconds}s"
    assert judged(source, timeline_of(samples)).fired == bzt_fires(source, samples)


@given(many, seconds, st.sampled_from(["within", "over"]))
def test_bytes_of_windows_are_judged_as_bzt_judges_them(samples, seconds, logic):
    samples = samples + every_second(range(13))
    source = f"bytes>1501 {logic} {seconds}s"
    assert judged(source, timeline_of(samples)).fired == bzt_fires(source, samples)


# The examples of Taurus' documentation

EXAMPLES = [
    ("avg-rt of IndexPage>150ms for 10s, stop as failed", Sample(0, 200 * MS, "IndexPage")),
    ("fail of CheckoutPage>50% for 10s, stop as failed", Sample(0, label="CheckoutPage", ok=False, rc="500")),
    ("avg-rt>2s500ms", Sample(0, 2_600 * MS)),
    ("p99.9>10s, stop as failed", Sample(0, 11_000 * MS)),
    ("rc4??>20%", Sample(0, ok=False, rc="404")),
    ("rc*>=10 for 1m", Sample(0)),
    ("rcException>99% for 1m, continue as failed", Sample(0, ok=False, rc="Exception")),
    ("bytes>10MB", Sample(0, bytes=1 << 20)),
    ("succ<100%", Sample(0, ok=False)),
    ("My message: avg-rt>10s", Sample(0, 10_100 * MS)),
    (
        {"Sample Label fails too much": "fail of Sample Label>50% for 10s, stop as failed"},
        Sample(0, label="Sample Label", ok=False),
    ),
    (
        {"subject": "avg-rt", "label": "https://shop.example/a, b", "condition": ">", "threshold": "150ms"}
        | {"logic": "over", "timeframe": "10s", "stop": False},
        Sample(0, 200 * MS, "https://shop.example/a, b"),
    ),
    ("fail>0%", Sample(0, ok=False)),
    ("avg-rt>1s", Sample(0, 1_100 * MS)),
    ("p90>250ms", Sample(0, 300 * MS)),
]


@pytest.mark.parametrize(("source", "breaching"), EXAMPLES, ids=[str(source)[:40] for source, _ in EXAMPLES])
def test_the_documented_examples_breach_and_pass(source, breaching):
    wrong = every_second(range(70), breaching, 10)
    right = every_second(range(70), replace(breaching, us=10 * MS, ok=True, rc="200", bytes=10), 8)
    assert judged(source, timeline_of(wrong)).outcome == "failed"
    if isinstance(source, str) and source.startswith("p99.9"):  # 560 samples do not tell it
        assert judged(source, timeline_of(right)).code == "too-few-samples"
    else:
        assert judged(source, timeline_of(right)).outcome == "passed"


def test_criteria_on_the_servers_monitoring_are_refused():
    source = {
        "class": "bzt.modules.monitoring.MonitoringCriteria",
        "subject": "local/cpu",
        "condition": ">",
        "threshold": 90,
    }
    with pytest.raises(CriterionError, match="class"):
        parse_criterion(source, "suite.yml: reporting[0].criteria[0]")


# Where bzt is wrong


def test_a_window_that_completes_in_the_final_flush_is_not_lost():
    source, samples = "avg-rt>150ms for 5s, stop as failed", every_second(range(6), SLOW)
    assert Bzt(source).exit_code(samples, checked_to=1) == 0  # the last four seconds come when `check` is over
    assert judged(source, timeline_of(samples)).outcome == "failed"


def test_a_stop_as_non_failed_does_not_hide_a_stop_as_failed():
    sources, samples = (
        ["hits>0 for 2s, stop as non-failed", "avg-rt>150ms for 2s, stop as failed"],
        every_second(range(6), SLOW),
    )
    assert Bzt(*sources).exit_code(samples) == 0
    assert Bzt(*reversed(sources)).exit_code(samples) == 3
    for order in (sources, sources[::-1]):
        assert [r.outcome for r in LiveCriteria(plan_of(*order)).advance(timeline_of(samples), 5)] == [
            "failed",
            "triggered",
        ]
        assert {judged(source, timeline_of(samples)).outcome for source in order} == {"failed", "triggered"}


def test_any_percentile_can_be_judged_and_an_impossible_one_is_refused():
    samples = every_second(range(100), SLOW, 3)
    assert Bzt("p97>1ms").exit_code(samples) == 0
    assert judged("p97>1ms", timeline_of(samples)).outcome == "failed"
    with pytest.raises(CriterionError):
        parse_criterion("p105>1ms", "")


def test_a_label_that_never_appears_does_not_pass():
    samples = every_second(range(10), SLOW)
    assert Bzt("avg-rt of hom>1ms").exit_code(samples) == 0
    assert judged("avg-rt of hom>1ms", timeline_of(samples)).outcome == "inconclusive"
    assert Bzt("avg-rt of home >1ms").exit_code(samples) == 0  # for the space before the operator
    assert judged("avg-rt of home >1ms", timeline_of(samples)).outcome == "failed"


def test_a_space_before_the_percent_sign_does_not_change_its_meaning():
    samples = every_second(range(10), replace(SLOW, ok=False))
    assert Bzt("fail>50 %").exit_code(samples) == 0  # more than 50 failures
    with pytest.raises(CriterionError, match="50%"):
        parse_criterion("fail>50 %", "")


def test_every_breach_is_reported_and_not_only_the_first():
    sources, timeline = ["avg-rt>1ms", "p50>1ms", "hits>1"], timeline_of(every_second(range(10), SLOW))
    bzt = Bzt(*sources).run(every_second(range(10), SLOW))
    with pytest.raises(AutomatedShutdown, match="avg-rt"):
        bzt.processor.post_process()
    assert [judged(source, timeline).outcome for source in sources] == ["failed"] * 3


def test_a_quiet_second_does_not_weigh_as_much_as_a_busy_one():
    samples = every_second([0], SLOW) + every_second([1], replace(SLOW, us=100 * MS), 99)
    assert bzt_fires("avg-rt>150ms over 2s", samples)
    result = judged("avg-rt>150ms over 2s", timeline_of(samples))
    assert (result.outcome, result.observed) == ("passed", 102 * MS)


def test_a_silent_second_at_its_beginning_does_not_make_a_window_less_than_full():
    samples = every_second([0, 3, 6], SLOW)
    assert not bzt_fires("hits>=2 over 5s", samples)
    assert judged("hits>=2 over 5s", timeline_of(samples)).at_s == 6


def test_at_most_and_at_least_are_operators_after_a_label_too():
    samples = every_second(range(3), SLOW)
    assert not bzt_fires("hits of home>=1", samples)  # label `home>`, operator `=`
    assert judged("hits of home>=1", timeline_of(samples)).outcome == "failed"
