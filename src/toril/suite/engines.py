"""What an engine cannot do with a scenario: refused before anything runs, and never left out of the load.

Pure, and of a scenario as Taurus writes it; the worker asks again when it generates a script.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from toril.criteria import duration_s
from toril.suite.actions import Unreadable, actions_of, read_action
from toril.suite.browsers import BROWSER_ENGINES, TIMINGS
from toril.suite.k6 import k6_problems
from toril.suite.vegeta import Problem, vegeta_problems

NO_PROTOCOL = (  # what a browser decides itself, or a page has no place for
    "method",
    "body",
    "body-file",
    "headers",
    "keepalive",
    "extract-regexp",
    "extract-jsonpath",
    "extract-css-jquery",
    "extract-xpath",
    "assert-jsonpath",
    "assert-xpath",
    "jsr223",
    "upload-files",
)
NEITHER = {  # engine → keys of a request that its generated script does not have
    "locust": (
        "extract-regexp",
        "extract-jsonpath",
        "extract-css-jquery",
        "extract-xpath",
        "assert-jsonpath",
        "assert-xpath",
        "jsr223",
        "upload-files",
        "timeout",  # of one request; the scenario's is known
        "keepalive",
    ),
    "apiritif": ("jsr223", "upload-files"),
    "jmeter": (),
    "gatling": ("timeout", "keepalive", "assert-jsonpath", "assert-xpath", "jsr223", "upload-files"),
    "selenium": NO_PROTOCOL,
    "playwright": (*NO_PROTOCOL, "assert", "timeout"),
}
NOT_IN_SCENARIO = {
    "locust": ("data-sources", "variables"),
    "apiritif": (),
    "jmeter": (),
    "gatling": ("variables",),
    "selenium": ("headers",),
    "playwright": ("headers", "data-sources", "variables"),
}
BLOCKS = ("if", "once", "loop", "while", "foreach", "transaction", "include-scenario", "action", "set-variables")
PHASES = ("setup", "teardown")
KNOWN_BLOCKS = {
    "locust": {"transaction"},
    "apiritif": {"transaction", "include-scenario", "set-variables", *PHASES},
    "jmeter": {*BLOCKS, *PHASES},
    "gatling": {"include-scenario", "set-variables"},
    "selenium": {"transaction", "include-scenario", "set-variables"},
    "playwright": {"transaction"},
}
NESTED = ("do", "then", "else", "once", *PHASES)  # keys of blocks that hold requests
SUBJECTS = ("body", "http-code", "headers")  # of an assertion in Locust's generated script
INSTEAD = {
    "locust": "use a locustfile, or executor: jmeter",
    "apiritif": "use a script, or executor: jmeter",
    "jmeter": "write a .jmx",
    "gatling": "use a script, or executor: jmeter",
    "selenium": "use a script",
    "playwright": "use a script, or executor: selenium",
}
SCRIPTS = {
    "locust": ".py",
    "apiritif": ".py",
    "jmeter": ".jmx",
    "gatling": ".scala",
    "selenium": ".py",
    "playwright": ".py",
}
NAMES = {
    "locust": "Locust",
    "apiritif": "Apiritif",
    "jmeter": "JMeter",
    "gatling": "Gatling",
    "selenium": "Selenium",
    "playwright": "Playwright",
}
OF_OTHERS = (".py", ".jmx", ".js", ".ts", ".scala", ".java", ".jar")  # other endings may be any engine's
EXTRACTORS = {  # of Apiritif's generated script; their options
    "extract-jsonpath": {"jsonpath", "default"},
    "extract-regexp": {"regexp", "default"},
    "extract-css-jquery": {"expression", "attribute", "default"},
    "extract-xpath": {"xpath", "default", "use-tolerant-parser", "validate-xml"},
}
DEFAULTS = {"match-no": ("1",), "template": ("1", "$1$"), "subject": ("body",)}  # options that say what is done anyway
DISTRIBUTION = re.compile(r"(?:uniform|gaussian|poisson)\(.*\)", re.IGNORECASE)


def problems(engine: str, scenario: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """What a proved engine cannot do with this scenario, in the scenario's order; of a script only its kind."""
    if engine == "vegeta":
        yield from vegeta_problems(scenario, path)
        return
    if engine == "k6":
        yield from k6_problems(scenario, path)
        return
    if engine not in KNOWN_BLOCKS:
        return
    if scenario.get("script"):
        yield from _of_script(engine, str(scenario["script"]), path)
        return
    yield from _of_browser(engine, scenario, path)
    requests = scenario.get("requests")
    if not requests:
        yield Problem(path, "without a script and without requests", "write `requests: [http://…]`, or `script: …`")
    elif not isinstance(requests, list):
        yield Problem(f"{path}.requests", "no list", "write it like `requests: [http://…]`")
    else:
        for key in NOT_IN_SCENARIO[engine]:
            if scenario.get(key):
                yield _unknown(engine, f"{path}.{key}", "used")
        if engine == "locust":
            yield from _no_durations(scenario, ("timeout", "think-time"), path)
        yield from _of_requests(engine, requests, f"{path}.requests")


