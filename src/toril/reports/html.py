"""Renders blocks as one self-contained page: figures, charts, scripts and styles. It needs no network.

The console's pages show the same blocks: `fragment` returns them without scripts and styles.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from toril import text
from toril.errors import InfrastructureError
from toril.explain import SITE, command_of, page_of
from toril.reports.blocks import (
    Block,
    Charts,
    Criteria,
    ExchangeList,
    Facts,
    Failures,
    Findings,
    NoteBlock,
    ProbableCause,
    Report,
    Sketches,
    Table,
    mark_of,
)

NOTHING_ELSE = "base-uri 'none'; form-action 'none'"
STYLES = ("base.css", "verdict.css", "charts.css", "tables.css", "media.css")
SCRIPTS = (
    *("core.js", "words.js", "measured.js", "figures.js", "marks.js", "plot.js", "legend.js", "keys.js", "paint.js"),
    *("labels.js", "tables.js", "evidence.js", "window.js", "brush.js", "outline.js", "main.js"),
)
THEME = "theme.js"  # the button of a page on its own; the console has another one
NO_CHARTS = {"x": [], "seconds": 0, "step": 1, "steady": None, "breaches": [], "changes": [], "label": 0} | {
    section: [] for section in ("course", "labels", "scripts", "generators", "server", "pairs", "trend")
}
OUTLINE = {  # the sections that it lists, and their names there
    "findings": "What stands out",
    "cause": "Probable cause",
    **{"criteria": "Criteria", "cases": "Test cases", "duet": "Base and head", "capacity": "Capacity"},
    **{"scaling": "Scalability", "service-cost": "Cost of the service", "load-cost": "Load and price"},
    "faults": "Faults",
    **{"earlier": "Earlier runs", "changes": "Changes", "trend": "History", "comparison": "Comparison"},
    **{"course": "Charts", "label": "Labels", "checks": "Checks", "metrics": "Own metrics", "tag": "Tags"},
    **{"errors": "Errors", "evidence": "Evidence"},
    **{"first-failures": "First failures", "generators": "Generators", "server": "Server"},
}
SECTIONS: dict[type[Block], tuple[str, str, str]] = {  # id, title and remark, of blocks without their own
    Findings: ("findings", "What stands out", "most severe first"),
    ProbableCause: ("cause", "Probable cause", "what changed at that time"),
    Criteria: ("criteria", "Criteria", "each states when the run fails"),
    ExchangeList: ("evidence", "Evidence", "requests and responses, without credentials"),
    Failures: ("first-failures", "First failures", "pages in the browser"),
    Facts: ("about", "About this run", ""),
}
PRINTED = frozenset(
    {"findings", "cause", "criteria", "cases", "duet", "capacity", "faults", "comparison", "course", "label", "about"}
)
CLASSES = {"crossed": "figures crossed", "comparison": "compared", "compared-load": "slim", "cases": "errors"}
CLASSES |= {"compared-criteria": "compared", "errors": "errors", "generators": "generators", "changes": "compared"}
CLASSES |= dict.fromkeys(("label", "location", "execution", "tag"), "figures")
MOST = {"reasons": 12, "criteria": 60, "rows": 2000}
LARGEST_PICTURE = 400_000  # bytes; the page links larger ones


@dataclass(slots=True)
class PageSection:
    """Blocks under one heading."""

    id: str
    title: str
    about: str = ""
    folded: bool = False
    anchor: str = ""
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Fragment:
    """The content of a report for a page that has its own styles and scripts."""

    html: Markup
    outline: Markup  # links to its sections
    data: dict[str, Any]  # of the charts, for the scripts


def fragment(report: Report, *, hero: bool = True, files: str = "") -> Fragment:
    """Returns the content of the page. `hero`: with the verdict; `files`: address of the run's folder, for links."""
    model = _model(report, hero=hero, alone=False, files=files)
    html, outline = (Markup(_template(f"{name}.html.jinja").render(model)) for name in ("fragment", "outline"))  # noqa: S704
    return Fragment(html, outline, chart_data(report.blocks))


def render(
    report: Report, measurements: str = "", span: tuple[int, int] | None = None, *, files: str | None = ""
) -> bytes:
    """Returns the page. Its policy allows style and scripts by hash and blocks everything else.

    `measurements`: the text of `reports.measured`, for windows; `span`: the window that the page opens with.
    `files`: address of the run's folder; None: no links to files.
    """
    style, scripts = _code()
    page = _template("page.html.jinja").render(
        policy=policy(report),
        style=Markup(style),  # noqa: S704 - files of toril and uPlot
        scripts=[Markup(script) for script in scripts],  # noqa: S704
        data=chart_data(report.blocks) | ({"span": span} if span else {}),
        measurements=measurements,
        **_model(report, files=files),
    )
    return page.encode("utf-8", "backslashreplace")


