"""The shape of a body: keys and types of JSON, title and forms of HTML, the root of XML; no values."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from toril.authoring.correlation.values import kind_of, route_of
from toril.authoring.pages import PASSWORD_FIELD, Form, HtmlPage
from toril.authoring.recorded import member
from toril.records.recording import MOST_PATHS, BodyShape, FormShape
from toril.secrets.masking import HIDDEN

MOST_NAMES = 100  # of fields and forms
LONGEST = 500  # characters of a path or name
MASKED = "masked"  # type of a value that a try hides
JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[{}\[\],]|[^\s{}\[\],"]+')
XML_ROOT = re.compile(r"<([A-Za-z_][\w:.-]*)")
TYPES = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null", dict: "object"}


def shape_of(text: str, type: str, *, cut: bool = False, hide: Callable[[str], str] = str) -> BodyShape:
    """Returns the shape of a text with that Content-Type; `hide` returns a text without credentials.

    `cut`: the text is only the beginning of a body; of JSON, that has no shape.
    """
    kind = type.partition(";")[0].strip().lower()[:100]
    if ("json" in kind or text.lstrip()[:1] in ("{", "[")) and text.strip():
        try:
            types = tuple(_types(json.loads(JSON_TOKEN.sub(_with_quotes, text)), hide))[:MOST_PATHS]
        except (ValueError, RecursionError):
            return BodyShape(type=kind, cut=cut)
        return BodyShape(kind="json", type=kind, json_paths=types, cut=cut)
    if "html" in kind:
        page = HtmlPage(text)
        title = hide(" ".join(page.title.split()))
        forms = tuple(form_of(form, hide) for form in page.forms[:MOST_NAMES])
        asks = PASSWORD_FIELD.search(text) is not None
        return BodyShape(kind="html", type=kind, title=title[:LONGEST], forms=forms, password=asks, cut=cut)
    if "xml" in kind and (root := XML_ROOT.search(text)):
        return BodyShape(kind="xml", type=kind, root=root[1][:LONGEST], cut=cut)
    return BodyShape(type=kind, cut=cut)


def form_of(form: Form, hide: Callable[[str], str]) -> FormShape:
    """Returns method, route and names of fields of a form."""
    names = tuple(sorted({hide(field)[:LONGEST] for field in form.fields}))[:MOST_NAMES]
    return FormShape(method=form.method[:100], action=hide(route_of(form.action))[:LONGEST], fields=names)


def _types(content: Any, hide: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Yields path and types, sorted; what some objects of a list lack may be null as well."""
    counts = defaultdict[str, Counter[str]](Counter)
    parents = dict[str, str]()
    for path, parent, kind in _paths(content, "$", ""):
        counts[path][kind] += 1
        parents[path] = parent
    for path, types in sorted(counts.items()):
        optional = types.total() < counts[parents[path]]["object"] if parents[path] else False
        yield hide(path)[:LONGEST], "|".join(sorted({*types, "null"} if optional else types))


def _paths(value: Any, path: str, parent: str) -> Iterator[tuple[str, str, str]]:
    """Yields path, path of its object, and type of each value. Items of a list share a path, as do ids as keys."""
    if isinstance(value, list):
        yield path, parent, "array"
        for item in value:
            yield from _paths(item, f"{path}[*]", "")
        return
    yield path, parent, MASKED if value == HIDDEN else TYPES[type(value)]
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key.isdigit() or "@" in key or kind_of(key) == "random":
            yield from _paths(inner, f"{path}.*", "")
        else:
            yield from _paths(inner, member(path, key), path)


def _with_quotes(token: re.Match[str]) -> str:
    """Returns a hidden number as a text: it equals a credential, such as a cookie with a time."""
    plain = token[0].startswith('"') or HIDDEN not in token[0]
    return token[0] if plain else re.sub("[^:]+", f'"{HIDDEN}"', token[0])
