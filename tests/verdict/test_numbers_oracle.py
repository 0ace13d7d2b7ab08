"""Each figure of the summary, compared with raw samples and the definitions in plain Python.

The oracle shares no code with the tested code: it sorts, counts and adds the samples themselves. Samples are spread at
random over workers and files, files come in any order, and the timeline is read between them.
"""

import json
import math
import random
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measured import execution, plan_of
from tests.tiers import examples
from toril.records import Exit
from toril.records.document import document
from toril.summary import Completeness, summarise
from toril.timeline import Timeline
from toril.timeline.intervals import Recorder, decode
from toril.verdict import judge

START = 1_795_532_647.25
HOSTILE = ["home", "a,b: c", "</script><b>", "größe/🛒", "x" * 999, "'; --", "\t\x00\x1b[31m", "NaN", "ends in space "]
PERCENTILES = {"p50": "50", "p75": "75", "p90": "90", "p95": "95", "p99": "99", "p99_9": "99.9", "p99_99": "99.99"}
WORKERS = {"a-1": "a", "a-2": "a", "b-1": "b"}


@dataclass(frozen=True)
class Raw:
    """One sample as a worker sees it."""

    worker: str
    completed_s: float
    us: int
    label: str
    execution: str
    kind: str
    steady: bool
    ok: bool
    rc: str
    bytes: int
    ttfb_us: int
    connect_us: int

    @property
    def second(self) -> int:
        return max(0, math.floor(self.completed_s))

    @property
    def location(self) -> str:
        return WORKERS[self.worker]


raw = st.builds(
    Raw,
    worker=st.sampled_from(sorted(WORKERS)),
    completed_s=st.floats(-0.5, 9.99, allow_nan=False),
    us=st.integers(0, 5000) | st.integers(0, 1 << 32) | st.sampled_from([0, 2047, 2048, 300_000]),
    label=st.sampled_from(HOSTILE),
    execution=st.sampled_from(["shop", "admin"]),
    kind=st.just("request"),
    steady=st.booleans(),
    ok=st.booleans(),
    rc=st.sampled_from(["200", "503", "Exception"]),
    bytes=st.integers(0, 1 << 20),
    ttfb_us=st.integers(-1, 4000),
    connect_us=st.integers(-1, 4000),
) | st.builds(
    Raw,
    worker=st.sampled_from(sorted(WORKERS)),
    completed_s=st.floats(0, 9.99, allow_nan=False),
    us=st.integers(0, 1 << 32),
    label=st.just("a transaction"),
    execution=st.just("shop"),
    kind=st.just("transaction"),
    steady=st.booleans(),
    ok=st.booleans(),
    rc=st.just(""),
    bytes=st.integers(0, 9),
    ttfb_us=st.just(-1),
    connect_us=st.just(-1),
)
users_reports = st.lists(
    st.tuples(
        st.sampled_from(sorted(WORKERS)), st.sampled_from(["shop", "admin"]), st.integers(0, 9), st.integers(0, 50)
    )
)
hung_reports = st.lists(
    st.tuples(
        st.sampled_from(sorted(WORKERS)),
        st.sampled_from(["shop", "admin"]),
        st.sampled_from(["", "home", "only hung"]),
        st.integers(1, 5),
    ),
    max_size=4,
)


def files_of(samples, users, hung, chance):
    """Returns the interval files of all workers, split and ordered at random; users are reported in order of time."""
    recorders = {name: Recorder(name, location) for name, location in WORKERS.items()}
    events = [*samples, *sorted(users, key=lambda report: report[2]), *hung]
    files = []
    for event in events:
        worker = event.worker if isinstance(event, Raw) else event[0]
        recorder = recorders[worker]
        if isinstance(event, Raw):
            columns = {
                "completed_s": [event.completed_s], "label": [event.label], "kind": event.kind, "steady": event.steady,
                "ok": event.ok, "rc": event.rc, "message": "" if event.ok else f"broke {event.rc}",
                "response_us": [event.us], "ttfb_us": [event.ttfb_us], "connect_us": [event.connect_us],
                "bytes": [event.bytes],
            }  # fmt: skip
            recorder.add_many(event.execution, columns)
        elif isinstance(event[2], int):
            recorder.virtual_users(event[2], event[1], event[3])
        else:
            recorder.unfinished(9, *event[1:])
        if chance.random() < 0.3:
            files.append(recorder.flush())
    files += [recorder.flush() for recorder in recorders.values()]
    found = [file for file in files if file is not None]
    chance.shuffle(found)
    return found


def exact_rank(percent, count):
    return max(1, math.ceil(Fraction(percent) * count / 100))


@cache
def exact_ranks(percent, count):
    """Returns the tightest ranks around a quantile, from the binomial distribution in exact fractions."""
    share, limit = Fraction(percent) / 100, Fraction(1, 40)
    up, down = share.numerator, share.denominator - share.numerator
    whole = share.denominator**count
    lower = upper = None
    below = 0
    for rank in range(1, count + 1):
        below += (
            math.comb(count, rank - 1) * up ** (rank - 1) * down ** (count - rank + 1)
        )  # P(fewer than rank) × whole
        if Fraction(below, whole) <= limit:
            lower = rank
        if upper is None and Fraction(whole - below, whole) <= limit:
            upper = rank
    return lower, upper


