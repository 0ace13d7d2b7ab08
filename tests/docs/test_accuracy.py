"""Accuracy, statistics and verdict reasons: simulations, resolutions of engines, limits, and every reason."""

import heapq
import importlib
import math
import re
from pathlib import Path

import numpy as np
import pytest

from toril import explain, verdict
from toril.engines import modules_of
from toril.engines.generic import GenericEngine
from toril.stats.histogram import Histogram, highest_us
from toril.stats.quantiles import quantile_interval, quantile_ranks, rank_of
from toril.summary.generators import BROWSERS, CROWDED, FULL, IN_A_ROW_S, OTHERS, STARVED
from toril.verdict import rules, validity

ROOT = Path(__file__).parents[2]
PAGES = ("explanation/accuracy", "explanation/statistics", "reference/engines")
PAGE = "\n\n".join((ROOT / f"docs/{page}.md").read_text() for page in PAGES)
SOURCES = list(Path(str(verdict.__file__)).parent.glob("*.py"))
REASONS = {code.name: code for code in explain.codes() if code.outcome}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("| \n").split(" | ")]


def table(header: str) -> list[list[str]]:
    """The rows of the table that begins with this header."""
    rows = PAGE[PAGE.index(header) :].split("\n\n")[0].splitlines()[2:]
    return [cells(row) for row in rows]


# Every reason is explained


def test_every_reason_of_a_verdict_is_explained_with_its_outcome():
    outcomes = dict(re.findall(r"^\| `([a-z-]+)` +\| (\w+) ", str(verdict.__doc__), re.MULTILINE))
    raised = {
        code
        for source in SOURCES
        for code in re.findall(r'(?:code ?= ?"|[Rr]eason\(\s*"|undecided\(\w+, ")([a-z-]+)"', source.read_text())
    }
    assert raised - {"triggered"} == outcomes.keys()
    assert {code: outcome for code, outcome in outcomes.items() if outcome != "a"} == {  # a note has no outcome
        code: REASONS[code].outcome for code in outcomes if code in REASONS
    }
    assert REASONS["triggered"].outcome == "passed"


def test_limits_are_those_of_the_verdict():
    because = {name: " ".join(code.text.split()) for name, code in REASONS.items()}
    assert f"{validity.LATEST_START_S:g} s" in because["late-start"]
    assert f"{validity.LATEST_START_OF_RAMP_UP:.0%}".replace("%", " %") in because["late-start"]
    assert f"more than {validity.CLOCK_LIMIT_S:g} s" in because["unsure-clock"]
    assert f"more than {validity.LATEST_RATE_S:g} s" in because["late-rate"]
    early, unreached, unanswered = because["ended-early"], because["unreached-load"], because["unanswered"]
    assert f"more than {rules.EARLY_S:g} s and {rules.EARLY_SHARE * 100:g} %" in early
    assert f"{rules.LEAST_USERS * 100:g} %" in unreached
    assert f"{(1 - rules.THROUGHPUT_TOLERANCE) * 100:g} %" in unreached
    assert f"more than {rules.MOST_DROPPED * 100:g} %" in because["dropped-sends"]
    assert f"longer than {rules.UNANSWERED_S:g} s" in unanswered
    assert f"{rules.UNANSWERED_SENDS * 100:g} %" in unanswered
    assert f"{rules.UNJUDGED_SHARE * 100:g} %" in because["unjudged-failures"]
    assert f"at least {rules.UNJUDGED_FAILURES}" in because["unjudged-failures"]


# Engines


def test_resolutions_are_those_of_the_engines():
    rows = table("| engine | what is timed")
    told = {name.lower(): resolution for names, _, resolution, *_ in rows for name in names.split(", ")}
    for alias, module in modules_of(functional=False).items():
        us = importlib.import_module(module).Executor.resolution_us
        found = told.pop(alias)
        assert found.startswith("as its [format]") if isinstance(us, property) else found == f"{us} µs"
    assert told == {"others": f"{GenericEngine.resolution_us} µs"}


# Generators


def test_limits_of_generators_are_those_that_saturate():
    limit = {metric.replace("`", ""): text for metric, _, text in table("| metric | meaning | limit |")}
    assert limit["cpu"] == f"{percent(OTHERS.cpu)}; browsers {percent(BROWSERS.cpu)}"
    assert limit["core"] == percent(OTHERS.core)
    assert limit["waiting"].startswith(percent(OTHERS.waiting))
    assert limit[f"machine, other programs use {percent(CROWDED)} (crowd)"] == percent(FULL)
    assert limit[f"machine, waiting is {percent(STARVED)} (full)"] == percent(FULL)
    assert limit["throttled"] == percent(OTHERS.throttled)
    late_ms, of_median = OTHERS.lateness_us / 1000, percent(OTHERS.lateness_of_median)
    assert limit["late_p90_us"].startswith(f"{late_ms:g} ms, or {of_median} of the shortest median response time")
    assert limit["memory"].startswith(percent(OTHERS.memory))
    assert limit["sockets_share"] == percent(OTHERS.sockets)
    assert f"at its limit for {IN_A_ROW_S} s in a row" in PAGE.replace("\n", " ")


