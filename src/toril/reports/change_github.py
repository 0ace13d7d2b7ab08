"""Head against base, measured in turns by one run: the part of a comment that a pull request is read for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from toril.reports import view, wording
from toril.reports.bundle import Bundle
from toril.reports.markdown import code, escaped, figure, more, table

ICONS = {"passed": "✅", "failed": "❌", "inconclusive": "⚪"}
ORDER = {"failed": 0, "inconclusive": 1, "passed": 2}
NEUTRAL = "not proven either way"


def is_neutral(duet: Bundle) -> bool:
    """Whether all that is open is the comparison: nothing speaks against the change."""
    codes = {str(reason.get("code")) for reason in duet.verdict.get("reasons", ())}
    return duet.outcome == "inconclusive" and codes == {"unproven"}


def change(duet: Bundle) -> list[Callable[[int], str]]:
    """The paragraphs of it, for so many rows; none without a comparison."""
    comparison = duet.comparison
    if not comparison:
        return []
    title = f"### {_title(duet)}"
    metrics: Sequence[Mapping[str, Any]] = comparison.get("metrics") or ()
    ordered = sorted(metrics, key=lambda one: ORDER.get(str(one.get("outcome")), 1))

    def rows(most: int) -> str:
        found = [_row(one, comparison) for one in ordered[:most]]
        return table(("change", "base → head", "of"), ":::", found, more(len(ordered) - most, "figure"))

    return [lambda most: title, *([rows, lambda most: f"<sub>{_explained(comparison)}</sub>"] if ordered else [])]


def _title(duet: Bundle) -> str:
    """What is not proven says nothing against the change, and neither does what cannot be trusted."""
    outcome, told = str(duet.comparison.get("outcome")), str(duet.comparison.get("message") or "").rstrip(".")
    unsure = [message for reason, message in view.reasons(duet) if reason == "unsure-arms"]
    if outcome == "failed" and unsure:
        return f"⚠️ Change against base: {escaped(unsure[0])}"
    if outcome == "inconclusive":
        return f"⚪ Change against base: neutral, {NEUTRAL}" + (f" – {escaped(told)}" if told else "")
    told = told or {"failed": "a regression is proven", "passed": "no regression"}.get(outcome, "unknown")
    return f"{ICONS.get(outcome, '⚪')} Change against base: {escaped(told)}"


def _row(one: Mapping[str, Any], comparison: Mapping[str, Any]) -> tuple[str, ...]:
    label, metric, share = str(one.get("label") or ""), str(one.get("metric") or ""), one.get("unit") == "share"
    icon, changed = ICONS.get(str(one.get("outcome")), "⚪"), _changed(one.get("change"), share=share)
    notes = []
    if one.get("detectable") is not None:
        notes.append(f"detects {_changed(one['detectable'], share=share).lstrip('+')}")
    if one.get("blocks") is not None and one["blocks"] != comparison.get("blocks"):
        notes.append(f"{figure(wording.plural(one['blocks'], 'pair'))} of blocks")
    return (
        f"{icon}\u00a0**{changed}**<br><sub>{_interval(one, share=share)}</sub>",
        f"{_value(one.get('base'), share=share)} → {_value(one.get('head'), share=share)}",
        escaped(metric)
        + (f" of {code(label)}" if label else "")
        + (f"<br><sub>{' · '.join(notes)}</sub>" if notes else ""),
    )


def _interval(one: Mapping[str, Any], *, share: bool) -> str:
    low, high = one.get("low"), one.get("high")
    if low is None or high is None:
        return "too few pairs"
    unit = "\u00a0points" if share else "\u00a0%"
    first, last = (_changed(end, share=share) for end in (low, high))
    return f"{first.removesuffix(unit)} … {last}"


def _value(value: float | None, *, share: bool) -> str:
    if value is None:
        return "–"
    return figure(wording.percent(100 * value) if share else wording.time(value))


def _changed(value: float | None, *, share: bool) -> str:
    """A ratio in per cent, or the difference of two shares in points."""
    if value is None:
        return "–"
    return figure(wording.difference(100 * value, "%") if share else wording.signed_percent(100 * value))


def _explained(comparison: Mapping[str, Any]) -> str:
    parts = ["each bound holds with 95 % certainty; “detects”: the smallest change that such a run finds"]
    margin = comparison.get("margin")
    if margin is not None:
        parts.append(f"a regression is more than {escaped(wording.percent(100 * margin))}")
    blocks, block_s = comparison.get("blocks"), comparison.get("block_s")
    if blocks is not None and block_s is not None:
        parts.append(f"{wording.plural(blocks, 'block')} of {escaped(wording.span(block_s))}, base and head in turns")
    return " · ".join(parts)
