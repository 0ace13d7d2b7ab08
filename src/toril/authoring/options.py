"""Parses the options and answers of `toril init` and `toril import`, and completes them to a draft of a suite."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Literal, NamedTuple, Never
from urllib.parse import quote

from toril.criteria import Language, parse_criterion, samples_needed
from toril.errors import CriterionError, OptionError, UserError
from toril.explain import ACTION
from toril.suite.executions import LOCATION
from toril.suite.reader import Environment, SuiteReader, quoted

Kind = Literal["url", "jmx", "locustfile", "taurus", "k6", "gatling"]
WITH_LOAD = ("jmx", "k6", "gatling")  # scripts that set their load

MAX_URL = 2000  # characters; some servers reject more
IN_URL = "A-Za-z0-9._~:/?@!$&'()*+,;=%[]-"  # RFC 3986, without the fragment
ADDRESS = re.compile(
    r"(?P<origin>https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?)"
    r"(?P<path>[/?][A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]*)?"
)
HOST = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]{1,5})?")
CREDENTIALS = re.compile(r"https?://[^/?#]*@")
LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Valid as a folder, in a run id, as a key of YAML and of `-o scenarios.NAME.…`, and in a workflow.
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9_])?")
ACTION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*@[A-Za-z0-9._/-]+")


class Url(NamedTuple):
    """An address of the service, split into two parts."""

    origin: str  # http://host:port
    path: str  # with the query; begins with a slash


class Limit(NamedTuple):
    """A criterion and its language."""

    text: str
    language: Language


NO_ACTION = "YOUR_ORG/toril@main"  # GitHub allows no `_` in the name of an account, so it runs no foreign code
ON_GITHUB = re.compile(r"(?:https://|ssh://git@)github\.com/(?P<repository>[\w-]+/[\w.-]+?)(?:\.git)?/?")
USERS = 10
RAMP_UP = "5s"
MIN_HOLD_S = 25
THINK_TIME_S = 1  # in a suite without --rps
LENGTH = "10m"
HEADROOM = 1.1  # factor on the needed samples
LOAD = ("users", "rps", "arrivals", "ramp_up", "hold_for")  # fields of InitOptions
SINGULAR = {  # options that differ from their fields
    "limits": "criterion", "environment": "postman-environment", "hosts": "host", "kept": "with",
    "forced": "rule", "dropped": "no-rule",
}  # fmt: skip
LIMITS = (Limit("p95>500ms", "taurus"), Limit("fail>1%", "taurus"))

VALUES = SuiteReader("options", Environment({}, {}, {}), refusal=OptionError)  # the validators of suites


def read_url(text: str, option: str = "--url") -> Url:
    """Returns an address: ASCII, percent-encoded, without credentials and fragment."""
    text = text.strip()
    if not re.match(r"https?://[^/?#]", text):
        fix = "expected an address such as https://shop.example.com/search?q=lamp."
        raise _refused("not-an-address", option, text, fix)
    if CREDENTIALS.match(text):
        fix = "the suite would contain the credentials. Remove them, and send them in `headers` from ${…}."
        fix = "credentials in an address are not sent. Download the file, and pass it." if option == "SOURCE" else fix
        raise _refused("credentials-in-address", option, text, fix)
    if len(text) > MAX_URL:
        raise _refused("too-large", option, text, f"longer than {MAX_URL:,} characters. Shorten it.")
    if "#" in text:
        fix = "clients do not send the part after `#`. Remove it, or write %23."
        raise _refused("not-an-address", option, text, fix)
    match = ADDRESS.fullmatch(text)
    if not match or LONE_PERCENT.search(text):
        encoded = quote(LONE_PERCENT.sub("%25", text), safe=IN_URL, errors="replace")
        fix = "Write host and port in ASCII, as in http://host:8080/"
        fix = f"Write {encoded}" if ADDRESS.fullmatch(encoded) else fix
        raise _refused("not-an-address", option, text, f"invalid characters in an address. {fix}")
    if match["port"] and not 0 < int(match["port"]) < 65536:
        raise _refused("not-an-address", option, text, f"invalid port {match['port']}. Choose one from 1 to 65535.")
    path = match["path"] or "/"
    return Url(match["origin"], path if path.startswith("/") else f"/{path}")


def read_name(text: str) -> str:
    """Returns the name of a suite."""
    if not NAME.fullmatch(text):
        fix = "use at most 40 letters, digits, `-` and `_`, and begin with a letter or digit."
        raise _refused("unusable-name", "--name", text, fix)
    return text


def read_users(text: str) -> int:
    """Returns the number of virtual users in total."""
    return VALUES.whole(_value("--users", text), "--users") or _not_above_0("--users", text)


def read_rps(text: str) -> Fraction:
    """Returns the requests per second in total."""
    return VALUES.number(_value("--rps", text), "--rps") or _not_above_0("--rps", text)


def read_arrivals(text: str) -> str:
    """Returns the journeys per second in total, such as `50/s`."""
    rate = VALUES.number(_value("--arrivals", text).removesuffix("/s"), "--arrivals")
    return f"{number(rate)}/s" if rate else _not_above_0("--arrivals", text)


def read_duration(option: str, text: str, *, above_0: bool) -> str:
    """Returns a duration, unchanged."""
    text = _value(option, text)
    if (not VALUES.seconds(text, option) and above_0) or not text:
        _not_above_0(option, text)
    return text


def read_limit(text: str) -> Limit:
    """Returns a criterion in Taurus' language or, if that lacks the subject, in toril's."""
    text = _value("--criterion", text)
    try:
        parse_criterion(text, "--criterion")
    except CriterionError as error:
        try:
            parse_criterion(text, "--criterion", "toril")
        except CriterionError:
            raise OptionError(str(error), code=error.code) from error
        return Limit(text, "toril")
    return Limit(text, "taurus")


def read_locations(texts: list[str]) -> dict[str, Fraction]:
    """Returns the weights in `["eu-west-1=2", "us-east-1"]`."""
    weights: dict[str, Fraction] = {}
    for text in texts:
        name, equals, weight = _value("--locations", text).partition("=")
        if not LOCATION.fullmatch(name):
            raise _refused("unusable-name", "--locations", text, "use at most 63 letters, digits, `.`, `_` and `-`.")
        if name in weights:
            raise _refused("repeated-location", "--locations", text, f"{name} occurs twice. Remove one.")
        number = VALUES.number(weight, "--locations") if equals else Fraction(1)
        weights[name] = number or _not_above_0("--locations", text)
    return weights


def installed_action(recorded: str | None = None) -> str:
    """Returns the address of the action in the version that is installed here; NO_ACTION if it is unknown.

    `recorded`: the installation's `direct_url.json` (PEP 610), which an installation from an index lacks.
    """
    if recorded is None:
        try:
            recorded = distribution("toril").read_text("direct_url.json")
        except PackageNotFoundError:  # run from its sources
            recorded = ""
    origin = json.loads(recorded) if recorded else {}
    commit = origin.get("vcs_info", {}).get("commit_id", "")
    if commit and (repository := ON_GITHUB.fullmatch(origin["url"])):
        return f"{repository['repository']}@{commit}"
    return ACTION or NO_ACTION


def read_action(text: str | None) -> str:
    """Returns the address of toril's action on GitHub; by default, of the version that is installed."""
    if text is None:
        return installed_action()
    if text != NO_ACTION and not ACTION_NAME.fullmatch(text):
        raise _refused("unusable-name", "--action", text, "expected ACCOUNT/REPOSITORY@VERSION, such as acme/toril@v0.")
    return text


