"""All windows of a criterion, live and at the end, compared with the definition in plain Python.

The oracle shares no code with the tested code: it pools the samples of all sequences of seconds. For counts and bytes,
silent seconds of the planned time count as zeros; bzt skips them. Seconds after the planned time are in no window.
"""

import json
import math
from dataclasses import asdict
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tests.measured import MS, Sample, execution, judged, plan_of, timeline_of
from tests.tiers import examples
from toril.timeline.intervals import Recorder, decode
from toril.verdict.live import LiveCriteria

PLANNED_S = 10  # seconds 0 … 9
COUNTS = ("hits", "succ", "fail", "rc5??", "bytes")


def exact_rank(percent, count):
    return max(1, math.ceil(Fraction(percent) * count / 100))


def judged_seconds(samples, subject, op, known, planned_s=PLANNED_S):
    """Returns the seconds that a criterion judges; `known` is the last reported one, which may be incomplete."""
    reported = sorted({one.second for one in samples})
    end = planned_s if known + 1 >= planned_s else known + (subject not in COUNTS)
    if subject not in COUNTS or not reported:
        return [second for second in reported if second < end]
    return list(range(reported[0] + (op == "<"), end))  # too few in the second before the first response is no breach


def value_of(subject, samples, users, seconds):
    """Returns a subject's value of the samples in a number of seconds: counts, shares, or times in µs."""
    times = [one.us for one in samples]
    counts = {"hits": len(samples), "succ": sum(one.ok for one in samples), "fail": sum(not one.ok for one in samples)}
    counts["rc5??"] = sum(len(one.rc) == 3 and one.rc.startswith("5") for one in samples)
    if subject.endswith("%"):
        return Fraction(100 * counts[subject[:-1]], len(samples))
    if subject in counts:
        return counts[subject]
    if subject == "bytes":
        return Fraction(sum(one.bytes for one in samples), seconds)
    if subject == "concurrency":
        reported = {one.second for one in samples}
        return Fraction(sum(users[second] for second in reported), len(reported))
    if subject == "avg-rt":
        return Fraction(sum(times), len(times))
    if subject == "stdev-rt":
        mean = Fraction(sum(times), len(times))
        return math.sqrt(sum((one - mean) ** 2 for one in times) / len(times))
    return sorted(times)[exact_rank(subject[1:], len(times)) - 1]


def first_breach(samples, reported, users, subject, op, threshold, logic, frame):
    """Returns the end of the first window in breach; None if there is none."""
    beyond = (lambda value: value > threshold) if op == ">" else (lambda value: value < threshold)
    for second in reported:
        for start in [other for other in reported if other <= second]:
            window = [other for other in reported if start <= other <= second]
            single = [[one for one in samples if one.second == other] for other in window]
            enough = logic == "for" and second - start + 1 >= frame
            if enough and all(beyond(value_of(subject, part, users, 1)) for part in single):
                return second
        if logic != "for" and (logic == "within" or second - reported[0] + 1 >= frame):
            window = [other for other in reported if second - frame < other <= second]
            pooled = [one for one in samples if one.second in window]
            if beyond(value_of(subject, pooled, users, len(window))):
                return second
    return None


LIMITS = {  # none is within 0.1 % of a possible value
    "hits": ["2.5", "5.5"], "succ": ["1.5"], "fail": ["1.5"], "rc5??": ["0.5", "2.5"], "fail%": ["33.1%", "70.1%"],
    "succ%": ["40.1%"], "rc5??%": ["21.7%"], "bytes": ["1801"], "concurrency": ["20.77"], "avg-rt": ["151.77ms"],
    "stdev-rt": ["71.77ms"], "p50": ["111ms", "211ms"], "p90": ["211ms"], "p99.9": ["311ms"], "p100": ["311ms"],
}  # fmt: skip
VALUES = {"ms": MS, "%": 1}
sample = st.builds(
    Sample,
    second=st.integers(0, 14),
    us=st.sampled_from([20 * MS, 100 * MS, 150 * MS, 300 * MS, 900 * MS]),
    label=st.sampled_from(["home", "cart"]),
    ok=st.booleans(),
    rc=st.sampled_from(["200", "503", "500"]),
    execution=st.sampled_from(["shop", "admin"]),
    location=st.sampled_from(["local", "there"]),
    steady=st.booleans(),
    bytes=st.integers(0, 3000),
)


@examples(300)
@given(
    st.lists(sample, min_size=1, max_size=60),
    st.sampled_from([(subject, limit) for subject, limits in LIMITS.items() for limit in limits]),
    st.sampled_from("<>"),
    st.sampled_from(["for", "within", "over"]),
    st.integers(1, 6),
    st.tuples(
        st.sampled_from(["", "home"]),
        st.sampled_from([None, "there"]),
        st.sampled_from([(), ("admin",)]),
        st.booleans(),
    ),
    st.lists(st.integers(10, 30), min_size=15, max_size=15),
)
def test_windows_first_breach_in_the_second_of_the_definition(samples, limited, op, logic, frame, scope, users):
    (subject, limit), (label, location, executions, exclude) = limited, scope
    unit = limit.lstrip("0123456789.")
    threshold = Fraction(limit.removesuffix(unit)) * VALUES.get(unit, 1)
    mine = [
        one
        for one in samples
        if (one.label == label or not label)
        and location in (None, one.location)
        and (not executions or one.execution in executions)
        and (one.steady or not exclude)
    ]
    timeline = timeline_of(samples, workers=2)
    if subject == "concurrency":
        reporter = Recorder("users-1", "there")
        for second, count in enumerate(users):
            reporter.virtual_users(second, "admin", count)
        timeline.add(decode(reporter.flush() or b"", "users"))
    source = {
        "subject": subject.removesuffix("%"), "label": label, "condition": op, "threshold": limit, "logic": logic,
        "timeframe": f"{frame}s", "location": location,
    }  # fmt: skip
    both = [execution("shop", hold_for_s=float(PLANNED_S)), execution("admin", hold_for_s=float(PLANNED_S))]
    plan = plan_of(source, ramp_up_exclude=exclude, locations=("local", "there"), executions=both)
    planned = plan.criteria[0].model_copy(update={"executions": executions})
    plan = plan.model_copy(update={"criteria": (planned,)})
    result = judged(source, timeline, plan, executions=executions)
    seconds = judged_seconds(mine, subject, op, timeline.last_second)
    expected = first_breach(mine, seconds, users, subject, op, threshold, logic, frame)

    assert result.at_s == expected
    lasted = seconds[-1] - seconds[0] + 1 if seconds else 0
    assert result.outcome == ("inconclusive" if not seconds else "passed" if expected is None else "failed")
    assert (result.code == "never-a-full-window") is (bool(seconds) and logic != "within" and lasted < frame)
    live = LiveCriteria(plan)
    live_results = [(second, found) for second in range(15) for found in live.advance(timeline, second)]
    assert [second for second, _ in live_results] == ([] if expected is None else [expected])
    assert all(found.observed == result.observed for _, found in live_results)
    json.dumps(asdict(result.record()), allow_nan=False)
