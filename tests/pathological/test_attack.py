"""Summary and verdict equal those of the raw samples, for any samples, workers and files."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tests.measured import START
from tests.pathological.brute import MS, Raw, check_summary, interval_files, plan_for, rank
from tests.tiers import examples
from tests.verdict.test_numbers_oracle import exact_ranks
from tests.verdict.test_windows_oracle import LIMITS, VALUES, first_breach, judged_seconds, value_of
from toril.records import Exit
from toril.records.document import document
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.timeline.intervals import decode
from toril.verdict import judge
from toril.verdict.live import LiveCriteria

LABELS = ["home", "cart", "x" * 1000, "\ud800\n\u202e"]
SUBJECTS = {name: limits for name, limits in LIMITS.items() if name not in ("bytes", "concurrency")}
raws = st.builds(
    Raw,
    completed_s=st.floats(-0.4, 11.9, allow_nan=False) | st.sampled_from([0.0, 3.0, 11.0, 300.5]),
    us=st.sampled_from([0, 20 * MS, 100 * MS, 150 * MS, 300 * MS, 900 * MS, (1 << 40) - 1]) | st.integers(0, 90 * MS),
    label=st.sampled_from(LABELS),
    worker=st.sampled_from(["eu-1", "eu-2", "us-1"]),
    ok=st.booleans(),
    rc=st.sampled_from(["200", "503", "500", "Timeout"]),
    message=st.sampled_from(["", "down", "\0"]),
    execution=st.sampled_from(["shop", "admin"]),
    kind=st.sampled_from(["request"] * 4 + ["transaction"]),
    steady=st.booleans(),
    bytes=st.integers(0, 1 << 40),
)
groups = st.lists(st.tuples(raws, st.sampled_from([1, 1, 1, 40, 90])), max_size=25)
criteria = st.fixed_dictionaries(
    {
        "what": st.sampled_from([(subject, limit) for subject, limits in SUBJECTS.items() for limit in limits]),
        "label": st.sampled_from(["", *LABELS]),
        "location": st.sampled_from([None, "eu", "us"]),
        "op": st.sampled_from("<>"),
        "window": st.sampled_from([None, ("for", 1), ("for", 3), ("within", 2), ("over", 4)]),
    }
)


def source_of(wanted):
    (subject, limit), window = wanted["what"], wanted["window"]
    timeframe = {"logic": window[0], "timeframe": f"{window[1]}s"} if window else {}
    found = {
        "subject": subject.removesuffix("%"),
        "label": wanted["label"],
        "condition": wanted["op"],
        "threshold": limit,
    }
    return {**found, **timeframe, "location": wanted["location"]}


def expected(wanted, samples, run):
    """Returns the outcome of one criterion on samples of a run, by the definitions."""
    (subject, limit), op, window = wanted["what"], wanted["op"], wanted["window"]
    unit = limit.lstrip("0123456789.")
    threshold = Fraction(limit.removesuffix(unit)) * VALUES.get(unit, 1)
    requests = {one.label for one in run if one.kind == "request"}
    kind = "request" if not wanted["label"] or wanted["label"] in requests else "transaction"
    mine = [
        one
        for one in samples
        if one.kind == kind and wanted["label"] in ("", one.label) and wanted["location"] in (None, one.location)
    ]
    if not mine:
        return "inconclusive"
    if window:
        seconds = judged_seconds(mine, subject, op, max(one.second for one in run), math.inf)
        if not seconds:
            return "inconclusive"
        breach = first_breach(mine, seconds, {}, subject, op, threshold, *window)
        return "passed" if breach is None else "failed"
    beyond = (lambda value: value > threshold) if op == ">" else (lambda value: value < threshold)
    fired = beyond(value_of(subject, mine, {}, 1))
    if subject[0] != "p" or subject in ("p0", "p100"):  # extremes are measured values, no estimates
        return "failed" if fired else "passed"
    times = sorted(one.us for one in mine)
    bounds = exact_ranks(subject[1:], len(times))
    proof = bounds[0] if op == ">" else bounds[1]  # the bound nearer to the limit
    proven = fired and proof is not None and beyond(times[proof - 1])
    return "inconclusive" if None in bounds and not proven else "failed" if fired else "passed"


@examples(12)
@given(
    groups,
    st.lists(criteria, min_size=1, max_size=4),
    st.booleans(),
    st.floats(0, 1),
    st.randoms(use_true_random=False),
)
def test_summary_and_verdict_equal_those_of_the_raw_samples(grouped, wanted, steady_only, cut, chance):
    samples = [one for one, times in grouped for _ in range(times)]
    chance.shuffle(samples)
    plan = plan_for(samples, *map(source_of, wanted), ramp_up_exclude=steady_only)
    files = [data for mine in interval_files(samples, cut, chance.randrange(1 << 30)).values() for data in mine]
    chance.shuffle(files)
    timeline = Timeline(hot_blocks=16)
    for data in files:
        timeline.add(decode(data, "file"))
        if chance.random() < 0.2:
            timeline.select("home").total.samples  # noqa: B018 - reading in between changes nothing
    workers = tuple(share.worker for share in plan.shares)
    count = {name: sum(one.worker == name and one.kind == "request" for one in samples) for name in workers}
    exits = {
        name: Exit(worker=name, attempt="a", at=START + 1e6, outcome="finished", samples=count[name])
        for name in workers
    }
    complete = Completeness(planned=workers, reported=workers, exits=exits, started_at=START)
    summary = summarise(plan, timeline, complete, START)
    verdict = judge(plan, timeline, complete, summary).to_dict()

    check_summary(summary.to_dict(), samples, steady_only=steady_only)
    chosen = [one for one in samples if one.steady or not steady_only]
    outcomes = [expected(one, chosen, samples) for one in wanted]
    assert [entry["outcome"] for entry in verdict["criteria"]] == outcomes
    successes = [one for one in samples if one.ok and one.kind == "request"]
    without = not successes and (any(one.kind == "request" for one in samples) or not any(one.ok for one in samples))
    rules = {"no-success", "unanswered", "dead-label", "unjudged-failures"}  # see tests/verdict/test_rules.py
    broken = rules & {reason["code"] for reason in verdict["reasons"]}
    doubtful = "inconclusive" in outcomes or without or bool(broken)
    assert verdict["outcome"] == ("failed" if "failed" in outcomes else "inconclusive" if doubtful else "passed")
    document([summary, verdict])  # strict JSON


@examples(60)
@given(groups, criteria.filter(lambda wanted: wanted["window"] is not None))
def test_a_live_stop_agrees_with_the_final_verdict(grouped, wanted):
    samples = [one for one, times in grouped for _ in range(times) if one.second < 20]
    plan = plan_for(samples, source_of(wanted))
    timeline = Timeline()
    for mine in interval_files(samples).values():
        for data in mine:
            timeline.add(decode(data, "file"))
    live = LiveCriteria(plan)
    fired = [second for second in range(20) for _ in live.advance(timeline, second)]
    assert len(fired) <= 1
    assert bool(fired) == (expected(wanted, samples, samples) == "failed")


def test_the_oracle_computes_the_ranks_of_the_textbook():
    assert [rank(percent, 10) for percent in ("0", "50", "90", "90.1", "99.9", "100")] == [1, 5, 9, 10, 10, 10]