def _value(option: str, text: str) -> str:
    text = text.strip()
    if "${" in text:
        raise _refused("unset-reference", option, text, "references are not supported. Write the value itself.")
    if not text.isprintable():
        raise _refused("unusable-value", option, text, "expected one line of printable text.")
    return text


def _not_above_0(option: str, text: str) -> Never:
    raise _refused("out-of-range", option, text, "expected a value above 0.")


def _refused(code: str, option: str, text: object, fix: str) -> UserError:
    return OptionError(f"{option} {quoted(text)}: {fix}", code=code)


@dataclass(frozen=True, slots=True, kw_only=True)
class InitOptions:
    """The options and answers; None or empty if missing."""

    urls: tuple[Url, ...] = ()  # for a locustfile: its host
    file: Path | None = None
    script: Kind | None = None  # the kind of the file
    users: int | None = None
    rps: Fraction | None = None
    arrivals: str = ""  # journeys per second, as under `toril.arrivals`
    ramp_up: str | None = None
    hold_for: str | None = None
    limits: tuple[Limit, ...] = ()
    locations: Mapping[str, Fraction] = field(default_factory=dict)
    name: str = ""  # empty: derived from the file or the host
    action: str = field(default_factory=installed_action)
    workflow: bool = True

    @property
    def kind(self) -> Kind | None:
        """The source of the load; None if it is missing."""
        return self.script or ("url" if self.urls else None)

    @property
    def executor(self) -> str:
        if self.kind in ("k6", "gatling"):
            return str(self.kind)
        return {"jmx": "jmeter", "locustfile": "locust"}.get(str(self.kind), "toril")


