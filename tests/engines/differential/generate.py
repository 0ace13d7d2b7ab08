"""Random suites with their services, each from a seed."""

import random
from collections.abc import Callable
from typing import Any

from tests.engines.differential.observe import Case

WORDS = ("one", "two", "x y", "ä&b", "", "7", "a=b", "<i>")
PATHS = ("/", "/a", "/a/b", "/a/b/c", "/cart", "/list?x=1", "/deep/er/")
NAMES = ("v1", "v2", "v3")
LISTS = ("l1", "l2")  # variables of several values


class Suite:
    """A suite in the making."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.prefix = f"g{seed}_"  # JMeter's variables of a plan are those of all its groups
        self.answers: dict[str, Any] = {}
        self.count = 0

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def often(self, part: float) -> bool:
        return self.random.random() < part

    def name(self) -> str:
        return f"{self.prefix}{self.pick(*NAMES)}"

    def text(self) -> str:
        return "".join(self.pick(*WORDS, f"${{{self.name()}}}") for _ in range(self.random.randint(1, 2)))

    def number(self) -> int:
        self.count += 1
        return self.count

    # --- Requests

    def page(self) -> tuple[str, str]:
        """Adds a page to the service; returns its path and its kind."""
        path = f"{self.pick(*PATHS).partition('?')[0].rstrip('/')}/p{self.number()}"
        kind = self.pick("json", "json", "html", "xml", "body", "odd")
        words = [self.pick("red", "green", "käse", "5", "a b") for _ in range(self.random.randint(0, 3))]
        contents: dict[str, dict[str, Any]] = {
            "json": {"json": {"id": self.random.randint(1, 9), "items": words, "in": {"name": self.pick("ü", "n")}}},
            "html": {"html": f"<p>{'</p><p>'.join(words)}</p><input name=token value='t{self.count}'>"},
            "xml": {"xml": f"<r><i>{'</i><i>'.join(words)}</i></r>"},
            "body": {"body": " ".join(f"id={word};" for word in words)},
            "odd": {"status": self.pick(201, 204, 400, 404, 500, 503), "body": "odd"},
        }
        answer = contents[kind]
        if self.often(0.3):
            answer["cookies"] = [self.cookie() for _ in range(self.random.randint(1, 2))]
        if self.often(0.2):
            answer["chunked"] = True
        if self.often(0.2):
            answer["encoding"] = self.pick("gzip", "deflate")
        if self.often(0.2):
            target = {**answer}
            answer = {
                "status": self.pick(301, 302, 303, 307, 308),
                "location": f"{path}/to",
                "cookies": [self.cookie()],
            }
            self.answers[f"{path}/to"] = target
        if answer.get("status") == 204:
            answer.pop("chunked", None)
            answer.pop("encoding", None)
            answer["body"] = ""
        self.answers[path] = answer
        return path, kind

    def cookie(self) -> str:
        name, path = self.pick("sid", "b", "c"), self.pick("", "; Path=/", "; Path=/a", "; Path=/a/b")
        return f"{name}={self.number()}{path}{self.pick('', '', '; Max-Age=3600', '; HttpOnly', '; Max-Age=0')}"

    def request(self) -> Any:
        path, kind = self.page()
        query = self.pick("", "", "?x=1", f"?v=${{{self.name()}}}")
        if "$" in query:  # a value in an address has to be one that addresses may contain
            query = f"?v=${{{self.prefix}plain}}"
        if self.often(0.2):
            return path + query
        request: dict[str, Any] = {"url": path + query}
        if self.often(0.6):
            request["label"] = f"label {self.random.randint(1, 9)}"
        if self.often(0.4):
            request["method"] = self.pick("POST", "PUT", "PATCH")
            request["body"] = {f"f{index}": self.text() for index in range(self.random.randint(1, 3))}
            if self.often(0.4):
                request["headers"] = {"Content-Type": "application/json"}
        if self.often(0.3):
            request.setdefault("headers", {})[self.pick("X-A", "x-b", "X-C")] = f"h ${{{self.prefix}plain}}"
        if self.often(0.1):
            request["follow-redirects"] = self.pick(True, False)
        if self.often(0.5):
            self.extractor(request, kind)
        if self.often(0.4):
            self.assertion(request, kind)
        return request

    def extractor(self, request: dict[str, Any], kind: str) -> None:
        several = self.often(0.3)
        name = self.prefix + self.pick(*(LISTS if several else NAMES))
        more: dict[str, Any] = {"match-no": -1 if several else self.pick(1, 1, 2), "default": self.pick("none", "d e")}
        key, option, expressions = {
            "json": ("extract-jsonpath", "jsonpath", ("$.id", "$.items[*]", "$.in.name", "$.missing")),
            "html": ("extract-css-jquery", "expression", ("input[name=token]", "p", "input[name=no]")),
            "xml": ("extract-xpath", "xpath", ("//i", "//none")),
        }.get(kind, ("extract-regexp", "regexp", (r"id=(\w+);", r"no=(\d)")))
        given = {option: self.pick(*expressions), **more}
        if str(given[option]).startswith("input"):
            given["attribute"] = "value"
        if key == "extract-xpath" and self.answers[request["url"].partition("?")[0]].get("location"):
            return
        request[key] = {name: given}

    def assertion(self, request: dict[str, Any], kind: str) -> None:
        if kind == "json" and self.often(0.4):
            request["assert-jsonpath"] = [self.pick("$.id", "$.items", "$.missing", "$.in.name")]
            return
        check: dict[str, Any] = {"contains": [self.pick("e", "id", "zz", "<", "[a-z]+", f"${{{self.prefix}plain}}")]}
        if self.often(0.3):
            check = {"contains": [self.pick("200", "404", "20", "[24]..", "500")], "subject": "http-code"}
            if self.often(0.5):
                check["assume-success"] = True
        if self.often(0.3):
            check["not"] = True
        if self.often(0.2):
            check["regexp"] = False
        request["assert"] = [check]

    # --- Blocks

    def steps(self, depth: int) -> list[Any]:
        return [self.step(depth) for _ in range(self.random.randint(1, 3))]

    def step(self, depth: int) -> Any:
        if depth == 0 or self.often(0.6):
            return self.request()
        blocks: tuple[Callable[[int], Any], ...] = (
            self.block_if, self.block_loop, self.block_once, self.block_foreach, self.transaction, self.set, self.action
        )  # fmt: skip
        return self.pick(*blocks)(depth - 1)

    def block_if(self, depth: int) -> Any:
        condition = f'"${{{self.prefix}plain}}" {self.pick("==", "!=")} "{self.pick("p1", "p2")}"'
        return {"if": condition, "then": self.steps(depth), **({"else": self.steps(depth)} if self.often(0.5) else {})}

    def block_loop(self, depth: int) -> Any:
        return {"loop": self.random.randint(1, 3), "do": self.steps(depth)}

    def block_once(self, depth: int) -> Any:
        return {"once": [self.request()]} if depth == 2 else self.request()  # within a loop it has another meaning

    def block_foreach(self, depth: int) -> Any:
        item = f"{self.prefix}item{self.number()}"
        self.page()
        url = f"/item{self.number()}"
        request = {"url": url, "method": "POST", "label": "item", "body": {"i": f"${{{item}}}"}}
        return {"foreach": f"{item} in {self.prefix}{self.pick(*LISTS)}", "do": [request]}

    def transaction(self, depth: int) -> Any:
        # JMeter reports some transactions without a request, and others not.
        return {"transaction": f"t{self.random.randint(1, 4)}", "do": [self.request(), *self.steps(depth)]}

    def set(self, depth: int) -> Any:
        plain = {f"{self.prefix}plain": self.pick("p1", "p2", "p3")}
        return {"set-variables": plain if self.often(0.6) else {self.name(): self.text()}}

    def action(self, depth: int) -> Any:
        if depth < 2:  # JMeter ends a transaction that an action leaves in its own way
            return self.request()
        condition = f'"${{{self.prefix}plain}}" == "p3"'
        return {"if": condition, "then": [{"action": self.pick("stop", "continue"), "target": "current-thread"}]}


def generated(seed: int) -> Case:
    """Returns the suite of this seed."""
    suite = Suite(seed)
    requests = [suite.request(), *(suite.step(3) for _ in range(suite.random.randint(2, 6)))]
    values = dict(zip((*NAMES, "plain"), (*WORDS[:3], "p1"), strict=True))
    scenario: dict[str, Any] = {"variables": {f"{suite.prefix}{name}": value for name, value in values.items()}}
    if suite.often(0.4):
        scenario["headers"] = {"X-A": "scenario", "X-S": f"${{{suite.prefix}plain}}"}
    if suite.often(0.1):
        scenario["store-cookie"] = False
    if suite.often(0.1):
        scenario["follow-redirects"] = False
    files = {}
    if suite.often(0.4):
        rows = "".join(f"p{suite.random.randint(1, 3)},r{row}\n" for row in range(suite.random.randint(1, 3)))
        files = {"data.csv": f"{suite.prefix}plain,{suite.prefix}v2\n{rows}"}
        scenario["data-sources"] = [{"path": "$FILES/data.csv", "delimiter": ","}]
    scenario["store-cache"] = False
    load = {"iterations": suite.random.randint(1, 3)}
    return Case(f"generated-{seed}", requests, scenario, answers=suite.answers, load=load, files=files)