def policy(report: Report) -> str:
    """Returns the content security policy of the page."""
    style, scripts = _code()
    images = "img-src data:; " if any(isinstance(block, Failures) for block in report.blocks) else ""
    allowed = " ".join(map(_hash, scripts))
    return f"default-src 'none'; {images}style-src {_hash(style)}; script-src {allowed}; {NOTHING_ELSE}"


@cache
def _code() -> tuple[str, list[str]]:
    """Returns the style and the scripts of each page."""
    style = "\n".join([_asset("assets", "uPlot.min.css"), *(_asset("page", name) for name in STYLES)])
    own = "\n".join(_asset("page", name) for name in (*SCRIPTS, THEME))
    return style, [_asset("assets", "uPlot.iife.min.js"), f'"use strict";\n(() => {{\n{own}\n}})();']


def _model(report: Report, *, hero: bool = True, alone: bool = True, files: str | None = "") -> dict[str, Any]:
    """Returns the variables of the templates. `alone`: no other part of the page names the run."""
    sections = _sections(report)
    named = [(section.anchor, OUTLINE[section.id]) for section in sections if section.id in OUTLINE]
    return {
        "headline": report.headline,
        "hero": hero,
        "alone": alone,
        "files": files,
        "facts": [
            fact for block in report.blocks if isinstance(block, Facts) and block.id == "facts" for fact in block.facts
        ],
        "sections": sections,
        "outline": [("suite", "Verdict"), *(one for one in named if not one[0][-1].isdigit())],
        "printed": PRINTED,
        "classes": CLASSES,
        "most": MOST,
        "plural": text.plural,
        "sentence": text.sentence,
        "kind": lambda block: type(block).__name__,
        "mark": mark_of,
        "tone": _tone,
        "verdict": "unjudged" if report.headline.is_unjudged else _tone(report.headline.outcome),
        "picture": _picture,
        "evidence_of": report.evidence_of,
        "explained": explained,
        "site": SITE,
    }


def explained(code: str) -> Markup:
    """Returns a code of toril for a page, with a link to its page or the command that explains it."""
    if page := page_of(code):
        return Markup('<a href="{}"><code>{}</code></a>').format(page, code)
    return Markup('<code title="{}">{}</code>').format(command_of(code), code)


def _sections(report: Report) -> list[PageSection]:
    """Returns the sections. Notes join the section of the block before them; notes on the run go to the end."""
    notes = [block for block in report.blocks if isinstance(block, NoteBlock) and block.tone == "note"]
    sections: list[PageSection] = []
    for block in report.blocks:
        if isinstance(block, Sketches) or block in notes or (isinstance(block, Facts) and block.id == "facts"):
            continue
        begun = _section(block)
        if isinstance(block, NoteBlock) and not sections:  # nothing before it
            begun = PageSection("remarks", "Remarks", "")
        if begun is not None and (not sections or begun.title != sections[-1].title):
            same = sum(section.id == begun.id for section in sections)
            begun.anchor = f"{begun.id}-{same + 1}" if same else begun.id
            sections.append(begun)
        if sections:
            sections[-1].blocks += [block, *notes] if isinstance(block, Facts) else [block]
    return sections


def _section(block: Block) -> PageSection | None:
    if isinstance(block, Table | Charts):
        return PageSection(block.id, block.title, block.about, isinstance(block, Table) and block.folded)
    return PageSection(*SECTIONS[type(block)]) if type(block) in SECTIONS else None


def chart_data(blocks: Iterable[Block]) -> dict[str, Any]:
    """Returns the data of all charts, for the scripts."""
    data: dict[str, Any] = dict(NO_CHARTS)
    for block in blocks:
        if isinstance(block, Charts):
            data |= {**(block.shared or {}), block.id: block.charts}
    return data


def _tone(outcome: str) -> str:
    """Returns the CSS class of an outcome."""
    return {"passed": "passed", "failed": "failed", "broken": "failed"}.get(outcome, "inconclusive")


def _picture(data: bytes) -> str:
    """Returns the picture as a data URL; empty without a picture or for a large one."""
    if not data or len(data) > LARGEST_PICTURE:
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def _hash(words: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(words.encode()).digest()).decode()}'"


@cache
def _asset(folder: str, name: str) -> str:
    try:
        content = files("toril.reports").joinpath(folder, name).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InfrastructureError(
            f"{name} is missing in this installation. Install toril again: the build fetches this file.",
            code="missing-asset",
        ) from error
    return content.replace("\r\n", "\n").strip("\n")


@cache
def _template(name: str) -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(lambda name: _asset("page", name)),
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment.get_template(name)
