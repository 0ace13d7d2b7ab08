"""All windows of criteria on throughput, load and generators, compared with the definition in plain Python.

The oracle shares no code with the tested code: it reads raw samples and readings, window by window.
"""

from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tests.measured import FAST, Sample, execution, judged_ours, plan_of, timeline_of
from tests.tiers import examples
from toril.records import Plan
from toril.timeline.intervals import Recorder, decode
from toril.verdict.evidence import Gap, MissingData
from toril.verdict.live import LiveCriteria

PLANNED_S = 12  # seconds 0 … 11


def windows(values, logic, frame, combine):
    """Yields for each window of `second → value`, in order of their ends: (end, value)."""
    seconds = sorted(values)
    for end in seconds:
        if logic == "for":
            for start in seconds:
                if start <= end and end - start + 1 >= frame:
                    yield end, [values[second] for second in seconds if start <= second <= end]
        elif logic == "within" or end - seconds[0] + 1 >= frame:
            yield end, [combine([values[second] for second in seconds if end - frame < second <= end])]


def first_breach(values, logic, frame, op, limit, combine):
    beyond = (lambda value: value > limit) if op == ">" else (lambda value: value < limit)
    ends = [end for end, those in windows(values, logic, frame, combine) if all(beyond(value) for value in those)]
    return min(ends, default=None)


def mean(values):
    return sum(map(Fraction, values)) / len(values)


logics, frames, operators = st.sampled_from(["for", "within", "over"]), st.integers(1, 6), st.sampled_from("<>")


def live_breaches(source: str, plan: Plan, timeline) -> list[int | None]:
    live = LiveCriteria(plan.model_copy(update={"criteria": plan_of(ours=[f"{source}, stop"]).criteria}))
    return [one.at_s for second in range(20) for one in live.advance(timeline, second)]


sample = st.builds(
    Sample,
    second=st.integers(0, 15),
    label=st.sampled_from(["home", "cart"]),
    location=st.sampled_from(["eu", "us"]),
    kind=st.sampled_from(["request", "transaction"]),
)


@examples(300)
@given(
    st.lists(sample, min_size=1, max_size=70),
    st.sampled_from(["", "home", "home (transaction)", "(transaction)"]),
    st.sampled_from(["", "us"]),
    operators,
    st.sampled_from([1.5, 2.75, 4.1]),
    logics,
    frames,
)
def test_throughput_first_breaches_in_the_second_of_the_definition(samples, label, place, op, limit, logic, frame):
    kind = "transaction" if "(transaction)" in label else "request"
    name = label.replace("(transaction)", "").strip()
    both = {one.kind for one in samples if one.label == name} == {"request", "transaction"}
    mine = [
        one
        for one in samples
        if (one.label == name if name else True)
        and (one.kind == kind or (bool(name) and not both and kind == "request"))
        and place in ("", one.location)
    ]
    timeline = timeline_of(samples, workers=2)
    plan = plan_of(locations=("eu", "us"), executions=[execution(hold_for_s=float(PLANNED_S))])
    source = (
        f"throughput{' of ' + label if label else ''}{op}{limit}/s {logic} {frame}s{' in ' + place if place else ''}"
    )
    begin = min((one.second for one in mine), default=0) + (op == "<")  # the second before the first response is short
    known = max(one.second for one in samples)
    end = PLANNED_S if known + 1 >= PLANNED_S else known  # the last known second may be incomplete
    rates = {second: sum(one.second == second for one in mine) for second in range(begin, end)} if mine else {}
    expected = first_breach(rates, logic, frame, op, limit, mean)

    result = judged_ours(source, timeline, plan)
    assert result.at_s == expected
    if not rates:
        assert result.outcome == "inconclusive"
    else:
        assert result.outcome == ("passed" if expected is None else "failed")
        assert (result.code == "never-a-full-window") is (logic != "within" and len(rates) < frame)
    assert live_breaches(source, plan, timeline) == ([] if expected is None else [expected])


readings = st.dictionaries(st.integers(0, 14), st.integers(0, 100), min_size=1, max_size=12)


