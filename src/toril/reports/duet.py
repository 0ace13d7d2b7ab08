"""What a duet found of base and head, as the rows that every report shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toril.reports import view, wording
from toril.reports.bundle import Bundle

OPEN = "–"
HEADS = ("change", "95 % sure", "base", "head", "would find")  # the page has the first two in one, for phones


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of both arms."""

    name: str
    outcome: str
    base: str
    head: str
    change: str
    bounds: str  # each of them with 95 % confidence
    detectable: str  # the least change that this run could have found
    blocks: str
    message: str

    @property
    def mark(self) -> str:
        return view.MARKS.get(self.outcome, "?")

    @property
    def cells(self) -> tuple[str, ...]:
        """Under HEADS."""
        return self.change, self.bounds, self.base, self.head, self.detectable


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The comparison in words, and its rows: what is worse first, then what is open."""

    outcome: str
    message: str
    arms: tuple[str, ...]
    how: str
    blocks: str
    rows: tuple[Row, ...]


def told(bundle: Bundle) -> Told | None:
    """None when the run is no duet."""
    found = bundle.verdict.get("comparison")
    if not isinstance(found, dict):
        return None
    rows = [_row(metric) for metric in found.get("metrics") or ()]
    arms = found.get("arms") or {}
    block = wording.span(float(found.get("block_s") or 0))
    margin = wording.percent(100 * float(found.get("margin") or 0))
    return Told(
        outcome=str(found.get("outcome")),
        message=wording.plain(found.get("message") or "", 500),
        arms=tuple(_arm(name, arms.get(name) or {}) for name in ("base", "head")),
        how=f"{wording.plural(int(found.get('blocks') or 0), 'pair')} of blocks of {block}, margin {margin}",
        blocks=str(found.get("blocks")),
        rows=tuple(sorted(rows, key=lambda row: {"failed": 0, "passed": 2}.get(row.outcome, 1))),
    )


def _arm(name: str, arm: Mapping[str, Any]) -> str:
    samples, failures = int(arm.get("samples") or 0), int(arm.get("failures") or 0)
    failed = f", {wording.share(failures, samples)} failed" if failures else ""
    return f"{name} {wording.plain(arm.get('address') or '', 120)}: {wording.number(samples)} requests compared{failed}"


def _row(metric: Mapping[str, Any]) -> Row:
    shares = metric.get("unit") == "share"
    label = wording.plain(metric.get("label") or "")
    name = wording.plain(metric.get("metric") or "")
    low, high = metric.get("low"), metric.get("high")
    return Row(
        name="failures" if shares and not label else f"{name} of {label or 'all requests'}",
        outcome=str(metric.get("outcome")),
        base=_value(metric.get("base"), shares),
        head=_value(metric.get("head"), shares),
        change=_change(metric.get("change"), shares),
        bounds=OPEN if low is None or high is None else f"{_change(low, shares)} … {_change(high, shares)}",
        detectable=_change(metric.get("detectable"), shares),
        blocks=str(metric.get("blocks")),
        message=wording.plain(metric.get("message") or "", 500),
    )


def _value(value: float | None, shares: bool) -> str:
    if value is None:
        return OPEN
    return wording.percent(100 * value) if shares else wording.time(value)


def _change(value: float | None, shares: bool) -> str:
    """In per cent; of shares in points."""
    if value is None:
        return OPEN
    shown = wording.signed_percent(100 * value)
    return shown.replace(" %", " points") if shares else shown
