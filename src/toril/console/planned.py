"""What `toril plan` says of a suite that is being edited: messages, the load over time, workers, start time and price.

Nothing of the suite is executed or downloaded.
"""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

from toril import __version__, text
from toril.console.editor import Draft, Mark
from toril.desk.starting import StartEstimate, estimate, launcher_of
from toril.errors import InfrastructureError, StoreError, UserError
from toril.launchers.agents import agents_by_location
from toril.load.model import unit_of
from toril.plan.options import RunOptions
from toril.records import Deployment, Plan
from toril.records.agent import is_private
from toril.records.deployment import deployment_key
from toril.runs import suites
from toril.secrets.masking import mask
from toril.store import Entry, Reader, Store
from toril.suite.reader import Environment, mapping_at
from toril.suite.scenarios import reached, urls_of

WIDTH, HEIGHT = 320, 90  # of the drawn load
POINTS = 160
FILE = "suite.yml"
ORIGIN = re.compile(r"(?i)https?://[^/?#]+|\$\{[^}]*\}")
PLACE = re.compile(r"^line \d+(?:, column \d+)?: ")
HOST = re.compile(rb"\bhost\b\s*(:.*)?=|https?://")


@dataclass(frozen=True, slots=True)
class RegionPlace:
    """A region: its stack's record, or why it cannot be read."""

    region: str
    deployed_at: float
    deployment: Deployment | None
    problem: str = ""

    @property
    def other_version(self) -> bool:
        return self.deployment is not None and self.deployment.toril_version != __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCurve:
    """The planned load over time, as the path of an SVG of WIDTH × HEIGHT."""

    path: str
    peak: str
    length: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A location of the plan."""

    name: str
    workers: int
    load: str  # users, and requests per second
    vcpus: float | None = None  # of its workers; None on this machine, and at private locations
    allowed: int | None = None  # vCPU a run, by the region's stack; None: there is no stack
    problem: str = ""  # why the region cannot run this


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The result of a check."""

    marks: tuple[Mark, ...] = ()
    plan: Plan | None = None
    curve: LoadCurve | None = None
    places: tuple[Place, ...] = ()
    start: StartEstimate | None = None

    @property
    def json_marks(self) -> list[dict[str, str | int | None]]:
        """The messages for the page's script, which shows them at fields and lines."""
        return [asdict(mark) for mark in self.marks]

    @property
    def failed(self) -> bool:
        return any(mark.level == "error" for mark in self.marks)


def check(store: Store, draft: Draft, files: Mapping[str, bytes], main: str, now: float) -> Planned:
    """Plans the draft with the other files of its suite."""
    if draft.empty:
        return Planned()
    marks = draft.marks_of_form()  # the plan ends at the first problem
    if any(mark.field.endswith(".address") and mark.level == "error" for mark in marks):
        return Planned(marks=tuple(marks))
    marks += _without_host(draft, files)
    name = draft.suite_name or "suite"
    try:
        written = {**files, main: draft.without_wrong_criteria().written.encode()}
        checked = suites.validate(written, RunOptions(on=launcher_of(store)), name=name, now=now)
        if draft.version is None and name in suites.suite_names(store):
            marks.append(Mark(message=f"There is a suite of the name {name}. Choose another name.", field="name"))
    except UserError as error:
        field = "name" if error.code == "suite-name" else ""
        return Planned(marks=(*marks, Mark(message=mask(str(error)), field=field, code=error.code)))
    if checked.problem is not None:
        marks.append(_mark(checked.problem, draft, "error"))
    marks += [_mark(remark, draft, "warning") for remark in checked.warnings]
    if checked.plan is None:
        return Planned(marks=tuple(marks))
    asked = checked.plan.on == "fargate" and any(map(is_private, checked.plan.locations))
    private = agents_by_location(store, now) if asked else {}
    places = tuple(_places(checked.plan, deployments(store), private))
    for place in places:
        if place.problem and place.workers:
            marks.append(Mark(message=place.problem, field=draft.field_of_location(place.name)))
    start: StartEstimate | None = None
    try:
        start = estimate(store, checked.plan, os.environ)
    except UserError as error:
        marks.append(Mark(message=f"start time and price are unknown: {error}", level="warning"))
    return Planned(
        marks=tuple(marks),
        plan=checked.plan,
        curve=curve_of(checked.plan),
        places=places,
        start=start,
    )


def _without_host(draft: Draft, files: Mapping[str, bytes]) -> list[Mark]:
    """Returns a warning if a locustfile sets no host, has no whole address, and gets none from the suite."""
    text = 'No host is known. Write one here, or `host = "https://…"` in the script.'
    return [
        Mark(message=text, field=f"executions.{index}.address", level="warning")
        for index, own in enumerate(draft.form.executions if draft.form else ())
        if not own.address and own.executor == "locust" and not HOST.search(files.get(own.script, b"host ="))
    ]


def deployments(store: Store) -> dict[str, Deployment]:
    """Returns the store's regions by name; none if no region is deployed."""
    from toril.launchers.prepare import read_deployments

    try:
        return read_deployments(store, damaged=[])
    except InfrastructureError:
        return {}


def in_words(start: StartEstimate | None) -> str:
    """Returns what a start uses: `6 workers, 2 regions, 1 private location, about 2 min to start, $0.04`."""
    if start is None:
        return ""
    workers = text.plural(sum(start.workers.values()), "worker")
    if start.start_s is None:
        return f"{workers} {'at private locations' if start.private else 'on this machine'}"
    price = f"{'at most ' if start.at_most else ''}{text.dollars(start.usd)}"
    private = sum(map(is_private, start.workers))
    places = text.plural(len(start.workers) - private, "region")
    places += f", {text.plural(private, 'private location')}" if private else ""
    return f"{workers}, {places}, about {text.span(round(start.start_s))} to start, {price}"


