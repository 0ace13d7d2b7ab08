"""Findings on response times over the time of the run: drift and periodic stalls."""

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from toril.records.summary import RunFinding
from toril.stats.quantiles import rank_of
from toril.text import number, signed_percent, time
from toril.timeline import Slice
from toril.verdict.findings.seen import Floats, RunData, is_longer, percentile, successes

SHORTEST_HOLD_S, BLOCKS, LEAST_OF_BLOCK = 60, 20, 20
RISE, CHANCE_OF_TREND = 1.15, 1e-5

LEAST_STALLS, SHORTEST_GAP_S, MOST_ODD_GAPS, CHANCE_OF_GAPS = 5, 3, 0.34, 1e-3
REACHES, MOST_SIZES = (0.0, 0.1), 50  # parts of the interval by which others differ (at least 1 s, or nothing)
MOST_CROWDED = 0.2  # of the seconds; those with the largest shares are left out at first
SLOW = (97.0, 99.0, 99.8)  # percentiles of the run above which a request is slow
DEVIATIONS = 4
MOST_SECONDS = 3600  # longer runs are judged by their first hour
MOST_CHECKED = 30  # stalls

Ints = NDArray[np.int64]


def drift(seen: RunData) -> Iterator[RunFinding]:
    """Response times rose steadily while the planned load was constant: a leak."""
    start, end = seen.hold
    width = (end - start) // BLOCKS
    if end - start < SHORTEST_HOLD_S:
        return
    start = end - BLOCKS * width
    blocks = [successes(seen.stats((at, at + width))) for at in range(start, end, width)]
    if min(block.total for block in blocks) < LEAST_OF_BLOCK:
        return
    quarter = BLOCKS // 4 * width
    spans = (start, start + quarter), (end - quarter, end)
    early, late = (successes(seen.stats(span)) for span in spans)
    for percent_ in (50, 95):
        course = np.array([percentile(block, percent_) for block in blocks], float)
        first, last = percentile(early, percent_), percentile(late, percent_)
        is_sure = _trend_by_chance(course) < CHANCE_OF_TREND and is_longer(late, early, percent_)
        if is_sure and min(last / first, seen.growth(*spans, percent_)) >= RISE:
            minutes = (end - start - quarter) / 60
            yield RunFinding(
                code="drift",
                message=f"Response times drifted under constant load: p{percent_} rose from {time(first)} to "
                f"{time(last)} ({signed_percent(100 * (last / first - 1))}) between the first and the last quarter of "
                f"seconds {start} to {end}, as with a leak.",
                from_s=start,
                to_s=end,
                evidence={
                    f"p{percent_}_first_quarter_us": first,
                    f"p{percent_}_last_quarter_us": last,
                    "growth_share": round(last / first - 1, 3),
                    "growth_per_minute_us": round((last - first) / minutes),
                },
            )
            return


def _trend_by_chance(course: Floats) -> float:
    """Returns the probability of such a rise without a trend (Mann–Kendall, one-sided)."""
    size = course.size
    later = np.triu(np.ones((size, size)), 1)
    rises = float((np.sign(course[None, :] - course[:, None]) * later).sum())
    return 1 - NormalDist().cdf((rises - 1) / math.sqrt(size * (size - 1) * (2 * size + 5) / 18))


def periodic_stall(seen: RunData) -> Iterator[RunFinding]:
    """Many slow requests completed together at regular intervals: garbage collection, a scheduled job."""
    seconds = np.arange(min(MOST_SECONDS, seen.seconds))
    rows = [_crowded(slow, seen.samples[seconds]) for slow in _slow_by_second(seen.timeline.select(), seconds)]
    p99_us = np.array([second.p99_us or 0 for second in seen.summary.series[: seconds.size]])
    starts, period_s = _rhythm(np.any(rows, axis=0), p99_us)
    if not starts.size or not _slow_within_labels(seen, starts):
        return
    calm = np.setdiff1d(seconds, np.concatenate([starts, starts + 1]))
    usual, stalled = (_median_figures(seen, at) for at in (calm, starts))
    yield RunFinding(
        code="periodic-stall",
        message=f"The service stalled every {number(round(period_s, 1))} s, {starts.size} times from second "
        f"{starts[0]} on: p99 rose from {time(usual['p99_us'])} to {time(stalled['p99_us'])}, and throughput was "
        f"{number(round(stalled['throughput_rps'], 1))}/s instead of {number(round(usual['throughput_rps'], 1))}/s. "
        "Look for garbage collection or a scheduled job.",
        from_s=max(0.0, float(starts[0]) - 2),
        to_s=min(float(seen.seconds), float(starts[-1]) + 3),
        evidence={
            "period_s": round(period_s, 2),
            "stalls": int(starts.size),
            **usual,
            **{f"in_stalls_{name}": value for name, value in stalled.items()},
            "stalls_at_seconds": ", ".join(map(str, starts[:30].tolist())),
        },
    )


