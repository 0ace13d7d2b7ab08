"""Scenarios as the journeys of tools/engine (journeys.go), with bzt's defaults.

The defaults are those of bzt's JMX: cookies and a cache, 30 s of timeout, `NOT_FOUND` for a missing value. A scenario
that includes another one passes its address and headers on to it.
"""

import base64
import json
import mimetypes
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from toril.criteria import duration_s
from toril.errors import SuiteError
from toril.programs import engine_program, refused
from toril.records.evidence import NOT_FOUND
from toril.suite.executions import Execution
from toril.suite.journeys import ASSERTIONS, EXTRACTORS, FOREACH, Upload, section_of
from toril.suite.requests import DISTRIBUTION, OWN
from toril.suite.scenarios import walked
from toril.suite.sections import Section

Step = dict[str, Any]  # a step or a journey, in the form of journeys.go

ABSOLUTE = re.compile(r"https?://|\$\{", re.IGNORECASE)
NAMES = re.compile(r"\$\{([^${}()]+)\}")
PHASES = ("setup", "teardown")
MULTIPART = "multipart/form-data"


def check_expressions(folder: Path, executions: Iterable[Execution], scenarios: Mapping[str, Any]) -> None:
    """Refuses conditions, paths, selectors and patterns that the engine's program does not compile.

    Without the program on this machine, the worker refuses them before its load starts.
    """
    names = sorted({execution.scenario for execution in executions if execution.executor in OWN})
    if not names or not (program := engine_program()):
        return
    for name in names:
        journey = Scenario(scenarios[name], scenarios.__getitem__, lambda path: str(folder / path)).journey()
        if problem := refused(program, json.dumps({"journeys": [journey]})):
            raise SuiteError(f"scenarios.{name}.{problem}", code="wrong-expression")


