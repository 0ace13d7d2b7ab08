"""What options and answers say together: defaults filled in, and what does not go together refused."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from toril.authoring.readers import NAME, Kind, Limit, Url
from toril.criteria import parse_criterion, samples_needed
from toril.errors import OptionError

# The repository of action.yml has no public owner yet; a name that GitHub does not allow runs nobody else's code.
ACTION = "<owner>/toril@v1"
USERS = 10
RAMP_UP = "5s"
HOLD_FOR_S = 25  # at least
THINK_TIME_S = 1  # of the users of a suite without --rps
SPARE = 1.1  # times the samples that are needed
LIMITS = (Limit("p95>500ms", "taurus"), Limit("fail>1%", "taurus"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was said; None and empty where nothing was."""

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
    name: str | None = None
    action: str = ACTION
    workflow: bool = True

    @property
    def kind(self) -> Kind | None:
        """Where the load comes from; OptionError when several things say so."""
        files: dict[Kind, Path | None] = {"jmx": self.jmx, "locustfile": self.locustfile, "taurus": self.taurus}
        found = [kind for kind, file in files.items() if file is not None]
        if len(found) > 1:
            raise OptionError(f"--{found[0]} and --{found[1]}: give one of them; each suite has a folder of its own")
        if not found:
            return "url" if self.urls else None
        if self.urls and found != ["locustfile"]:
            raise OptionError(f"--url and --{found[0]}: give one of them; the file names its addresses itself")
        return found[0]

    @property
    def file(self) -> Path | None:
        return self.jmx or self.locustfile or self.taurus


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """A suite that can be written: everything is decided."""

    kind: Kind
    name: str
    urls: tuple[Url, ...]
    file: Path | None
    executor: str
    users: int | None  # None: a script's own load
    rps: Fraction | None
    ramp_up: str | None
    hold_for: str | None
    limits: tuple[Limit, ...]
    locations: Mapping[str, Fraction]
    action: str
    workflow: bool


def decided(wanted: Wanted, *, shaped: bool = False) -> Choices:
    """Everything that was said, with defaults for the rest; OptionError for what does not go together.

    `shaped`: the locustfile has a LoadTestShape, which is a load of its own.
    """
    kind = wanted.kind
    if kind is None:
        raise OptionError("what is to be loaded? give --url URL, --jmx FILE, --locustfile FILE or --taurus FILE")
    if kind == "taurus":
        _refuse_beside_taurus(wanted)
    if kind == "locustfile":
        if wanted.rps:
            raise OptionError("--rps: Locust paces by its script alone; leave it out, and use wait_time there")
        if len(wanted.urls) > 1 or any(url.path != "/" for url in wanted.urls):
            raise OptionError("--url with --locustfile is its host: give one, without a path")
    said = (wanted.users, wanted.rps, wanted.ramp_up, wanted.hold_for)
    own_load = kind == "taurus" or ((kind == "jmx" or shaped) and not any(part is not None for part in said))
    if own_load and len(wanted.locations) > 1:
        raise OptionError("--location, several times: a script's own load runs on one worker; give --users, too")
    users = wanted.users or default_users(wanted.rps)
    return Choices(
        kind=kind,
        name=wanted.name or default_name(wanted),
        urls=wanted.urls,
        file=wanted.file,
        executor="jmeter" if kind == "jmx" or wanted.rps else "locust",
        users=None if own_load else users,
        rps=wanted.rps,
        ramp_up=None if own_load else wanted.ramp_up or RAMP_UP,
        hold_for=None if own_load else wanted.hold_for or default_hold(wanted, users),
        limits=() if kind == "taurus" else wanted.limits or LIMITS,
        locations=wanted.locations,
        action=wanted.action,
        workflow=wanted.workflow,
    )


def default_users(rps: Fraction | None) -> int:
    """Enough for that many requests per second if an answer takes a second at most."""
    return max(USERS, math.ceil(rps or 0))


def default_hold(wanted: Wanted, users: int) -> str:
    """Long enough for the percentiles among the limits to be known, if an answer takes a second at most."""
    per_s = float(wanted.rps or 0) or users / (1 + THINK_TIME_S)
    needed = [0.0]
    for limit in wanted.limits or LIMITS:
        criterion = parse_criterion(limit.text, "--limit", limit.language)
        if criterion.percentile is not None and criterion.logic == "total":
            needed.append(samples_needed(criterion) * (max(1, len(wanted.urls)) if criterion.label else 1))
    return f"{max(HOLD_FOR_S, math.ceil(SPARE * max(needed) / per_s))}s"


def default_name(wanted: Wanted) -> str:
    """After the file, its folder where every file is called so, or the host."""
    if wanted.file is not None:
        stem = wanted.file.stem
        said = wanted.file.resolve().parent.name if stem.lower() in ("suite", "locustfile") else stem
    else:
        host = re.sub(r"^https?://(?:www\.)?|:[0-9]+$", "", wanted.urls[0].origin) if wanted.urls else ""
        said = "local" if re.fullmatch(r"[0-9.]+|\[.*\]|localhost", host) else host.partition(".")[0]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", said).strip("-_")[:40].strip("-_")
    return name if NAME.fullmatch(name) else "first"


def _refuse_beside_taurus(wanted: Wanted) -> None:
    given = {
        "--users": wanted.users,
        "--rps": wanted.rps,
        "--ramp-up": wanted.ramp_up,
        "--hold-for": wanted.hold_for,
        "--limit": wanted.limits,
        "--location": wanted.locations,
    }
    for option, value in given.items():
        if value:
            raise OptionError(
                f"{option} with --taurus: the file stays as it is; write it there, or give it to each run with -o"
            )
