"""Scenarios: named, inline or a bare script; their files and the labels of their requests."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from toril.suite.door import Door, nearest, shown
from toril.suite.engines import problems
from toril.suite.environment import REFERENCE
from toril.suite.files import Files

NESTED = ("do", "then", "else", "once", "setup", "teardown", "requests")  # keys of blocks that hold requests
BLOCKS = (
    "if",
    "once",
    "loop",
    "while",
    "foreach",
    "transaction",
    "include-scenario",
    "action",
    "set-variables",
    "setup",
    "teardown",
)
DEEPEST_INCLUDE = 20
SET_BY_WORKERS = ("TORIL_", "TAURUS_")  # what such names begin with


class Scenarios:
    """The suite's `scenarios`, checked once each; inline ones are added under a name of their own."""

    def __init__(self, written: object, door: Door, files: Files) -> None:
        self.door, self.files = door, files
        self.named: dict[str, Any] = (
            {} if written is None else door.mapping(written, "scenarios", "scenarios: {checkout: {requests: […]}}")
        )
        self.checked: set[str] = set()
        self.proved: set[tuple[str, str]] = set()
        self.labels_of: dict[str, tuple[str, ...]] = {}

    def of(self, item: dict[str, Any], path: str, executor: str) -> str:
        """The name of an execution's scenario, which then stands under `scenarios`."""
        written = item.get("scenario")
        path = place = f"{path}.scenario"
        if isinstance(written, str) and written:
            name = written if written in self.named else self.door.environment.resolve(written)
            if name in self.named:
                place = f"scenarios.{name}"
            else:
                name = self._script(name, path)
        elif isinstance(written, dict) and written:
            script = written.get("script")
            stem = PurePosixPath(script).name if isinstance(script, str) and script else executor
            name = self._added(stem, written)
        else:
            what = "missing" if written is None else f"{shown(written)}, not a scenario"
            raise self.door.error(path, what, self._which())
        self._examine(name, executor, place, ())
        return name

    def _examine(self, name: str, executor: str, path: str, within: tuple[str, ...]) -> None:
        """Check a scenario for the engine that runs it, and all that it includes; each of them once."""
        if name not in self.checked:
            self.checked.add(name)
            self._check(name, path)
        if (name, executor) in self.proved:
            return
        self.proved.add((name, executor))
        for problem in problems(executor, self.named[name], path):
            raise self.door.error(*problem)
        for included, where in self._included(self.named[name], path):
            if included in (*within, name):
                raise self.door.error(where, f"{shown(included)}, which includes itself", "take the circle apart")
            if included not in self.named:
                raise self.door.error(where, f"{shown(included)}, not a scenario", nearest(included, self.named))
            if len(within) >= DEEPEST_INCLUDE:
                raise self.door.error(where, f"more than {DEEPEST_INCLUDE} levels deep", "include it further up")
            self._examine(included, executor, f"scenarios.{included}", (*within, name))

    def _included(self, scenario: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
        """The scenarios that this one includes, where it says so; a name with a reference is the worker's to know."""
        if scenario.get("script") is None:
            for request, where in _walked(scenario.get("requests"), f"{path}.requests"):
                included = request.get("include-scenario") if isinstance(request, dict) else None
                if included is not None and not REFERENCE.search(str(included)):
                    yield str(included), f"{where}.include-scenario"

    def _script(self, text: str, path: str) -> str:
        if self.files.existing(text) is None and not text.lower().startswith(("http://", "https://")):
            self.door.resolved(text, path, "name a scenario or a script")
            fix = nearest(text, self.named) if self.named else f"correct the path of the script, or {self._which()}"
            raise self.door.error(path, f"{shown(text)}, neither a scenario nor a file", fix)
        script = self.files.find(text, path, kind="script")
        return self._added(PurePosixPath(script).name, {"script": script})

    def _which(self) -> str:
        """How to say what an execution runs."""
        if self.named:
            return f"name one, or the path of a script; {nearest('', self.named)}"
        return "write `scenario: {requests: [http://…]}`, or `scenario: load.jmx` with the path of a script"

    def _added(self, stem: str, scenario: dict[str, Any]) -> str:
        name, number = stem, 1
        while name in self.named and self.named[name] != scenario:
            number += 1
            name = f"{stem}-{number}"
        self.named[name] = scenario
        return name

    def _check(self, name: str, path: str) -> None:
        scenario = self.door.mapping(self.named[name], path, "{script: load.jmx}, or {requests: […]}")
        if scenario.get("script") is not None:
            scenario["script"] = self.files.find(scenario["script"], f"{path}.script", kind="script")
        self._check_listed(scenario, "data-sources", path, "data source")
        self._check_listed(scenario, "files", path, "file")
        self._check_address(scenario, f"{path}.default-address")
        requests = scenario.get("requests")
        if isinstance(requests, str):
            return  # some executors read them from a file or a script of their own
        for request, where in _walked(requests, f"{path}.requests"):
            self._check_request(request, where)

    def _check_address(self, scenario: dict[str, Any], path: str) -> None:
        """Nearly always an `--env` that was forgotten; JMeter's own variables come from where toril does not look."""
        address = scenario.get("default-address")
        if not isinstance(address, str) or scenario.get("variables") or scenario.get("data-sources"):
            return
        for name in dict.fromkeys(REFERENCE.findall(self.door.environment.resolve(address))):
            if name.isidentifier() and not name.startswith(SET_BY_WORKERS):
                self.door.warn(path, f"refers to ${{{name}}}, which nothing sets: pass --env {name}=…")

    def _check_listed(self, holder: dict[str, Any], key: str, path: str, kind: str) -> None:
        """Files listed as texts or as `{path: …}`."""
        if holder.get(key) is None:
            return
        items = self.door.items(holder[key], f"{path}.{key}", "[users.csv]")
        for index, item in enumerate(items):
            where = f"{path}.{key}[{index}]"
            if isinstance(item, dict):
                item["path"] = self.files.find(item.get("path"), f"{where}.path", kind=kind)
            else:
                items[index] = self.files.find(item, where, kind=kind)

    def check_files(self, execution: dict[str, Any], path: str) -> None:
        """An execution's own `files`."""
        self._check_listed(execution, "files", path, "file")

    def _check_request(self, request: Any, path: str) -> None:
        if not isinstance(request, dict):
            return
        if request.get("body-file"):
            request["body-file"] = self.files.find(request["body-file"], f"{path}.body-file", kind="file")
        uploads = request.get("upload-files")
        for index, upload in enumerate(uploads if isinstance(uploads, list) else ()):
            if isinstance(upload, dict):
                upload["path"] = self.files.find(upload.get("path"), f"{path}.upload-files[{index}].path", kind="file")
        scripts = request.get("jsr223")
        for index, script in enumerate(scripts if isinstance(scripts, list) else [scripts]):
            if isinstance(script, dict) and script.get("script-file"):
                script["script-file"] = self.files.find(
                    script["script-file"], f"{path}.jsr223[{index}].script-file", kind="file"
                )

    def labels(self, name: str) -> tuple[str, ...]:
        """The labels of generated requests and transactions; none where a script names them."""
        if name not in self.labels_of:
            found: dict[str, None] = {}
            self._collect(name, found, set(), 0)
            self.labels_of[name] = tuple(found)
        return self.labels_of[name]

    def _collect(self, name: str, found: dict[str, None], seen: set[str], depth: int) -> None:
        scenario = self.named.get(name)
        if name in seen or depth > DEEPEST_INCLUDE or not isinstance(scenario, dict) or scenario.get("script"):
            return
        seen.add(name)
        for request, _ in _walked(scenario.get("requests"), ""):
            if isinstance(request, str):
                found[self.door.environment.label(request)] = None
            elif isinstance(request.get("include-scenario"), str):
                self._collect(request["include-scenario"], found, seen, depth + 1)
            elif "transaction" in request:
                found[self.door.environment.label(str(request["transaction"]))] = None
            elif not any(key in request for key in BLOCKS):
                label = next((request[key] for key in ("label", "url", "cmd") if request.get(key) is not None), None)
                if label is not None:
                    found[self.door.environment.label(str(label))] = None


def _walked(requests: Any, path: str) -> Iterator[tuple[Any, str]]:
    """Each request and block (text or mapping), those inside blocks as well."""
    if not isinstance(requests, list):
        return
    for index, request in enumerate(requests):
        where = f"{path}[{index}]"
        if isinstance(request, str):
            yield request, where
        elif isinstance(request, dict):
            yield request, where
            for key in NESTED:
                yield from _walked(request.get(key), f"{where}.{key}")
