"""Findings on the reaction to load: saturation of the service, and the beginning of errors."""

import math
from collections.abc import Iterator

import numpy as np

from toril import text
from toril.records.summary import RunFinding
from toril.text import number, percent, plain, time
from toril.verdict.findings.seen import Floats, RunData, Span, is_longer, percentile, successes

SHORTEST_RISE_S, WINDOWS, NARROWEST_S, AFTER_RISE_S = 15, 12, 3, 10
NEAR_MOST = 0.9  # of the highest throughput: may be the knee
LEAST_RISE = 1.3  # of the load beyond the knee, and of the median
MOST_GAIN, SURE_GAIN = 0.15, 0.5  # of throughput, as a part of the gain of load; the second with its uncertainty
SIGMAS = 4

LEAST_EVIDENCE = 16  # logarithm of the likelihood ratio: 1 in ten million by chance, for each pair of start and end
PARTS_OF_FAILURES = (0.9, 0.95, 1.0)
LEAST_FAILURES, LEAST_SHARE, LEAST_GROWTH, LEAST_OTHER_S = 10, 0.01, 5, 5
MOST_LABELS = 50
IDLE_CLOSED = "IdleConnectionClosed"  # the engines' code, as in engines/in_process.py


def service_saturated(seen: RunData) -> Iterator[RunFinding]:
    """Throughput fell, or did not grow, while the load rose and the median with it."""
    load = seen.load
    loaded = np.flatnonzero(load)
    if seen.plan.searched or not loaded.size:  # a search reports the capacity
        return
    first, top_from = int(loaded[0]), int(np.argmax(load >= 0.98 * load.max()))
    rise_s = top_from - first
    if rise_s < SHORTEST_RISE_S:
        return
    end = min(seen.seconds, top_from + 1 + max(AFTER_RISE_S, rise_s // 3))
    width = max(NARROWEST_S, rise_s // WINDOWS)
    top, changes = (top_from, end), np.diff(seen.samples[first:end])
    spread = max(1.0, float(np.var(changes)) / (2 * max(1e-9, seen.samples[first:end].mean())))
    knee = _knee(seen, [(start, start + width) for start in range(first, top_from - width + 1, width)], top, spread)
    if knee is None:
        return
    before, after = _mean(seen.samples, knee), _mean(seen.samples, top)
    calm, crowded = (percentile(successes(seen.stats(span)), 50) for span in (knee, top))
    at_knee, at_top = number(round(_mean(load, knee))), f"{number(round(_mean(load, top)))}{seen.load_unit}"
    verb = "fell" if after < 0.9 * before else "did not grow"
    yield RunFinding(
        code="service-saturated",
        message=f"The service was saturated from {at_knee} of {at_top} on (second {knee[0]}): throughput {verb}, from "
        f"{number(round(before, 1))}/s to {number(round(after, 1))}/s, while the median rose from "
        f"{time(calm)} to {time(crowded)}.",
        from_s=knee[0],
        to_s=end,
        evidence={
            "knee_s": knee[0],
            "load_at_knee": round(_mean(load, knee), 1),
            "load_at_top": round(_mean(load, top), 1),
            "throughput_at_knee_rps": round(before, 1),
            "throughput_at_top_rps": round(after, 1),
            "p50_at_knee_us": calm,
            "p50_at_top_us": crowded,
        },
    )


def _knee(seen: RunData, windows: list[Span], top: Span, spread: float) -> Span | None:
    """Returns the first window with nearly the highest throughput if the service was saturated from there on."""
    rates, after = [_mean(seen.samples, window) for window in windows], _mean(seen.samples, top)
    most = max(after, *sorted(rates)[:-1])  # a single high window is chance
    candidates = [(window, rate) for window, rate in zip(windows, rates, strict=True) if rate >= NEAR_MOST * most]
    for window, before in candidates:
        gain = _mean(seen.load, top) / _mean(seen.load, window) - 1
        error = math.sqrt(spread * (before / (window[1] - window[0]) + after / (top[1] - top[0])))
        gains_little = after <= before * (1 + MOST_GAIN * gain)
        if gain < LEAST_RISE - 1 or not gains_little or after + SIGMAS * error > before * (1 + SURE_GAIN * gain):
            continue
        calm, crowded = successes(seen.stats(window)), successes(seen.stats(top))
        if is_longer(crowded, calm, 50) and seen.growth(window, top, 50) >= LEAST_RISE:
            return candidates[0][0]
    return None


def errors_began(seen: RunData) -> Iterator[RunFinding]:
    """The share of failures rose at a moment or at a load, to the end or for a while."""
    samples, failures = seen.samples, seen.failures
    if failures.sum() < LEAST_FAILURES:
        return
    evidence, start, end = max(_risen(samples, failures, end) for end in _ends(failures))
    inside = np.isin(np.arange(seen.seconds), np.arange(start, end))
    count_failed = int(failures[inside].sum())
    during, otherwise = (float(failures[at].sum() / max(1.0, samples[at].sum())) for at in (inside, ~inside))
    shares = np.where(inside, during, otherwise)
    variance = samples * shares * (1 - shares)
    some = variance > 0
    spread = max(1.0, float(np.mean((failures - samples * shares)[some] ** 2 / variance[some]))) if some.any() else 1.0
    if evidence / spread < LEAST_EVIDENCE or count_failed < LEAST_FAILURES:
        return
    if during < LEAST_SHARE or during < LEAST_GROWTH * otherwise:
        return
    errors = _failures_by_error(seen, (start, end))
    label, message, rc, count = max(errors, key=lambda error: error[3], default=("", "", "", 0))
    earlier = float(seen.load[: max(0, start - 3)].max(initial=0))
    at_load = end == seen.seconds and seen.load[start] >= 1.05 * earlier > 0
    rate = round(_mean(samples, (max(0, start - 1), start + 2)), 1)
    when = f"second {start}"
    if at_load:
        when = f"{number(rate)} requests/s ({number(round(float(seen.load[start])))}{seen.load_unit}, {when})"
    until = " on" if end == seen.seconds else f" to second {end}"
    error = plain(text.error(rc, message), 200) or "no message"
    of_label = seen.timeline.select(label).window(start, end - 1)
    yield RunFinding(
        code="errors-began",
        message=f"Errors began: from {when}{until}, {percent(100 * during)} of the requests failed; "
        f"{percent(100 * otherwise)} otherwise. Most are of {plain(label)}: {number(of_label.failures)} of its "
        f"{number(of_label.samples)} requests failed, {number(count)} with {error}.",
        label=label,
        from_s=start,
        to_s=end,
        evidence={
            "began_by": "load" if at_load else "time",
            "began_s": start,
            "throughput_rps": rate,
            "load": round(float(seen.load[start]), 1),
            "failed_otherwise_share": round(otherwise, 6),
            "failed_share": round(during, 6),
            "failures": count_failed,
            "error": message,
            "response_code": rc,
            "of_this_error": count,
            "failed_of_label_share": round(of_label.failures / max(1, of_label.samples), 6),
        },
    )


def idle_connections(seen: RunData) -> Iterator[RunFinding]:
    """Requests failed because the service closed their idle connection just when they were sent."""
    total = seen.timeline.select().total
    if lost := total.failed.rc[IDLE_CLOSED]:
        yield RunFinding(
            code="idle-connections",
            message=f"The service closed idle connections just when a request was sent: {number(lost)} of "
            f"{number(total.samples)} requests failed by that. Let it keep idle connections for longer than users and "
            "proxies do; such requests fail in production, too.",
            evidence={"failures": lost, "response_code": IDLE_CLOSED},
        )


def _ends(failures: Floats) -> set[int]:
    """Returns possible ends of the time with errors: the end of the run, and those of most failures."""
    counts = np.cumsum(failures)
    return {failures.size, *(int(np.searchsorted(counts, part * counts[-1])) + 1 for part in PARTS_OF_FAILURES)}


def _risen(samples: Floats, failures: Floats, end: int) -> tuple[float, int, int]:
    """Returns the evidence for more failures from a second on to `end`, the best such second, and `end`."""
    all_n, all_k = (np.concatenate([[0.0], np.cumsum(column)]) for column in (samples, failures))
    starts = np.arange(max(0, end - failures.size + LEAST_OTHER_S), end)
    n, k = all_n[end] - all_n[starts], all_k[end] - all_k[starts]
    other_n, other_k = all_n[-1] - n, all_k[-1] - k
    evidence = _likelihood(k, n) + _likelihood(other_k, other_n) - _likelihood(all_k[-1:], all_n[-1:])
    evidence[k * other_n <= other_k * n] = 0  # fewer failures
    best = int(np.argmax(evidence)) if evidence.size else 0
    return (float(evidence[best]), int(starts[best]), end) if evidence.size else (0.0, 0, end)


def _failures_by_error(seen: RunData, span: Span) -> Iterator[tuple[str, str, str, int]]:
    """Yields label, message, response code and count of the failures of the worst labels in the seconds."""
    failed = {name: stats.failures for name, stats in seen.summary.labels.items() if name and stats.kind == "request"}
    for label in sorted(failed, key=failed.__getitem__, reverse=True)[:MOST_LABELS]:
        errors = seen.timeline.select(label).window(span[0], span[1] - 1).errors
        yield from ((label, message, rc, count) for (message, rc), count in errors.items())


def _likelihood(part: Floats, whole: Floats) -> Floats:
    """Returns the greatest logarithmic likelihood of `part` failures among `whole` samples."""
    share = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    inner = (share > 0) & (share < 1)
    likelihood = np.zeros_like(part)
    likelihood[inner] = part[inner] * np.log(share[inner]) + (whole - part)[inner] * np.log1p(-share[inner])
    return likelihood


def _mean(column: Floats, span: Span) -> float:
    return float(column[span[0] : span[1]].mean())
