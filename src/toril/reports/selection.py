"""Which labels a report shows when it cannot show all: those with the most samples, the judged and the worst."""

from collections.abc import Iterator, Mapping
from typing import Any

from toril.reports import view
from toril.reports.bundle import Bundle


def labels(bundle: Bundle, most: int) -> tuple[list[view.Row], int]:
    """All requests, then at most so many labels in the order of the summary; and how many are left out."""
    figures: Mapping[str, Mapping[str, Any]] = bundle.summary.get("labels", {})
    names = [name for name in figures if name]
    if len(names) > most:
        judged = [str(item["label"]) for item in bundle.verdict.get("criteria", ()) if item.get("label")]
        chosen = set(notable({name: figures[name] for name in names}, judged, most))
        names = [name for name in names if name in chosen]
    left_out = sum(1 for name in figures if name) - len(names)
    return [view.overall(bundle), *(view.row(name, figures[name]) for name in names)], left_out


def notable(figures: Mapping[str, Mapping[str, Any]], judged: list[str], most: int) -> list[str]:
    """At most so many names: those that criteria name, then in turn the busiest, the most failing, the slowest."""
    chosen: dict[str, None] = {}
    for name in judged:
        chosen |= {shown: None for shown in (name, f"{name} (transaction)") if shown in figures}
    ranked = [_ranked(figures, key) for key in (_samples, _failures, _p95)]
    while len(chosen) < most:
        before = len(chosen)
        for ranking in (ranked[0], *ranked):  # two of the busiest for each of the others
            chosen |= {name: None for name in [next((one for one in ranking if one not in chosen), None)] if name}
        if len(chosen) == before:
            break
    return list(chosen)[:most]


def _ranked(figures: Mapping[str, Mapping[str, Any]], key: Any) -> Iterator[str]:
    """Names from the highest value down, without those that have none."""
    values = {name: key(one) for name, one in figures.items()}
    return iter(sorted((name for name in figures if values[name]), key=lambda name: (-values[name], name)))


def _samples(figures: Mapping[str, Any]) -> float:
    return float(figures.get("samples") or 0)


def _failures(figures: Mapping[str, Any]) -> float:
    return float(figures.get("failures") or 0)


def _p95(figures: Mapping[str, Any]) -> float:
    return float((figures.get("response_us") or {}).get("p95") or 0)
