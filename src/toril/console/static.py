"""Styles and scripts of the console, under addresses made of their content, so that browsers may keep them for ever."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import Response

from toril.errors import InfrastructureError
from toril.reports.html import SCRIPTS

FOREVER = "public, max-age=31536000, immutable"
TYPES = {
    "json": "application/json",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
LIVE_SCRIPTS = ("core.js", "marks.js", "plot.js", "legend.js", "keys.js", "window.js", "paint.js")
REPORT_STYLES = ("base.css", "verdict.css", "charts.css", "tables.css", "media.css")
OWN = ("toril.console", "assets")
VENDORED = ("toril.console", "vendor")  # what the build fetches from npm
CHARTS = ("toril.reports", "assets")
REPORT = ("toril.reports", "page")
SCHEMA = "suite.schema.json"

# The served file → its parts, in order: package, folder, name.
BUNDLES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "console.css": (
        (*CHARTS, "uPlot.min.css"),
        *((*REPORT, name) for name in REPORT_STYLES),
        (*OWN, "console.css"),
    ),
    **{name: ((*OWN, name),) for name in ("console.js", "schema.js", "editor.js", "theme.js", "icon.svg")},
    "codemirror.css": tuple((*VENDORED, f"codemirror{part}.css") for part in ("", ".lint", ".hint")),
    "codemirror.js": tuple((*VENDORED, f"codemirror{part}.js") for part in ("", ".yaml", ".lint", ".hint")),
    SCHEMA: (),
    "htmx.js": ((*VENDORED, "htmx.min.js"),),
    "uplot.js": ((*CHARTS, "uPlot.iife.min.js"),),
    "report.js": tuple((*REPORT, name) for name in SCRIPTS),
    "live.js": (*((*REPORT, name) for name in LIVE_SCRIPTS), (*OWN, "live.js")),
}
ENCLOSED = frozenset({"report.js", "live.js"})  # in a function: their parts share names


@dataclass(frozen=True, slots=True)
class Asset:
    """A served file: its path below `/static/`, content and media type."""

    path: str
    content: bytes
    media_type: str


def assets() -> dict[str, Asset]:
    """Returns the served files by name."""
    return {name: _asset(name) for name in BUNDLES}


def address_of(name: str) -> str:
    """Returns the address of a file, such as `/static/0a1b2c3d4e5f/console.css`."""
    return f"/static/{_asset(name).path}"


def routes() -> APIRouter:
    """Returns the routes of the files. On AWS, CloudFront serves the same addresses from a bucket."""
    router = APIRouter(include_in_schema=False)

    @router.get("/static/{path:path}")
    def static(path: str) -> Response:
        name = path.rpartition("/")[2]
        asset = _asset(name) if name in BUNDLES else None
        if asset is None or asset.path != path:
            return Response(status_code=404)
        return Response(asset.content, media_type=asset.media_type, headers={"cache-control": FOREVER})

    return router


@cache
def _asset(name: str) -> Asset:
    content = _schema() if name == SCHEMA else b"\n".join(_read(*part) for part in BUNDLES[name])
    if name in ENCLOSED:
        content = b'"use strict";\n(() => {\n' + content + b"\n})();"
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Asset(f"{digest}/{name}", content, TYPES[name.rsplit(".", 1)[1]])


def _schema() -> bytes:
    from toril.suite.schema import schema_text  # imports much, which only the editor needs

    return schema_text().encode()


def _read(package: str, folder: str, name: str) -> bytes:
    try:
        return files(package).joinpath(folder, name).read_bytes()
    except FileNotFoundError as error:
        text = f"{name} is missing in this installation. Install toril again: the build fetches this file."
        raise InfrastructureError(text, code="missing-asset") from error