class Scenario:
    """A scenario in Taurus' form, which becomes a journey."""

    def __init__(
        self,
        written: Mapping[str, Any],
        named: Callable[[str], Mapping[str, Any]],
        find: Callable[[str], str],
        outer: "Scenario | None" = None,
        sign: Mapping[str, str] | None = None,
    ) -> None:
        """`named` returns the scenario of a name, `find` the path of a file; `outer` is the one that includes this.

        `sign` is `Engine.signing` of the outermost one, whose requests it signs with those of included ones.
        """
        self.written, self._named, self._find = written, named, find
        self.address: str = str(written.get("default-address") or (outer.address if outer else "")).rstrip("/")
        own = _texts(written.get("headers"))
        self.sign: Mapping[str, str] | None = outer.sign if outer else sign
        self.headers: dict[str, str] = _without(outer.headers if outer else {}, own) | own
        requests = list(walked(written.get("requests"), "requests"))
        names = [str(block["include-scenario"]) for block, _ in requests if "include-scenario" in block]
        self.included = {name: Scenario(named(name), named, find, self) for name in names}

    def journey(self, *, fresh_cookies: bool = False) -> Step:
        """Returns the journey; SuiteError for a request without a host."""
        requests = list(_numbered(self.written.get("requests"), "requests"))
        phases = {
            phase: [step for block, place in requests for step in self._steps(block.get(phase), f"{place}.{phase}")]
            for phase in PHASES
        }
        steps = [
            self._step(block, place) | {"at": place} for block, place in requests if not block.keys() & set(PHASES)
        ]
        variables = _pairs(_texts(self.variables()))
        journey = {**self._defaults(), "fresh_cookies": fresh_cookies, "variables": variables, **phases, "steps": steps}
        _mark_needed(journey)
        return journey

    def variables(self) -> dict[str, Any]:
        """Returns the variables of this scenario and of the included ones."""
        variables: dict[str, Any] = {}
        for inner in self.included.values():
            variables |= inner.variables()
        return variables | dict(self.written.get("variables") or {})

    def sources(self) -> list[Any]:
        """Returns the data sources of this scenario and of the included ones, each once."""
        listed = [*(self.written.get("data-sources") or ())]
        for inner in self.included.values():
            listed += [source for source in inner.sources() if source not in listed]
        return listed

    def _defaults(self) -> Step:
        written = self.written
        return {
            "address": self.address,
            "headers": _pairs(self.headers),
            "cookies": bool(written.get("store-cookie", True)),
            "cache": bool(written.get("store-cache", True)),
            "keepalive": bool(written.get("keepalive", True)),
            "timeout_s": _seconds(written.get("timeout")) or 30.0,
            "follow_redirects": bool(written.get("follow-redirects", True)),
            "sign": self.sign,
        }

    def _steps(self, requests: Any, place: str) -> list[Step]:
        return [self._step(request, where) | {"at": where} for request, where in _numbered(requests, place)]

    def _step(self, block: Mapping[str, Any], place: str) -> Step:
        def inside(key: str) -> list[Step]:
            return self._steps(block.get(key), f"{place}.{key}")

        match block:
            case {"if": condition}:
                return {"do": "if", "condition": str(condition), "then": inside("then"), "else": inside("else")}
            case {"once": _}:
                return {"do": "once", "steps": inside("once")}
            case {"loop": times}:
                return _loop(times, inside("do"))
            case {"while": condition}:
                return {"do": "while", "condition": str(condition), "steps": inside("do")}
            case {"foreach": written} if named := FOREACH.fullmatch(str(written)):
                return {"do": "foreach", "variable": named[1], "input": named[2], "steps": inside("do")}
            case {"transaction": label}:
                timers = bool(block.get("include-timers", False))
                return {"do": "transaction", "label": str(label), "include_timers": timers, "steps": inside("do")}
            case {"include-scenario": name}:
                inner = self.included[str(name)]
                steps = inner._steps(inner.written.get("requests"), f"scenarios.{name}.requests")
                return {"do": "scenario", "label": str(name), "journey": inner._defaults(), "steps": steps}
            case {"action": "pause"}:
                return _pause(block.get("pause-duration") or 0)
            case {"action": action}:
                return {"do": "action", "action": action, "target": block.get("target") or "current-thread"}
            case {"set-variables": variables}:
                return {"do": "set", "variables": _pairs(_texts(variables))}
            case {"setup": _} | {"teardown": _}:  # in an included scenario
                return {"do": "loop", "times": 1, "steps": inside("setup" if "setup" in block else "teardown")}
        return self._request(block, place)

    def _request(self, request: Mapping[str, Any], place: str) -> Step:
        url, method = str(request["url"]), str(request.get("method") or "GET")
        if not self.address and not ABSOLUTE.match(url):
            text = f"{place}.url: `{url[:60]}` has no host. Write the full URL, or set `default-address`"
            raise SuiteError(text, code="no-host")
        checks = list(_assertions(request))
        judged = any(check["kind"] == "contains" and check["subject"] == "http-code" for check in checks)
        think = request.get("think-time")
        timeout_s = _seconds(request.get("timeout"))
        return {
            "do": "request",
            "label": str(request.get("label") or url),
            "method": method if "${" in method else method.upper(),
            "url": url,
            "headers": _pairs(_texts(request.get("headers"))),
            **self._body(request),
            "timeout_s": timeout_s or None,
            "keepalive": request.get("keepalive"),
            "follow_redirects": request.get("follow-redirects"),
            "think": _thinking(self.written.get("think-time") if think is None else think),
            "extract": list(_extractors(request)),
            "assert": checks,
            "judges_status": judged or not self.written.get("auto-assert-ok", True),
        }

    def _body(self, request: Mapping[str, Any]) -> Step:
        body, files = request.get("body"), request.get("upload-files") or []
        if files:
            fields = {"form": _pairs(_texts(body))} if isinstance(body, Mapping) else {}
            return {**fields, "files": [self._upload(file) for file in files]}
        if request.get("body-file") and not body:
            data = Path(self._find(str(request["body-file"]))).read_bytes()
            return {"body_bytes": base64.b64encode(data).decode()}
        headers = self.headers | _texts(request.get("headers"))
        kind = next((value.lower() for name, value in headers.items() if name.lower() == "content-type"), "")
        if isinstance(body, Mapping) and "json" not in kind:
            lists = {name: value if isinstance(value, list) else [value] for name, value in body.items()}
            if all(isinstance(value, str | int | float) for values in lists.values() for value in values):
                form = [[str(name), str(value)] for name, values in lists.items() for value in values]
                return {"form": form, **({"multipart": True} if kind == MULTIPART else {})}
            return {"body": json.dumps(body)}
        body = encode_body(body, dict(headers))
        return {} if body is None else {"body": str(body)}

    def _upload(self, written: Any) -> Step:
        found = _options(Upload, written)
        path = self._find(found["path"])
        kind = found["mime"] or mimetypes.guess_type(path)[0] or "application/octet-stream"
        return {"param": found["param"], "path": path, "mime": kind}


