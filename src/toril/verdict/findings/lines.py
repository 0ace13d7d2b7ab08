"""Log lines that are frequent in one minute and rare in all others, and the parts of traces that took the time."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

from toril.records.cause import RareLine, SlowPart
from toril.records.evidence import Exchange
from toril.secrets.masking import mask

# Words with a digit: numbers, times, ids, addresses. Texts in a query have no quotation marks or backslashes.
VARIABLE = re.compile(r"[^\s\"'=:,;()\[\]{}<>]*\d[^\s\"'=,;()\[\]{}<>]*|[\"\\]|[^\x20-\x7e]")
SHORTEST, LONGEST, MOST_TEXTS, MOST_LINES = 8, 200, 20, 2
LEAST_COUNT, LEAST_FACTOR = 5, 5
LEAST_TRACES = 3  # of each arm
MINUTE_S = 60


def text_of(line: str) -> str:
    """Returns the longest part of a log line without numbers and ids; empty if it is too short or has a secret.

    >>> text_of('2026-11-02T14:55:08Z ERROR pool exhausted after 3000 ms, id=4f1c')
    'ERROR pool exhausted after'
    """
    best = max((part.strip() for part in VARIABLE.split(line)), key=len)[:LONGEST].strip()
    return best if len(best) >= SHORTEST and mask(best) == best else ""


def frequent_texts(lines: Sequence[str], before: Sequence[str]) -> list[str]:
    """Returns the texts of these lines that are most frequent, relative to the lines of the minute before."""
    now, earlier = (Counter(filter(None, map(text_of, part))) for part in (lines, before))
    growth = {text: count / (1 + earlier[text]) for text, count in now.items() if count >= LEAST_COUNT}
    return sorted(growth, key=lambda text: (-growth[text], text))[:MOST_TEXTS]


def rare_lines(
    texts: Sequence[str], minutes: Mapping[int, Sequence[int]], minute: int, trouble_at: tuple[float, float], group: str
) -> list[RareLine]:
    """Returns the texts with at least five times as many lines in the minute as in any minute outside the trouble.

    The clearest come first. `minutes`: counts of lines with each text. Times are in seconds since the epoch; in the
    records, `from_s` too.
    """
    found = []
    outside = [at for at in minutes if at + MINUTE_S <= trouble_at[0] or at >= trouble_at[1]]
    for place, text in enumerate(texts):
        count = minutes[minute][place] if minute in minutes else 0
        most = max((minutes[at][place] for at in outside), default=None)
        if most is not None and count >= max(LEAST_COUNT, LEAST_FACTOR * most):
            found.append(
                RareLine(group=group, text=text, from_s=minute, to_s=minute + MINUTE_S, count=count, most=most)
            )
    return sorted(found, key=lambda one: (one.most / one.count, -one.count))[:MOST_LINES]


def slow_part(exchanges: Sequence[Exchange], traces: Mapping[str, Mapping[str, float]]) -> SlowPart | None:
    """Returns the part that took the most time of its own in at least half of the requests' traces."""
    known = [(one, traces[one.trace_id]) for one in exchanges if traces.get(one.trace_id)]
    longest = Counter(max(parts, key=lambda name: parts[name]) for _, parts in known)
    name, count = max(longest.items(), key=lambda one: one[1], default=("", 0))
    if not count or 2 * count < len(known):
        return None
    slowest = max((one for one, parts in known if name in parts), key=lambda one: one.response_us)
    return SlowPart(
        name=name,
        traces=count,
        of=len(known),
        median_us=median(parts.get(name, 0.0) for _, parts in known),
        total_us=median(one.response_us for one, _ in known),
        trace_id=slowest.trace_id,
    )


def slower_part(exchanges: Sequence[Exchange], traces: Mapping[str, Mapping[str, float]]) -> SlowPart | None:
    """Returns the part that took longer in each trace of head than in each of base, with the greatest difference."""
    arms: dict[str, list[tuple[Exchange, Mapping[str, float]]]] = {"arm 1": [], "arm 2": []}
    for one in exchanges:
        if one.arm in arms and traces.get(one.trace_id):
            arms[one.arm].append((one, traces[one.trace_id]))
    base, head = arms["arm 1"], arms["arm 2"]
    if min(len(base), len(head)) < LEAST_TRACES:
        return None
    best: SlowPart | None = None
    for name in sorted({name for _, parts in head for name in parts}):
        of_base, of_head = ([parts.get(name, 0.0) for _, parts in arm] for arm in (base, head))
        slower_us = median(of_head) - median(of_base)
        if min(of_head) > max(of_base) and (best is None or slower_us > best.median_us - (best.base_us or 0.0)):
            best = SlowPart(
                name=name,
                traces=sum(parts.get(name, 0.0) == max(parts.values()) for _, parts in head),
                of=len(head),
                median_us=median(of_head),
                total_us=median(one.response_us for one, _ in head),
                base_us=median(of_base),
                base_of=len(base),
                trace_id=max(head, key=lambda one: one[0].response_us)[0].trace_id,
            )
    return best
