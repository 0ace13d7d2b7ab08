"""One page that holds everything: figures, charts, their script and style. It asks no network for anything."""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from toril.errors import InfrastructureError
from toril.reports import series, view, wording
from toril.reports.bundle import Bundle

# What ends a script element or a string of JavaScript; JSON knows all of them as escapes.
UNSAFE_IN_SCRIPT = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}
NOTHING_ELSE = "base-uri 'none'; form-action 'none'"
TIMES = ("mean", "p50", "p90", "p95", "p99", "p99_9", "max")


def report(bundle: Bundle) -> bytes:
    """The page. Style and scripts are allowed by their hashes, everything else is forbidden."""
    style = _asset("assets", "uPlot.min.css") + _asset("page", "report.css")
    scripts = [_asset("assets", "uPlot.iife.min.js"), _asset("page", "report.js")]
    allowed = " ".join(map(_hash, scripts))
    page = _template().render(
        policy=f"default-src 'none'; style-src {_hash(style)}; script-src {allowed}; {NOTHING_ELSE}",
        style=Markup(style),  # noqa: S704 - ours, and uPlot's
        scripts=[Markup(script) for script in scripts],  # noqa: S704
        data=Markup(in_script(series.charts(bundle))),  # noqa: S704 - escaped for where it stands
        suite=wording.plain(bundle.plan.suite),
        run_id=wording.plain(bundle.plan.run_id),
        version=wording.plain(bundle.plan.toril_version),
        started_at=wording.plain(bundle.summary.get("started_at") or ""),
        tags=[(wording.plain(key), wording.plain(value)) for key, value in bundle.plan.tags.items()],
        warnings=[wording.plain(warning, 1000) for warning in bundle.plan.warnings],
        outcome=bundle.outcome,
        mark=view.MARKS.get(bundle.outcome, "?"),
        headline=view.headline(bundle),
        facts=view.facts(bundle),
        reasons=view.reasons(bundle),
        criteria=view.criteria(bundle),
        tables=_tables(bundle),
        times=TIMES,
        errors=list(view.errors(bundle)),
        codes=view.codes(bundle),
        generators=view.generators(bundle),
        failures_note=view.failures_note(bundle),
        window=view.window(bundle),
        wording=wording,
    )
    return page.encode("utf-8", "backslashreplace")


def in_script(data: Any) -> str:
    """JSON that may stand in a script element, whatever its strings hold."""
    return json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False).translate(UNSAFE_IN_SCRIPT)


def _tables(bundle: Bundle) -> list[tuple[str, str, list[view.Row]]]:
    """Title, first column and rows of each table of figures."""
    tables = [("Labels", "label", view.labels(bundle))]
    for title, noun, rows in (
        ("Locations", "location", view.locations(bundle)),
        ("Executions", "execution", view.executions(bundle)),
    ):
        if len(rows) > 1:
            tables.append((title, noun, rows))
    return tables


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
        loader=DictLoader({"report": _asset("page", "report.html.jinja")}),
    )
    return environment.get_template("report")