@examples(300)
@given(
    st.lists(readings, min_size=1, max_size=3),
    st.sampled_from(["generator-cpu", "generator-sockets", "generator-dropped", "generator-lateness"]),
    operators,
    st.sampled_from([20.5, 50.5, 90.5]),
    logics,
    frames,
)
def test_generators_first_breach_in_the_second_of_the_definition(workers, subject, op, limit, logic, frame):
    timeline = timeline_of([FAST])
    expected, lasted = [], []
    for number, readings in enumerate(workers, 1):
        recorder = Recorder(f"local-{number}", "local")
        for second, value in readings.items():
            recorder.health(second, value / 100, 0.0, 1, 0.0, sockets=value)
            recorder.sends(second, late_us=value * 1000, late_p90_us=0, dropped=value)
        timeline.add(decode(recorder.flush() or b"", f"local-{number} again"))
        values = dict(readings)
        if subject in ("generator-cpu", "generator-sockets"):  # a reading covers the time since the previous one
            for second in range(min(readings), max(readings)):
                values.setdefault(second, readings[min(other for other in readings if other > second)])
        combine = {"generator-dropped": sum, "generator-lateness": max}.get(subject, mean)
        at_s = first_breach(values, logic, frame, op, limit, combine)
        expected += [] if at_s is None else [at_s]
        lasted.append(max(readings) - min(readings) + 1)
    unit = {"generator-cpu": "%", "generator-lateness": "ms"}.get(subject, "")
    source, plan = f"{subject}{op}{limit}{unit} {logic} {frame}s", plan_of(workers=len(workers))

    result = judged_ours(source, timeline, plan)
    assert result.at_s == min(expected, default=None)
    assert result.outcome == ("failed" if expected else "passed")
    assert (result.code == "never-a-full-window") is (logic != "within" and max(lasted) < frame)
    assert live_breaches(source, plan, timeline) == ([min(expected)] if expected else [])


@examples(200)
@given(
    st.lists(st.integers(0, 14), min_size=12, max_size=12),
    st.lists(st.integers(0, 12), min_size=12, max_size=12),
    operators,
    st.sampled_from([71, 95.5, 103]),
    st.sampled_from(["", "for", "within", "over"]),
    frames,
)
def test_load_first_breaches_in_the_second_of_the_definition(rates, users, op, limit, logic, frame):
    samples = [replace(FAST, second=second) for second, count in enumerate(rates) for _ in range(count)]
    samples += [replace(FAST, second=second, execution="admin") for second in range(12)]
    timeline = timeline_of(samples)
    recorder = Recorder("local-1", "local")
    for second, count in enumerate(users):
        recorder.virtual_users(second, "admin", count)
    timeline.add(decode(recorder.flush() or b"", "users"))
    plan = plan_of(
        executions=[execution("shop", throughput_rps=10.0, hold_for_s=12.0), execution("admin", hold_for_s=12.0)]
    )
    steady = range(1, 11)
    shares = [{second: Fraction(100 * by[second], 10) for second in steady} for by in (rates, users)]
    beyond = (lambda value: value > limit) if op == ">" else (lambda value: value < limit)
    if not logic:
        result = judged_ours(f"load{op}{limit}%", timeline, plan)
        assert result.fired == any(beyond(mean(list(share.values()))) for share in shares)
        return
    found = [first_breach(share, logic, frame, op, limit, mean) for share in shares]
    expected = min((at_s for at_s in found if at_s is not None), default=None)
    source = f"load{op}{limit}% {logic} {frame}s"
    assert judged_ours(source, timeline, plan).at_s == expected
    assert live_breaches(source, plan, timeline) == ([] if expected is None else [expected])


# The guarantee behind a final result, tested with really missing data

subjects = st.sampled_from(
    ["avg-rt{}149ms", "p50{}120ms", "hits{}30", "fail{}30%", "succ{}25", "throughput{}3.1/s", "load{}65%", "bytes{}2kB"]
)


@examples(400)
@given(
    st.lists(
        st.builds(
            Sample,
            second=st.integers(0, 9),
            us=st.sampled_from([20_000, 100_000, 300_000]),
            ok=st.booleans(),
            rc=st.sampled_from(["200", "503"]),
            bytes=st.integers(0, 200),
        ),
        min_size=1,
        max_size=60,
    ),
    subjects,
    operators,
    st.sampled_from(["", " for 2s", " within 3s", " over 3s"]),
    st.integers(0, 9),
)
def test_a_result_that_stands_equals_that_of_the_complete_run(samples, subject, op, window, lost_from):
    """The lost worker's samples are like the other's, which is one of all possibilities."""
    plan = plan_of(executions=[execution(throughput_rps=8.0)], workers=2)
    samples = [*samples, *(replace(FAST, second=second) for second in range(10))]
    twin = [*samples, *(one for one in samples if one.second < lost_from)]
    whole = [*samples, *samples]
    source = subject.format(op) + window
    cut = judged_ours(source, timeline_of(twin), plan, missing=MissingData(plan, (Gap("local-2", lost_from, 9),)))
    if cut.outcome in ("passed", "failed"):
        assert judged_ours(source, timeline_of(whole), plan).outcome == cut.outcome
