"""GitHub's workflow commands: what is wrong, on the lines of the suite that say so. A step prints them.

GitHub shows ten of each kind a step: the most important come first, and the last one tells how many there are besides.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from toril.records import SourcePlace
from toril.reports import cases, view, wording
from toril.reports.bundle import Bundle

MOST = 10
SAFE_IN_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
SAFE_IN_PROPERTY = {**SAFE_IN_DATA, ":": "%3A", ",": "%2C"}
Level = Literal["error", "warning", "notice"]
LEVELS: dict[str, Level] = {"failed": "error", "inconclusive": "warning", "triggered": "notice"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotation:
    level: Level
    title: str
    message: str
    file: str | None = None
    line: int | None = None


def report(bundle: Bundle) -> bytes:
    """A line for each; empty when nothing is to be said."""
    found = [*_criteria(bundle), *_cases(bundle), *_comparison(bundle), *_reasons(bundle)]
    lines = [_command(one) for level in ("error", "warning", "notice") for one in _limited(found, level)]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")


def _criteria(bundle: Bundle) -> Iterator[Annotation]:
    """Each that did not simply hold, on its own line."""
    judged = bundle.verdict.get("criteria", ())
    for item, rule in zip(judged, view.criteria(bundle), strict=True):
        if rule.outcome in LEVELS:
            place = bundle.plan.places.get(str(item.get("where")))
            said = rule.message or f"{rule.observed} against {rule.limit}"
            yield _annotation(bundle, LEVELS[rule.outcome], rule.outcome, f"{rule.text}: {said}", place)


def _cases(bundle: Bundle) -> Iterator[Annotation]:
    """Each test case of a functional run that failed or broke."""
    for row in cases.rows(bundle):
        if row.outcome in ("failed", "broken"):
            said = f"{row.full_name}: {row.message or row.outcome}"
            yield _annotation(bundle, "error", f"a test case {row.outcome}", said)


def _comparison(bundle: Bundle) -> Iterator[Annotation]:
    """A proven regression, by what regressed; what is not proven is worth a notice."""
    comparison = bundle.comparison
    unsure = [message for code, message in view.reasons(bundle) if code == "unsure-arms"]
    if comparison.get("outcome") == "failed" and unsure:
        yield _annotation(bundle, "warning", "the comparison cannot be trusted", unsure[0])
    elif comparison.get("outcome") == "failed":
        worse: Sequence[dict[str, Any]] = [
            one for one in comparison.get("metrics") or () if one.get("outcome") == "failed"
        ]
        for one in worse or [comparison]:
            yield _annotation(bundle, "error", "slower than base", str(one.get("message") or "a regression is proven"))
    elif comparison.get("outcome") == "inconclusive":
        said = str(comparison.get("message") or "neither a regression nor the absence of one")
        yield _annotation(bundle, "notice", "not proven either way", said)


def _reasons(bundle: Bundle) -> Iterator[Annotation]:
    """What kept a run from being judged, where no criterion says it."""
    if bundle.outcome != "passed":
        for code, message in view.further_reasons(bundle):
            level: Level = "error" if bundle.outcome == "failed" else "warning"
            if code not in view.OF_COMPARISON:
                yield _annotation(bundle, level, bundle.outcome, message)


def _annotation(bundle: Bundle, level: Level, what: str, message: str, place: SourcePlace | None = None) -> Annotation:
    """In the suite's file in any case, if one is known."""
    names = [one.file for one in bundle.plan.places.values()]
    file = place.file if place is not None else max(names, key=names.count, default=None)
    line = None if place is None else place.line
    title = f"{wording.plain(bundle.plan.suite)}: {what}"
    return Annotation(level=level, title=title, message=wording.plain(message, 1000), file=file, line=line)


def _limited(found: Sequence[Annotation], level: str) -> list[Annotation]:
    chosen = [one for one in found if one.level == level]
    if len(chosen) <= MOST:
        return chosen
    last, more = chosen[MOST - 1], len(chosen) - MOST
    said = f"{last.message} … and {wording.number(more)} more: see the report"
    return [*chosen[: MOST - 1], Annotation(level=last.level, title=last.title, message=said, file=last.file)]


def _command(one: Annotation) -> str:
    properties = {"file": one.file, "line": None if one.line is None else str(one.line), "title": one.title}
    return command(one.level, one.message, **{name: value for name, value in properties.items() if value is not None})


def command(name: str, data: str, **properties: str) -> str:
    """Returns the line that the runner carries out.

    >>> command("error", "100 %: a\\nb", file="a,b:c.yml", line="3")
    '::error file=a%2Cb%3Ac.yml,line=3::100 %25: a%0Ab'
    """
    said = ",".join(f"{key}={_replaced(value, SAFE_IN_PROPERTY)}" for key, value in properties.items())
    return f"::{name}{' ' if said else ''}{said}::{_replaced(data, SAFE_IN_DATA)}"


def _replaced(text: str, safe: dict[str, str]) -> str:
    return "".join(safe.get(character, character) for character in text)