def check_times(found, times):
    """Compares minimum, percentiles, maximum and intervals with the sorted times."""
    count = len(times)
    if not count:
        assert all(found[name] is None for name in ("min", "mean", "stdev", "max", *PERCENTILES))
        return
    times = sorted(times)
    mean = Fraction(sum(times), count)
    variance = Fraction(sum(t * t for t in times), count) - mean * mean
    assert (found["min"], found["max"]) == (times[0], times[-1])
    assert abs(found["mean"] - mean) <= Fraction(501, 1000)
    assert max(0, found["stdev"] - 0.501) ** 2 <= variance <= (found["stdev"] + 0.501) ** 2
    for name, percent in PERCENTILES.items():
        exact = times[exact_rank(percent, count) - 1]
        assert exact <= found[name] <= min(exact * 1.001, times[-1])
        lower, upper = exact_ranks(percent, count)
        low, high = found["interval"][name]
        assert (low is None, high is None) == (lower is None, upper is None)
        assert low is None or times[lower - 1] * 0.999 <= low <= times[lower - 1]
        assert high is None or times[upper - 1] <= high <= times[upper - 1] * 1.001


def check_label(found, samples, unfinished, seconds, *, kind, whole):
    """Compares one label's entry with its samples."""
    failed = [one for one in samples if not one.ok]
    assert (found["kind"], found["samples"], found["failures"]) == (kind, len(samples), len(failed))
    assert (found["bytes"], found["unfinished"]) == (sum(one.bytes for one in samples), unfinished)
    assert found["rps"] == (round(len(samples) / seconds, 3) if seconds > 0 else None)
    assert found["rc"] == Counter(one.rc for one in samples)
    errors = {(entry["message"], entry["rc"]): entry["count"] for entry in found["errors"]}
    assert errors == Counter((f"broke {one.rc}", one.rc) for one in failed)
    for name in ("ttfb_us", "connect_us"):
        known = [value for one in samples if (value := getattr(one, name)) >= 0]
        assert found[name] is None if not known else found[name]["samples"] == len(known)
        assert not known or abs(found[name]["mean"] - Fraction(sum(known), len(known))) <= Fraction(501, 1000)
    check_times(found["response_us"], [one.us for one in samples])
    if failed:
        check_times(found["failed_response_us"], [one.us for one in failed])
    assert found["resolution_us"] == 1
    assert ("histogram" in found) == whole
    if whole:
        assert all(sum(low <= one.us <= high for one in samples) == n for low, high, n in found["histogram"])
        assert sum(n for _, _, n in found["histogram"]) == len(samples)


def check_labels(found, samples, hung, seconds, *, whole=False):
    requests = [one for one in samples if one.kind == "request"]
    labels = {one.label for one in samples} | {label for _, _, label, _ in hung} - {""}
    assert set(found) == {"", *labels}
    check_label(found[""], requests, sum(n for *_, n in hung), seconds(""), kind="request", whole=whole)
    for label in labels:
        mine = [one for one in samples if one.label == label]
        unfinished = sum(n for _, _, name, n in hung if name == label)
        kind = "transaction" if label == "a transaction" else "request"
        check_label(found[label], mine, unfinished, seconds(label), kind=kind, whole=whole)


def users_at(second, users, ended, location=None):
    """Returns the sum of the last reports of all workers and executions that have not ended."""
    latest = {}
    for worker, name, at, count in sorted(users, key=lambda report: report[2]):
        if at <= second <= ended[worker] and location in (None, WORKERS[worker]):
            latest[worker, name] = count
    return sum(latest.values())