def encode_body(body: Any, headers: dict[str, str]) -> Any:
    """Returns a mapping as JSON or multipart if the headers say so, else as a form; completes its type in them."""
    if not isinstance(body, (dict, list)):
        return body
    given, kind = next((header for header in headers.items() if header[0].lower() == "content-type"), ("", ""))
    if isinstance(body, list) or "json" in kind:
        return json.dumps(body)
    if kind == MULTIPART:
        from urllib3 import encode_multipart_formdata

        fields = {str(name): str(value) for name, value in body.items()}
        data, headers[given] = encode_multipart_formdata(fields, "boundary-of-toril")
        return data.decode()
    if not kind:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    return urlencode(body, doseq=True)


def _numbered(requests: Any, place: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yields the requests of a list, which may be addresses, with their places."""
    for index, request in enumerate(requests or ()):
        yield request if isinstance(request, Mapping) else {"url": request}, f"{place}[{index}]"


def _loop(times: Any, steps: list[Step]) -> Step:
    rounds = {"forever": 0, "-1": 0, "0": 1}.get(str(times), str(times))
    return {"do": "loop", "times": rounds, "steps": [] if str(times) == "0" else steps}


def _pause(written: Any) -> Step:
    return {"do": "pause", "for": written} if "${" in str(written) else {"do": "pause", "for_s": _seconds(written)}


def _thinking(written: Any) -> Step | None:
    if parts := DISTRIBUTION.fullmatch(str(written)):
        mean_s, deviation_s = map(_seconds, parts.groups()[1:])
        return {"kind": parts[1].lower(), "mean_s": mean_s, "deviation_s": deviation_s}
    return {"kind": "constant", "mean_s": _seconds(written), "deviation_s": 0.0} if written else None


def _seconds(written: Any) -> float:
    return float(duration_s(written)) if written else 0.0


def _options(kind: type[Section], written: Any) -> Step:
    return {name.rstrip("_"): value for name, value in kind.model_validate(section_of(kind, written))}


def _extractors(request: Mapping[str, Any]) -> Iterator[Step]:
    for key, (kind, extractor) in EXTRACTORS.items():
        for name, written in (request.get(key) or {}).items():
            found = {"kind": kind, "name": str(name), **_options(extractor, written)}
            if found.get("template", "").isdigit():
                found["template"] = f"${found['template']}$"
            yield found


def _assertions(request: Mapping[str, Any]) -> Iterator[Step]:
    for key, (kind, assertion) in ASSERTIONS.items():
        for written in request.get(key) or ():
            yield {"kind": kind, **_options(assertion, written)}


def _mark_needed(journey: Step) -> None:
    """Names in each request the variables that it extracts without a default, and that a request refers to."""
    steps = list(_flat([*journey["setup"], *journey["steps"], *journey["teardown"]]))
    conditions = {"condition", "then", "else", "steps"}
    written = [{key: value for key, value in step.items() if key not in conditions} for step in steps]
    used = _named([written, journey["headers"], journey["address"]])
    for step in steps:
        if step["do"] == "request":
            names = [one["name"] for one in step["extract"] if one["default"] == NOT_FOUND]
            step["needed"] = [name for name in names if name in used]


def unset_names(journey: Step, sources: Sequence[Mapping[str, Any]]) -> set[str]:
    """Returns the names in the addresses and headers of a journey of requests that no column of a source has."""
    written = [[step["url"], step["headers"]] for step in journey["steps"]]
    columns = {name for source in sources for name in source["columns"]}
    return _named([written, journey["headers"], journey["address"]]) - columns


def _named(written: Any) -> set[str]:
    return set(NAMES.findall(json.dumps(written, ensure_ascii=False)))


def _flat(steps: list[Step]) -> Iterator[Step]:
    for step in steps:
        yield step
        for key in ("steps", "then", "else"):
            yield from _flat(step.get(key) or [])


def _texts(written: Any) -> dict[str, str]:
    return {str(name): "" if value is None else str(value) for name, value in (written or {}).items()}


def _without(headers: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    names = {name.lower() for name in own}
    return {name: value for name, value in headers.items() if name.lower() not in names}


def _pairs(texts: Mapping[str, str]) -> list[list[str]]:
    return [[name, value] for name, value in texts.items()]