def percent(share: float | None) -> str:
    assert share is not None
    return f"{share * 100:g} %"


# Chance


def test_so_many_samples_close_an_interval():
    for percent, least in re.findall(r"p([0-9.]+)(?: is closed above)? from ([0-9,]+)(?: samples)?", PAGE):
        samples = int(least.replace(",", ""))
        assert quantile_ranks(float(percent), samples)[1] is not None
        assert quantile_ranks(float(percent), samples - 1)[1] is None


def response_times_us(rng: np.random.Generator, busy: float, requests: int) -> np.ndarray:
    """One server, one queue, random arrivals and service times (10 ms on average): waiting and service."""
    service = rng.exponential(10_000, requests)
    if not busy:
        return service
    arrivals = np.cumsum(rng.exponential(10_000 / busy, requests))
    work = np.cumsum(service)
    ends = work + np.maximum.accumulate(arrivals - np.concatenate([[0.0], work[:-1]]))
    return np.asarray(ends - arrivals)


BUSY = [(row[0], row[1]) for row in table("| the server is busy")]


@pytest.mark.live
@pytest.mark.parametrize(("busy", "told"), BUSY)
def test_where_requests_queue_an_interval_holds_the_true_value_less_often(busy, told):
    share = int(found[1]) / 100 if (found := re.match(r"(\d+) %", busy)) else 0.0
    true_us = math.log(20) * 10_000 / (1 - share)  # response times in such a queue are exponential
    rng, held = np.random.default_rng(1), 0
    for _ in range(1000):
        low, high = quantile_interval(
            Histogram.of(np.rint(response_times_us(rng, share, 5_000)).astype(np.int64).tolist()), 95.0
        )
        held += low is not None and high is not None and low <= true_us <= high
    assert f"{held / 10:.0f} % of the runs" == told


# Coordinated omission

LASTS_MS, PERIOD_MS, CYCLE_MS, FAST_MS = 200_000, 100, 1000, 10
STALL_MS = range(100_000, 110_000)


def answered_at(sent: int) -> int:
    return (STALL_MS.stop if sent in STALL_MS else sent) + FAST_MS


def closed(users: int) -> list[int]:
    """Each sends once a second, unless it still waits; response times in ms."""
    times, free = [], [PERIOD_MS * user for user in range(users)]
    while free[0] < LASTS_MS:
        sent = free[0]
        times.append(answered_at(sent) - sent)
        heapq.heapreplace(free, max(sent + CYCLE_MS, answered_at(sent)))
    return times


def scheduled(users: int) -> tuple[list[int], int]:
    """Ten sends a second, each by whoever is free; what nobody is free for is dropped."""
    times, dropped = [], 0
    free = [0] * users
    for due in range(0, LASTS_MS, PERIOD_MS):
        if free[0] > due:
            dropped += 1
            continue
        heapq.heapreplace(free, answered_at(due))
        times.append(answered_at(due) - due)
    return times, dropped


def shown(times: list[int]) -> list[str]:
    p99, worst = sorted(times)[rank_of(99.0, len(times)) - 1], max(times)
    texts = (f"{ms / 1000:.1f} s" if ms >= 1000 else f"{ms} ms" for ms in (p99, worst))
    return [f"{len(times):,}", str(sum(ms > 10 * FAST_MS for ms in times)), *texts]


def test_the_same_stall_is_seen_or_not():
    rows = {row[0]: row[1:] for row in table("| load | samples")}
    (of_closed, of_few, of_enough) = rows
    few, dropped = scheduled(10)
    enough, none = scheduled(110)
    assert rows[of_closed] == shown(closed(10))
    assert rows[of_few] == shown(few) and f"{dropped} sends dropped" in of_few
    assert rows[of_enough] == shown(enough) and none == 0
    planned = LASTS_MS // PERIOD_MS
    assert len(few) / planned > 1 - rules.THROUGHPUT_TOLERANCE
    assert dropped > max(rules.MOST_DROPPED * planned, 1000 / PERIOD_MS)  # which makes the run inconclusive


# Buckets


def test_a_bucket_is_as_narrow_as_the_page_says():
    assert all(highest_us(bucket) == bucket for bucket in range(2048))
    for value in (2048, 10**4, 10**6, 10**9):
        histogram = Histogram.of([value])
        assert 0 <= highest_us(int(histogram.buckets[0])) / value - 1 <= 0.001
