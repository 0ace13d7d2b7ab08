"""Head against base, measured in turns by one run: the part of a comment that a pull request is read for."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from toril.reports import wording
from toril.reports.markdown import code, escaped, more, table

ICONS = {"passed": "✅", "failed": "❌", "inconclusive": "⚪"}
ORDER = {"failed": 0, "inconclusive": 1, "passed": 2}
HEAD = ("", "", "base", "head", "change", "seen from")


def change(comparison: Mapping[str, Any], most: int) -> Iterator[str]:
    """The paragraphs of it; none without a comparison."""
    if not comparison:
        return
    yield f"### {ICONS.get(outcome_of(comparison), '⚪')} Change against base: {said(comparison)}"
    metrics: Sequence[Mapping[str, Any]] = comparison.get("metrics") or ()
    ordered = sorted(metrics, key=lambda one: ORDER.get(str(one.get("outcome")), 1))
    if ordered:
        rows = [_row(one) for one in ordered[:most]]
        yield table(HEAD, "::rrrr", rows, more(len(ordered) - most, "figure"))
        yield f"<sub>{_explained(comparison)}</sub>"


def outcome_of(comparison: Mapping[str, Any]) -> str:
    return str(comparison.get("outcome", "inconclusive"))


def said(comparison: Mapping[str, Any]) -> str:
    """The outcome in words. What is not proven says nothing against the change."""
    told = escaped(comparison.get("message") or "").rstrip(".")
    outcome = outcome_of(comparison)
    if outcome == "inconclusive":
        return "neutral: not proven either way" + (f" – {told}" if told else "")
    return told or {"failed": "a regression is proven", "passed": "no regression"}.get(outcome, "")


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    label, metric, share = str(one.get("label") or ""), str(one.get("metric") or ""), one.get("unit") == "share"
    named = escaped(metric) + (f" of {code(label)}" if label else "")
    told = one.get("message") if one.get("outcome") != "passed" else ""
    changed = _changed(one.get("change"), share=share)
    ends = [_changed(one.get(end), share=share) for end in ("low", "high")]
    interval = f"<br><sub>{' … '.join(ends)}</sub>" if one.get("low") is not None or one.get("high") is not None else ""
    return (
        ICONS.get(str(one.get("outcome")), "⚪"),
        named + (f"<br><sub>{escaped(told)}</sub>" if told else ""),
        _value(one.get("base"), share=share),
        _value(one.get("head"), share=share),
        f"**{changed}**{interval}",
        _changed(one.get("detectable"), share=share),
    )


def _value(value: float | None, *, share: bool) -> str:
    if value is None:
        return "–"
    return escaped(wording.percent(100 * value) if share else wording.time(value))


def _changed(value: float | None, *, share: bool) -> str:
    """A ratio in per cent, or the difference of two shares in points."""
    if value is None:
        return "–"
    return escaped(wording.difference(100 * value, "%") if share else wording.signed_percent(100 * value))


def _explained(comparison: Mapping[str, Any]) -> str:
    parts = ["each bound holds with 95 % certainty; smaller effects than “seen from” this run could not have proven"]
    margin = comparison.get("margin")
    if margin is not None:
        parts.append(f"a regression is more than {escaped(wording.percent(100 * margin))}")
    blocks, block_s = comparison.get("blocks"), comparison.get("block_s")
    if blocks is not None and block_s is not None:
        parts.append(f"{wording.plural(blocks, 'block')} of {escaped(wording.span(block_s))}, base and head in turns")
    return " · ".join(parts)
