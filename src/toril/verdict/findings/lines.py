"""Log lines that are frequent in one minute and rare in all others, and the parts of traces that took the time."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from statistics import median

from toril.records.cause import SlowPart
from toril.records.evidence import Exchange
from toril.secrets.masking import mask

# Words with a digit: numbers, times, ids, addresses. Texts in a query have no quotation marks or backslashes.
VARIABLE = re.compile(r"[^\s\"'=:,;()\[\]{}<>]*\d[^\s\"'=,;()\[\]{}<>]*|[\"\\]|[^\x20-\x7e]")
SHORTEST, LONGEST, MOST_PARTS, MOST_TEXTS = 8, 200, 12, 20
LEAST_COUNT, LEAST_FACTOR = 5, 5
LEAST_TRACES = 3  # of each arm
MINUTE_S = 60


def texts_of(line: str) -> list[str]:
    """Returns the first parts of a log line without numbers and ids; none of them is short.

    >>> texts_of('2026-11-02T14:55:08Z ERROR pool exhausted after 3000 ms, id=4f1c')
    ['ERROR pool exhausted after']
    """
    parts = (part.strip()[:LONGEST].strip() for part in VARIABLE.split(line))
    return list(dict.fromkeys(part for part in parts if len(part) >= SHORTEST))[:MOST_PARTS]


def frequent_texts(lines: Sequence[str], before: Sequence[str]) -> list[str]:
    """Returns the texts of these lines that are most frequent, relative to the lines of the minute before.

    Of equal ones the first one in a line comes first, since a message precedes its stack trace. None has a secret.
    """
    now, earlier = (Counter(text for line in part for text in texts_of(line)) for part in (lines, before))
    growth = {text: count / (1 + earlier[text]) for text, count in now.items() if count >= LEAST_COUNT}
    ordered = sorted(growth, key=lambda text: -growth[text])  # stable
    return list(islice((text for text in ordered if mask(text) == text), MOST_TEXTS))


def rare_line(
    texts: Sequence[str], minutes: Mapping[int, Sequence[int]], minute: int, trouble: tuple[float, float]
) -> tuple[str, int, int] | None:
    """Returns the text with at least five times as many lines in the minute as in any minute outside the trouble.

    With it come both counts. `minutes`: counts of lines with each text, by their start in seconds, as in `trouble`.
    """
    outside = [at for at in minutes if at + MINUTE_S <= trouble[0] or at >= trouble[1]]
    found = []
    for place, text in enumerate(texts if minute in minutes and outside else ()):
        count, most = minutes[minute][place], max(minutes[at][place] for at in outside)
        if count >= max(LEAST_COUNT, LEAST_FACTOR * most):
            found.append((text, count, most))
    return min(found, key=lambda one: (one[2] / one[1], -one[1]), default=None)


def slow_part(exchanges: Sequence[Exchange], traces: Mapping[str, Mapping[str, float]]) -> SlowPart | None:
    """Returns the part that took the most time of its own in at least half of the requests' traces.

    In a duet: the one that took longer in each trace of head than in each of base, with the greatest difference.
    """
    known = [(one, traces[one.trace_id]) for one in exchanges if traces.get(one.trace_id)]
    base, head = (
        [parts for one, parts in known if one.arm == "arm 1"],
        [pair for pair in known if pair[0].arm != "arm 1"],
    )
    if not head or (head[0][0].arm and min(len(base), len(head)) < LEAST_TRACES):
        return None
    longest = Counter(max(parts, key=lambda name: parts[name]) for _, parts in head)
    name, _ = longest.most_common(1)[0]
    times = {
        name: [parts.get(name, 0.0) for _, parts in head] for name in {name for _, parts in head for name in parts}
    }
    of_base = {name: [parts.get(name, 0.0) for parts in base] for name in times}
    if base:
        slower = {name: median(times[name]) - median(of_base[name]) for name in times}
        apart = [name for name in sorted(times) if min(times[name]) > max(of_base[name])]
        name = max(apart, key=lambda name: slower[name], default="")
    if not name or (not base and 2 * longest[name] < len(head)):
        return None
    return SlowPart(
        name=name, traces=longest[name], of=len(head), median_us=median(times[name]),
        total_us=median(one.response_us for one, _ in head), base_us=median(of_base[name]) if base else None,
        base_of=len(base), trace_id=max((one for one, _ in head), key=lambda one: one.response_us).trace_id,
    )  # fmt: skip
