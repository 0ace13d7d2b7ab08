"""Scenarios: named, inline or a bare script; their files and the labels of their requests."""

import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath
from typing import Any

from toril.errors import Note
from toril.suite.engines import BLOCKS, NESTED, PHASES
from toril.suite.files import URL, SuiteFiles, TestPlan, read_jmx
from toril.suite.reader import REFERENCE, Environment, SuiteReader, list_at, mapping_at, quoted
from toril.suite.requests import BEYOND_TAURUS, OWN, problems
from toril.text import suggestion

SET_BY_WORKERS = ("TORIL_", "TAURUS_", "AWS_", "ECS_", "COOKIE_", "__")  # prefixes of variables that workers set
MAKES_VARIABLES = ("jsr223", "actions")  # keys of requests that may set variables of any name
DELIMITERS = ",;\t|"  # of data sources; the first one if the header has none of them


class Scenarios:
    """The suite's `scenarios`, each checked once. Inline scenarios get a name."""

    def __init__(self, written: object, reader: SuiteReader, files: SuiteFiles, workers: Environment) -> None:
        """`workers` is the environment of the workers."""
        self.reader, self.files, self.workers = reader, files, workers
        self.unset: dict[Note, None] = {}  # addresses with references that no worker will resolve
        self.named: dict[str, Any] = (
            {} if written is None else reader.mapping(written, "scenarios", "scenarios: {checkout: {requests: […]}}")
        )
        self.prepared = False  # whether setup gives variables whose names are unknown
        self.checked: set[str] = set()
        self.includes: dict[tuple[str, str, bool], dict[str, str]] = {}  # by scenario, executor, inherited address
        self.addressed: set[str] = set()
        self.labels_of: dict[str, tuple[str, ...]] = {}

    def of(self, item: dict[str, Any], path: str, executor: str) -> tuple[str, str]:
        """Returns the name of an execution's scenario and its path, and adds an inline one to `named`."""
        written = item.get("scenario")
        path = place = f"{path}.scenario"
        if isinstance(written, str) and written:
            name = written if written in self.named else self.reader.environment.resolve(written)
            if name in self.named:
                place = f"scenarios.{name}"
            else:
                name = self._script(name, path)
        elif isinstance(written, dict) and written:
            script = written.get("script")
            stem = PurePosixPath(script).name if isinstance(script, str) and script else executor
            name = self._added(stem, written)
        else:
            what = "The execution has no scenario" if written is None else f"{quoted(written)} is not a scenario"
            raise self.reader.error("missing-scenario", path, f"{what}. {self._fix_of_missing()}")
        return name, place

    def check(self, name: str, executor: str, path: str) -> None:
        """Checks a scenario and its included scenarios for the engine that runs them."""
        self._check_addresses(name, self._examine(name, executor, path))

    def _examine(self, name: str, executor: str, path: str) -> dict[str, str]:
        """Checks the scenarios; returns their paths."""
        paths, todo, graph = {name: path}, [name], dict[str, list[str]]()
        addresses: dict[str, Any] = {name: None}  # inherited from the one that includes it
        for scenario in todo:
            where = paths[scenario]
            if scenario not in self.checked:
                self.checked.add(scenario)
                self._check(scenario, where)
            written, address = self.named[scenario], addresses[scenario]
            rooted = bool(address)
            if (scenario, executor, rooted) not in self.includes:
                if executor in OWN:  # whose values the worker reads after it has resolved them
                    written = self.workers.resolve_all(written)
                for problem in problems(executor, written, where, address=address):
                    raise self.reader.error(*problem)
                self.includes[scenario, executor, rooted] = dict(_included(written, where))
            for key in BEYOND_TAURUS:
                own = self.named[scenario].get(key)
                if own and own != self.named[name].get(key):
                    text = "An included scenario does not have this key. Write it into the one that includes it."
                    raise self.reader.error("unsupported-key", f"{where}.{key}", text)
            included = self.includes[scenario, executor, rooted]
            graph[scenario] = list(included)
            for inner, place in included.items():
                if inner not in self.named:
                    text = f"{quoted(inner)} is not a scenario. {suggestion(inner, self.named)}"
                    raise self.reader.error("unknown-scenario", place, text)
                if inner not in paths:
                    paths[inner] = f"scenarios.{inner}"
                    addresses[inner] = self.named[scenario].get("default-address") or address
                    todo.append(inner)
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            recursive = error.args[1][0]
            text = f"{quoted(recursive)} includes itself. Remove one of the `include-scenario` blocks."
            raise self.reader.error("recursive-include", f"scenarios.{recursive[:60]}", text) from None
        return paths

    def _script(self, text: str, path: str) -> str:
        if self.files.existing(text) is None and not URL.match(text):
            self.reader.resolved(text, path, "Name a scenario or a script.")
            fix = suggestion(text, self.named) if self.named else "Correct the path of the script."
            text = f"{quoted(text)} is neither a scenario nor a file. {fix}"
            raise self.reader.error("unknown-scenario", path, text)
        script = self.files.find(text, path, kind="script")
        return self._added(PurePosixPath(script).name, {"script": script})

    def _fix_of_missing(self) -> str:
        """Returns the fix for an execution without a scenario."""
        if self.named:
            return f"Name one, or the path of a script. {suggestion('', self.named)}"
        return "Write `scenario: {requests: [http://…]}`, or `scenario: load.jmx` with the path of a script."

    def _added(self, stem: str, scenario: dict[str, Any]) -> str:
        name, number = stem, 1
        while name in self.named and self.named[name] != scenario:
            number += 1
            name = f"{stem}-{number}"
        self.named[name] = scenario
        return name

    def _check(self, name: str, path: str) -> None:
        scenario = self.reader.mapping(self.named[name], path, "{script: load.jmx}, or {requests: […]}")
        if scenario.get("script") is not None:
            scenario["script"] = self.files.find(scenario["script"], f"{path}.script", kind="script")
            self._check_data(scenario["script"], f"{path}.script")
        self.check_listed(scenario, "data-sources", path, "data source")
        self._set_delimiters(scenario)
        self.check_listed(scenario, "files", path, "file")
        for jar in list_at(scenario, "additional-classpath"):
            if (there := self.files.existing(str(jar))) is not None:  # else a service may build it
                self.files.add(there)
        for request, where in walked(scenario.get("requests"), f"{path}.requests"):
            self._check_request(request, where)

    def jmx(self, name: str) -> TestPlan:
        """Returns the test plan of a scenario's JMX; an empty one if the scenario has no JMX."""
        script = str(self.named.get(name, {}).get("script") or "")
        return read_jmx(self.files.folder / script) if script.lower().endswith(".jmx") else TestPlan()

    def _check_data(self, script: str, path: str) -> None:
        """JMeter stops every virtual user that reads a missing data file."""
        place = self.files.folder / script
        for name in read_jmx(place).data if script.lower().endswith(".jmx") else ():
            if not any((folder / name).is_file() for folder in (place.parent, self.files.folder)):
                what = f"The CSV Data Set of {quoted(script)} reads {quoted(name)}, which does not exist"
                fix = "Add the file beside the JMX, or correct its name in the JMX."
                raise self.reader.error("no-such-file", path, f"{what}. {fix}")

    def _check_addresses(self, name: str, paths: Mapping[str, str]) -> None:
        """Notes each reference in an address that neither the workers' environment nor one of the scenarios sets."""
        if name in self.addressed or self.prepared:
            return
        self.addressed.add(name)
        variables = self.workers.secrets
        for scenario in paths:
            own = self._variables(self.named[scenario])
            if own is None:  # any
                return
            variables |= own
        for scenario, path in paths.items():
            for address, place in _addresses(self.named[scenario], path):
                for variable in REFERENCE.findall(self.workers.resolve(address)):
                    known = any(variable == name or variable.startswith(f"{name}_") for name in variables)
                    if variable.isidentifier() and not variable.startswith(SET_BY_WORKERS) and not known:
                        text = f"{quoted(address)}: No worker knows `{variable}`. {self.workers.fix_of(variable)}"
                        error = self.reader.error("unset-reference", place, text)
                        self.unset[Note(error.code, str(error))] = None

    def _variables(self, scenario: dict[str, Any]) -> set[str] | None:
        """Returns the variables that a scenario sets; None if it may set variables of any name."""
        variables = set(mapping_at(scenario, "variables"))
        for source in list_at(scenario, "data-sources"):
            whole = source if isinstance(source, dict) else {"path": source}
            names = whole.get("variable-names") or self.files.header(whole)
            if names is None:
                return None
            listed = names if isinstance(names, list) else re.split(f"[{DELIMITERS}]", str(names))
            variables |= {str(name).strip().strip("\"'") for name in listed}
        for request, _ in walked(scenario.get("requests"), ""):
            if not isinstance(request, dict):
                continue
            if any(request.get(key) for key in MAKES_VARIABLES):
                return None
            for key, value in request.items():
                if key.startswith("extract-") or key == "set-variables":
                    variables |= set(mapping_at(value))
                elif key == "foreach":
                    variables.add(str(value).split(" ")[0])
        return variables

    def check_listed(self, holder: dict[str, Any], key: str, path: str, kind: str) -> None:
        """Finds files that are listed as texts or as `{path: …}`."""
        if holder.get(key) is None:
            return
        items = self.reader.items(holder[key], f"{path}.{key}", "[users.csv]")
        for index, item in enumerate(items):
            where = f"{path}.{key}[{index}]"
            if isinstance(item, dict):
                item["path"] = self.files.find(item.get("path"), f"{where}.path", kind=kind)
            else:
                items[index] = self.files.find(item, where, kind=kind)

    def _set_delimiters(self, scenario: dict[str, Any]) -> None:
        """Sets each delimiter, since bzt guesses a letter for a file with one column."""
        sources = scenario.get("data-sources") or []
        for index, source in enumerate(sources):
            whole = source if isinstance(source, dict) else {"path": source}
            header = None if whole.get("delimiter") else self.files.header(whole)
            if header is not None:
                sources[index] = {**whole, "delimiter": max(DELIMITERS, key=header.count)}

    def _check_request(self, request: Any, path: str) -> None:
        """Finds the files of a request: its body, its uploads and its scripts."""
        if not isinstance(request, dict):
            return
        named = [(request, "body-file", path)] if request.get("body-file") else []
        for index, upload in enumerate(list_at(request, "upload-files")):
            if isinstance(upload, dict):
                named.append((upload, "path", f"{path}.upload-files[{index}]"))
        scripts = request.get("jsr223")
        for index, script in enumerate(scripts if isinstance(scripts, list) else [scripts]):
            if isinstance(script, dict) and script.get("script-file"):
                named.append((script, "script-file", f"{path}.jsr223[{index}]"))
        for holder, key, where in named:
            holder[key] = self.files.find(holder.get(key), f"{where}.{key}", kind="file")

    def labels(self, name: str) -> tuple[str, ...]:
        """Returns the labels of generated requests and transactions; none for a script."""
        if name not in self.labels_of:
            requests = map(label_of, expanded(self.named, name))
            resolve = self.reader.environment.label
            self.labels_of[name] = tuple(dict.fromkeys(resolve(label) for label in requests if label is not None))
        return self.labels_of[name]


