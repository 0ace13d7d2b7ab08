"""The options and answers of `toril init`: each text is read into a value, and all together make a draft of a suite."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple, Never
from urllib.parse import quote

from toril.criteria import Language, parse_criterion, samples_needed
from toril.errors import CriterionError, OptionError, UserError
from toril.suite.executions import LOCATION
from toril.suite.reader import Environment, SuiteReader, quoted

Kind = Literal["url", "jmx", "locustfile", "taurus"]
SUFFIXES: dict[str, Kind] = {
    ".jmx": "jmx",
    ".py": "locustfile",
    ".yml": "taurus",
    ".yaml": "taurus",
    ".json": "taurus",
}

MAX_URL = 2000  # characters; beyond, servers differ
IN_URL = "A-Za-z0-9._~:/?@!$&'()*+,;=%[]-"  # RFC 3986, without the fragment
ADDRESS = re.compile(
    r"(?P<origin>https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?)"
    r"(?P<path>[/?][A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]*)?"
)
CREDENTIALS = re.compile(r"https?://[^/?#]*@")
LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# As a folder, a part of a run's id, a key of YAML and of `-o scenarios.NAME.…`, and in a workflow.
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9_])?")
ACTION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*@[A-Za-z0-9._/-]+")


class Url(NamedTuple):
    """An address of the service; its two parts together are the address."""

    origin: str  # http://host:port
    path: str  # with its query; begins with a slash


class Limit(NamedTuple):
    """A criterion, in the language that knows it."""

    text: str
    language: Language


# The repository of action.yml has no public owner yet; a name that GitHub does not allow runs no other owner's code.
ACTION = "<owner>/toril@v1"
USERS = 10
RAMP_UP = "5s"
MIN_HOLD_S = 25
THINK_TIME_S = 1  # of the users of a suite without --rps
HEADROOM = 1.1  # times the samples that are needed
LIMITS = (Limit("p95>500ms", "taurus"), Limit("fail>1%", "taurus"))

VALUES = SuiteReader("toril init", Environment({}, {}, {}), refusal=OptionError)  # the suite's own validators


def read_kind(text: str) -> Kind:
    """What an answer is: an address, or a file by its suffix."""
    if re.match(r"https?://", text):
        return "url"
    kind = SUFFIXES.get(Path(text).suffix.lower())
    if kind is None:
        raise OptionError(
            f"{quoted(text)} is neither an address with http:// or https://, nor a .jmx, a locustfile (.py) "
            "or a Taurus file (.yml, .yaml, .json)",
            code="unknown-kind",
        )
    return kind


def read_file(text: str | Path, kind: Kind) -> Path:
    """An existing file of that kind."""
    path, option = Path(text).expanduser(), f"--{kind}"
    suffixes = [suffix for suffix, known in SUFFIXES.items() if known == kind]
    if path.suffix.lower() not in suffixes:
        raise _refused("unknown-kind", option, path, f"expected a file that ends in {' or '.join(suffixes)}")
    if not path.name.isprintable() or "${" in path.name:
        raise _refused("unusable-name", option, path, "its name cannot stand in a suite; rename it")
    try:
        exists = path.is_file()
    except (OSError, ValueError):  # too long, a NUL character
        exists = False
    if not exists:
        raise _refused("no-such-file", option, path, "there is no such file; correct the path")
    return path


def read_url(text: str) -> Url:
    """An address as a client sends it: ASCII, percent-encoded, without credentials and fragment."""
    text = text.strip()
    if not re.match(r"https?://[^/?#]", text):
        fix = "expected an address such as https://shop.example.com/search?q=lamp"
        raise _refused("not-an-address", "--url", text, fix)
    if CREDENTIALS.match(text):
        fix = "leave user and password out, the suite would keep them; send them in `headers`, from ${…}"
        raise _refused("credentials-in-address", "--url", text, fix)
    if len(text) > MAX_URL:
        raise _refused("too-large", "--url", text, f"longer than {MAX_URL:,} characters; shorten it")
    if "#" in text:
        fix = "a service never gets the part after `#`; leave it out, or write %23"
        raise _refused("not-an-address", "--url", text, fix)
    match = ADDRESS.fullmatch(text)
    if not match or LONE_PERCENT.search(text):
        encoded = quote(LONE_PERCENT.sub("%25", text), safe=IN_URL, errors="replace")
        fix = "write host and port in ASCII, as in http://host:8080/"
        fix = f"write {encoded}" if ADDRESS.fullmatch(encoded) else fix
        raise _refused("not-an-address", "--url", text, f"has characters that an address cannot have; {fix}")
    if match["port"] and not 0 < int(match["port"]) < 65536:
        fix = f"there is no port {match['port']}; choose one from 1 to 65535"
        raise _refused("not-an-address", "--url", text, fix)
    path = match["path"] or "/"
    return Url(match["origin"], path if path.startswith("/") else f"/{path}")


def read_name(text: str) -> str:
    """A suite's name."""
    if not NAME.fullmatch(text):
        fix = "use letters, digits, - and _, beginning with a letter or digit (at most 40)"
        raise _refused("unusable-name", "--name", text, fix)
    return text


