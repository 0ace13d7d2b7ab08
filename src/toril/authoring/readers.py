"""One option or answer each: its text → a value; OptionError says what is wrong with it, and the fix."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import quote

from toril.criteria import Language, duration_s, number, parse_criterion
from toril.errors import CriterionError, OptionError
from toril.suite.executions import LOCATION
from toril.suite.reader import MAX_DURATION_S, MAX_NUMBER, quoted

Kind = Literal["url", "jmx", "locustfile", "taurus"]
SUFFIXES: dict[str, Kind] = {
    ".jmx": "jmx",
    ".py": "locustfile",
    ".yml": "taurus",
    ".yaml": "taurus",
    ".json": "taurus",
}

LONGEST_URL = 2000  # characters; beyond, servers differ
IN_URL = "A-Za-z0-9._~:/?@!$&'()*+,;=%[]-"  # RFC 3986, without the fragment
ADDRESS = re.compile(
    r"(?P<origin>https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?)"
    r"(?P<path>[/?][A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]*)?"
)
CREDENTIALS = re.compile(r"https?://[^/?#]*@")
LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# as a folder, a part of a run's id, a key of YAML and of `-o scenarios.NAME.…`, and in a workflow
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9_])?")
PATH_IN_WORKFLOW = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._/@+ -]*")
ACTION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*@[A-Za-z0-9._/-]+")


class Url(NamedTuple):
    """An address of the service, in two parts that are the address when they are put together."""

    origin: str  # http://host:port
    path: str  # with its query; begins with a slash


class Limit(NamedTuple):
    """A criterion, in the language that knows it."""

    text: str
    language: Language


def read_kind(text: str) -> Kind:
    """What an answer is: an address, or a file by its ending."""
    if re.match(r"https?://", text):
        return "url"
    kind = SUFFIXES.get(Path(text).suffix.lower())
    if kind is None:
        raise OptionError(
            f"{quoted(text)} is neither an address with http:// or https://, nor a .jmx, a locustfile (.py) "
            "or a Taurus file (.yml, .yaml, .json)"
        )
    return kind


def read_file(text: str | Path, kind: Kind) -> Path:
    """An existing file of that kind."""
    path = Path(text).expanduser()
    endings = [suffix for suffix, known in SUFFIXES.items() if known == kind]
    if path.suffix.lower() not in endings:
        raise OptionError(f"--{kind} {quoted(path)}: expected a file that ends in {' or '.join(endings)}")
    try:
        there = path.is_file()
    except (OSError, ValueError):  # too long, a NUL character
        there = False
    if not path.name.isprintable() or "${" in path.name:
        raise OptionError(f"--{kind} {quoted(path)}: its name cannot stand in a suite; rename it")
    if not there:
        raise OptionError(f"--{kind} {quoted(path)}: there is no such file; correct the path")
    return path


def read_url(text: str) -> Url:
    """An address as a client sends it: ASCII, percent-encoded, without credentials and fragment."""
    text = text.strip()
    if not re.match(r"https?://[^/?#]", text):
        raise OptionError(f"--url {quoted(text)}: expected an address such as https://shop.example.com/search?q=lamp")
    if CREDENTIALS.match(text):
        raise OptionError(
            f"--url {quoted(text)}: leave user and password out, the suite would keep them; "
            "send them in `headers`, from ${…}"
        )
    if len(text) > LONGEST_URL:
        raise OptionError(f"--url {quoted(text)}: longer than {LONGEST_URL:,} characters; shorten it")
    if "#" in text:
        raise OptionError(f"--url {quoted(text)}: a service never sees what follows `#`; leave it out, or write %23")
    match = ADDRESS.fullmatch(text)
    if not match or LONE_PERCENT.search(text):
        fixed = _encoded(text)
        fix = f"write {fixed}" if ADDRESS.fullmatch(fixed) else "write host and port in ASCII, as in http://host:8080/"
        raise OptionError(f"--url {quoted(text)}: has characters that an address cannot have; {fix}")
    if match["port"] and not 0 < int(match["port"]) < 65536:
        raise OptionError(f"--url {quoted(text)}: there is no port {match['port']}; choose one from 1 to 65535")
    path = match["path"] or "/"
    return Url(match["origin"], path if path.startswith("/") else f"/{path}")


def _encoded(text: str) -> str:
    return quote(LONE_PERCENT.sub("%25", text), safe=IN_URL, errors="replace")


def read_name(text: str) -> str:
    """A suite's name."""
    if not NAME.fullmatch(text):
        raise OptionError(
            f"--name {quoted(text)}: use letters, digits, - and _, beginning with a letter or digit (at most 40)"
        )
    return text


def read_users(text: str) -> int:
    """Virtual users, in total."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 0 < int(text) <= MAX_NUMBER:
        raise OptionError(f"--users {quoted(text)}: expected a whole number above 0, at most {MAX_NUMBER:,}")
    return int(text)


def read_rps(text: str) -> Fraction:
    """Requests per second, in total."""
    try:
        found = number(text)
    except ValueError:
        found = Fraction(0)
    if not 0 < found <= MAX_NUMBER:
        raise OptionError(f"--rps {quoted(text)}: expected a number above 0 such as 50, at most {MAX_NUMBER:,}")
    return found


def read_duration(option: str, text: str, *, above_0: bool) -> str:
    """A duration, as it is written."""
    text = text.strip()
    try:
        seconds = duration_s(text)
    except ValueError:
        raise OptionError(f"{option} {quoted(text)}: expected a duration such as 30s, 1m30s or 500ms") from None
    if seconds > MAX_DURATION_S:
        raise OptionError(f"{option} {quoted(text)}: longer than a year; write a shorter duration")
    if above_0 and not seconds:
        raise OptionError(f"{option} {quoted(text)}: no time at all; write a duration such as 30s")
    return text


def read_limit(text: str) -> Limit:
    """A criterion, in Taurus' language or, where that lacks the subject, in toril's."""
    text = text.strip()
    if "${" in text:
        raise OptionError(f"--limit {quoted(text)}: write the value itself instead of a reference")
    if not text.isprintable():
        raise OptionError(f"--limit {quoted(text)}: is no single line of text; write it like p95>500ms")
    try:
        parse_criterion(text, "--limit")
    except CriterionError as error:
        try:
            parse_criterion(text, "--limit", "toril")
        except CriterionError:
            raise OptionError(str(error)) from error
        return Limit(text, "toril")
    return Limit(text, "taurus")


def read_locations(texts: list[str]) -> dict[str, Fraction]:
    """`["eu-west-1=2", "us-east-1"]` as weights."""
    found: dict[str, Fraction] = {}
    for text in texts:
        name, equals, written = text.partition("=")
        if not LOCATION.fullmatch(name):
            raise OptionError(f"--location {quoted(text)}: a name has letters, digits and . _ - (at most 63)")
        if name in found:
            raise OptionError(f"--location {quoted(text)}: {name} is named twice; leave one out")
        try:
            weight = number(written) if equals else Fraction(1)
        except ValueError:
            weight = Fraction(0)
        if not 0 < weight <= MAX_NUMBER:
            raise OptionError(f"--location {quoted(text)}: expected NAME=WEIGHT with a number above 0")
        found[name] = weight
    return found


def read_action(text: str) -> str:
    """Where GitHub finds toril's action."""
    if not ACTION_NAME.fullmatch(text):
        raise OptionError(f"--action {quoted(text)}: expected owner/repository@version, such as acme/toril@v1")
    return text