def label_of(request: Any) -> str | None:
    """Returns the label of a request or a transaction, with its references; None for other blocks."""
    if isinstance(request, str):
        return request
    if "transaction" in request:
        return str(request["transaction"])
    written = next((request[key] for key in ("label", "url", "cmd") if request.get(key) is not None), None)
    return None if written is None or any(key in request for key in (*BLOCKS, *PHASES)) else str(written)


def _included(scenario: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yields the included scenarios with their paths; the worker resolves names with references."""
    if scenario.get("script") is None:
        for request, where in walked(scenario.get("requests"), f"{path}.requests"):
            included = request.get("include-scenario") if isinstance(request, dict) else None
            if included is not None and not REFERENCE.search(str(included)):
                yield str(included), f"{where}.include-scenario"


def reached(scenarios: Mapping[str, Any], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Returns these scenarios and those that they include, each once; not the ones that are missing."""
    todo = list(names)
    kept: dict[str, dict[str, Any]] = {}
    for name in todo:
        if name not in kept and isinstance(scenarios.get(name), dict):
            kept[name] = scenarios[name]
            todo += [inner for inner, _ in _included(scenarios[name], name)]
    return kept


def includes_twice(scenarios: Mapping[str, Any], name: str) -> bool:
    """Returns whether a scenario is included at more than one place."""
    places = [inner for scenario in reached(scenarios, [name]).values() for inner, _ in _included(scenario, "")]
    return len(places) > len(set(places))


def expanded(scenarios: Mapping[str, Any], name: str) -> Iterator[Any]:
    """Yields the requests and blocks of a scenario, with those of an included one where it is first included."""
    seen: set[str] = set()
    stack = [walked([{"include-scenario": name}], "")]
    while stack:
        request, _ = next(stack[-1], (None, ""))
        inner = request.get("include-scenario") if isinstance(request, dict) else None
        if request is None:
            stack.pop()
        elif not isinstance(inner, str):
            yield request
        elif inner not in seen:
            seen.add(inner)
            scenario = mapping_at(scenarios, inner)
            stack.append(walked(None if scenario.get("script") else scenario.get("requests"), ""))


def _addresses(scenario: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yields the addresses of a scenario's requests with their paths in the suite."""
    if isinstance(scenario.get("default-address"), str):
        yield scenario["default-address"], f"{path}.default-address"
    if scenario.get("script") is None:
        yield from urls_of(scenario.get("requests"), f"{path}.requests")


def urls_of(requests: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yields the address of each request, also inside blocks, with its path in the suite."""
    for request, where in walked(requests, path):
        url = request.get("url") if isinstance(request, dict) else request
        if isinstance(url, str):
            yield url, where


def walked(requests: Any, path: str) -> Iterator[tuple[Any, str]]:
    """Yields each request and block (text or mapping), also inside blocks, with its path in the suite."""
    if not isinstance(requests, list):
        return
    for index, request in enumerate(requests):
        where = f"{path}[{index}]"
        if isinstance(request, str):
            yield request, where
        elif isinstance(request, dict):
            yield request, where
            for key in (*NESTED, "requests"):
                yield from walked(request.get(key), f"{where}.{key}")