class Keep(StrEnum):
    """What an import leaves out unless it is asked to keep it."""

    STATIC = "static"
    THIRD_PARTIES = "third-parties"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions(InitOptions):
    """The options of `toril import` and `toril record`."""

    workflow: bool = False
    kept: frozenset[Keep] = frozenset()  # what is not left out
    hosts: tuple[str, ...] = ()  # whose requests are kept; of a source without hosts: the address
    environment: Path | None = None  # of a Postman collection
    only_reads: bool = False  # whether to leave out requests that change data
    functional: bool = False
    length: str = LENGTH  # of the load of an access log
    forced: frozenset[int] = frozenset()  # numbers of rules to apply
    dropped: frozenset[int] = frozenset()  # numbers of rules not to apply
    replay: bool = False  # whether to send the requests once, as a second observation


def drafted(options: InitOptions, *, shaped: bool = False) -> InitOptions:
    """Returns the options with defaults; OptionError for conflicting options.

    Users, ramp-up and hold stay None if a script sets the load. `shaped`: the locustfile sets it by a LoadTestShape.
    """
    kind = options.kind
    if kind is None:
        fix = "Pass --url URL, or write the suite of a script by `toril import FILE`."
        raise OptionError(f"The source of the load is missing. {fix}", code="missing-option")
    if options.file and (not options.file.name.isprintable() or "${" in options.file.name):
        raise _refused("unusable-name", "SOURCE", options.file, "the name is invalid in a suite. Rename the file.")
    if kind == "taurus":
        fix = "Write the value in the file, or pass it to each run with -o."
        refuse(options, (*LOAD, "limits", "locations"), f"with a Taurus file: it stays unchanged. {fix}")
    if kind != "url":
        refuse(options, ["arrivals"], "with a script: it has no journeys of the suite. Use --users.")
    if kind == "locustfile":
        if options.rps:
            fix = "Remove --rps, and set `wait_time` in the script."
            raise OptionError(f"--rps with a locustfile: Locust has no throughput. {fix}", code="conflicting-options")
        if len(options.urls) > 1 or any(url.path != "/" for url in options.urls):
            fix = "Pass one address without a path."
            raise OptionError(f"--host with a locustfile sets its host. {fix}", code="not-a-host")
    load = (options.users, options.rps, options.ramp_up, options.hold_for)
    own_load = kind == "taurus" or ((kind in WITH_LOAD or shaped) and all(part is None for part in load))
    if own_load and len(options.locations) > 1:
        fix = "one worker runs the load of a script. Add --users, or pass one location."
        raise OptionError(f"--locations: {fix}", code="missing-option")
    options = replace(options, name=options.name or default_name(options))
    if kind != "taurus" and not options.limits:
        options = replace(options, limits=LIMITS)
    if own_load:
        return options
    users = None if options.arrivals else options.users or default_users(options.rps)
    hold_for = options.hold_for or default_hold(options, users)
    return replace(options, users=users, ramp_up=options.ramp_up or RAMP_UP, hold_for=hold_for)


