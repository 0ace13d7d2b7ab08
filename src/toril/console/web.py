"""Renders templates, and turns errors into answers: a page for people, problem+json for programs."""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from typing import Annotated, Any
from urllib.parse import quote, urlencode, urlsplit

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException

from toril import __version__, explain, text
from toril.clock import Clock
from toril.console import static
from toril.console.audit import audit
from toril.console.guard import problem_document
from toril.console.identity import Identity, Person, RefusedError, disguised
from toril.console.lambda_settings import SIGNED_IN
from toril.desk.store import StoreDesk
from toril.errors import InfrastructureError, NoSuchRunError, UserError
from toril.reports.blocks import mark_of, reason_words
from toril.reports.html import explained
from toril.secrets.masking import mask
from toril.store import FolderStore, Store

MISSING_CODES = frozenset(f"no-such-{what}" for what in ("run", "suite", "key", "request", "version", "schedule"))
CONFLICT_CODES = frozenset({"version-conflict", "run-exists", "idempotency-mismatch"})
TEXTS = (".csv", ".json", ".log", ".md", ".txt", ".yml", ".yaml")  # names of files that are text
LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]{0,1000}")
OWN_PATHS = ("/login", SIGNED_IN)
CODE = re.compile(r"`([^`\n]+)`")
DOWNLOADS = {  # formats of a report → words
    "html": "HTML page",
    "json": "JSON",
    "junit": "JUnit XML",
    "github": "Markdown for GitHub",
    "hdr": "HdrHistogram log",
    "hgrm": "Percentile table (.hgrm)",
    "csv": "CSV of all intervals",
    "parquet": "Parquet of all intervals",
}
MOST_FIELDS = 10_000  # of a form; a suite of 200 steps in the editor has about 4,000
PROBLEM = "application/problem+json"
MOST_THROUGH = 3 << 20  # bytes; an answer of a Lambda function has at most 6 MB, in base64 or as a text of JSON


async def _posted(request: Request) -> AsyncIterator[FormData]:
    """Yields the fields of a form whose names are not known in advance, such as those of rows."""
    async with request.form(max_fields=MOST_FIELDS) as form:  # closes the temporary files of uploads
        yield form


Posted = Annotated[FormData, Depends(_posted)]


def page(request: Request, template: str, *, status: int = 200, **model: Any) -> HTMLResponse:
    """Renders a page; to htmx, only its main part, under the same address."""
    identity: Identity = request.app.state.setup.identity
    person: Person | None = getattr(request.state, "person", None)
    part = "hx-request" in request.headers and "hx-history-restore-request" not in request.headers
    content = templates().get_template(template)
    html = content.render(
        layout="part.html.jinja" if part else "layout.html.jinja",
        request=request,
        path=request.url.path,
        query=dict(request.query_params),
        person=person,
        csrf=disguised(identity.csrf(request)) if person else "",
        can_sign_out=identity.can_sign_out,
        judges=isinstance(store_of(request), FolderStore),  # a bucket's console has too little time
        **model,
    )
    return HTMLResponse(
        html.encode("utf-8", "backslashreplace"), status_code=status, headers={"vary": "HX-Request, Cookie"}
    )


def store_of(request: Request) -> Store:
    """Returns the console's store."""
    store: Store = request.app.state.setup.store
    return store


def desk_of(request: Request) -> StoreDesk:
    """Returns the operations for the person who sends a request; each leaves its line in the audit."""
    desk: StoreDesk = request.app.state.setup.desk(request.state.person, " in the console", partial(audit, request))
    return desk


def clock_of(request: Request) -> Clock:
    """Returns the console's clock."""
    clock: Clock = request.app.state.setup.clock
    return clock


def see(address: str, request: Request) -> Response:
    """Sends the browser to another page after a change; htmx gets a header, because it follows redirects itself."""
    if "hx-request" in request.headers:
        return Response(status_code=204, headers={"hx-redirect": address})
    return RedirectResponse(address, status_code=303)


def attachment(data: bytes, name: str, media_type: str = "") -> Response:
    """Returns a file that browsers store and never show as a page."""
    kind = media_type or ("text/plain; charset=utf-8" if name.endswith(TEXTS) else "application/octet-stream")
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    return Response(data, media_type=kind, headers=headers)


def download(request: Request, data: bytes, name: str, media_type: str = "") -> Response:
    """Returns a file as an attachment. A bucket's console sends a large one there: a function's answers are small."""
    setup = request.app.state.setup
    if setup.presign is None or len(data) <= MOST_THROUGH:
        return attachment(data, name, media_type)
    key = f"uploads/{hashlib.sha256(data).hexdigest()}/{name}"  # kept for a day
    setup.store.put(key, data)
    return RedirectResponse(setup.presign(key), status_code=303)


def status_of(error: UserError) -> int:
    """Returns the HTTP status of an error."""
    if isinstance(error, RefusedError):
        return error.status
    if isinstance(error, NoSuchRunError) or error.code in MISSING_CODES:
        return 404
    if error.code in CONFLICT_CODES:
        return 409
    return 503 if isinstance(error, InfrastructureError) else 422


def why_unread(error: UserError) -> str:
    """Returns why a run cannot be shown beside others."""
    return "its files were deleted or have expired." if error.code in MISSING_CODES else mask(str(error))


