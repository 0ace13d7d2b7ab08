"""Executions: how much of which scenario, with which executor; every load key typed."""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from toril.errors import SuiteError
from toril.load.curve import Curve
from toril.load.shapes import OPEN_MODEL
from toril.records import Search
from toril.suite.browsers import BROWSER_ENGINES
from toril.suite.capacity import check_names, lowest, read_search
from toril.suite.curves import Course, course_of, is_shape
from toril.suite.door import Door, nearest, shown
from toril.suite.external import LOADER, check_external
from toril.suite.external import refuse_load as refuse_load_of_external
from toril.suite.functional import TELL_CASES, is_functional, refuse_load
from toril.suite.jmx import TestPlan
from toril.suite.k6 import refuse_ignored as refuse_ignored_of_k6
from toril.suite.scenarios import Scenarios
from toril.suite.settings import CapacitySearch

PROVED = ("jmeter", "locust", "apiritif", "vegeta", "selenium", "playwright", "k6", "gatling")  # by tests that run them
OTHERS = (  # of bzt's executors, without tests
    "junit", "mocha", "molotov", "newman", "nunit", "pytest", "remote-playwright", "robot", "testng", "tsung", "xunit"
)  # fmt: skip
REFUSED = {
    "ab": "counts HTTP errors as successes of 0 ms, so that no criterion could ever fail",
    "siege": "rounds to 10 ms and counts HTTP errors as successes",
}
LOCATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
PROVISIONING = {"local": "local", "fargate": "cloud"}  # the key of `concurrency: {local: 5, cloud: 1000}` that counts
OURS = ("criteria", "locations", "locations-weighted", "start-at")  # keys that no worker sees
TIMES = ("delay", "ramp-up", "hold-for")
OF_SCHEDULES = (*OURS, *TIMES, "executor", "scenario", "throughput", "concurrency", "iterations", "steps", "files")
MOST_EXECUTIONS = 256  # that interval files can tell apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution with the whole run's load; `config` is its Taurus item with references in load keys resolved."""

    name: str
    index: int
    executor: str
    scenario: str  # a name under `scenarios`
    concurrency: int | None  # None: a script's own load, or an open model's, which has a rate instead
    throughput_rps: Fraction | None
    iterations: int | None
    steps: int | None
    delay_s: float
    ramp_up_s: float
    hold_for_s: float
    labels: tuple[str, ...]
    locations: Mapping[str, Fraction]  # weights, or with `exact_workers` numbers of workers; empty: wherever the run is
    exact_workers: bool
    files: tuple[str, ...]  # data sources and files that it names
    config: dict[str, Any]
    curve: Curve | None = None  # then throughput_rps is its peak
    search: Search | None = None  # then throughput_rps is the highest rate that may come
    groups: int = 1  # thread groups of its own JMX, each of which needs a user on each worker


def read_executions(
    config: Mapping[str, Any],
    scenarios: Scenarios,
    door: Door,
    on: str,
    curves: Mapping[str, Any] | None = None,
    capacity: Mapping[str, CapacitySearch] | None = None,
) -> tuple[Execution, ...]:
    """The suite's executions, in order; `curves` and `capacity` are shapes of load and searches by execution."""
    written = config.get("execution")
    if isinstance(written, dict):
        written = [written]
    if not written:
        raise SuiteError(
            f"{door.name}: execution is missing; write what to run: `execution: [{{scenario: …, hold-for: 1m}}]`"
        )
    items = door.items(written, "execution", "execution: [{scenario: …}]")
    if len(items) > MOST_EXECUTIONS:
        raise door.error("execution", f"a list of {len(items):,}", f"a suite has at most {MOST_EXECUTIONS}")
    reader = _Reader(config, scenarios, door, on, curves or {}, capacity or {})
    found: list[Execution] = []
    for index, item in enumerate(items):
        path = f"execution[{index}]"
        mapping = door.mapping(item, path, "{scenario: checkout, concurrency: 10, hold-for: 1m}")
        found.append(reader.read(deepcopy(mapping), index, path, {execution.name for execution in found}))
    names = {execution.name for execution in found}
    check_names(capacity or {}, names, door)
    for name in curves or {}:
        if name not in names:
            raise door.error(f"toril.curves.{name[:60]}", "a curve of no execution", nearest(name, names))
    return tuple(found)