def _of_script(engine: str, script: str, path: str) -> Iterator[Problem]:
    ending = PurePosixPath(script).suffix.lower()
    if engine == "gatling" and ending == ".jar":
        return  # compiled simulations
    if ending in OF_OTHERS and ending != SCRIPTS[engine]:
        others = [
            f"`executor: {other}`"
            for other, known in SCRIPTS.items()
            if known == ending and other not in BROWSER_ENGINES
        ]
        fix = f"write {' or '.join(others)}" if others else "name the executor that it is for"
        whose = "toril's " if engine in BROWSER_ENGINES else ""  # theirs can run more
        shown = PurePosixPath(script).name[-60:]
        what = f"`{shown}`, which {whose}{NAMES[engine]} cannot run"
        yield Problem(f"{path}.script", what, f"{fix}, or give a {SCRIPTS[engine]}")


def _unknown(engine: str, path: str, what: str) -> Problem:
    return Problem(
        path,
        f"{what}, which {NAMES[engine]}'s generated script does not have",
        INSTEAD[engine],
    )


def _of_requests(engine: str, requests: list[Any], path: str) -> Iterator[Problem]:
    for index, request in enumerate(requests):
        where = f"{path}[{index}]"
        if isinstance(request, str):
            continue
        if not isinstance(request, dict):
            yield Problem(where, "no request", "write an address, or `{url: …}`")
            continue
        block = next((key for key in (*BLOCKS, *PHASES) if key in request), None)
        if block is None:
            yield from _of_request(engine, request, where)
        elif block not in KNOWN_BLOCKS[engine]:
            yield _unknown(engine, f"{where}.{block}", "a block")
        else:
            yield from _of_block(engine, request, block, where)


def _of_block(engine: str, block: Mapping[str, Any], kind: str, path: str) -> Iterator[Problem]:
    held = {"if": "then", "once": "once", "setup": "setup", "teardown": "teardown"}.get(kind, "do")
    needs = kind not in ("include-scenario", "action", "set-variables")
    if needs and not isinstance(block.get(held), list):
        yield Problem(f"{path}.{held}", "no list of requests", f"write it like `{held}: [http://…]`")
        return
    for key in NESTED:
        if isinstance(block.get(key), list):
            yield from _of_requests(engine, block[key], f"{path}.{key}")


def _of_request(engine: str, request: Mapping[str, Any], path: str) -> Iterator[Problem]:
    for key in NEITHER[engine]:
        if key in request:
            yield _unknown(engine, f"{path}.{key}", "used")
    if engine in BROWSER_ENGINES:
        yield from _of_step(engine, request, path)
        return
    if engine != "jmeter" and not request.get("url"):
        yield Problem(f"{path}.url", "missing", "write the request's address: `{url: …}`")
    if engine == "apiritif":
        yield from _of_extractors(request, path)
    if engine != "locust":
        return
    yield from _no_durations(request, ("think-time",), path)
    yield from _no_assertions(request.get("assert"), f"{path}.assert")