def load_in_words(plan: Plan, start: StartEstimate) -> str:
    """Returns what a start does, such as `10 users, 1 min 10 s, 6 workers, 2 regions, about 2 min to start, $0.04`."""
    curve = None if plan.tried else curve_of(plan)
    return ", ".join(filter(None, (*((curve.peak, curve.length) if curve else ()), in_words(start))))


def targets_of(plan: Plan) -> list[str]:
    """Returns the addresses that a plan's scenarios send requests to; those of scripts are unknown.

    An address that only a response or a row of data has is its reference, such as `${next}`.
    """
    known = mapping_at(plan.common, "settings", "env")
    environment = Environment(plan.environment, known, {}, frozenset(plan.secrets))
    targets: list[str] = []
    scenarios = mapping_at(plan.common, "scenarios")
    for scenario in reached(scenarios, (execution.scenario for execution in plan.executions)).values():
        default = scenario.get("default-address")
        targets += [str(environment.resolve_all(default))] if default else []
        urls = (environment.resolve(url).strip() for url, _ in urls_of(scenario.get("requests"), ""))
        targets += [match[0] for url in urls if (match := ORIGIN.match(url))]
    return [mask(address) for address in dict.fromkeys(targets)]


def curve_of(plan: Plan) -> LoadCurve | None:
    """Returns the planned requests per second; without a rate, the planned users. None without a planned end."""
    from toril.summary.load import planned_users  # numpy, which lists do not need

    length_s = plan.duration_s
    if not length_s or plan.functional:
        return None
    times_s = [length_s * place / POINTS for place in range(POINTS + 1)]
    rates = [(execution, rate) for execution in plan.executions if (rate := execution.planned_rate()) is not None]
    if rates:
        values = [
            sum(rate.rate_at(min(at_s, length_s - 1e-6) - load.delay_s) for load, rate in rates) for at_s in times_s
        ]
        units = {unit_of(load.model) for load, _ in rates}
        peak = text.quantity(round(max(values), 3), units.pop() if len(units) == 1 else "/s")
    else:
        values = [sum(planned_users(load, min(at_s, length_s - 1e-6)) for load in plan.executions) for at_s in times_s]
        peak = text.plural(round(max(values)), "user")
    if not max(values):
        return None
    points = (
        f"{WIDTH * at_s / length_s:.1f} {HEIGHT * (1 - value / max(values)):.1f}"
        for at_s, value in zip(times_s, values, strict=True)
    )
    return LoadCurve(path=f"M0 {HEIGHT}L{'L'.join(points)}L{WIDTH} {HEIGHT}Z", peak=peak, length=text.span(length_s))


def _places(plan: Plan, regions: Mapping[str, Deployment], private: Collection[str]) -> list[Place]:
    """Returns the plan's locations, then the other regions. `private`: locations with a live agent."""
    each = None if plan.task is None else plan.task.cpu / 1024
    places = []
    for name in dict.fromkeys((*plan.locations, *regions)):
        here = [share for share in plan.shares if share.location == name]
        users = sum(part.concurrency or 0 for share in here for part in share.executions)
        rps = sum(part.throughput_rps or 0 for share in here for part in share.executions)
        parts = (text.plural(users, "user") if users else "", text.quantity(round(rps, 3), "/s") if rps else "")
        vcpus = None if each is None or is_private(name) else len(here) * each
        allowed = regions[name].limits.vcpus if name in regions else None
        load = " ".join(filter(None, parts))
        problem = "" if name in private else _problem(plan, name, regions.get(name))
        places.append(Place(name=name, workers=len(here), load=load, vcpus=vcpus, allowed=allowed, problem=problem))
    return places


def _problem(plan: Plan, name: str, region: Deployment | None) -> str:
    """Returns why the workers of a plan cannot run there; empty on this machine."""
    if plan.on == "local":
        return ""
    if is_private(name):
        return f"no agent of {name} is live; start `toril agent {name}`"
    if region is None:
        return f"{name} is not deployed; choose another region, or deploy a stack there"
    from toril.launchers.fargate.tasks import kind_for

    try:
        kind_for(plan, region)
    except InfrastructureError as error:
        return str(error)
    return ""


def _mark(remark: suites.Remark, draft: Draft, level: str) -> Mark:
    """Returns a message at its field or line; there, it needs no file and path."""
    message, path = remark.message, ""
    if remark.file == FILE:
        rest = message.removeprefix(f"{FILE}: ")
        path, colon, tail = rest.partition(": ")
        message = tail if colon and draft.field_of(path) else rest
    return Mark(
        message=mask(PLACE.sub("", message) if remark.line else message),
        level="error" if level == "error" else "warning",
        field=draft.field_of(path),
        line=remark.line,
        code=remark.code,
    )


def places_of(store: Reader) -> list[RegionPlace]:
    """Returns the regions with a stack, by name."""
    entries = [entry for entry in store.entries("deployments/") if entry.key.endswith(".json")]
    return [_place(store, entry) for entry in sorted(entries, key=lambda entry: entry.key)]


def _place(store: Reader, entry: Entry) -> RegionPlace:
    region = entry.key.removeprefix(deployment_key("").removesuffix(".json")).removesuffix(".json")
    try:
        return RegionPlace(region, entry.modified_at, Deployment.from_json(store.get(entry.key), entry.key))
    except StoreError as error:  # the other regions are shown nevertheless
        return RegionPlace(region, entry.modified_at, None, str(error))