@examples(15)
@given(st.lists(raw, max_size=50), users_reports, hung_reports, st.booleans(), st.randoms(use_true_random=False))
def test_each_figure_of_the_summary_is_that_of_the_raw_samples(samples, users, hung, exclude, chance):
    executions = [execution("shop", ramp_up_s=3.0, hold_for_s=5.0), execution("admin", delay_s=1.0, hold_for_s=8.5)]
    plan = plan_of(executions=executions, ramp_up_exclude=exclude)
    lasts = {name: max((one.completed_s for one in samples if one.worker == name), default=None) for name in WORKERS}
    exits = {
        name: Exit(worker=name, attempt="x", at=START + 10, outcome="finished", last_sample_s=last)
        for name, last in lasts.items()
    }
    complete = Completeness(planned=tuple(WORKERS), reported=tuple(WORKERS), exits=exits, started_at=START)
    files = files_of(samples, users, hung, chance)
    live, final = Timeline(hot_blocks=8), Timeline()
    for file in files:
        live.add(decode(file, "file"))
        if chance.random() < 0.5:
            summarise(plan, live, complete, START)  # reading it in between changes nothing
    for file in sorted(files):
        final.add(decode(file, "file"))
    found = summarise(plan, live, complete, START)
    summary = found.to_dict()

    assert found == summarise(plan, final, complete, START)
    assert json.loads(document(found)) == summary
    ended = {name: -1 for name in WORKERS}
    for one in samples:
        ended[one.worker] = max(ended[one.worker], one.second)
    for worker, _, second, _ in users:
        ended[worker] = max(ended[worker], second)
    for worker, *_ in hung:
        ended[worker] = 9
    duration = max((one.completed_s for one in samples), default=float(max(ended.values()) + 1))
    if samples and math.floor(duration) < 0:
        duration = 1.0  # earlier completions count in second 0
    waited = max(
        ({"shop": 8.0, "admin": 9.5}[name] for _, name, *_ in hung), default=0.0
    )  # unanswered requests extend the load to its end
    duration = round(max(duration, waited), 3)
    planned_s = {"shop": (3.0 if exclude else 0.0, 8.0), "admin": (1.0, 9.5)}
    chosen = [one for one in samples if one.steady or not exclude]

    def seconds(name, label=""):
        senders = {one.execution for one in samples if one.label == label or not label}
        senders |= {execution for _, execution, of, _ in hung if of == label or not label}
        mine = {name} if name else set(planned_s)
        spans = [planned_s[one] for one in mine & senders or mine]
        measured = bool(samples or users or hung)
        return max(end for _, end in spans) - min(start for start, _ in spans) if measured else 0.0

    assert summary["duration_s"] == duration
    check_labels(summary["labels"], chosen, hung, partial(seconds, None), whole=True)
    for name in ("shop", "admin"):
        mine = [one for one in chosen if one.execution == name]
        check_labels(
            summary["executions"][name]["labels"], mine, [h for h in hung if h[1] == name], partial(seconds, name)
        )
    for place in ("a", "b"):
        mine = [one for one in chosen if one.location == place]
        there = [h for h in hung if WORKERS[h[0]] == place]
        if place in summary["locations"]:
            check_labels(summary["locations"][place]["labels"], mine, there, partial(seconds, None))
        else:
            assert not mine
    assert [entry["second"] for entry in summary["series"]] == list(range(len(summary["series"])))
    assert {one.second for one in samples} <= set(range(len(summary["series"])))
    for entry in summary["series"]:
        here = [one for one in samples if one.second == entry["second"] and one.kind == "request"]
        assert (entry["samples"], entry["failures"]) == (len(here), sum(not one.ok for one in here))
        assert entry["bytes"] == sum(one.bytes for one in here)
        assert entry["virtual_users"] == users_at(entry["second"], users, ended)
        for percent in ("50", "95", "99"):
            exact = sorted(one.us for one in here)[exact_rank(percent, len(here)) - 1] if here else None
            got = entry[f"p{percent}_us"]
            assert (got is None) == (exact is None)
            assert exact is None or exact <= got <= exact * 1.001
        for place, part in entry["locations"].items():
            there = [one for one in here if one.location == place]
            assert (part["samples"], part["failures"]) == (len(there), sum(not one.ok for one in there))
            assert part["virtual_users"] == users_at(entry["second"], users, ended, place)


# Edge cases


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [Raw("a-1", 0.0, 0, "home", "shop", "request", True, True, "200", 0, -1, -1)],
        [Raw("a-1", -0.25, 7, "home", "shop", "request", True, True, "200", 0, -1, -1)],
        [Raw("a-1", 1.5, 1 << 39, "home", "shop", "request", True, False, "", 0, -1, -1)] * 3,
        [Raw("a-1", 1.5, 5, "a transaction", "shop", "transaction", True, True, "", 0, -1, -1)] * 3,
        [Raw("a-1", n / 100, n, label, "shop", "request", True, True, "", 0, 1, 1) for n, label in enumerate(HOSTILE)],
    ],
    ids=["none", "one", "before the signal", "only failures", "only transactions", "hostile labels"],
)
def test_a_run_of_edge_cases_is_summarised_and_judged_in_strict_json(samples):
    timeline = Timeline()
    for file in files_of(samples, [], [], random.Random(1)):
        timeline.add(decode(file, "file"))
    criteria = [f"{subject}>1" for subject in ("avg-rt", "avg-lt", "stdev-rt", "p95", "p100", "hits", "bytes", "rc*")]
    plan = plan_of(*criteria, "fail>10%", "concurrency<1", "avg-rt>1s for 2s", "p90 of home>1s over 3s")
    exits = {"local-1": Exit(worker="local-1", attempt="x", at=START + 20, outcome="finished")}
    complete = Completeness(planned=("local-1",), reported=("local-1",), exits=exits, started_at=START)
    summary = summarise(plan, timeline, complete, START)
    verdict = judge(plan, timeline, complete, summary).to_dict()
    assert json.loads(document(summary)) == summary.to_dict()
    json.dumps(verdict, allow_nan=False)
    assert len(verdict["criteria"]) == len(plan.criteria)
    assert summary.duration_s is not None and summary.duration_s >= 0
