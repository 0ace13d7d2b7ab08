"""One page that holds everything: figures, charts, their script and style. It asks no network for anything."""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from toril.errors import InfrastructureError
from toril.reports import capacity, cases, duet, tables, view, wording
from toril.reports.bundle import Bundle
from toril.reports.charts import charts, short, span, unanswered
from toril.reports.compare_figures import Part
from toril.reports.comparison import Comparison
from toril.reports.first_failures import first_failures

# What ends a script element or a string of JavaScript; JSON knows all of them as escapes.
UNSAFE_IN_SCRIPT = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
NOTHING_ELSE = "base-uri 'none'; form-action 'none'"
STYLES = ("base.css", "verdict.css", "charts.css", "tables.css", "media.css")
SCRIPTS = ("core.js", "marks.js", "plot.js", "legend.js", "keys.js", "labels.js", "tables.js", "main.js")
COMPARED = ("rps", "failures", "mean", "p50", "p90", "p95", "p99", "p99_9", "max")
MOST_ERRORS = 100
MOST_REASONS = 12
MOST_CRITERIA = 60  # shown at once; the others unfold
MOST_CASES = 2000
MOST_GENERATORS = 50
LONGEST_MESSAGE = 160  # of an error; longer ones unfold
MOST_OF_A_MESSAGE = 4000


def report(bundle: Bundle, against: Comparison | None = None, base: Bundle | None = None) -> bytes:
    """The page; `against` is the comparison with a base run, whose own bundle gives the charts their faint lines.

    Style and scripts are allowed by their hashes, everything else is forbidden.
    """
    bundle, base = bundle.without_gaps(), base and base.without_gaps()
    style = "\n".join([_asset("assets", "uPlot.min.css"), *(_asset("page", name) for name in STYLES)])
    own = "\n".join(_asset("page", name) for name in SCRIPTS)
    scripts = [_asset("assets", "uPlot.iife.min.js"), f'"use strict";\n(() => {{\n{own}\n}})();']
    allowed = " ".join(map(_hash, scripts))
    data = charts(bundle, base)
    errors = list(view.errors(bundle))
    headings, generators = tables.generators(bundle, MOST_GENERATORS)
    failures = first_failures(bundle)
    images = "img-src data:; " if failures else ""
    page = _template().render(
        policy=f"default-src 'none'; {images}style-src {_hash(style)}; script-src {allowed}; {NOTHING_ELSE}",
        style=Markup(style),  # noqa: S704 - ours, and uPlot's
        scripts=[Markup(script) for script in scripts],  # noqa: S704
        data=Markup(in_script(data)),  # noqa: S704 - escaped for where it stands
        sections=data,
        suite=wording.plain(bundle.plan.suite),
        run_id=wording.plain(bundle.plan.run_id),
        version=wording.plain(bundle.plan.toril_version),
        started_at=wording.plain(bundle.summary.get("started_at") or ""),
        tags=[(wording.plain(key), wording.plain(value)) for key, value in bundle.tags.items()],
        notes=view.notes(bundle),
        outcome=wording.plain(bundle.outcome),
        mark=view.MARKS.get(bundle.outcome, "?"),
        headline=view.headline(bundle),
        facts=_facts(bundle),
        reasons=view.reasons(bundle) if bundle.outcome != "passed" else [],
        most_reasons=MOST_REASONS,
        criteria=_criteria(bundle),
        most_criteria=MOST_CRITERIA,
        functional=bundle.plan.functional,
        cases=cases.rows(bundle),
        most_cases=MOST_CASES,
        duet=duet.told(bundle),
        duet_heads=duet.HEADS,
        capacity=capacity.told(bundle),
        capacity_heads=capacity.HEADS,
        against=against,
        compared=COMPARED,
        parts=_parts(against) if against else [],
        tables=tables.tables(bundle),
        times=tables.TIMES,
        errors=[
            (short(message, LONGEST_MESSAGE), message, code, count) for message, code, count in errors[:MOST_ERRORS]
        ],
        errors_left_out=max(0, len(errors) - MOST_ERRORS),
        codes=view.codes(bundle),
        headings=headings,
        generators=generators,
        generators_left_out=len(bundle.plan.shares) - len(generators),
        advice=_advice(bundle),
        unanswered=unanswered(bundle),
        failures_note=view.failures_note(bundle),
        window=view.window(bundle),
        first_failures=failures,
        wording=wording,
        span=span,
    )
    return page.encode("utf-8", "backslashreplace")


def in_script(data: Any) -> str:
    """JSON that may stand in a script element, whatever its strings hold."""
    return json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False).translate(UNSAFE_IN_SCRIPT)


def _facts(bundle: Bundle) -> list[tuple[str, str, str]]:
    """Name and value of what is wanted first, and what stands below it: counts, and intervals of percentiles."""
    total = view.overall(bundle)
    beside = {"failed": wording.number(total.failures) if total.failures else ""}
    for key, interval in total.intervals_us.items():
        beside[key.replace("_", ".")] = span(interval, total.resolution_us)
    return [(name, value, beside.get(name, "")) for name, value in view.facts(bundle)]


def _criteria(bundle: Bundle) -> list[view.Criterion]:
    """Breached ones first, then those that are undecided; else in the order of the suite."""
    return sorted(view.criteria(bundle), key=lambda rule: {"failed": 0, "passed": 2}.get(rule.outcome, 1))


def _parts(against: Comparison) -> list[Part]:
    """Labels with most requests, and those that differ; locations and executions where there are several."""
    by_samples = sorted(against.labels, key=lambda part: -max(part.head_samples, part.base_samples))
    differing = [part for part in against.labels if part.differing][: tables.MOST_ROWS]
    kept = {id(part) for part in (*by_samples[: tables.MOST_ROWS], *differing)}
    labels = [part for part in against.labels if id(part) in kept]
    others = [parts for parts in (against.locations, against.executions) if len(parts) > 1]
    return [against.overall, *labels, *(part for parts in others for part in parts)]


def _advice(bundle: Bundle) -> str:
    """What the summary advises for the next run; empty when the generators had room."""
    return wording.plain((bundle.summary.get("generators") or {}).get("advice") or "", 500)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _asset(folder: str, name: str) -> str:
    try:
        return (
            files("toril.reports").joinpath(folder, name).read_text(encoding="utf-8").replace("\r\n", "\n").strip("\n")
        )
    except FileNotFoundError as error:
        raise InfrastructureError(
            f"{name} is missing in this installation: install toril again, it is fetched when toril is built"
        ) from error


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(lambda name: _asset("page", name)),
    )
    return environment.get_template("page.html.jinja")
