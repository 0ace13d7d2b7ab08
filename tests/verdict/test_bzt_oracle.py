"""Our results equal those of bzt's own passfail module, where bzt is right.

For its defects see `test_bzt_defects.py`. One of them: for counts and bytes, bzt skips silent seconds.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bzt_judge import bzt_fires
from tests.measured import MS, Sample, every_second, execution, judged, plan_of, timeline_of
from tests.tiers import examples
from toril.records import Plan


def plan_lasting(seconds: int) -> Plan:
    """Returns a plan of a load of whole seconds."""
    return plan_of(executions=[execution(hold_for_s=float(seconds))])


EVERY = range(13)
PLAN = plan_lasting(len(EVERY))

sample = st.builds(
    Sample,
    second=st.integers(0, 12),
    us=st.sampled_from([20, 100, 150, 300, 1900]).map(
        lambda ms: ms * MS
    ),  # whole milliseconds, because bzt rounds down
    label=st.sampled_from(["home", "cart"]),
    ok=st.booleans(),
    rc=st.sampled_from(["200", "404", "503", "Exception"]),
    bytes=st.integers(0, 3000),
)
home = st.just([Sample(0), Sample(12)])  # so that the label exists: bzt passes unknown labels
many = st.tuples(st.lists(sample, max_size=50), home).map(lambda parts: parts[0] + parts[1])
single = st.sampled_from(
    ["avg-rt{}>149.7ms", "avg-rt{}<150.3ms", "p90{}>150.5ms", "p50{}<=100.5ms", "stdev-rt{}>50.3ms", "bytes{}>2kB"]
)
shares = st.sampled_from(["fail{}>=50%", "succ{}<60%", "rc404{}>=30%", "rc*{}>99%"])
counts = st.sampled_from(["hits{}>3", "hits{}<4", "hits{}=3", "fail{}>1", "succ{}<=1", "rc5??{}>0", "rcE*{}>=1"])
label = st.sampled_from(["", " of home"])


def written(subject: str, label: str) -> str:
    """Returns the criterion on the label, without `<=`: bzt parses that as the label's last character and `=`."""
    source = subject.format(label)
    return source if not label else source.replace("<=", "<").replace(">=", ">")


seconds = st.integers(1, 5)


@given(many, st.one_of(single, shares, counts), label)
def test_whole_runs_get_the_result_of_bzt(samples, subject, label):
    source = written(subject, label)
    assert judged(source, timeline_of(samples)).fired == bzt_fires(source, samples)


@given(many, st.one_of(single.filter(lambda one: "bytes" not in one), shares), label, seconds)
def test_for_gets_the_result_of_bzt(samples, subject, label, seconds):
    source = f"{written(subject, label)} for {seconds}s"
    assert judged(source, timeline_of(samples), PLAN).fired == bzt_fires(source, samples)


@given(many, st.one_of(counts, st.just("bytes{}>2kB")), label, st.sampled_from(["for", "within", "over"]), seconds)
def test_counts_in_windows_without_silent_seconds_get_the_result_of_bzt(samples, subject, label, logic, seconds):
    samples = samples + every_second(EVERY)
    source = f"{written(subject, label)} {logic} {seconds}s"
    assert judged(source, timeline_of(samples), PLAN).fired == bzt_fires(source, samples)


@given(
    st.lists(st.sampled_from([20, 100, 150, 300]), min_size=1, max_size=12),
    seconds,
    st.sampled_from(["within", "over"]),
)
def test_averages_of_windows_with_equal_seconds_get_the_result_of_bzt(times, seconds, logic):
    samples = [Sample(second, ms * MS) for second, ms in enumerate(times) for _ in range(3)]
    source = f"avg-rt>149.7ms {logic} {seconds}s"
    assert judged(source, timeline_of(samples), PLAN).fired == bzt_fires(source, samples)


@given(many, seconds, st.sampled_from(["within", "over"]))
def test_bytes_of_windows_get_the_result_of_bzt(samples, seconds, logic):
    samples = samples + every_second(range(13))
    source = f"bytes>1501 {logic} {seconds}s"
    assert judged(source, timeline_of(samples), PLAN).fired == bzt_fires(source, samples)


# All subjects, labels and logics, where bzt is right: with equal samples in each second

subjects = st.sampled_from(
    [
        "avg-rt{}>149.7ms", "avg-lt{}>15.3ms", "avg-ct{}<2.5ms", "stdev-rt{}>70.3ms", "p50{}>150.5ms", "p90{}<299.5ms",
        "p99.9{}>1s", "p100{}>300.5ms", "concurrency{}>12", "hits{}>11", "bytes{}>1500", "succ{}<9", "fail{}>1",
        "fail{}>24.9%", "succ{}<60%", "rc5??{}>1", "rc5??{}>20%", "rcEx*{}>0", "rc404{}<5%",
    ]
)  # fmt: skip
moment = st.lists(
    st.builds(
        Sample,
        second=st.just(0),
        us=st.sampled_from([20, 100, 150, 300, 1900]).map(lambda ms: ms * MS),
        label=st.sampled_from(["home", "cart page"]),
        ok=st.booleans(),
        rc=st.sampled_from(["200", "404", "503", "Exception"]),
        bytes=st.integers(0, 3000),
        ttfb_us=st.sampled_from([10 * MS, 20 * MS]),
        connect_us=st.sampled_from([2 * MS, 3 * MS]),
    ),
    min_size=1,
    max_size=8,
)


@examples(300)
@given(
    st.lists(st.tuples(moment, st.integers(1, 20)), min_size=1, max_size=10),
    subjects,
    st.sampled_from(["", " of cart page"]),
    st.sampled_from(["", " for 1s", " for 3s", " for 5s"]),
)
def test_each_subject_gets_the_result_of_bzt_on_whole_runs_and_with_for(moments, subject, label, frame):
    samples = [replace(one, second=second) for second, (each, _) in enumerate(moments) for one in each]
    samples += every_second(range(len(moments)), replace(moments[0][0][0], label="cart page"))
    users = {second: count for second, (_, count) in enumerate(moments)}
    source = f"{subject.format(label)}{frame}"
    plan = plan_lasting(len(moments))
    assert judged(source, timeline_of(samples, users=users), plan).fired == bzt_fires(source, samples, users)


@examples(200)
@given(
    st.lists(st.tuples(moment.filter(lambda one: len(one) == 4), st.integers(1, 20)), min_size=1, max_size=10),
    subjects.filter(lambda subject: subject[0] != "p" and not subject.startswith("stdev")),
    st.sampled_from(["within", "over"]),
    st.integers(1, 5),
)
def test_windows_with_equal_seconds_get_the_result_of_bzt(moments, subject, logic, frame):
    samples = [replace(one, second=second) for second, (each, _) in enumerate(moments) for one in each]
    users = {second: count for second, (_, count) in enumerate(moments)}
    source, plan = f"{subject.format('')} {logic} {frame}s", plan_lasting(len(moments))
    assert judged(source, timeline_of(samples, users=users), plan).fired == bzt_fires(source, samples, users)


# The examples in Taurus' documentation

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
    plan = plan_of(executions=[execution(hold_for_s=70.0)])
    assert judged(source, timeline_of(wrong), plan).outcome == "failed"
    if isinstance(source, str) and source.startswith("p99.9"):  # 560 samples are too few
        assert judged(source, timeline_of(right), plan).code == "too-few-samples"
    else:
        assert judged(source, timeline_of(right), plan).outcome == "passed"
