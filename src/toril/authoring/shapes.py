"""The shape of a body: keys and types of JSON, title and forms of HTML, the root of XML; no values."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import urlsplit

from toril.authoring.correlation.values import kind_of
from toril.authoring.pages import Form, Page
from toril.authoring.recorded import member
from toril.masking import HIDDEN
from toril.records.recording import MOST_PATHS, BodyShape, FormShape

MOST_NAMES = 100  # of fields and forms
LONGEST = 500  # characters of a path or name
MASKED = "masked"  # type of a value that a try hides
JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]|[^\s{}\[\],"]+|"')
XML_ROOT = re.compile(r"<([A-Za-z_][\w:.-]*)")
TYPES = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null", dict: "object"}


def shape_of(text: str, type: str, *, cut: bool = False, hidden: Collection[str] = ()) -> BodyShape:
    """Returns the shape of a text with that Content-Type; `cut` if the text is only the beginning of a body."""
    kind = type.partition(";")[0].strip().lower()[:100]
    start = text.lstrip()[:1]
    if ("json" in kind or start in ("{", "[")) and text.strip():
        try:
            content = json.loads(closed(text) if cut else text)
        except (ValueError, RecursionError):
            return BodyShape(type=kind, cut=cut)
        paths = dict[str, set[str]]()
        for path, one in _paths(content, "$"):
            paths.setdefault(path[:LONGEST], set()).add(one)
        types = sorted((path, "|".join(sorted(found))) for path, found in paths.items())
        return BodyShape(kind="json", type=kind, json_paths=tuple(types[:MOST_PATHS]), cut=cut)
    if "html" in kind:
        page = Page(text)
        title = " ".join(page.title.split())
        for one in sorted(hidden, key=len, reverse=True):
            title = title.replace(one, HIDDEN) if one else title
        forms = tuple(form_of(one) for one in page.forms[:MOST_NAMES])
        return BodyShape(kind="html", type=kind, title=re.sub(r"\d+", "#", title)[:LONGEST], forms=forms, cut=cut)
    if "xml" in kind and (root := XML_ROOT.search(text)):
        return BodyShape(kind="xml", type=kind, root=root[1][:LONGEST], cut=cut)
    return BodyShape(type=kind, cut=cut)


def form_of(form: Form) -> FormShape:
    """Returns method, route and names of fields of a form."""
    names = tuple(sorted({one[:LONGEST] for one in form.fields}))[:MOST_NAMES]
    return FormShape(method=form.method[:100], action=route_of(form.action)[:LONGEST], fields=names)


def route_of(address: str) -> str:
    """Returns the path of an address without ids.

    >>> route_of("https://shop.example/orders/8123/pay?token=x")
    '/orders/{}/pay'
    """
    return "/".join("{}" if kind_of(one) else one for one in urlsplit(address).path.split("/"))


def _paths(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yields path and type of each value; items of a list share a path, as do keys that are ids."""
    if isinstance(value, list):
        yield path, "array"
        for one in value:
            yield from _paths(one, f"{path}[*]")
        return
    yield path, MASKED if value == HIDDEN else TYPES[type(value)]
    for key, one in value.items() if isinstance(value, dict) else ():
        yield from _paths(one, f"{path}.*" if key.isdigit() or kind_of(key) == "random" else member(path, key))


def closed(text: str) -> str:
    """Returns the beginning of JSON as a whole document, up to its last whole value.

    >>> closed('{"items": [{"id": 1, "name": "lamp"}, {"id": 2, "na')
    '{"items": [{"id": 1, "name": "lamp"}, {"id": 2}]}'
    """
    open_ones, end, closing = list[str](), 0, ""
    for token in JSON_TOKEN.finditer(text):
        if token[0] in "{[":
            open_ones.append("}" if token[0] == "{" else "]")
        elif token[0] in "}]" and open_ones:
            open_ones.pop()
        if token[0] in "{}[],":
            end = token.start() if token[0] == "," else token.end()
            closing = "".join(reversed(open_ones))
    return text[:end] + closing