def read_users(text: str) -> int:
    """Virtual users, in total."""
    return VALUES.whole(_value("--users", text), "--users") or _not_above_0("--users", text)


def read_rps(text: str) -> Fraction:
    """Requests per second, in total."""
    return VALUES.number(_value("--rps", text), "--rps") or _not_above_0("--rps", text)


def read_duration(option: str, text: str, *, above_0: bool) -> str:
    """A duration, as it is written."""
    text = _value(option, text)
    if (not VALUES.seconds(text, option) and above_0) or not text:
        _not_above_0(option, text)
    return text


def read_limit(text: str) -> Limit:
    """A criterion, in Taurus' language or, where that lacks the subject, in toril's."""
    text = _value("--limit", text)
    try:
        parse_criterion(text, "--limit")
    except CriterionError as error:
        try:
            parse_criterion(text, "--limit", "toril")
        except CriterionError:
            raise OptionError(str(error), code=error.code) from error
        return Limit(text, "toril")
    return Limit(text, "taurus")


def read_locations(texts: list[str]) -> dict[str, Fraction]:
    """`["eu-west-1=2", "us-east-1"]` as weights."""
    found: dict[str, Fraction] = {}
    for text in texts:
        name, equals, weight = _value("--location", text).partition("=")
        if not LOCATION.fullmatch(name):
            fix = "a name has letters, digits and . _ - (at most 63)"
            raise _refused("unusable-name", "--location", text, fix)
        if name in found:
            raise _refused("repeated-location", "--location", text, f"{name} is named twice; leave one out")
        number = VALUES.number(weight, "--location") if equals else Fraction(1)
        found[name] = number or _not_above_0("--location", text)
    return found


def read_action(text: str) -> str:
    """Where GitHub finds toril's action."""
    if not ACTION_NAME.fullmatch(text):
        fix = "expected owner/repository@version, such as acme/toril@v1"
        raise _refused("unusable-name", "--action", text, fix)
    return text


def _value(option: str, text: str) -> str:
    text = text.strip()
    if "${" in text:
        raise _refused("unset-reference", option, text, "write the value itself instead of a reference")
    if not text.isprintable():
        raise _refused("unusable-value", option, text, "is no single line of text; write one")
    return text


def _not_above_0(option: str, text: str) -> Never:
    raise _refused("out-of-range", option, text, "expected a value above 0")


def _refused(code: str, option: str, text: object, fix: str) -> UserError:
    return OptionError(f"{option} {quoted(text)}: {fix}", code=code)


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions:
    """The options and answers; None and empty where there are none."""

    urls: tuple[Url, ...] = ()  # of a locustfile: its host
    jmx: Path | None = None
    locustfile: Path | None = None
    taurus: Path | None = None
    users: int | None = None
    rps: Fraction | None = None
    ramp_up: str | None = None
    hold_for: str | None = None
    limits: tuple[Limit, ...] = ()
    locations: Mapping[str, Fraction] = field(default_factory=dict)
    name: str = ""  # empty: after the file or the host
    action: str = ACTION
    workflow: bool = True

    @property
    def kind(self) -> Kind | None:
        """Where the load comes from; OptionError if several options name a source."""
        files: dict[Kind, Path | None] = {"jmx": self.jmx, "locustfile": self.locustfile, "taurus": self.taurus}
        found = [kind for kind, file in files.items() if file is not None]
        if len(found) > 1:
            fix = "give one of them; each suite has a folder of its own"
            raise OptionError(f"--{found[0]} and --{found[1]}: {fix}", code="conflicting-options")
        if not found:
            return "url" if self.urls else None
        if self.urls and found != ["locustfile"]:
            fix = "give one of them; the file names its addresses itself"
            raise OptionError(f"--url and --{found[0]}: {fix}", code="conflicting-options")
        return found[0]

    @property
    def file(self) -> Path | None:
        return self.jmx or self.locustfile or self.taurus

    @property
    def executor(self) -> str:
        return "jmeter" if self.jmx or self.rps else "locust"


