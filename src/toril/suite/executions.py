"""Executions: the scenario, the executor and the load of each, with typed load keys."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any

from toril.load.curve import Curve
from toril.load.model import BY_SCHEDULE, Model
from toril.records import ScriptLoad, Search
from toril.suite.capacity import lowest, read_search
from toril.suite.curves import PlannedCurve, curve_at, is_curve, is_shape, read_curve
from toril.suite.engines import (
    BROWSER_ENGINES,
    CASE_RUNNERS,
    ENGINES,
    LOAD_KEYS,
    REFUSED,
    RESULTS_LOADER,
    RESULTS_WAITS,
    TESTED,
    check_executor,
    check_results,
    engine_of,
    load_problems,
    runner_of,
    warn_of_ignored_keys,
)
from toril.suite.files import TestPlan
from toril.suite.reader import SuiteReader, list_at, mapping_at, quoted
from toril.suite.requests import browser_problems, problems
from toril.suite.scenarios import Scenarios
from toril.suite.script_load import UndividableError, check_locustfile, check_simulation, groups_of, has_shape, users_of
from toril.suite.settings import TorilSettings
from toril.text import nearest, suggestion

LOCATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
PROVISIONING = {"local": "local", "fargate": "cloud"}  # the key that applies in `concurrency: {local: 5, cloud: 1000}`
OURS = ("criteria", "locations", "locations-weighted", "start-at")  # keys that workers do not receive
TIMES = ("delay", "ramp-up", "hold-for")
READ_KEYS = (*OURS, *LOAD_KEYS, "delay", "executor", "scenario", "files")
KNOWN_KEYS = (*READ_KEYS, *RESULTS_WAITS, "recorded", "data-file", "errors-file", "runner", "start-at", "env")
EXECUTORS = (*ENGINES, *CASE_RUNNERS, *REFUSED)
NO_RUNNERS = [executor for executor in TESTED if executor not in ("apiritif", "selenium")]
SIMILAR = 0.8  # a key that is as similar to a known one is a typo
MAX_EXECUTIONS = 256  # the limit of interval files
FUNCTIONAL = "functional-consolidator"  # bzt's module that collects test cases; `bzt -func` sets it
LOAD = "consolidator"  # bzt's default


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution with the whole run's load; `config` is its Taurus item with references in load keys resolved."""

    name: str
    index: int
    executor: str
    model: Model
    scenario: str  # a name under `scenarios`
    concurrency: int | None  # None: a script's own load, or an open model
    throughput_rps: Fraction | None  # in the model `arrivals`, journeys per second
    iterations: int | None
    steps: int | None
    delay_s: float
    ramp_up_s: float
    hold_for_s: float
    labels: tuple[str, ...]
    locations: Mapping[str, Fraction]  # weights, or numbers of workers with `exact_workers`; empty: all of the run's
    exact_workers: bool
    files: tuple[str, ...]  # its data sources and files
    config: dict[str, Any]
    curve: Curve | None = None  # throughput_rps is its peak
    search: Search | None = None  # throughput_rps is its highest rate
    groups: int = 1  # thread groups of its JMX, each of which needs a virtual user on each worker
    script_load: ScriptLoad | None = None  # None: the suite's load, or results of another tool

    @property
    def by_schedule(self) -> bool:
        """Whether requests or journeys begin by a schedule, without virtual users that wait."""
        return self.model in BY_SCHEDULE


def is_functional(settings: Mapping[str, Any], reader: SuiteReader) -> bool:
    """Returns whether the suite has test cases instead of load; raises SuiteError for an unknown aggregator."""
    written = settings.get("aggregator")
    if written not in (None, "", LOAD, FUNCTIONAL):
        what = f"{quoted(written)} is not a known aggregator"
        fix = f"Write `{FUNCTIONAL}` for test cases, or remove it for load."
        raise reader.error("unknown-value", "settings.aggregator", f"{what}. {fix}")
    return bool(written == FUNCTIONAL)


