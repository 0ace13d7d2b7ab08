"""Head against base, measured in turns by one run: the part of a comment that a pull request is read for."""

from collections.abc import Callable

from toril.reports import duet as duets
from toril.reports import view
from toril.reports.bundle import Bundle
from toril.reports.markdown import code, escaped, figure, more, table

ICONS = {"passed": "✅", "failed": "❌"}
OPEN = "⚪"  # speaks neither for the change nor against it
ALL = "all requests"  # as rows name what has no label
NEUTRAL = "not proven either way"
EXPLAINED = "each bound holds with 95 % certainty; “detects”: the smallest change that such a run finds"


def is_neutral(duet: Bundle) -> bool:
    """Whether all that is open is the comparison: nothing speaks against the change."""
    codes = {str(reason.get("code")) for reason in duet.verdict.get("reasons", ())}
    return duet.outcome == "inconclusive" and codes == {"unproven"}


def change(duet: Bundle) -> list[Callable[[int], str]]:
    """The paragraphs of it, for so many rows; none without a comparison."""
    told = duets.told(duet)
    if told is None:
        return []
    title, how = f"### {_title(duet, told)}", f"<sub>{EXPLAINED} · {escaped(told.how)}</sub>"

    def rows(most: int) -> str:
        found = [_row(row, told) for row in told.rows[:most]]
        return table(("change", "base → head", "of"), ":::", found, more(len(told.rows) - most, "figure"))

    return [lambda most: title, *([rows, lambda most: how] if told.rows else [])]


def _title(duet: Bundle, told: duets.Told) -> str:
    """What is not proven says nothing against the change, and neither does what cannot be trusted."""
    unsure = [message for reason, message in view.reasons(duet) if reason == "unsure-arms"]
    message = told.message.rstrip(".")
    if told.outcome == "failed" and unsure:
        return f"⚠️ Change against base: {escaped(unsure[0])}"
    if told.outcome == "inconclusive":
        return f"{OPEN} Change against base: neutral, {NEUTRAL}" + (f" – {escaped(message)}" if message else "")
    return f"{ICONS.get(told.outcome, OPEN)} Change against base: {escaped(message or told.outcome)}"


def _row(row: duets.Row, told: duets.Told) -> tuple[str, ...]:
    metric, of, label = row.name.partition(" of ")
    notes = [] if row.detectable == duets.OPEN else [f"detects {figure(row.detectable).lstrip('+')}"]
    if row.blocks != told.blocks:
        notes.append(f"{figure(row.blocks)} pairs of blocks")
    return (
        f"{ICONS.get(row.outcome, OPEN)}\u00a0**{figure(row.change)}**<br><sub>{_bounds(row)}</sub>",
        f"{figure(row.base)} → {figure(row.head)}",
        f"{escaped(metric)}{of}{label if label in ('', ALL) else code(label)}"
        + (f"<br><sub>{' · '.join(notes)}</sub>" if notes else ""),
    )


def _bounds(row: duets.Row) -> str:
    """The unit once."""
    if row.bounds == duets.OPEN:
        return "too few pairs"
    low, apart, high = row.bounds.partition(" … ")
    return f"{escaped(low.removesuffix(' %').removesuffix(' points'))}{apart}{figure(high)}"
