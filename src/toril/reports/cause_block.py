"""The block *Probable cause*: a sentence for each figure, trace and log line, which states what was measured."""

import math
from collections.abc import Callable, Iterator, Mapping

from toril import text
from toril.records.cause import Cause, Moved, RareLine, SlowPart, Trouble
from toril.reports.blocks import CauseLine, NoteBlock, ProbableCause
from toril.reports.bundle import Bundle
from toril.text import plain

MOST_LINES, MOST_OF_TROUBLE = 5, 3
SHOWN: Mapping[str, Callable[[float], str]] = {  # by CloudWatch's unit
    "Seconds": lambda value: text.time(value * 1e6),
    "Milliseconds": lambda value: text.time(value * 1e3),
    "Microseconds": text.time,
    "Percent": lambda value: text.percent(round(value, 2)),
    "Bytes": text.size,
}


def probable_cause(bundle: Bundle) -> ProbableCause | None:
    """Returns at most five sentences in order of time, then traces and log lines; None without evidence."""
    cause = bundle.cause
    if cause is None:
        return None
    others = [*(_part(part, bundle) for part in cause.parts[:1]), *(_line(line, cause) for line in cause.lines[:1])]
    each = (trouble.moved[:MOST_OF_TROUBLE] for trouble in cause.troubles)
    pairs = zip(cause.troubles, each, strict=True)
    moved = [CauseLine(_sentence(one, trouble)) for trouble, some in pairs for one in some]
    lines = (*moved[: MOST_LINES - len(others)], *others)
    return ProbableCause(lines) if lines else None


def unasked(bundle: Bundle) -> Iterator[NoteBlock]:
    """Yields the questions about the cause that AWS did not answer."""
    for problem in bundle.cause.problems if bundle.cause else ():
        yield NoteBlock("no-cause", f"cause not searched: {plain(problem, 500)}", "detail")


def trace_link(bundle: Bundle, trace_id: str) -> str:
    """Returns the address of a trace; empty without a template or an id."""
    template = bundle.plan.trace_link
    return template.replace("{trace_id}", trace_id) if template and trace_id.isalnum() else ""


def _sentence(moved: Moved, trouble: Trouble) -> str:
    value = SHOWN.get(moved.unit, _number)
    verb = "rose" if moved.after > moved.before else "fell"
    change = f"{plain(moved.name)} {verb} from {value(moved.before)} to {value(moved.after)}"
    of_label = f" of {plain(trouble.label)}" if trouble.label else ""
    if moved.shape == "trend":
        return (
            f"{change} (means of the first and the last quarter of seconds {_span(trouble)}), while {trouble.symptom}"
            f"{of_label} rose."
        )
    worse = "fell" if trouble.symptom == "throughput" else "rose"
    better = "rose" if trouble.symptom == "throughput" else "fell"
    symptom = f"{trouble.symptom}{of_label} {better if trouble.ended else worse} between seconds {_span(trouble)}"
    ahead_s = math.floor(trouble.low_s) - math.ceil(moved.high_s)
    relation = f"at least {text.number(ahead_s)} s before {symptom}" if ahead_s > 0 else f"as {symptom}"
    means = f"(means of {text.number(moved.period_s)} s periods)"
    return f"{change} {means} between seconds {_span(moved)}, {relation}."


def _number(value: float) -> str:
    return text.number(round(value, 3))


def _span(times: Moved | Trouble) -> str:
    return f"{math.floor(times.low_s)} and {math.ceil(times.high_s)}"


def _part(part: SlowPart, bundle: Bundle) -> CauseLine:
    own, link = text.time(part.median_us), trace_link(bundle, part.trace_id)
    if part.base_us is not None:
        sentence = (
            f"{plain(part.name)} took {own} itself in {text.plural(part.of, 'trace')} of head's slowest requests, and "
            f"{text.time(part.base_us)} in {text.number(part.base_of)} of base's (medians). The slowest trace is "
            f"{part.trace_id}."
        )
        return CauseLine(sentence, link)
    sentence = (
        f"{plain(part.name)} took the most time in {text.number(part.traces)} of {text.plural(part.of, 'trace')} of "
        f"slow and failed requests: {own} itself, of {text.time(part.total_us)} (medians). The slowest is "
        f"{part.trace_id}."
    )
    return CauseLine(sentence, link)


def _line(line: RareLine, cause: Cause) -> CauseLine:
    price = f"The search read {text.size(cause.scanned_bytes)} of logs for {text.dollars(cause.usd)}, at $0.005 per GB"
    return CauseLine(
        f'{text.plural(line.count, "log line")} of {plain(line.group)} with "{plain(line.text)}" came in seconds '
        f"{math.floor(line.from_s)} to {math.ceil(line.to_s)}, and at most {text.number(line.most)} in any minute "
        f"outside the trouble. {price}."
    )