def check_browsers(names: Iterable[str], executions: Iterable[Execution], reader: SuiteReader) -> None:
    """Raises SuiteError for browser settings of an unknown execution, or of one without browsers."""
    executors = {execution.name: execution.executor for execution in executions}
    driving = [name for name, executor in executors.items() if executor in BROWSER_ENGINES]
    for name in names:
        if name not in driving:
            fix = suggestion(name, driving) if driving else "Remove it: no execution of this suite uses browsers."
            code, what = "unknown-execution", "The suite has no execution of this name"
            if name in executors:
                code, what = "not-a-browser", "This execution uses no browsers"
            raise reader.error(code, f"toril.browsers.{name[:60]}", f"{what}. {fix}")


class ExecutionReader:
    """Reads the executions of a merged configuration for local workers or Fargate (`on`).

    A suite becomes `functional` if it has only executions that run tests and measure no requests.
    """

    def __init__(
        self, config: Mapping[str, Any], scenarios: Scenarios, on: str, toril: TorilSettings, *, functional: bool
    ) -> None:
        self.written, self.scenarios, self.reader = config.get("execution"), scenarios, scenarios.reader
        self.toril, self.on, self.functional, self.provisioning = toril, on, functional, PROVISIONING[on]
        self.locations = config.get("locations")  # Taurus: the default of executions without locations
        self.default_executor = mapping_at(config, "settings").get("default-executor") or "jmeter"
        self.modules = self.reader.mapping(config.get("modules") or {}, "modules", "modules: {jmeter: {…}}")
        self.own = {
            name
            for name, module in self.modules.items()
            if isinstance(module, str) or (isinstance(module, dict) and "class" in module)
        }
        self.known: set[str] = set()  # executors that are checked
        self.alone = not config.get("services")
        # Rates and curves of journeys by execution; "": of the suite's only one.
        self.arrivals: Mapping[str, Any] = {} if toril.arrivals is None else {"": toril.arrivals}
        if isinstance(toril.arrivals, dict) and not is_shape(toril.arrivals):
            self.arrivals = toril.arrivals

    def read_all(self) -> tuple[Execution, ...]:
        """Returns the suite's executions in order."""
        items = [self.written] if isinstance(self.written, dict) else self.written
        if not items:
            text = "The suite has no executions. Add one: `execution: [{scenario: …, hold-for: 1m}]`."
            raise self.reader.error("missing-execution", "execution", text)
        items = self.reader.items(items, "execution", "execution: [{scenario: …}]")
        if len(items) > MAX_EXECUTIONS:
            text = f"The suite has {len(items):,} executions. Write {MAX_EXECUTIONS} at most."
            raise self.reader.error("out-of-range", "execution", text)
        example = "{scenario: checkout, concurrency: 10, hold-for: 1m}"
        paths = [f"execution[{index}]" for index in range(len(items))]
        copies = [deepcopy(self.reader.mapping(*item_at, example)) for item_at in zip(items, paths, strict=True)]
        executors = [self._executor(*item_at) for item_at in zip(copies, paths, strict=True)]
        if not self.functional and set(executors) <= set(CASE_RUNNERS):
            self.functional = True
            text = "The suite runs each test once, as with `settings.aggregator: functional-consolidator`."
            self.reader.warn("functional-by-executor", "execution", text)
        if "" in self.arrivals and len(items) > 1:
            text = f"The suite has {len(items)} executions. Write a rate for each: `arrivals: {{NAME: 50/s}}`."
            raise self.reader.error("unknown-execution", "toril.arrivals", text)
        read: dict[str, Execution] = {}
        for index, (item, executor) in enumerate(zip(copies, executors, strict=True)):
            execution = self._read(item, executor, index, paths[index], read)
            read[execution.name] = execution
        for alias, settings in self.modules.items():
            if alias not in (*EXECUTORS, *self.own) and (meant := nearest(alias, EXECUTORS, cutoff=SIMILAR)):
                raise self.reader.error("unknown-key", f"modules.{alias}", f"Unknown module. Did you mean `{meant}`?")
            self.reader.mapping({} if alias in self.own else settings or {}, f"modules.{alias}", "{properties: {…}}")
        named = self.toril.executor if isinstance(self.toril.executor, dict) else {}
        modes = self.toril.script_load if isinstance(self.toril.script_load, dict) else {}
        own = {"arrivals": self.arrivals, "executor": named, "script-load": modes}
        by_name = {"capacity": self.toril.capacity, "curves": self.toril.curves, **own}
        for key, written in by_name.items():
            for name in written:
                if name and name not in read:
                    text = f"The suite has no execution of this name. {suggestion(name, read)}"
                    raise self.reader.error("unknown-execution", f"toril.{key}.{name[:60]}", text)
        return tuple(read.values())

    def _read(self, item: dict[str, Any], executor: str, index: int, path: str, taken: Collection[str]) -> Execution:
        chosen = f"{path}.{'executor' if item.pop('runner', None) is None else 'runner'}"
        for key in item if executor not in self.own else ():
            if key not in KNOWN_KEYS and (meant := nearest(key, KNOWN_KEYS, cutoff=SIMILAR)):
                raise self.reader.error("unknown-key", f"{path}.{key}", f"Unknown key. Did you mean `{meant}`?")
        without = item.get("scenario") is None and executor not in TESTED  # such as the results loader
        scenario, place = (executor, path) if without else self.scenarios.of(item, path, executor)
        name = _unused(scenario, taken)
        executor = self._engine_of(name, scenario, executor, chosen)
        if not without:
            self.scenarios.check(scenario, executor, place)
        self.scenarios.check_listed(item, "files", path, "file")
        if executor == RESULTS_LOADER:
            named = item.get("scenario")
            holder = self.scenarios.named.get(named) if isinstance(named, str) else named
            check_results(item, holder, self.scenarios.files, self.reader, path, alone=self.alone)
        labels, script = self.scenarios.labels(scenario), self.scenarios.jmx(scenario)
        arrivals = self._arrivals(item, name, path)
        course = arrivals if isinstance(arrivals, PlannedCurve) else self._curve(item, name, executor, path)
        model = self._model(item, name, executor, scenario, path, arrivals, course)
        search = self._search(item, name, executor, model, labels, course)
        if search is not None:
            course = PlannedCurve(lowest(search, self.on), 0.0)
        item |= self._implied(item, course, search, script, path)
        if isinstance(arrivals, float):
            item["throughput"] = arrivals
        load = self._load(item, path)
        timed = load["ramp-up"] + load["hold-for"] > 0
        own_load = self._has_own_load(executor, scenario) and not (timed or any(load[key] for key in LOAD_KEYS))
        own_load |= executor == "locust" and has_shape(self._script_text(scenario))  # whatever the suite says
        self._check(item, load, executor, model, scenario, path)
        is_open, unused = model in BY_SCHEDULE, {"throughput": None} if model == "arrivals" else {}
        concurrency = None if is_open else load["concurrency"]
        exact = self._exact(item.get("locations-weighted"), f"{path}.locations-weighted")
        locations = self._locations(item.get("locations", self.locations), f"{path}.locations", exact=exact)
        ramp_up_s = load["ramp-up"] if course is None else course.ramp_up_s
        return Execution(
            name=name,
            index=index,
            executor=executor,
            model=model,
            scenario=scenario,
            concurrency=None if own_load or is_open else concurrency or max(1, script.groups),
            throughput_rps=load["throughput"],
            # Taurus: one iteration without other limits
            iterations=load["iterations"] or (None if timed or own_load else 1),
            steps=load["steps"],
            delay_s=load["delay"],
            ramp_up_s=ramp_up_s,
            hold_for_s=load["hold-for"] if course is None else course.curve.length_s - ramp_up_s,
            labels=labels,
            locations=locations,
            exact_workers=exact and bool(locations),
            files=self._files(item, scenario),
            config=self._config(
                item, load | {"concurrency": concurrency} | unused, executor, None if without else scenario, path
            ),
            curve=None if course is None else course.curve,
            search=search,
            groups=max(1, script.groups),
            script_load=self._script_load(name, executor, scenario) if own_load else None,
        )

    def _engine_of(self, name: str, scenario: str, executor: str, place: str) -> str:
        """Returns the executor that `toril.executor` names for an execution, else the suite's own, which is checked."""
        setting, own = self.toril.executor, mapping_at(self.scenarios.named, scenario)
        wanted, path = executor, place
        if isinstance(setting, dict):
            if setting.get(name):
                wanted, path = setting[name], f"toril.executor.{name[:60]}"
        elif (
            setting
            and own.get("requests")
            and not (self.functional or engine_of(executor).browser or own.get("script"))
        ):
            wanted, path = setting, "toril.executor"
        if wanted not in self.known:
            self.known.add(wanted)
            check_executor(wanted, path, self.reader, own=self.own, functional=self.functional)
        return wanted

    def _implied(
        self,
        item: Mapping[str, Any],
        course: PlannedCurve | None,
        search: Search | None,
        script: TestPlan,
        path: str,
    ) -> dict[str, Any]:
        """Returns the load keys that a curve, a search or a JMX sets."""
        implied: dict[str, Any] = {}
        for key in TIMES:  # the implied values may replace them
            self.reader.seconds(item.get(key), f"{path}.{key}")
        if course is not None:
            implied["hold-for"] = _plain(course.curve.length_s)
            implied["throughput"] = course.curve.peak_rps if search is None else search.to_rps
        if script.groups and (course or item.get("hold-for") is not None) and not item.get("ramp-up"):
            implied["ramp-up"] = "0s" if course else self._ramp_of(script, f"{path}.ramp-up")
        return implied

    def _load(self, item: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Returns the values of the load keys and of `delay`; times are seconds."""
        times = {key: self.reader.seconds(item.get(key), f"{path}.{key}") for key in TIMES}
        return times | {
            "concurrency": self.reader.whole(self._placed(item, "concurrency", path), f"{path}.concurrency"),
            "throughput": self.reader.number(self._placed(item, "throughput", path), f"{path}.throughput"),
            "iterations": self.reader.whole(item.get("iterations"), f"{path}.iterations"),
            "steps": self.reader.whole(item.get("steps"), f"{path}.steps"),
        }

    def _check(
        self, item: Mapping[str, Any], load: Mapping[str, Any], executor: str, model: Model, scenario: str, path: str
    ) -> None:
        """Raises SuiteError for keys that the engine does not support; warns of keys that it ignores."""
        engine = engine_of(executor)
        of_item = browser_problems(engine, item, path)
        of_module = browser_problems(engine, mapping_at(self.modules, executor), f"modules.{executor}")
        of_load = load_problems(executor, item, load, path, functional=self.functional, model=model)
        for problem in chain(of_item, of_module, of_load):
            raise self.reader.error(*problem)
        if executor == "gatling" and load["steps"] and not self._reads_steps(scenario):
            text = 'The simulation ignores this key. Read it by `Integer.getInteger("steps")`, or remove it.'
            raise self.reader.error("ignored-load", f"{path}.steps", text)
        if item.get("start-at") is not None:
            text = "toril ignores this key and starts all workers together. Use `delay`."
            self.reader.warn("ignored-key", f"{path}.start-at", text)
        warn_of_ignored_keys(executor, model, item, READ_KEYS, self.reader, path)

    def _config(
        self, item: Mapping[str, Any], load: Mapping[str, Any], executor: str, scenario: str | None, path: str
    ) -> dict[str, Any]:
        """Returns the Taurus item of workers, with resolved load keys."""
        rate = load["throughput"]
        shown = {key: load[key] for key in ("concurrency", "iterations", "steps")}
        shown["throughput"] = None if rate is None else int(rate) if rate.denominator == 1 else float(rate)
        shown |= {key: self.reader.resolved(item.get(key), f"{path}.{key}", "") for key in TIMES}
        config = {key: value for key, value in item.items() if key not in (*OURS, *shown)} | {"executor": executor}
        config |= {key: value for key, value in shown.items() if value is not None}
        return config if scenario is None else config | {"scenario": scenario}

    def _curve(self, item: Mapping[str, Any], name: str, executor: str, path: str) -> PlannedCurve | None:
        """Returns the load curve of an execution. Its peak becomes the throughput, its length the hold."""
        written = item.get("throughput")
        if isinstance(written, dict) and not is_curve(written):
            written = self._placed(item, "throughput", path)
        curves, files = self.toril.curves, self.scenarios.files
        return read_curve(item, written, name, path, curves, executor, self.reader, files)

    def _arrivals(self, item: Mapping[str, Any], name: str, path: str) -> PlannedCurve | float | None:
        """Returns the journeys per second of an execution, or their curve; None if the suite sets none."""
        written: Any = self.arrivals.get("", self.arrivals.get(name))
        if isinstance(written, (list, dict)):
            where = f"toril.arrivals.{name[:60]}" if name in self.arrivals else "toril.arrivals"
            return curve_at(where, written, item, path, self.reader, self.scenarios.files)
        return None if written is None else float(written)

    def _model(
        self, item: Mapping[str, Any], name: str, executor: str, scenario: str, path: str,
        arrivals: PlannedCurve | float | None, course: PlannedCurve | None,
    ) -> Model:  # fmt: skip
        """Returns the execution's model of load; raises SuiteError for one without support of its engine."""
        models, search = engine_of(executor).models, self.toril.capacity.get(name)
        if arrivals is not None or (search and search.arrivals):
            where = "toril.arrivals" if arrivals is not None else f"toril.capacity.{name[:60]}.arrivals"
            if "arrivals" not in models:
                text = f"{executor} cannot start journeys at a rate. Use toril's engine: `toril: {{executor: toril}}`."
                raise self.reader.error("unsupported-key", where, text)
            for key in ("throughput", "iterations"):
                if item.get(key):
                    text = f"Journeys start at a rate, and each passes once. Remove `{key}`, or remove the rate."
                    raise self.reader.error("conflicting-keys", f"{path}.{key}", text)
            if name in self.toril.curves or (search and arrivals is not None):
                text = f"`toril.{'capacity' if search else 'curves'}` also sets the rate. Remove one of them."
                raise self.reader.error("conflicting-keys", where, text)
            return "arrivals"
        if "arrivals" not in models:
            return models[0]
        if item.get("concurrency") is not None or not (item.get("throughput") or course or search):
            return "users"
        flaw = next(problems("vegeta", self.scenarios.named.get(scenario) or {}, f"scenarios.{scenario}"), None)
        if flaw is None:
            return "requests"
        what = f"The requests of a journey depend on each other, so a rate of requests cannot start them ({flaw.path})"
        fix = "Write journeys per second, `toril: {arrivals: 10/s}`, or add `concurrency`"
        if search:
            fix = "Add `arrivals: true` to the search"
        where = f"toril.capacity.{name[:60]}" if search else f"{path}.throughput"
        raise self.reader.error("rate-of-journeys", where, f"{what}. {fix}.")

    def _search(
        self,
        item: dict[str, Any],
        name: str,
        executor: str,
        model: Model,
        labels: Collection[str],
        curve: PlannedCurve | None,
    ) -> Search | None:
        """Returns the capacity search. Its highest rate becomes the throughput, its length the hold."""
        if name not in self.toril.capacity:
            return None
        if curve is not None:
            text = "The execution also has a load curve, but a search sets the rate itself. Remove one of them."
            raise self.reader.error("conflicting-keys", f"toril.capacity.{name[:60]}", text)
        return read_search(self.toril.capacity[name], name, executor, model, item, labels, self.reader)

    def _ramp_of(self, script: TestPlan, path: str) -> str:
        """Returns the longest ramp-up of a JMX's thread groups, which all groups get if the suite sets the hold."""
        ramps_s = []
        for written in script.ramps_s:
            ramp = self.reader.number(self.reader.resolved(written, path, "Write it into the suite."), path)
            ramps_s.append(float(ramp or 0))
        if len(set(ramps_s)) > 1:
            text = f"All thread groups get the longest ramp-up in the JMX, {max(ramps_s):g}s."
            self.reader.warn("longest-ramp-up", path, text)
        return f"{max(ramps_s):g}s"

    def _executor(self, item: dict[str, Any], path: str) -> str:
        path = f"{path}.executor"
        executor = self.reader.resolved(item.get("executor") or self.default_executor, path, "Name an executor.")
        if not isinstance(executor, str):
            text = f"{quoted(executor)} is not the name of an executor. Write one like jmeter."
            raise self.reader.error("unknown-executor", path, text)
        runner = item.get("runner")
        if runner and (executor != "selenium" or runner in NO_RUNNERS):
            fix = f"Remove it, or write `executor: {str(runner)[:40]}`."
            text = f"Only Selenium has runners: apiritif, {', '.join(CASE_RUNNERS)}. {fix}"
            raise self.reader.error("unsupported-key", f"{path.removesuffix('executor')}runner", text)
        if executor == "selenium":
            written = item.get("scenario")
            scenario = self.scenarios.named.get(written, written) if isinstance(written, str) else written
            script = scenario.get("script") if isinstance(scenario, dict) else scenario
            executor = runner_of(item, self.scenarios.files.existing(str(script)) if script else None)
            if executor in CASE_RUNNERS and self.modules.get("selenium"):
                text = f"{executor} does not read these settings. Move them to `modules.{executor}`."
                self.reader.warn("ignored-key", "modules.selenium", text)
        return executor

    def _placed(self, item: Mapping[str, Any], key: str, path: str) -> Any:
        """Returns the value, or in `{local: 5, cloud: 1000}` the one for this run."""
        value = item.get(key)
        if not isinstance(value, dict):
            return value
        unknown = set(value) - set(PROVISIONING.values())
        if unknown:
            what = f"{quoted(value)} has a key other than local and cloud"
            fix = f"Write it like `{key}: {{local: 5, cloud: 1000}}`."
            raise self.reader.error("unknown-key", f"{path}.{key}", f"{what}. {fix}")
        if self.provisioning not in value:
            text = f"There is no value for `{self.provisioning}`, so Taurus' default applies."
            self.reader.warn("default-load", f"{path}.{key}", text)
        return value.get(self.provisioning)

    def _has_own_load(self, executor: str, scenario: str) -> bool:
        scripted = executor == RESULTS_LOADER or bool(self.scenarios.named.get(scenario, {}).get("script"))
        return scripted and engine_of(executor).script_load

    def _script_text(self, scenario: str) -> str:
        """Returns the text of a scenario's script; empty without one, and for a download."""
        script = self.scenarios.files.folder / str(self.scenarios.named.get(scenario, {}).get("script") or "")
        return script.read_text("utf-8", "replace") if script.is_file() else ""

    def _script_load(self, name: str, executor: str, scenario: str) -> ScriptLoad | None:
        """Returns the load of a script, and whether workers divide or repeat it; None for results of another tool."""
        if executor == RESULTS_LOADER:
            return None
        asked = self.toril.script_load
        mode = asked if isinstance(asked, str) else asked.get(name, "divide")
        own, known = mapping_at(self.scenarios.named, scenario), ScriptLoad(mode=mode)
        path = self.scenarios.files.folder / str(own.get("script"))
        try:
            if executor == "jmeter":
                properties = {**mapping_at(self.modules, executor, "properties"), **mapping_at(own, "properties")}
                given = {key: self.reader.environment.resolve(str(value)) for key, value in properties.items()}
                users, think_s = users_of(path, given)
                known = ScriptLoad(mode=mode, users=users, think_s=think_s)
                return known.model_copy(update={"groups": groups_of(path, given, self.toril.split_data)})
            if executor == "locust":
                check_locustfile(self._script_text(scenario))
            if executor == "gatling":
                check_simulation(path)
        except UndividableError as reason:
            return known.model_copy(update={"undividable": str(reason)})
        return known

    def _reads_steps(self, scenario: str) -> bool:
        """Returns whether a simulation reads the property; True for generated ones, and for jars."""
        script = str(self.scenarios.named.get(scenario, {}).get("script") or "")
        return not script.endswith((".scala", ".java")) or '"steps"' in self._script_text(scenario)

    def _exact(self, written: object, path: str) -> bool:
        """Returns whether `locations` has numbers of workers instead of weights."""
        weighted = str(self.reader.resolved(written, path, "Write true or false.")).lower()
        if weighted not in ("true", "false", "none"):
            raise self.reader.error("not-a-boolean", path, f"{quoted(written)} is not a boolean. Write true or false.")
        return weighted == "false"

    def _locations(self, written: object, path: str, *, exact: bool) -> dict[str, Fraction]:
        if written is None:
            return {}
        example = "locations: {eu-west-1: 1, us-east-1: 2}"
        weights: dict[str, Fraction] = {}
        for raw, weight in self.reader.mapping(written, path, example).items():
            name = self.reader.environment.resolve(raw)
            if not LOCATION.fullmatch(name):
                text = "This is not a name for a location. Use at most 63 letters, digits and `. _ -`."
                raise self.reader.error("unusable-name", f"{path}.{raw[:60]}", text)
            number = (
                self.reader.whole(weight, f"{path}.{name}") if exact else self.reader.number(weight, f"{path}.{name}")
            )
            if number:
                for location, part in self._members(name, number, exact=exact):
                    weights[location] = weights.get(location, Fraction(0)) + part
        if not weights:
            text = f"No location has a weight above 0. Write it like `{example}`."
            raise self.reader.error("out-of-range", path, text)
        return weights

    def _members(self, name: str, number: Fraction | int, *, exact: bool) -> Iterator[tuple[str, Fraction]]:
        """Yields the location, or those of a group with equal parts of the number; whole parts if it is `exact`."""
        groups = self.toril.location_groups
        if name not in groups:
            yield name, Fraction(number)
            return
        members = tuple(dict.fromkeys(groups[name]))
        for member in members:
            if member in groups or not LOCATION.fullmatch(member):
                text = f"{quoted(member)} is a group itself, or no name for a location. Write names such as eu-west-1."
                raise self.reader.error("unusable-name", f"toril.location-groups.{name[:60]}", text)
        whole, odd = divmod(int(number), len(members))
        for place, member in enumerate(members):
            part = Fraction(whole + (place < odd)) if exact else Fraction(number) / len(members)
            if part:
                yield member, part

    def _files(self, config: Mapping[str, Any], scenario: str) -> tuple[str, ...]:
        own = self.scenarios.named.get(scenario, {})
        listed = [*list_at(config, "files"), *list_at(own, "files"), *list_at(own, "data-sources")]
        paths = (item.get("path") if isinstance(item, dict) else item for item in listed)
        return tuple(dict.fromkeys(path for path in paths if isinstance(path, str)))


def _plain(seconds: float) -> int | float:
    return int(seconds) if seconds.is_integer() else seconds


def _unused(scenario: str, taken: Collection[str]) -> str:
    """Returns the scenario's name, with #2, #3 … if an earlier execution has it."""
    name, number = scenario, 1
    while name in taken:
        number += 1
        name = f"{scenario}#{number}"
    return name