def _slow_by_second(view: Slice, seconds: Ints) -> Floats:
    """Returns the number of slow requests in each of the seconds, for each share of slow requests in `SLOW`."""
    whole = view.total.response
    limits = [whole.bucket_at_rank(rank_of(share, whole.total)) for share in SLOW] if whole.total else []
    counts = np.zeros((len(SLOW), seconds.size))
    for place, second in enumerate(seconds.tolist()):
        times = view.second(second).response
        for row, limit in enumerate(limits):
            counts[row, place] = times.counts[times.buckets > limit].sum()
    return counts


def _slow_within_labels(seen: RunData, seconds: Ints) -> bool:
    """Whether requests are slow for their labels in these seconds; users in step send slow labels together."""
    slow, samples, chosen = np.zeros(len(SLOW)), 0, seconds[:MOST_CHECKED]
    for label in seen.busiest_labels:
        view = seen.timeline.select(label)
        slow += _slow_by_second(view, chosen).sum(axis=1)
        samples += sum(view.second(second).samples for second in chosen.tolist())
    usual = samples * (1 - np.array(SLOW) / 100)
    return bool(np.any((slow > 2 * usual) & (slow - usual > DEVIATIONS * np.sqrt(usual + 0.5))))


def _crowded(slow: Floats, samples: Floats) -> NDArray[np.bool_]:
    """Returns the seconds with far more slow requests than usual, which is the share in all other seconds."""
    share = slow / np.maximum(1.0, samples)
    crowded = share > np.quantile(share, 1 - MOST_CROWDED)
    for _ in range(3):
        usual = samples * slow[~crowded].sum() / max(1.0, samples[~crowded].sum())
        spread = max(1.0, float(np.mean((slow - usual)[~crowded] ** 2) / max(1e-9, usual[~crowded].mean())))
        crowded = (slow - usual > DEVIATIONS * np.sqrt(spread * usual + 0.5)) & (slow >= 2)
    return crowded


def _median_figures(seen: RunData, seconds: Ints) -> dict[str, float]:
    chosen = [seen.summary.series[second] for second in seconds.tolist()]
    return {
        "p95_us": float(np.median([second.p95_us or 0 for second in chosen])),
        "p99_us": float(np.median([second.p99_us or 0 for second in chosen])),
        "throughput_rps": float(np.median([second.samples for second in chosen])),
    }


def _rhythm(is_high: NDArray[np.bool_], height: Ints) -> tuple[Ints, float]:
    """Returns the seconds of stalls at equal intervals, and the interval in seconds; none if chance explains it.

    Besides stalls there may be lower peaks, so it tries the highest peaks: five, six … all.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_high, [0]]))).reshape(-1, 2).tolist()
    peaks = np.array([start + int(np.argmax(height[start:end])) for start, end in edges], np.int64)
    highest = peaks[np.argsort(-height[peaks], kind="stable")]
    sizes = range(LEAST_STALLS, peaks.size + 1, 1 + peaks.size // MOST_SIZES)
    best, stalls, period_s = CHANCE_OF_GAPS / max(1, len(REACHES) * len(sizes)), peaks[:0], 0.0
    for size in sizes:
        chosen = np.sort(highest[:size])
        gaps = np.diff(chosen)
        middle = round(float(np.median(gaps)))
        for reach in REACHES:
            most = max(math.ceil(reach), reach * middle)
            near = np.abs(gaps - middle) <= most
            if middle >= SHORTEST_GAP_S and near.mean() > 1 - MOST_ODD_GAPS:
                chance = _by_chance(int(near.sum()), gaps, middle, most)
                if chance < best:
                    best, stalls, period_s = chance, chosen, float(np.mean(gaps[near]))
    return stalls, period_s


def _by_chance(near: int, gaps: Ints, middle: int, reach: float) -> float:
    """Returns the probability of at least `near` gaps within `reach` of the middle if stalls came at random."""
    rate, free = min(0.99, gaps.size / int(gaps.sum())), gaps.size - 1  # one gap defines the middle
    fitting = np.arange(math.ceil(middle - reach), math.floor(middle + reach) + 1)
    odds, counts = float((rate * (1 - rate) ** (fitting - 1)).sum()), np.arange(near - 1, free + 1)
    ways = [math.lgamma(free + 1) - math.lgamma(count + 1) - math.lgamma(free - count + 1) for count in counts.tolist()]
    return float(np.exp(ways + counts * math.log(odds) + (free - counts) * math.log1p(-odds)).sum())
