"""Scenarios: named, inline or a bare script; their files and the labels of their requests."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from toril.suite.engines import BLOCKS, NESTED, PHASES
from toril.suite.files import URL, Files, TestPlan, read_jmx
from toril.suite.reader import REFERENCE, Environment, Note, SuiteReader, quoted
from toril.suite.requests import problems
from toril.text import suggestion

MAX_INCLUDE_DEPTH = 20
SET_BY_WORKERS = ("TORIL_", "TAURUS_", "AWS_", "ECS_", "COOKIE_", "__")  # what names begin with that no suite sets
MAKES_VARIABLES = ("jsr223", "actions")  # keys of requests that may set variables of any name
DELIMITERS = ",;\t|"  # of data sources; where none of them is in the header, the first


class Scenarios:
    """The suite's `scenarios`, checked once each; inline ones are added under a name of their own."""

    def __init__(self, written: object, reader: SuiteReader, files: Files, workers: Environment) -> None:
        """`workers` is the environment that the workers will have."""
        self.reader, self.files, self.workers = reader, files, workers
        self.unset: dict[Note, None] = {}  # addresses with references that no worker will resolve
        self.named: dict[str, Any] = (
            {} if written is None else reader.mapping(written, "scenarios", "scenarios: {checkout: {requests: […]}}")
        )
        self.checked: set[str] = set()
        self.checked_for: set[tuple[str, str]] = set()  # scenario, executor
        self.addressed: set[str] = set()
        self.labels_of: dict[str, tuple[str, ...]] = {}

    def of(self, item: dict[str, Any], path: str, executor: str) -> str:
        """The name of an execution's scenario; an inline one is added to `named`."""
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
            what = "missing" if written is None else f"{quoted(written)}, not a scenario"
            raise self.reader.error("missing-scenario", path, f"{what}; {self._which()}")
        self._examine(name, executor, place, ())
        self._check_addresses(name, place)
        return name

    def _examine(self, name: str, executor: str, path: str, within: tuple[str, ...]) -> None:
        """Check a scenario for the engine that runs it, and all that it includes; each of them once."""
        if name not in self.checked:
            self.checked.add(name)
            self._check(name, path)
        if (name, executor) in self.checked_for:
            return
        self.checked_for.add((name, executor))
        for problem in problems(executor, self.named[name], path):
            raise self.reader.error(*problem)
        for included, where in self._included(self.named[name], path):
            if included in (*within, name):
                text = f"{quoted(included)}, which includes itself; remove one"
                raise self.reader.error("recursive-include", where, text)
            if included not in self.named:
                text = f"{quoted(included)}, not a scenario; {suggestion(included, self.named)}"
                raise self.reader.error("unknown-scenario", where, text)
            if len(within) >= MAX_INCLUDE_DEPTH:
                text = f"over {MAX_INCLUDE_DEPTH} levels deep; include it further up"
                raise self.reader.error("recursive-include", where, text)
            self._examine(included, executor, f"scenarios.{included}", (*within, name))

    def _included(self, scenario: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
        """The scenarios that this one includes, with their places; names with references are left to the worker."""
        if scenario.get("script") is None:
            for request, where in walked(scenario.get("requests"), f"{path}.requests"):
                included = request.get("include-scenario") if isinstance(request, dict) else None
                if included is not None and not REFERENCE.search(str(included)):
                    yield str(included), f"{where}.include-scenario"

    def _script(self, text: str, path: str) -> str:
        if self.files.existing(text) is None and not URL.match(text):
            self.reader.resolved(text, path, "name a scenario or a script")
            fix = suggestion(text, self.named) if self.named else f"correct the path of the script, or {self._which()}"
            raise self.reader.error("unknown-scenario", path, f"{quoted(text)}, neither a scenario nor a file; {fix}")
        script = self.files.find(text, path, kind="script")
        return self._added(PurePosixPath(script).name, {"script": script})

    def _which(self) -> str:
        """How to say what an execution runs."""
        if self.named:
            return f"name one, or the path of a script; {suggestion('', self.named)}"
        return "write `scenario: {requests: [http://…]}`, or `scenario: load.jmx` with the path of a script"

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
        self._check_listed(scenario, "data-sources", path, "data source")
        self._set_delimiters(scenario)
        self._check_listed(scenario, "files", path, "file")
        for request, where in walked(scenario.get("requests"), f"{path}.requests"):
            self._check_request(request, where)

    def jmx(self, name: str) -> TestPlan:
        """What a scenario's own JMX brings along; nothing where it has none."""
        script = str(self.named.get(name, {}).get("script") or "")
        return read_jmx(self.files.folder / script) if script.lower().endswith(".jmx") else TestPlan()

    def _check_data(self, script: str, path: str) -> None:
        """JMeter ends every user who reads a data file that is not there."""
        place = self.files.folder / script
        for name in read_jmx(place).data if script.lower().endswith(".jmx") else ():
            if not any((folder / name).is_file() for folder in (place.parent, self.files.folder)):
                what = f"{quoted(script)}, whose CSV Data Set reads {quoted(name)}, a file that does not exist"
                fix = "add it beside the JMX, or correct its name there"
                raise self.reader.error("no-such-file", path, f"{what}; {fix}")

    def _check_addresses(self, name: str, path: str) -> None:
        """Note each reference in an address that neither the workers' environment nor the scenario itself sets."""
        if name in self.addressed:
            return
        self.addressed.add(name)
        parts: dict[str, str] = {}
        todo = [(name, path)]
        while todo:
            one, where = todo.pop()
            if one not in parts:
                parts[one] = where
                todo += [(inner, f"scenarios.{inner}") for inner, _ in self._included(self.named[one], where)]
        variables = self.workers.secrets
        for one in parts:
            found = self._variables(self.named[one])
            if found is None:  # any
                return
            variables |= found
        for one, where in parts.items():
            for address, place in _addresses(self.named[one], where):
                for name in REFERENCE.findall(self.workers.resolve(address)):
                    own = any(name == known or name.startswith(f"{known}_") for known in variables)
                    if name.isidentifier() and not name.startswith(SET_BY_WORKERS) and not own:
                        text = f"{quoted(address)}, and no worker knows `{name}`; {self.workers.fix_of(name)}"
                        error = self.reader.error("unset-reference", place, text)
                        self.unset[Note(error.code, str(error))] = None

    def _variables(self, scenario: dict[str, Any]) -> set[str] | None:
        """The variables that a scenario sets for itself; None if it may set any."""
        found = set(_keys(scenario.get("variables")))
        sources = scenario.get("data-sources")
        for source in sources if isinstance(sources, list) else ():
            whole = source if isinstance(source, dict) else {"path": source}
            names = whole.get("variable-names") or self.files.header(whole)
            if names is None:
                return None
            listed = names if isinstance(names, list) else re.split(f"[{DELIMITERS}]", str(names))
            found |= {str(name).strip().strip("\"'") for name in listed}
        for request, _ in walked(scenario.get("requests"), ""):
            if not isinstance(request, dict):
                continue
            if any(request.get(key) for key in MAKES_VARIABLES):
                return None
            for key, value in request.items():
                if key.startswith("extract-") or key == "set-variables":
                    found |= set(_keys(value))
                elif key == "foreach":
                    found.add(str(value).split(" ")[0])
        return found

    def _check_listed(self, holder: dict[str, Any], key: str, path: str, kind: str) -> None:
        """Files listed as texts or as `{path: …}`."""
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
        """bzt's guess takes a letter for the delimiter of a file with one column; the engines take what is written."""
        sources = scenario.get("data-sources") or []
        for index, source in enumerate(sources):
            whole = source if isinstance(source, dict) else {"path": source}
            header = None if whole.get("delimiter") else self.files.header(whole)
            if header is not None:
                sources[index] = {**whole, "delimiter": max(DELIMITERS, key=header.count)}

    def check_files(self, execution: dict[str, Any], path: str) -> None:
        """An execution's own `files`."""
        self._check_listed(execution, "files", path, "file")

    def _check_request(self, request: Any, path: str) -> None:
        """Find the files of a request: its body, its uploads and its scripts."""
        if not isinstance(request, dict):
            return
        named = [(request, "body-file", path)] if request.get("body-file") else []
        uploads, scripts = request.get("upload-files"), request.get("jsr223")
        for index, upload in enumerate(uploads if isinstance(uploads, list) else ()):
            if isinstance(upload, dict):
                named.append((upload, "path", f"{path}.upload-files[{index}]"))
        for index, script in enumerate(scripts if isinstance(scripts, list) else [scripts]):
            if isinstance(script, dict) and script.get("script-file"):
                named.append((script, "script-file", f"{path}.jsr223[{index}]"))
        for holder, key, where in named:
            holder[key] = self.files.find(holder.get(key), f"{where}.{key}", kind="file")

    def labels(self, name: str) -> tuple[str, ...]:
        """The labels of generated requests and transactions; none where a script names them."""
        if name not in self.labels_of:
            found: dict[str, None] = {}
            self._collect(name, found, set(), 0)
            self.labels_of[name] = tuple(found)
        return self.labels_of[name]

    def _collect(self, name: str, found: dict[str, None], seen: set[str], depth: int) -> None:
        scenario = self.named.get(name)
        if name in seen or depth > MAX_INCLUDE_DEPTH or not isinstance(scenario, dict) or scenario.get("script"):
            return
        seen.add(name)
        for request, _ in walked(scenario.get("requests"), ""):
            if isinstance(request, str):
                found[self.reader.environment.label(request)] = None
            elif isinstance(request.get("include-scenario"), str):
                self._collect(request["include-scenario"], found, seen, depth + 1)
            elif "transaction" in request:
                found[self.reader.environment.label(str(request["transaction"]))] = None
            elif not any(key in request for key in (*BLOCKS, *PHASES)):
                label = next((request[key] for key in ("label", "url", "cmd") if request.get(key) is not None), None)
                if label is not None:
                    found[self.reader.environment.label(str(label))] = None


def _addresses(scenario: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Where a scenario's requests go, and where it is written."""
    if isinstance(scenario.get("default-address"), str):
        yield scenario["default-address"], f"{path}.default-address"
    if scenario.get("script") is None:
        yield from urls_of(scenario.get("requests"), f"{path}.requests")


def urls_of(requests: Any, path: str) -> Iterator[tuple[str, str]]:
    """The address of each request, those inside blocks as well, and where it is written."""
    for request, where in walked(requests, path):
        url = request.get("url") if isinstance(request, dict) else request
        if isinstance(url, str):
            yield url, where


def _keys(written: Any) -> Iterator[str]:
    yield from written if isinstance(written, dict) else ()


def walked(requests: Any, path: str) -> Iterator[tuple[Any, str]]:
    """Each request and block (text or mapping), those inside blocks as well."""
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