def problem(status: int, code: str, title: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """Answers a program with an error."""
    content = problem_document(status, code, title, **more)
    return Response(json.dumps(content), status_code=status, media_type=PROBLEM, headers=headers)


def for_program(request: Request) -> bool:
    return request.url.path.startswith(("/api/", "/mcp"))


def on_user_error(request: Request, error: Exception) -> Response:
    """Answers a UserError: what is wrong, where, and what to do."""
    assert isinstance(error, UserError)  # noqa: S101 - registered for this class only
    status = status_of(error)
    if for_program(request):
        headers = {"www-authenticate": "Bearer"} if status == 401 else None
        return problem(status, error.code, mask(str(error)), headers=headers)
    if error.code == "no-session" and request.method == "GET" and request.url.path != "/login":
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        address = "/login?" + urlencode({"next": wanted})
        if "hx-request" in request.headers:
            return Response(status_code=204, headers={"hx-redirect": address})
        if request.app.state.setup.identity.can_sign_out:
            return RedirectResponse(address, status_code=303)
    return page(request, "error.html.jinja", status=status, code=error.code, message=mask(str(error)), title="Error")


def on_invalid_request(request: Request, error: Exception) -> Response:
    """Answers a request whose parameters have the wrong form."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    problems = [{"at": ".".join(map(str, detail["loc"])), "message": detail["msg"]} for detail in error.errors()]
    if for_program(request):
        return problem(422, "invalid-request", "The request has invalid parameters.", errors=problems)
    message = "; ".join(f"{item['at']}: {item['message']}" for item in problems)
    return page(request, "error.html.jinja", status=422, code="invalid-request", message=message, title="Error")


def on_http_error(request: Request, error: Exception) -> Response:
    """Answers an unknown address, or a method that it does not have."""
    assert isinstance(error, HTTPException)  # noqa: S101
    if for_program(request):
        code = {400: "unreadable-body", 405: "no-such-method"}.get(error.status_code, "no-such-address")
        return problem(error.status_code, code, str(error.detail), headers=error.headers)
    with suppress(UserError):  # for the navigation
        request.state.person = request.app.state.setup.identity.person(request)
    message = f"{request.url.path}: there is no such page."
    return page(
        request, "error.html.jinja", status=error.status_code, code="no-such-page", message=message, title="Error"
    )


def on_bug(request: Request, error: Exception) -> Response:
    """Answers a request that met a bug; the server logs the trace."""
    text = f"This is a bug of toril. The log of the console has its trace, request {request.state.request_id}."
    if for_program(request):
        return problem(500, "internal-error", text)
    return page(request, "error.html.jinja", status=500, code="internal-error", message=text, title="Error")


def with_query(request: Request, **changes: str | None) -> str:
    """Returns this page's address with other query parameters; None removes one."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name not in changes]
    query += [(name, value) for name, value in changes.items() if value is not None]
    return request.url.path + ("?" + urlencode(query) if query else "")


def with_code(text: str) -> Markup:
    """Returns a text for a page, with its parts in backticks as code.

    >>> with_code("use `a<b`")
    Markup('use <code>a&lt;b</code>')
    """
    return Markup(CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - it is escaped


def local_path(address: str) -> str:
    """Returns a path of the console with its query; `/` for everything else.

    >>> local_path("/runs?q=a"), local_path("//evil.example"), local_path("/\\\\evil.example"), local_path("https://a")
    ('/runs?q=a', '/', '/', '/')
    """
    fits = LOCAL.fullmatch(address) and address.isascii() and urlsplit(address).path not in OWN_PATHS
    return address if fits else "/"


def back_of(request: Request) -> str:
    """Returns the address of the console's page that led here; empty if there is none, or if it is this page."""
    came = urlsplit(request.headers.get("referer", ""))
    own = urlsplit(request.app.state.setup.address)
    address = came.path + (f"?{came.query}" if came.query else "")
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    is_here = request.method == "GET" and address == here
    is_own = (came.scheme, came.netloc) == (own.scheme, own.netloc) and local_path(address) == address
    return "" if is_here or not is_own else address


def sparkline(values: list[float | None], width: int = 96, height: int = 24) -> str:
    """Returns the path of a line through the values, for an SVG of that size; gaps where a value is None."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    step = (width - 4) / max(1, len(values) - 1)
    parts, pen = [], "M"
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        y = height / 2 if high == low else height - 3 - (value - low) / (high - low) * (height - 6)
        parts.append(f"{pen}{2 + index * step:.1f} {y:.1f}")
        pen = "L"
    return "".join(parts)


def spark_marks(count: int, places: Iterable[int], width: int = 96, height: int = 24) -> str:
    """Returns the path of upright lines at these places of a line of `sparkline` with `count` values.

    >>> spark_marks(3, [1])
    'M48.0 1V23'
    """
    step = (width - 4) / max(1, count - 1)
    return "".join(f"M{2 + place * step:.1f} 1V{height - 1}" for place in places)


@cache
def templates() -> Environment:
    """Returns the templates with the functions that they call."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=PackageLoader("toril.console", "templates"),
    )
    environment.globals.update(
        static=static.address_of,
        version=__version__,
        downloads=DOWNLOADS,
        text=text,
        mark=mark_of,
        reason_words=reason_words,
        explained=explained,
        site=explain.SITE,
        plural=text.plural,
        sparkline=sparkline,
        spark_marks=spark_marks,
        with_query=with_query,
        back_of=back_of,
        iso=lambda at: f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}",
        utc=lambda at: f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC",
    )
    environment.filters.update(code=with_code, quote=lambda value: quote(str(value), safe=""), mask=mask)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment
