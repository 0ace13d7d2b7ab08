"""The block *Probable cause*: a sentence for each figure, trace and log line, which states what was measured."""

import math
from collections.abc import Callable, Iterator, Mapping

from toril import text
from toril.records.cause import Cause, Moved, RareLine, SlowPart, Trouble
from toril.reports.blocks import CauseLine, NoteBlock, ProbableCause
from toril.reports.bundle import Bundle
from toril.stats.onset import SHOWN as SHOWN_PERIODS
from toril.text import plain

MOST_LINES, MOST_OF_TROUBLE = 5, 3
SHOWN: Mapping[str, Callable[[float], str]] = {  # by CloudWatch's unit; other values have none
    "Seconds": lambda value: text.time(value * 1e6),
    "Milliseconds": lambda value: text.time(value * 1e3),
    "Microseconds": text.time,
    "Percent": lambda value: text.percent(round(value, 2)),
    "Bytes": text.size,
    "": lambda value: text.number(value) if abs(value) >= 0.001 or not value else f"{value:.2g}",
}


def probable_cause(bundle: Bundle) -> ProbableCause | None:
    """Returns at most five sentences in order of time, then traces and log lines; None without evidence."""
    if (cause := bundle.cause) is None:
        return None
    others = [CauseLine(_part(cause.part), trace_link(bundle, cause.part.trace_id))] if cause.part else []
    others += [CauseLine(_line(cause.line, cause))] if cause.line else []
    moved = [
        CauseLine(_sentence(one, trouble)) for trouble in cause.troubles for one in trouble.moved[:MOST_OF_TROUBLE]
    ]
    lines = (*moved[: MOST_LINES - len(others)], *others)
    return ProbableCause(lines) if lines else None


def unasked(bundle: Bundle) -> Iterator[NoteBlock]:
    """Yields the questions about the cause that AWS did not answer."""
    for problem in bundle.cause.problems if bundle.cause else ():
        yield NoteBlock("no-cause", f"cause not searched: {plain(problem, 500)}", "detail")


def trace_link(bundle: Bundle, trace_id: str) -> str:
    """Returns the address of a trace; empty without a template or an id."""
    return bundle.plan.trace_link.replace("{trace_id}", trace_id) if trace_id.isalnum() else ""


def _sentence(moved: Moved, trouble: Trouble) -> str:
    bare = "" if moved.unit in ("Count", "None") else moved.unit
    value = SHOWN.get(bare) or (lambda value: f"{SHOWN[''](value)} {bare}")
    verb = "rose" if moved.after > moved.before else "fell"
    change = f"{plain(moved.name)} {verb} from {value(moved.before)} to {value(moved.after)}"
    symptom = trouble.symptom + (f" of {plain(trouble.label)}" if trouble.label else "")
    has_risen = trouble.ended is (trouble.symptom == "throughput")
    symptom += f" {'rose' if has_risen else 'fell'} between seconds {_span(trouble)}"
    ahead_s = math.floor(trouble.low_s) - math.ceil(moved.high_s)
    relation = f"at least {text.number(ahead_s)} s before {symptom}" if ahead_s > 0 else f"as {symptom}"
    means = f"(means of up to {SHOWN_PERIODS} periods of {text.number(moved.period_s)} s)"
    return f"{change} {means} between seconds {_span(moved)}, {relation}."


def _span(times: Moved | Trouble) -> str:
    return f"{math.floor(times.low_s)} and {math.ceil(times.high_s)}"


def _part(part: SlowPart) -> str:
    own, traces = text.time(part.median_us), text.plural(part.of, "trace")
    if part.base_us is not None:
        base = f"{text.time(part.base_us)} in {text.number(part.base_of)} of base's"
        return f"{plain(part.name)} took {own} itself in {traces} of head's slowest requests, {base} (medians)."
    most = (
        f"{plain(part.name)} took the most time in {text.number(part.traces)} of {traces} of slow and failed requests"
    )
    return f"{most}: {own} itself, of {text.time(part.total_us)} (medians). The slowest is {part.trace_id}."


def _line(line: RareLine, cause: Cause) -> str:
    found = f'{text.plural(line.count, "log line")} of {plain(line.group)} with "{plain(line.text)}"'
    when = f"came in seconds {math.floor(line.from_s)} to {math.ceil(line.to_s)}"
    elsewhere = f"at most {text.number(line.most)} in any minute outside the trouble"
    price = f"{text.size(cause.scanned_bytes)} of logs for {text.dollars(cause.usd)}, at us-east-1's $0.005 per GB"
    return f"{found} {when}, and {elsewhere}. The search read {price}."
