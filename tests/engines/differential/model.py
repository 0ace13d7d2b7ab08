"""A small model of what a scenario means, in plain Python: which requests one user sends, and which samples they are.

It supports what `generate.py` writes, and is written from Taurus' documentation, not from an engine.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from tests.engines.differential.observe import Case, Observed

REFERENCE = re.compile(r"\$\{(\w+)\}")
CONDITION = re.compile(r'"(.*)" (==|!=) "(.*)"')
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


class StopUser(Exception):
    """The user ends."""


class NextIteration(Exception):
    """The rest of this iteration is left out."""


@dataclass
class Answer:
    status: int
    body: str
    headers: str = ""


@dataclass
class User:
    """One user of a case: its variables and cookies, what it sent, and its samples."""

    case: Case
    variables: dict[str, str] = field(default_factory=dict)
    jar: dict[tuple[str, str], str] = field(default_factory=dict)  # name and path → value
    sent: list[str] = field(default_factory=list)
    samples: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    transactions: list[list[bool]] = field(default_factory=list)  # outcomes of the requests of each open one
    first: set[int] = field(default_factory=set)  # `once` blocks that have run
    asked: Counter[str] = field(default_factory=Counter)

    def run(self, rows: Sequence[Mapping[str, str]]) -> Observed:
        self.variables |= {name: str(value) for name, value in self.case.scenario.get("variables", {}).items()}
        for iteration in range(self.case.load.get("iterations", 1)):
            if rows:
                self.variables |= rows[iteration % len(rows)]
            try:
                self.steps(self.case.requests)
            except NextIteration:
                pass
            except StopUser:
                break
        labels = {label: (count, self.failures[label]) for label, count in sorted(self.samples.items())}
        return Observed([self.sent] if self.sent else [], labels)

    def filled(self, text: Any) -> str:
        return REFERENCE.sub(lambda found: self.variables.get(found[1], found[0]), str(text))

    def holds(self, condition: str) -> bool:
        found = CONDITION.fullmatch(self.filled(condition))
        assert found, condition
        return (found[1] == found[3]) == (found[2] == "==")

    def steps(self, steps: Sequence[Any]) -> None:
        for step in steps:
            self.step({"url": step} if isinstance(step, str) else step)

    def step(self, step: Mapping[str, Any]) -> None:
        match step:
            case {"if": condition}:
                self.steps(step["then"] if self.holds(condition) else step.get("else", ()))
            case {"loop": times}:
                for _ in range(int(self.filled(times))):
                    self.steps(step["do"])
            case {"once": steps}:
                if id(step) not in self.first:
                    self.first.add(id(step))
                    self.steps(steps)
            case {"foreach": text}:
                name, _, items = text.partition(" in ")
                number = 1
                while (value := self.variables.get(f"{items}_{number}")) is not None:
                    self.variables[name] = value
                    self.steps(step["do"])
                    number += 1
            case {"transaction": label}:
                self.transactions.append([])
                try:
                    self.steps(step["do"])
                finally:
                    self.close(label)
            case {"set-variables": values}:
                self.variables |= {name: self.filled(value) for name, value in values.items()}
            case {"action": "stop"}:
                raise StopUser
            case {"action": "continue"}:
                raise NextIteration
            case _:
                self.request(step)

    def close(self, label: str) -> None:
        outcomes = self.transactions.pop()
        if outcomes:
            self.samples[f"{label} (transaction)"] += 1
            self.failures[f"{label} (transaction)"] += not all(outcomes)

    def request(self, request: Mapping[str, Any]) -> None:
        answer = self.send(request)
        ok = answer.status < 400
        for check in request.get("assert", ()):
            ok = self.asserted(check, answer, ok)
        for check in request.get("assert-jsonpath", ()):
            ok = ok and bool(values_at(check, answer.body))
        self.extract(request, answer)
        label = request.get("label", request["url"])
        self.samples[label] += 1
        self.failures[label] += not ok
        for outcomes in self.transactions:
            outcomes.append(ok)

    def send(self, request: Mapping[str, Any]) -> Answer:
        method, target = request.get("method", "GET"), self.filled(request["url"])
        headers = {name.lower(): value for name, value in self.case.scenario.get("headers", {}).items()}
        headers |= {name.lower(): value for name, value in request.get("headers", {}).items()}
        headers = {name: self.filled(value) for name, value in headers.items()}
        body, kind = "", headers.get("content-type", "")
        if isinstance(request.get("body"), dict):
            fields = {name: self.filled(value) for name, value in request["body"].items()}
            kind = kind or FORM
            body = json.dumps(fields, sort_keys=True, ensure_ascii=False) if kind == JSON else urlencode(fields)
        for _ in range(10):
            answer, location = self.exchange(method, target, headers, body, kind)
            if not location or not request.get("follow-redirects", self.case.scenario.get("follow-redirects", True)):
                break
            target = location
            if answer.status not in (307, 308):
                method, body = "HEAD" if method == "HEAD" else "GET", ""
        return answer

    def exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: str, kind: str
    ) -> tuple[Answer, str]:
        path = target.partition("?")[0]
        cookies = "; ".join(sorted(f"{name}={value}" for (name, at), value in self.jar.items() if covers(at, path)))
        shown = [f"{method} {target}", *([f"content-type: {kind}"] if body else [])]
        shown += [f"cookie: {cookies}"] if cookies else []
        shown += sorted(f"{name}: {value}" for name, value in headers.items() if name.startswith("x-"))
        self.sent.append(" | ".join([*shown, *([body] if body else [])]))
        found = self.case.answers.get(target, self.case.answers.get(path, {}))
        if isinstance(found, list):
            found = found[min(self.asked[path], len(found) - 1)]
        self.asked[path] += 1
        for cookie in found.get("cookies", ()) if self.case.scenario.get("store-cookie", True) else ():
            self.store(cookie, path)
        key = next((key for key in ("json", "html", "xml", "body") if key in found), "body")
        text = json.dumps(found[key]) if key == "json" else found.get(key, "" if "status" in found else "fine")
        fields = "".join(f"{name}: {value}\n" for name, value in found.get("headers", {}).items())
        status = int(found.get("status", 200))
        without_body = method == "HEAD" or status in (204, 304)
        return Answer(status, "" if without_body else text, fields), found.get("location", "")

    def store(self, cookie: str, at: str) -> None:
        pair, *attributes = cookie.split("; ")
        name, _, value = pair.partition("=")
        given = dict(attribute.partition("=")[::2] for attribute in attributes)
        path = given.get("Path") or at.rpartition("/")[0] or "/"
        if given.get("Max-Age") == "0":
            self.jar.pop((name, path), None)
        else:
            self.jar[name, path] = value

    def asserted(self, check: Any, answer: Answer, ok: bool) -> bool:
        check = check if isinstance(check, dict) else {"contains": [check]}
        of_code = check.get("subject") == "http-code"
        text = str(answer.status) if of_code else answer.body
        for wanted in map(self.filled, check["contains"]):
            found = bool(re.search(wanted, text)) if check.get("regexp", True) else wanted in text
            if found == check.get("not", False):
                return False
        return ok or of_code

    def extract(self, request: Mapping[str, Any], answer: Answer) -> None:
        for kind, extractors in request.items():
            if kind.startswith("extract-"):
                for name, given in extractors.items():
                    values = list(FOUND[kind](given, answer.body))
                    only = kind == "extract-jsonpath" and len(values) == 1  # JMeter takes it, whichever is wanted
                    self.keep(name, {**given, "match-no": 1} if only and given["match-no"] > 0 else given, values)

    def keep(self, name: str, given: Mapping[str, Any], values: Sequence[str]) -> None:
        number = given.get("match-no", 1)
        if number == -1:
            for old in [one for one in self.variables if re.fullmatch(rf"{name}_\d+", one)]:
                del self.variables[old]
            self.variables |= {f"{name}_{index}": value for index, value in enumerate(values, 1)}
            self.variables[f"{name}_matchNr"] = str(len(values))
            return
        self.variables[name] = values[number - 1] if len(values) >= number else given.get("default", "NOT_FOUND")


def covers(path: str, asked: str) -> bool:
    """Whether a cookie of this path is sent to the asked one (RFC 6265, 5.1.4)."""
    return asked == path or (asked.startswith(path) and (path.endswith("/") or asked[len(path)] == "/"))


def texts(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def values_at(path: str, body: str) -> list[str]:
    """Returns what a path of names and `[*]` finds."""
    try:
        found = [json.loads(body)]
    except ValueError:
        return []
    for name, many in re.findall(r"\.(\w+)|(\[\*\])", path):
        if many:
            found = [item for value in found if isinstance(value, list) for item in value]
        else:
            found = [value[name] for value in found if isinstance(value, dict) and name in value]
    return [texts(value) for value in found]


def patterns(given: Mapping[str, Any], body: str) -> Iterator[str]:
    for found in re.finditer(given["regexp"], body, re.ASCII):
        yield found[1]


def inputs(given: Mapping[str, Any], body: str) -> Iterator[str]:
    """Finds `input[name=…]` with its attribute `value`, and texts of elements, in the pages of `generate.py`."""
    if match := re.fullmatch(r"input\[name=(\w+)\]", given["expression"]):
        yield from re.findall(rf"<input name={match[1]} value='(.*?)'>", body)
    else:
        yield from re.findall(rf"<{given['expression']}>(.*?)</{given['expression']}>", body)


def elements(given: Mapping[str, Any], body: str) -> Iterator[str]:
    name = given["xpath"].removeprefix("//")
    for text in re.findall(rf"<{name}>(.*?)</{name}>", body):
        yield text or given["default"]  # to JMeter, an empty element is none


FOUND: Mapping[str, Any] = {
    "extract-regexp": patterns,
    "extract-jsonpath": lambda given, body: values_at(given["jsonpath"], body),
    "extract-css-jquery": inputs,
    "extract-xpath": elements,
}


def predicted(case: Case) -> Observed:
    """Returns what the case's only user sends, and its samples."""
    content = case.files.get("data.csv", "")
    header, *lines = content.splitlines() or [""]
    rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
    return User(case).run(rows)
