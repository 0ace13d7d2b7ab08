"""What readers share: the input, and parts of foreign documents whose types may be wrong."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin

from toril.authoring.recorded import MOST_BYTES_OF_BODY, MOST_EXAMPLES, FilePart, LeftOut, Named, Payload
from toril.secrets.masking import mask

FORM, JSON, MULTIPART, BINARY = (
    "application/x-www-form-urlencoded", "application/json", "multipart/form-data", "application/octet-stream"
)  # fmt: skip
ANY_NAME = r"(?!__)\w+"  # pattern of variables
STATIC_PATH = re.compile(
    r"(?i)\.(?:js|mjs|css|map|png|jpe?g|gif|svg|webp|avif|ico|bmp|woff2?|ttf|otf|eot|mp[34]|webm|wasm)$"
)
TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]{1,200}", re.ASCII)  # a valid name of a header
BOUNDARY = re.compile(r'(?i)boundary="?([^";,\s]+)')
OF_PART = re.compile(r'(?i)\b(name|filename)="((?:[^"\\]|\\.)*)"|^content-type:\s*([^\r\n]+)', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """The bytes to import, and where they come from."""

    data: bytes
    name: str  # for messages and the default name of the suite: a file name, a host or `stdin`
    folder: Path | None = None  # where relative file names are; None: nowhere
    address: str = ""  # of a source from the network

    def origin(self, detail: str) -> str:
        """Returns the name with what the source says of itself."""
        shown = " ".join(detail.split())
        return f"{self.name} ({shown})" if shown else self.name

    def beside(self, name: str) -> bytes | None:
        """Returns the beginning of a file below the folder of the input; None if there is no such file."""
        try:
            inner = Path(name)
            if self.folder is None or inner.is_absolute() or any(part.startswith(".") for part in inner.parts):
                return None
            path = (self.folder / inner).resolve()
            if not path.is_relative_to(self.folder.resolve()) or not path.is_file():
                return None
            with path.open("rb") as file:
                return file.read(MOST_BYTES_OF_BODY)
        except (OSError, ValueError):  # the text cannot be a file name
            return None


class Skipped:
    """Counts what a reader leaves out."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[int, list[str]]] = {}

    def add(self, what: str, why: str, example: str = "", count: int = 1, most: int = MOST_EXAMPLES) -> None:
        before, examples = self._found.get((what, why), (0, []))
        if example and len(examples) < most and (shown := mask(example)[:100]) not in examples:
            examples.append(shown)
        self._found[what, why] = (before + count, examples)

    def left_out(self) -> tuple[LeftOut, ...]:
        return tuple(
            LeftOut(what=what, why=why, count=count, examples=tuple(examples))
            for (what, why), (count, examples) in self._found.items()
        )


def mapping(value: Any) -> dict[str, Any]:
    """Returns a mapping with texts as keys; an empty one for another type."""
    return {text(key): inner for key, inner in value.items()} if isinstance(value, dict) else {}


def items(value: Any) -> list[dict[str, Any]]:
    """Returns the mappings of a list; none for another type."""
    return [mapping(item) for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: Any) -> str:
    """Returns a text, number or boolean as text that UTF-8 can encode; an empty text for another type."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        return ""
    shown = str(value)
    return shown if shown.isascii() else shown.encode("utf-8", "replace").decode()


def address(url: str) -> str:
    """Returns an address in ASCII, with a path and without a fragment, as browsers send it."""
    escaped = re.sub(r"[^!-~]", lambda part: quote(part[0]), url.strip().partition("#")[0])
    return re.sub(r"^(https?://[^/?]+)(?=\?|$)", r"\1/", escaped)


def joined(base: str, target: str) -> str:
    """Returns the address that a link means; empty for an invalid one."""
    try:
        return address(urljoin(base, target))
    except ValueError:
        return ""


def headers(value: Any) -> Named:
    """Returns the valid headers in a list of names and values; a value with line breaks is several values."""
    pairs: list[tuple[str, str]] = []
    for header in items(value):
        name = text(header.get("name") or header.get("key")).strip()
        if TOKEN.fullmatch(name) and not header.get("disabled"):
            pairs += [(name, part.strip()) for part in text(header.get("value")).split("\n")]
    return tuple(pairs)


def value_of(name: str, headers: Iterable[tuple[str, str]]) -> str:
    """Returns the first value of a header; empty if it is missing."""
    return next((value for key, value in headers if key.lower() == name), "")


def variable(name: str) -> str:
    """Returns the name as a variable of a scenario.

    >>> variable("petId"), variable("X-Api-Key")
    ('pet_id', 'x_api_key')
    """
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"[^A-Za-z0-9]+", "_", words).strip("_").lower() or "value"


def reference(name: str) -> str:
    """Returns a reference to a variable of the environment.

    >>> reference("baseUrl")
    '${BASE_URL}'
    """
    return f"${{{variable(name).upper()}}}"


def form(fields: Iterable[tuple[str, str]]) -> Payload:
    pairs = tuple(fields)
    return Payload(data=urlencode(pairs, safe="${}").encode(), type=FORM, fields=pairs)


def multipart(fields: Iterable[tuple[str, str]], uploads: Iterable[FilePart]) -> Payload:
    return Payload(type=MULTIPART, fields=tuple(fields), uploads=tuple(uploads))


def json_body(value: Any) -> Payload:
    return Payload(data=json.dumps(value, ensure_ascii=False, default=text).encode("utf-8", "replace"), type=JSON)


def body(data: bytes, type: str) -> Payload:
    """Returns a body of that Content-Type, with its fields and files if it has some."""
    kind = type.lower()
    if kind.startswith(FORM) and b"=" in data and not data.lstrip().startswith((b"{", b"[", b"<")):
        return Payload(data=data, type=type, fields=tuple(parse_qsl(data.decode("utf-8", "replace"), True)))
    if kind.startswith(MULTIPART) and data:
        return _multipart(data, type)
    if kind.startswith(BINARY):
        return raw_file("body.bin", type, data)
    return Payload(data=data, type=type)


def raw_file(name: str, type: str, data: bytes | None) -> Payload:
    """Returns a body that is one file."""
    return Payload(type=type or BINARY, uploads=(FilePart(field="", name=name, type=type, data=data),))


def _multipart(data: bytes, type: str) -> Payload:
    boundary = BOUNDARY.search(type)
    line = boundary[1].encode() if boundary else data.split(b"\n", 1)[0].strip().removeprefix(b"--")
    fields, uploads = [], []
    for part in data.split(b"--" + line)[1:] if line else []:
        head, gap, content = part.replace(b"\r\n\r\n", b"\n\n", 1).partition(b"\n\n")
        if not gap:
            continue
        content = content.removesuffix(b"\n").removesuffix(b"\r")
        named = OF_PART.findall(head.decode("utf-8", "replace"))
        names = {key.lower(): value.replace('\\"', '"').replace("%22", '"') for key, value, _ in named if key}
        if "filename" in names:
            kind = next((kind.strip() for *_, kind in named if kind), "")
            if names["filename"] or content:  # else the field of a page has no file
                uploads.append(FilePart(field=names.get("name", ""), name=names["filename"], type=kind, data=content))
        elif "name" in names:
            fields.append((names["name"], content.decode("utf-8", "replace")))
    return Payload(type=MULTIPART, fields=tuple(fields), uploads=tuple(uploads), missing=not fields and not uploads)