def _of_extractors(request: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """What only JMeter's extractors can do; Taurus' own defaults may be spelt out."""
    for key, known in EXTRACTORS.items():
        extractors = request.get(key)
        for name, one in extractors.items() if isinstance(extractors, dict) else ():
            for option, value in one.items() if isinstance(one, dict) else ():
                if option not in known and str(value) not in DEFAULTS.get(option, ()):
                    yield _unknown("apiritif", f"{path}.{key}.{name}.{option}", "used")


def _of_browser(engine: str, scenario: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """What only a browser's scenario says: it is Chromium's."""
    if engine not in BROWSER_ENGINES:
        return
    browser = str(scenario.get("browser") or "chrome").lower()
    if browser not in ("chrome", "chromium"):
        yield Problem(f"{path}.browser", f"`{browser[:40]}`", "leave it out: toril drives Chromium")
    if scenario.get("remote"):
        yield Problem(f"{path}.remote", "set", "leave it out: toril starts its browsers on the workers")
    yield from _no_durations(scenario, ("timeout", "think-time"), path)
    yield from _no_chance(engine, scenario, path)


def _no_chance(engine: str, holder: Mapping[str, Any], path: str) -> Iterator[Problem]:
    if engine == "playwright" and DISTRIBUTION.fullmatch(str(holder.get("think-time") or "")):
        yield _unknown(engine, f"{path}.think-time", "a distribution")


def _of_step(engine: str, request: Mapping[str, Any], path: str) -> Iterator[Problem]:
    if str(request.get("label") or "").endswith(TIMINGS):
        yield Problem(f"{path}.label", "what a timing of a page is called", "name the step otherwise")
    actions = request.get("actions")
    if actions and not isinstance(actions, list):
        yield Problem(f"{path}.actions", "no list", "write it like `actions: [clickByCSS(#buy)]`")
    elif not request.get("url") and not actions:
        yield Problem(f"{path}.url", "missing", "write the page's address, or `actions` to do")
    yield from _no_durations(request, ("timeout", "think-time"), path)
    yield from _no_chance(engine, request, path)
    for index, written in actions_of(request) if engine == "playwright" else ():
        try:
            read_action(written)
        except Unreadable as wrong:
            what, _, fix = str(wrong).partition("; ")
            yield Problem(f"{path}.actions[{index}]", what, fix)


def _no_durations(holder: Mapping[str, Any], keys: tuple[str, ...], path: str) -> Iterator[Problem]:
    for key in keys:
        written = holder.get(key)
        if not written or (isinstance(written, str) and ("${" in written or DISTRIBUTION.fullmatch(written))):
            continue
        try:
            duration_s(written)
        except ValueError:
            yield Problem(f"{path}.{key}", "no duration", "write it like 30s, 1m30s or 500ms")


def _no_assertions(written: Any, path: str) -> Iterator[Problem]:
    if written and not isinstance(written, list):
        yield Problem(path, "no list", "write it like `assert: [a text of the body]`")
        return
    for index, check in enumerate(written or ()):
        where = f"{path}[{index}]"
        mapping = check if isinstance(check, dict) else {"contains": [check]}
        subject, contains = mapping.get("subject", "body"), mapping.get("contains") or []
        if subject not in SUBJECTS:
            yield Problem(f"{where}.subject", f"`{str(subject)[:60]}`", f"use one of {', '.join(SUBJECTS)}")
        if not contains:
            yield Problem(f"{where}.contains", "missing", "write what is looked for: `contains: [text]`")
        texts = contains if isinstance(contains, list) else [contains]
        for text in texts if mapping.get("regexp", True) else ():
            yield from _no_pattern(str(text), f"{where}.contains")


def _no_pattern(text: str, path: str) -> Iterator[Problem]:
    try:
        re.compile(text)
    except re.error as error:
        yield Problem(path, f"no regular expression ({error})", "mend it, or write `regexp: false`")
    except (OverflowError, RecursionError):
        yield Problem(path, "too large a regular expression", "write a simpler one, or `regexp: false`")