class _Reader:
    def __init__(
        self,
        config: Mapping[str, Any],
        scenarios: Scenarios,
        door: Door,
        on: str,
        curves: Mapping[str, Any],
        capacity: Mapping[str, CapacitySearch],
    ) -> None:
        self.curves, self.capacity, self.on = curves, capacity, on
        self.scenarios, self.door, self.provisioning = scenarios, door, PROVISIONING[on]
        self.locations = config.get("locations")  # Taurus: for executions that have none of their own
        settings = config.get("settings")
        self.default_executor = (settings.get("default-executor") if isinstance(settings, dict) else None) or "jmeter"
        self.functional = is_functional(config)
        self.proved = (*PROVED, LOADER, *(TELL_CASES if self.functional else ()))
        modules = config.get("modules")
        found = modules.items() if isinstance(modules, dict) else ()
        own = (name for name, one in found if isinstance(one, str) or (isinstance(one, dict) and "class" in one))
        self.known = {*self.proved, *OTHERS, *own}
        self.alone = not config.get("services")
        self.warned: set[str] = set()

    def read(self, item: dict[str, Any], index: int, path: str, taken: set[str]) -> Execution:
        executor = self._executor(item, path)
        without = item.get("scenario") is None and executor not in PROVED  # such as those that only read results
        scenario = executor if without else self.scenarios.of(item, path, executor)
        self.scenarios.check_files(item, path)
        if executor == LOADER:
            check_external(item, self.scenarios, self.door, path, alone=self.alone)
        name = _unused(scenario, taken)
        course, search = self._course(item, name, executor, path), None
        if name in self.capacity:
            if course is not None:
                what = "beside a load curve, and a search sets the rate itself"
                raise self.door.error(f"toril.capacity.{name[:60]}", what, "keep one of the two")
            labels = self.scenarios.labels(scenario)
            search = read_search(self.capacity[name], name, executor, item, labels, self.door)
            course = Course(lowest(search, self.on), 0.0)
            item |= {"throughput": search.to_rps, "hold-for": _plain(course.curve.length_s)}
        script = self.scenarios.jmx(scenario)
        if script.groups and item.get("hold-for") is not None and not item.get("ramp-up"):
            item["ramp-up"] = "0s" if course else self._ramp_of(script, f"{path}.ramp-up")
        durations = {key: self.door.seconds(item.get(key), f"{path}.{key}") for key in TIMES}
        concurrency = self.door.whole(self._placed(item, "concurrency", path), f"{path}.concurrency")
        throughput = self.door.number(self._placed(item, "throughput", path), f"{path}.throughput")
        iterations = self.door.whole(item.get("iterations"), f"{path}.iterations")
        steps = self.door.whole(item.get("steps"), f"{path}.steps")
        timed = durations["ramp-up"] + durations["hold-for"] > 0
        counts = {"concurrency": concurrency, "iterations": iterations, "throughput": throughput, "steps": steps}
        counts |= {key: Fraction(durations[key]) for key in ("ramp-up", "hold-for")}
        if self.functional:
            refuse_load(executor, counts, self.door, path)
        if executor == LOADER:
            refuse_load_of_external(counts, self.door, path)
        own_load = self._has_own_load(executor, scenario) and not (
            concurrency or throughput or iterations or steps or timed
        )
        self._refuse_ignored(item, executor, throughput, steps, timed, path)
        is_open = executor in OPEN_MODEL
        if is_open:
            self._check_open(item, executor, throughput, timed, path, name)
            concurrency = None
        exact = self._exact(item.get("locations-weighted"), f"{path}.locations-weighted")
        locations = self._locations(item.get("locations", self.locations), f"{path}.locations", exact=exact)
        rate = None if throughput is None else int(throughput) if throughput.denominator == 1 else float(throughput)
        load = {"concurrency": concurrency, "throughput": rate, "iterations": iterations, "steps": steps}
        spent = {
            key: self.door.resolved(item[key], f"{path}.{key}", "") for key in durations if item.get(key) is not None
        }
        config = {key: value for key, value in item.items() if key not in (*OURS, *load, *durations)}
        config |= {"executor": executor} | {key: value for key, value in load.items() if value is not None} | spent
        if not without:
            config["scenario"] = scenario
        found = Execution(
            name=name,
            index=index,
            executor=executor,
            scenario=scenario,
            concurrency=None if own_load or is_open else concurrency or max(1, script.groups),
            throughput_rps=throughput,
            iterations=iterations or (None if timed or own_load else 1),  # Taurus: once, when nothing else bounds it
            steps=steps,
            delay_s=durations["delay"],
            ramp_up_s=durations["ramp-up"],
            hold_for_s=durations["hold-for"],
            labels=self.scenarios.labels(scenario),
            locations=locations,
            exact_workers=exact,
            files=self._files(config, scenario),
            config=config,
            groups=max(1, script.groups),
        )
        if course is None:
            return found
        held_s = course.curve.length_s - course.ramp_up_s
        return replace(found, curve=course.curve, ramp_up_s=course.ramp_up_s, hold_for_s=held_s, search=search)

    def _course(self, item: dict[str, Any], name: str, executor: str, path: str) -> Course | None:
        """The load curve of an execution, which then has its peak for a throughput, and its length for a hold."""
        written = item.get("throughput")
        if isinstance(written, dict) and not is_shape(written):
            written = self._placed(item, "throughput", path)
        course = course_of(item, written, name, path, self.curves, executor, self.door, self.scenarios.files)
        if course is not None:
            item |= {"throughput": course.curve.peak_rps, "hold-for": _plain(course.curve.length_s)}
        return course

    def _ramp_of(self, script: TestPlan, path: str) -> str:
        """The longest ramp of a JMX's thread groups, which is all groups' in a run with a hold of its own."""
        ramps_s = []
        for written in script.ramps_s:
            ramp = self.door.number(self.door.resolved(written, path, "write it into the suite"), path)
            ramps_s.append(float(ramp or 0))
        if len(set(ramps_s)) > 1:
            self.door.warn(path, f"is {max(ramps_s):g}s for all thread groups, the longest in the JMX")
        return f"{max(ramps_s):g}s"

    def _executor(self, item: dict[str, Any], path: str) -> str:
        executor = item.get("executor") or self.default_executor
        executor = self.door.resolved(executor, f"{path}.executor", "name one")
        if not isinstance(executor, str):
            raise self.door.error(f"{path}.executor", f"{shown(executor)}, not a name", "write one such as jmeter")
        if executor in REFUSED:
            raise self.door.error(
                f"{path}.executor", f"{shown(executor)}, which {REFUSED[executor]}", f"use {' or '.join(PROVED)}"
            )
        if executor == "locust" and item.get("master"):
            fix = "leave `master` out: toril's workers share the load"
            raise self.door.error(
                f"{path}.master", "on, and then Locust records no percentiles and no response codes", fix
            )
        if executor == "apiritif" and item.get("test-mode", executor) != executor:
            fix = "leave it out, or use `executor: selenium` for a browser"
            raise self.door.error(f"{path}.test-mode", f"{shown(item['test-mode'])}, not an API test", fix)
        if executor not in self.known:
            raise self.door.error(f"{path}.executor", f"{shown(executor)}, not an executor", nearest(executor, PROVED))
        if executor not in self.proved and executor not in self.warned:
            self.warned.add(executor)
            what = f"is {shown(executor)}, not proved by toril's tests (those are {', '.join(PROVED)})"
            self.door.warn(f"{path}.executor", f"{what}: check its numbers")
        return executor

    def _placed(self, item: dict[str, Any], key: str, path: str) -> Any:
        """The value, or the one for where it runs: `{local: 5, cloud: 1000}`."""
        value = item.get(key)
        if not isinstance(value, dict):
            return value
        unknown = set(value) - set(PROVISIONING.values())
        if unknown:
            raise self.door.error(
                f"{path}.{key}",
                f"{shown(value)}, with a place that is neither local nor cloud",
                f"write `{key}: {{local: 5, cloud: 1000}}`",
            )
        if self.provisioning not in value:
            self.door.warn(f"{path}.{key}", f"says nothing for `{self.provisioning}`, so Taurus' default counts")
        return value.get(self.provisioning)

    def _refuse_ignored(
        self,
        item: dict[str, Any],
        executor: str,
        throughput: Fraction | None,
        steps: int | None,
        timed: bool,
        path: str,
    ) -> None:
        if executor == "locust" and (throughput or steps):
            key = "throughput" if throughput else "steps"
            raise self.door.error(
                f"{path}.{key}", "set, which Locust ignores", "leave it out, pace in the script, or use jmeter"
            )
        if executor == "gatling" and throughput and throughput.denominator != 1:
            raise self.door.error(f"{path}.throughput", "no whole number, and Gatling keeps no other", "round it")
        if executor == "gatling" and steps:
            raise self.door.error(f"{path}.steps", "set, which Gatling ignores", "leave it out, or use jmeter")
        if executor == "k6":
            refuse_ignored_of_k6({"throughput": throughput, "steps": steps}, item, timed, self.door, path)
        if executor == "apiritif" and throughput:
            raise self.door.error(f"{path}.throughput", "set, which Apiritif ignores", "leave it out, or use jmeter")
        if executor in BROWSER_ENGINES and throughput:
            fix = "leave it out: so many users as browsers, each as fast as its pages"
            raise self.door.error(f"{path}.throughput", "set, which browsers do not keep", fix)
        if executor in BROWSER_ENGINES and item.get("runner", "apiritif") != "apiritif":
            fix = "leave it out: toril runs Python scripts"
            raise self.door.error(f"{path}.runner", f"{shown(item['runner'])}, which toril does not run", fix)
        if throughput and not timed:
            raise self.door.error(
                f"{path}.throughput",
                "set without ramp-up or hold-for, and then Taurus ignores it",
                "add `hold-for: 1m`",
            )
        if executor in OPEN_MODEL and steps and not self.door.seconds(item.get("ramp-up"), f"{path}.ramp-up"):
            raise self.door.error(
                f"{path}.steps", "set without a ramp-up to divide", "add `ramp-up: 1m`, or leave it out"
            )
        if item.get("start-at") is not None:
            self.door.warn(f"{path}.start-at", "is ignored: toril starts all workers together; use `delay`")

    def _check_open(
        self, item: dict[str, Any], executor: str, throughput: Fraction | None, timed: bool, path: str, name: str
    ) -> None:
        """A rate and a time, and nothing of users, whom an open model does not have."""
        if throughput is None:
            fix = "write the requests per second of all workers together: `throughput: 100`"
            if others := [*self.curves, *self.capacity]:  # a slip there, most often
                fix = f"its name is `{name[:60]}`, and curves or searches are written for {', '.join(others)[:200]}"
            raise self.door.error(f"{path}.throughput", f"missing, and {executor} sends at a rate", fix)
        if item.get("iterations") is not None:
            fix = "leave it out: `throughput` and `hold-for` say how many requests there are"
            raise self.door.error(f"{path}.iterations", f"set, and {executor} has no users to repeat anything", fix)
        for key in item:
            if key not in OF_SCHEDULES:
                self.door.warn(f"{path}.{key[:60]}", f"is ignored: {executor} has no such key; see `toril.vegeta`")
        if item.get("concurrency") is not None:
            self.door.warn(
                f"{path}.concurrency",
                f"is ignored: {executor} sends at a rate; `toril.vegeta.max-workers` bounds what is in flight",
            )

    def _has_own_load(self, executor: str, scenario: str) -> bool:
        scripted = executor in ("jmeter", "k6", "gatling") and bool(
            self.scenarios.named.get(scenario, {}).get("script")
        )
        return scripted or executor == LOADER

    def _exact(self, written: object, path: str) -> bool:
        """Whether the numbers of `locations` are those of workers, and no weights."""
        weighted = str(self.door.resolved(written, path, "write true or false")).lower()
        if weighted not in ("true", "false", "none"):
            raise self.door.error(path, shown(written), "write true or false")
        return weighted == "false"

    def _locations(self, written: object, path: str, *, exact: bool) -> dict[str, Fraction]:
        if written is None:
            return {}
        example = "locations: {eu-west-1: 1, us-east-1: 2}"
        found: dict[str, Fraction] = {}
        for raw, weight in self.door.mapping(written, path, example).items():
            name = self.door.environment.resolve(raw)
            if not LOCATION.fullmatch(name):
                raise self.door.error(
                    f"{path}.{raw[:60]}", "not a name for a location", "use letters, digits and . _ - (at most 63)"
                )
            number = self.door.whole(weight, f"{path}.{name}") if exact else self.door.number(weight, f"{path}.{name}")
            if number:
                found[name] = found.get(name, Fraction(0)) + number
        if not found:
            raise self.door.error(path, "without any weight above 0", f"write it like `{example}`")
        return found

    def _files(self, config: Mapping[str, Any], scenario: str) -> tuple[str, ...]:
        listed: list[Any] = []
        for holder, key in (
            (config, "files"),
            (self.scenarios.named.get(scenario, {}), "files"),
            (self.scenarios.named.get(scenario, {}), "data-sources"),
        ):
            value = holder.get(key)
            listed += value if isinstance(value, list) else []
        paths = (item.get("path") if isinstance(item, dict) else item for item in listed)
        return tuple(dict.fromkeys(path for path in paths if isinstance(path, str)))


def _plain(seconds: float) -> int | float:
    return int(seconds) if seconds.is_integer() else seconds


def _unused(scenario: str, taken: set[str]) -> str:
    """The scenario's name, with #2, #3 … on repeats."""
    name, number = scenario, 1
    while name in taken:
        number += 1
        name = f"{scenario}#{number}"
    return name