def read_load(
    users: int | None,
    rps: str | None,
    arrivals: str | None,
    ramp_up: str | None,
    hold_for: str | None,
    criterion: Sequence[str] | None,
    locations: str | None,
    name: str | None,
) -> dict[str, Any]:
    """Returns the options that `toril init`, `toril import` and `toril record` share, by their names in InitOptions."""
    if arrivals is not None and (users is not None or rps is not None):
        fix = "Remove --users and --rps: each journey is a user of its own."
        raise OptionError(f"--arrivals {quoted(arrivals)}: it sets the load alone. {fix}", code="conflicting-options")
    return {
        "users": users,
        "rps": None if rps is None else read_rps(rps),
        "arrivals": "" if arrivals is None else read_arrivals(arrivals),
        "ramp_up": None if ramp_up is None else read_duration("--ramp-up", ramp_up, above_0=False),
        "hold_for": None if hold_for is None else read_duration("--hold-for", hold_for, above_0=True),
        "limits": tuple(map(read_limit, criterion or ())),
        "locations": read_locations([] if locations is None else locations.split(",")),
        "name": "" if name is None else read_name(name),
    }


def read_host(text: str) -> str:
    """Returns a host, or an address without a slash at its end."""
    if "://" in text:
        url = read_url(text, "--host")
        return f"{url.origin}{url.path}".rstrip("/")
    if not HOST.fullmatch(text):
        raise OptionError(f"--host `{text}`: expected a host such as api.example.com.", code="option-value")
    return text.lower()


def number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def default_users(rps: Fraction | None) -> int:
    """Returns enough users for that rate if each response takes at most a second."""
    return max(USERS, math.ceil(rps or 0))


def default_hold(options: InitOptions, users: int | None) -> str:
    """Returns a time with enough samples for the limits, if each response takes at most a second."""
    arriving = float(options.arrivals.removesuffix("/s") or 0) * max(1, len(options.urls))
    per_s = float(options.rps or 0) or arriving or (users or 0) / (1 + THINK_TIME_S)
    needed = [0.0]
    for limit in options.limits or LIMITS:
        criterion = parse_criterion(limit.text, "--criterion", limit.language)
        if criterion.percentile is not None and criterion.logic == "total":
            needed.append(samples_needed(criterion) * (max(1, len(options.urls)) if criterion.label else 1))
    return f"{max(MIN_HOLD_S, math.ceil(HEADROOM * max(needed) / per_s))}s"


def default_name(options: InitOptions) -> str:
    """Returns a name from the file, from its folder for a common file name, or from the host."""
    if options.file is not None:
        stem = options.file.stem
        source = options.file.resolve().parent.name if stem.lower() in ("suite", "locustfile") else stem
    else:
        host = re.sub(r"^https?://(?:www\.)?|:[0-9]+$", "", options.urls[0].origin) if options.urls else ""
        source = "local" if re.fullmatch(r"[0-9.]+|\[.*\]|localhost", host) else host.partition(".")[0]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", source).strip("-_")[:40].strip("-_")
    return name if NAME.fullmatch(name) else "first"


def refuse(options: InitOptions, names: Iterable[str], text: str) -> None:
    """Raises OptionError if one of these options is given; `text` continues its message."""
    for name in names:
        if getattr(options, name):
            option = SINGULAR.get(name, name.replace("_", "-"))
            raise OptionError(f"--{option} {text}", code="conflicting-options")
