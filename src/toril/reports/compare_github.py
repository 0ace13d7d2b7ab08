"""Two runs side by side as Markdown, for a job summary or a comment on a pull request."""

from collections.abc import Iterator, Sequence
from typing import Literal

from toril.reports import view, wording
from toril.reports.compare_figures import Figure, Part
from toril.reports.compare_terminal import figures_of, finding, notable, worse
from toril.reports.comparison import Comparison, CriterionPair
from toril.reports.github import TRANSACTION, icon
from toril.reports.markdown import code, details, escaped, limited, more, table

FIGURES = ("", "base", "head", "difference", "", "")


def report(comparison: Comparison) -> bytes:
    """The comparison, short enough for a comment whatever the runs."""
    return limited(lambda most: _parts(comparison, most))


def _parts(comparison: Comparison, most: int) -> Iterator[str]:
    suites = " and ".join(escaped(suite) for suite in dict.fromkeys((comparison.base.suite, comparison.head.suite)))
    yield f"## {suites}: two runs compared"
    yield f"{escaped(comparison.headline)}."
    sides = ((name, side) for name, side in (("base", comparison.base), ("head", comparison.head)))
    rows = [
        (
            name,
            f"{icon(side.outcome)} {side.outcome}",
            code(side.run_id),
            escaped(" ".join(f"{key}={value}" for key, value in side.tags)),
        )
        for name, side in sides
    ]
    yield table(("", "verdict", "run", "tags"), "::::", rows)
    if comparison.differences:
        said = [f"- {escaped(text)}" for text in comparison.differences[:most]]
        left_out = more(len(comparison.differences) - most, "reason")
        yield "\n".join(["Hard to compare, because", "", *said, *([f"- {left_out}"] if left_out else [])])
    yield _figures([(comparison.overall, comparison.overall.figures)])
    if comparison.criteria:
        yield details("Criteria", _criteria(comparison.criteria, most))
    for noun, parts in (("label", comparison.labels), ("location", comparison.locations)):
        if len(parts) > (noun == "location"):
            chosen = notable(parts, most)
            content = _figures([(part, figures_of(part)) for part in chosen], more(len(parts) - len(chosen), noun))
            yield details(f"{noun.capitalize()}s", content)
    load = [
        (figure.title, escaped(figure.shown("base")), escaped(figure.shown("head")), escaped(figure.shown_delta))
        for figure in comparison.load
    ]
    yield details("Load", table(("", "base", "head", "difference"), ":rrr", load))
    yield escaped(comparison.failures_note)
    yield f"<sub>{escaped(comparison.conclusion)}</sub>"


def _criteria(pairs: Sequence[CriterionPair], most: int) -> str:
    ordered = sorted(pairs, key=lambda pair: not pair.changed)
    rows = [(code(pair.text), _rule(pair.base), _rule(pair.head)) for pair in ordered[:most]]
    return table(("fails when", "base", "head"), ":rr", rows, more(len(pairs) - most, "criterion"))


def _rule(rule: view.Criterion | None) -> str:
    return "not there" if rule is None else f"{icon(rule.outcome)} {escaped(rule.observed)}"


def _figures(groups: Sequence[tuple[Part, Sequence[Figure]]], left_out: str = "") -> str:
    rows: list[tuple[str, ...]] = []
    for part, figures in groups:
        if part.kind != "all":
            only = part.base_samples if part.only_in == "base" else part.head_samples
            said = f" in {part.only_in} only, {wording.plural(only, 'request')}" if part.only_in else ""
            if part.kind == "transaction" and not part.name.endswith(TRANSACTION):
                said = TRANSACTION + said
            rows.append((code(part.name) + said, "", "", "", "", ""))
        rows += [_row(part, figure) for figure in ([] if part.only_in else figures)]
    return table(FIGURES, ":rrrr:", rows, left_out)


def _row(part: Part, figure: Figure) -> tuple[str, ...]:
    found = finding(figure)
    return (
        figure.title,
        _value(part, figure, "base"),
        _value(part, figure, "head"),
        escaped(figure.shown_delta),
        escaped(figure.shown_relative),
        (f"{'🔺' if worse(figure) else '🔹'} **{found}**") if figure.finding == "differs" else found,
    )


def _value(part: Part, figure: Figure, side: Literal["base", "head"]) -> str:
    mark = " †" if part.marked and figure.unit == "us" else ""
    interval = figure.shown_interval(side)
    return escaped(figure.shown(side)) + mark + (f"<br><sub>{escaped(interval)}</sub>" if interval else "")