def drafted(options: InitOptions, *, shaped: bool = False) -> InitOptions:
    """The options with defaults for the rest; OptionError for options that contradict each other.

    Users, ramp-up and hold stay None for a script's own load. `shaped`: the locustfile has a LoadTestShape, which is
    one.
    """
    kind = options.kind
    if kind is None:
        fix = "give --url URL, --jmx FILE, --locustfile FILE or --taurus FILE"
        raise OptionError(f"nothing to load is named; {fix}", code="missing-option")
    if kind == "taurus":
        _refuse_beside_taurus(options)
    if kind == "locustfile":
        if options.rps:
            fix = "Locust paces by its script alone; leave it out, and use wait_time there"
            raise OptionError(f"--rps: {fix}", code="conflicting-options")
        if len(options.urls) > 1 or any(url.path != "/" for url in options.urls):
            fix = "give one, without a path"
            raise OptionError(f"--url with --locustfile is its host: {fix}", code="not-a-host")
    load = (options.users, options.rps, options.ramp_up, options.hold_for)
    own_load = kind == "taurus" or ((kind == "jmx" or shaped) and all(part is None for part in load))
    if own_load and len(options.locations) > 1:
        fix = "a script's own load runs on one worker; give --users, too"
        raise OptionError(f"--location, several times: {fix}", code="missing-option")
    options = replace(options, name=options.name or default_name(options))
    if kind != "taurus" and not options.limits:
        options = replace(options, limits=LIMITS)
    if own_load:
        return options
    users = options.users or default_users(options.rps)
    hold_for = options.hold_for or default_hold(options, users)
    return replace(options, users=users, ramp_up=options.ramp_up or RAMP_UP, hold_for=hold_for)


def default_users(rps: Fraction | None) -> int:
    """Enough for that many requests per second if a response takes a second at most."""
    return max(USERS, math.ceil(rps or 0))


def default_hold(options: InitOptions, users: int) -> str:
    """Long enough to know the percentiles among the limits, if a response takes a second at most."""
    per_s = float(options.rps or 0) or users / (1 + THINK_TIME_S)
    needed = [0.0]
    for limit in options.limits or LIMITS:
        criterion = parse_criterion(limit.text, "--limit", limit.language)
        if criterion.percentile is not None and criterion.logic == "total":
            needed.append(samples_needed(criterion) * (max(1, len(options.urls)) if criterion.label else 1))
    return f"{max(MIN_HOLD_S, math.ceil(HEADROOM * max(needed) / per_s))}s"


def default_name(options: InitOptions) -> str:
    """After the file, its folder where every file has the same name, or the host."""
    if options.file is not None:
        stem = options.file.stem
        source = options.file.resolve().parent.name if stem.lower() in ("suite", "locustfile") else stem
    else:
        host = re.sub(r"^https?://(?:www\.)?|:[0-9]+$", "", options.urls[0].origin) if options.urls else ""
        source = "local" if re.fullmatch(r"[0-9.]+|\[.*\]|localhost", host) else host.partition(".")[0]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", source).strip("-_")[:40].strip("-_")
    return name if NAME.fullmatch(name) else "first"


def _refuse_beside_taurus(options: InitOptions) -> None:
    given = {
        "--users": options.users,
        "--rps": options.rps,
        "--ramp-up": options.ramp_up,
        "--hold-for": options.hold_for,
        "--limit": options.limits,
        "--location": options.locations,
    }
    for option, value in given.items():
        if value:
            fix = "the file stays as it is; write it there, or give it to each run with -o"
            raise OptionError(f"{option} with --taurus: {fix}", code="conflicting-options")
