"""Audits of the reaction to load: saturation of the service, and the beginning of errors."""

import math
from collections.abc import Iterator

import numpy as np

from toril.audits.seen import Floats, Seen, Span, is_longer, percentile, successes
from toril.records.summary import Standout
from toril.text import number, percent, plain, time

SHORTEST_RISE_S, WINDOWS, NARROWEST_S, AFTER_RISE_S = 15, 12, 3, 10
NEAR_MOST = 0.9  # of the highest throughput: may be the knee
LEAST_RISE = 1.3  # of the load beyond the knee, and of the median
MOST_GAIN, SURE_GAIN = 0.15, 0.5  # of throughput, as a part of the gain of load; the second with its uncertainty
SIGMAS = 4

LEAST_EVIDENCE = 14  # logarithm of the likelihood ratio: 1 in a million by chance, for each second
LEAST_FAILURES, LEAST_SHARE, LEAST_GROWTH, LEAST_BEFORE_S = 10, 0.01, 5, 5
MOST_LABELS = 50


def service_saturated(seen: Seen) -> Iterator[Standout]:
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
    yield Standout(
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


def _knee(seen: Seen, windows: list[Span], top: Span, spread: float) -> Span | None:
    """Returns the first window with nearly the highest throughput if the service was saturated from there on."""
    rates, after = [_mean(seen.samples, window) for window in windows], _mean(seen.samples, top)
    most = max(*rates, after)
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


def errors_began(seen: Seen) -> Iterator[Standout]:
    """The share of failures rose at a moment, or at a rate."""
    samples, failures = seen.samples, seen.failures
    failed_in = np.flatnonzero(failures)
    if failures.sum() < LEAST_FAILURES:
        return
    end = int(failed_in[-1]) + 1
    change = np.arange(LEAST_BEFORE_S, seen.seconds)
    all_n, all_k = np.cumsum(samples), np.cumsum(failures)
    n_before, k_before = all_n[change - 1], all_k[change - 1]
    n_after, k_after = all_n[-1] - n_before, all_k[-1] - k_before
    split = _likelihood(k_before, n_before) + _likelihood(k_after, n_after)
    evidence = split - _likelihood(all_k[-1:], all_n[-1:])
    evidence[k_after * n_before <= k_before * n_after] = 0  # fewer failures
    best = int(np.argmax(evidence))
    start = int(change[best])
    before = k_before[best] / max(1.0, n_before[best])
    after = k_after[best] / max(1.0, all_n[end - 1] - n_before[best])
    shares = np.where(np.arange(seen.seconds) < start, before, k_after[best] / n_after[best] if n_after[best] else 0)
    variance = samples * shares * (1 - shares)
    some = variance > 0
    spread = max(1.0, float(np.mean((failures - samples * shares)[some] ** 2 / variance[some])))
    if evidence[best] / spread < LEAST_EVIDENCE or k_after[best] < LEAST_FAILURES:
        return
    if after < LEAST_SHARE or after < LEAST_GROWTH * before:
        return
    errors = _failures_by_error(seen, (start, end))
    label, message, rc, count = max(errors, key=lambda one: one[3], default=("", "", "", 0))
    at_load = bool(seen.load[start] >= 1.05 * seen.load[: start - 3].max(initial=0) > 0)
    rate = round(_mean(samples, (max(0, start - 1), start + 2)), 1)
    when = f"second {start}"
    if at_load:
        when = f"{number(rate)} requests/s ({number(round(float(seen.load[start])))}{seen.load_unit}, {when})"
    ended = f" to second {end}" if end < seen.seconds - LEAST_BEFORE_S else " on"
    error = " ".join(filter(None, (plain(rc), plain(message, 200)))) or "no message"
    yield Standout(
        code="errors-began",
        message=f"Errors began: from {when}{ended}, {percent(100 * after)} of the requests failed; "
        f"{percent(100 * before)} before. Most frequent: {plain(label)}: {error} ({number(count)} of "
        f"{number(k_after[best])}).",
        label=label,
        from_s=start,
        to_s=end,
        evidence={
            "began_by": "load" if at_load else "time",
            "began_s": start,
            "throughput_rps": rate,
            "load": round(float(seen.load[start]), 1),
            "failed_before_share": round(float(before), 6),
            "failed_after_share": round(float(after), 6),
            "failures": int(k_after[best]),
            "error": message,
            "response_code": rc,
            "of_this_error": count,
        },
    )


def _failures_by_error(seen: Seen, span: Span) -> Iterator[tuple[str, str, str, int]]:
    """Yields label, message, response code and count of the failures of the worst labels in the seconds."""
    failed = {name: one.failures for name, one in seen.summary.labels.items() if name and one.kind == "request"}
    for label in sorted(failed, key=failed.__getitem__, reverse=True)[:MOST_LABELS]:
        errors = seen.timeline.select(label).window(span[0], span[1] - 1).errors
        yield from ((label, message, rc, count) for (message, rc), count in errors.items())


def _likelihood(part: Floats, whole: Floats) -> Floats:
    """Returns the greatest logarithmic likelihood of `part` failures among `whole` samples."""
    share = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    inner = (share > 0) & (share < 1)
    found = np.zeros_like(part)
    found[inner] = part[inner] * np.log(share[inner]) + (whole - part)[inner] * np.log1p(-share[inner])
    return found


def _mean(column: Floats, span: Span) -> float:
    return float(column[span[0] : span[1]].mean())
