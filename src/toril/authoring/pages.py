"""What a page of HTML holds: its title, forms, values and addresses, and its other text."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

NUMBERED = re.compile(r"[^/?]*\d[^/?]*")  # a part of an address with a number
MARKED = re.compile(r"<!\[+")  # for browsers a comment up to `>`; HTMLParser would read on to `]>`
PASSWORD_FIELD = re.compile("(?i)type=.?password")  # as every engine can look for it
FIELDS = ("input", "button", "select", "textarea")
WITHOUT_STATE = ("submit", "image", "reset", "checkbox", "radio", "file", "password")  # types of inputs
ADDRESSES = {"a": "href", "area": "href", "form": "action", "iframe": "src", "frame": "src"}


@dataclass(slots=True, kw_only=True)
class Form:
    method: str = "GET"
    action: str = ""
    id: str = ""
    fields: list[str] = field(default_factory=list)  # names, in their order
    hidden: list[tuple[str, str]] = field(default_factory=list)  # names and values


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    tag: str
    attributes: Mapping[str, str]
    form: Form | None


class HtmlPage(HTMLParser):
    """Reads a page, or the beginning of one."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.title = ""
        self.forms: list[Form] = []
        self.elements: list[Element] = []
        self.texts: list[str] = []  # of scripts, too
        self._form: Form | None = None
        self._in_title = False
        self.feed(_closed(MARKED.sub("<!", text)))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in reversed(attrs)}  # of equal names the first one counts
        self._in_title = tag == "title" and not self.title
        if tag == "form":
            method = named.get("method", "get").upper()
            self._form = Form(method=method, action=named.get("action", ""), id=named.get("id", ""))
            self.forms.append(self._form)
        elif tag in FIELDS and self._form is not None and named.get("name"):
            self._form.fields.append(named["name"])
            if named.get("type", "").lower() == "hidden":
                self._form.hidden.append((named["name"], named.get("value", "")))
        self.elements.append(Element(tag=tag, attributes=named, form=self._form))

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False
        if tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data
        if not data.isspace():
            self.texts.append(data)

    def values(self) -> Iterator[tuple[str, str]]:
        """Yields a css selector and the value of each element that holds one; see `attribute_of`.

        A selector names the form as well if elements of several forms have different values.
        """
        held: dict[str, list[tuple[str, Element]]] = {}
        for element in self.elements:
            for selector, value in _held(element):
                held.setdefault(selector, []).append((value, element))
        for selector, elements in held.items():
            several = len({value for value, _ in elements}) > 1
            for value, element in elements if several else elements[:1]:
                yield f"{_selected(element.form)}{selector}" if several and element.form else selector, value

    def first(self, selector: str) -> str | None:
        """Returns the value of the first element that a selector of `values` matches."""
        for element in self.elements:
            for own, value in _held(element):
                if selector in (own, f"{_selected(element.form)}{own}" if element.form else own):
                    return value
        return None

    def addresses(self) -> Iterator[tuple[str, str]]:
        """Yields the place and the address of each link, form and frame."""
        for element in self.elements:
            name = ADDRESSES.get(element.tag, "")
            if element.attributes.get(name):
                yield f"{element.tag}[{name}]", element.attributes[name]


def _closed(text: str) -> str:
    """Returns the part before markup without an end, which HTMLParser would read again from each of its characters."""
    for begin, end in ("<!--", "-->"), ("<", ">"):
        at = text.find(begin, text.rfind(end) + 1)
        text = text[:at] if at >= 0 else text
    return text


def attribute_of(selector: str) -> str:
    """Returns the attribute with the value of the element that a selector of `Page.values` names.

    >>> [attribute_of(one) for one in ("form[id=buy] input[name=csrf]", "meta[name=csrf]", "body[data-token]")]
    ['value', 'content', 'data-token']
    """
    tag, _, rest = selector.rpartition("] ")[2].partition("[")
    return "content" if tag == "meta" else "value" if tag in FIELDS and not rest.startswith("data-") else rest[:-1]


def _held(element: Element) -> Iterator[tuple[str, str]]:
    named = element.attributes
    if element.tag in FIELDS and named.get("name") and named.get("value"):
        if named.get("type", "").lower() not in WITHOUT_STATE:
            yield f"{element.tag}{having('name', named['name'])}", named["value"]
    elif element.tag == "meta" and named.get("content"):
        keys = (key for key in ("name", "property") if key in named)
        yield from ((f"meta{having(key, named[key])}", named["content"]) for key in keys)
    yield from ((f"{element.tag}[{key}]", value) for key, value in named.items() if key.startswith("data-") and value)


def _selected(form: Form) -> str:
    """Returns the selector of a form: by its id or address, without parts that other sessions do not have."""
    if form.id and not NUMBERED.search(form.id):
        return f"form{having('id', form.id)} "
    if not form.action:
        return "form:not([action]) "
    path, question, _ = form.action.partition("?")
    before, _, after = NUMBERED.sub("\n", path).partition("\n")
    after = after.rpartition("\n")[2]
    if before == path:
        return f"form[action{'^' if question else ''}={_quoted(path)}] "
    return f"form[action*={_quoted(after)}] " if after.strip("/") else f"form[action^={_quoted(before)}] "


def having(name: str, value: str) -> str:
    """Returns the selector of an attribute with a value."""
    return f"[{name}={_quoted(value)}]"


def _quoted(value: str) -> str:
    if value.isascii() and value[:1].isalpha() and value.replace("-", "").replace("_", "").isalnum():
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
