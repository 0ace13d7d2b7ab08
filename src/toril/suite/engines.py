"""What each engine accepts of a suite: scripts, keys, blocks and load. Anything else is refused at plan.

`ENGINES` describes the executors that toril's tests run; an engine is added there. What an engine does with its share
is in `toril.worker.engines`.
"""

import codecs
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from toril.criteria import duration_s
from toril.load.shapes import OPEN_MODEL
from toril.suite.actions import ActionError, actions_of, read_action
from toril.suite.files import Files
from toril.suite.reader import SuiteReader, quoted
from toril.suite.settings import Vegeta
from toril.text import nearest, suggestion

BLOCKS = ("if", "once", "loop", "while", "foreach", "transaction", "include-scenario", "action", "set-variables")
PHASES = ("setup", "teardown")
NESTED = ("do", "then", "else", "once", *PHASES)  # keys of blocks that hold requests
HOLDERS = {"if": "then", "once": "once", "setup": "setup", "teardown": "teardown"}  # of other blocks: `do`
WITHOUT_REQUESTS = ("include-scenario", "action", "set-variables")  # blocks

EXTRACTORS = frozenset(("extract-regexp", "extract-jsonpath", "extract-css-jquery", "extract-xpath"))
PATH_ASSERTIONS = frozenset(("assert-jsonpath", "assert-xpath"))
# The browser decides on these itself, or a page has no place for them.
OF_PROTOCOLS = frozenset(("method", "body", "body-file", "headers", "keepalive"))
TIMINGS = (" (TTFB)", " (DOM ready)", " (LCP)", "browser start")  # suffixes of the labels that browsers add

RESULTS_LOADER = "external-results-loader"  # reads the results of another tool
OTHER_EXECUTORS = (  # of bzt, without tests of toril's
    "junit", "mocha", "molotov", "newman", "nunit", "pytest", "remote-playwright", "robot", "testng", "tsung", "xunit"
)  # fmt: skip
WRONG_NUMBERS = {  # executors that are refused
    "ab": "counts HTTP errors as successes of 0 ms, so that no criterion could ever fail",
    "siege": "rounds to 10 ms and counts HTTP errors as successes",
}
TEST_CASES = ("jmeter", "apiritif", "pytest")  # executors whose test cases toril reads in a functional suite
SCRIPT_SUFFIXES = (".py", ".jmx", ".js", ".ts", ".scala", ".java", ".jar")  # others may be any engine's
LOAD_KEYS = ("concurrency", "throughput", "iterations", "steps", "ramp-up", "hold-for")


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What an engine accepts, and what the division of its load needs to know."""

    title: str  # in messages
    advice: str = "use executor: jmeter"  # for a scenario that the engine cannot run

    # Scenarios
    scripts: tuple[str, ...] = ()  # suffixes of its scripts, the usual one first
    generates: bool = True  # a script from a suite's requests
    blocks: Collection[str] = ()  # that its generated script has
    without: frozenset[str] = frozenset()  # keys of a request that its generated script lacks
    scenario_without: frozenset[str] = frozenset()  # likewise, of a scenario
    browser: bool = False

    # Load
    ignored_load: Mapping[str, str] = field(default_factory=dict)  # load key → what to do instead
    no_curve: str = ""  # why it cannot follow a load curve; empty if it can
    no_curve_advice: str = "use executor: jmeter or vegeta"
    script_load: bool = False  # its scripts have a load of their own, which counts where the suite has no load keys
    splits_script_load: bool = False  # each worker does a segment of that load

    # Size: one worker's safe load with half of its capacity as headroom (bench/engines.py, bench/browsers.py)
    requests_per_core: int | None = None  # per second
    users_per_worker: int | None = None
    browsers_per_core: int | None = None
    single_threaded: bool = False
    start_up_cpu_s: float = 2.4  # until it is parked (bench/engine_start.py)


OTHER = Engine(title="", no_curve="keeps to no rate that changes")
ENGINES = {
    "jmeter": Engine(
        title="JMeter",
        advice="write a .jmx",
        scripts=(".jmx",),
        blocks=(*BLOCKS, *PHASES),
        script_load=True,
        requests_per_core=3000,
        users_per_worker=1000,
    ),
    "locust": Engine(
        title="Locust",
        advice="use a locustfile, or executor: jmeter",
        scripts=(".py",),
        blocks=("transaction",),
        # Of timeouts it has the scenario's.
        without=EXTRACTORS | PATH_ASSERTIONS | {"jsr223", "upload-files", "timeout", "keepalive"},
        scenario_without=frozenset(("data-sources", "variables")),
        ignored_load=dict.fromkeys(("throughput", "steps"), "leave it out, pace in the script, or use jmeter"),
        no_curve="paces its users by `wait_time` in the script",
        no_curve_advice="use executor: jmeter or vegeta, or a `LoadTestShape`",
        requests_per_core=1000,
        users_per_worker=1000,
        single_threaded=True,
        start_up_cpu_s=0.4,
    ),
    "apiritif": Engine(
        title="Apiritif",
        advice="use a script, or executor: jmeter",
        scripts=(".py",),
        blocks=("transaction", "include-scenario", "set-variables", *PHASES),
        without=frozenset(("jsr223", "upload-files")),
        ignored_load={"throughput": "leave it out, or use jmeter"},
        no_curve="has no pace of its own",
        requests_per_core=150,
        users_per_worker=100,
        start_up_cpu_s=0.2,
    ),
    "vegeta": Engine(
        title="vegeta",
        advice="leave it out, or use `executor: jmeter`",
        requests_per_core=12_000,
        start_up_cpu_s=0.1,
    ),
    "selenium": Engine(
        title="Selenium",
        advice="use a script",
        scripts=(".py",),
        blocks=("transaction", "include-scenario", "set-variables"),
        without=OF_PROTOCOLS | EXTRACTORS | PATH_ASSERTIONS | {"jsr223", "upload-files"},
        scenario_without=frozenset(("headers",)),
        browser=True,
        ignored_load={"throughput": "leave it out: page load times set the pace of each browser"},
        no_curve="drives browsers, which take as long as they take",
        no_curve_advice="use `concurrency`",
        browsers_per_core=2,
    ),
    "playwright": Engine(
        title="Playwright",
        advice="use a script, or executor: selenium",
        scripts=(".py",),
        blocks=("transaction",),
        without=OF_PROTOCOLS | EXTRACTORS | PATH_ASSERTIONS | {"jsr223", "upload-files", "assert", "timeout"},
        scenario_without=frozenset(("headers", "data-sources", "variables")),
        browser=True,
        ignored_load={"throughput": "leave it out: page load times set the pace of each browser"},
        no_curve="drives browsers, which take as long as they take",
        no_curve_advice="use `concurrency`",
        browsers_per_core=2,
    ),
    "k6": Engine(
        title="k6",
        scripts=(".js", ".mjs", ".ts", ".tar"),
        generates=False,
        ignored_load=dict.fromkeys(
            ("throughput", "steps"),
            "leave it out, or write an arrival rate into the script, and no load keys into the suite",
        ),
        no_curve="sends what its script says",
        no_curve_advice="write the rates there, as stages of a `ramping-arrival-rate`",
        script_load=True,
        splits_script_load=True,
    ),
    "gatling": Engine(
        title="Gatling",
        advice="use a script, or executor: jmeter",
        scripts=(".scala", ".jar"),
        blocks=("include-scenario", "set-variables"),
        without=PATH_ASSERTIONS | {"timeout", "keepalive", "jsr223", "upload-files"},
        scenario_without=frozenset(("variables",)),
        ignored_load={"steps": "leave it out, or use jmeter"},
        no_curve="sends what its simulation says",
        no_curve_advice="write the rates there, as `rampUsersPerSec`",
        script_load=True,
    ),
    RESULTS_LOADER: Engine(
        title=RESULTS_LOADER,
        ignored_load=dict.fromkeys(LOAD_KEYS, "leave it out"),
        no_curve="reads what others have sent",
        no_curve_advice="leave the curve out",
        script_load=True,
    ),
}
PROVED = tuple(name for name in ENGINES if name != RESULTS_LOADER)  # generate load, and tests run them
BROWSER_ENGINES = tuple(name for name, engine in ENGINES.items() if engine.browser)

DISTRIBUTION = re.compile(r"(?:uniform|gaussian|poisson)\(.*\)", re.IGNORECASE)
ASSERTION_SUBJECTS = ("body", "http-code", "headers")  # of Locust's generated script
APIRITIF_EXTRACTORS = {  # the options of its generated script's
    "extract-jsonpath": {"jsonpath", "default"},
    "extract-regexp": {"regexp", "default"},
    "extract-css-jquery": {"expression", "attribute", "default"},
    "extract-xpath": {"xpath", "default", "use-tolerant-parser", "validate-xml"},
}
EXTRACTOR_DEFAULTS = {"match-no": ("1",), "template": ("1", "$1$"), "subject": ("body",)}

VEGETA_REQUEST_KEYS = ("url", "label", "method", "headers", "body", "body-file", "follow-redirects")
VEGETA_SCENARIO_KEYS = (
    "requests", "default-address", "headers", "timeout", "keepalive", "follow-redirects", "data-sources", "criteria"
)  # fmt: skip
VEGETA_SOURCE_KEYS = ("path", "delimiter", "quoted", "encoding", "variable-names", "loop", "random-order")
VEGETA_SETTINGS = tuple(str(field.alias) for field in Vegeta.model_fields.values())
ON_ITS_OWN = "each request of its schedule stands for itself"
NO_BODIES = "it counts the bytes of responses and does not look into them"
VEGETA_REASONS = {
    **dict.fromkeys(("assert", *sorted(PATH_ASSERTIONS | EXTRACTORS)), NO_BODIES),
    **dict.fromkeys(("set-variables", "store-cookie", "store-cache"), ON_ITS_OWN),
    "think-time": "it sends by schedule and has no users who wait",
    "jsr223": "it runs no scripts",
    "upload-files": "it sends a body as it is written",
    "variables": "it takes variables from data-sources alone",
    "retrieve-resources": "it does not look into pages",
    "use-dns-cache-mgr": "its own `toril.vegeta.dns-ttl` says how long an address is kept",
    "random-source-ip": "it has one address",
}
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110: methods and names of headers
SCHEME = re.compile(r"(https?)://.", re.IGNORECASE)
TABS = ("tab", "\\t")


def engine_of(executor: str) -> Engine:
    """The description of an executor; of one without tests what holds of all of them."""
    return ENGINES.get(executor) or replace(OTHER, title=executor.capitalize())


class Problem(NamedTuple):
    """One thing that an engine cannot do, as `SuiteReader.error` takes it."""

    code: str
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path} is {self.text}"


ParsedLoad = Mapping[str, int | Fraction | None]  # by `LOAD_KEYS`
NOT_A_REQUEST = Problem("not-a-request", "", "no request; write an address, or `{url: …}`")
MISSING_URL = Problem("missing-url", "", "missing; write the request's address: `{url: …}`")


# --- The executor and its load


def check_executor(executor: str, path: str, reader: SuiteReader, *, own: Collection[str], functional: bool) -> None:
    """SuiteError for an unknown or refused executor; a warning for one without tests. `own` are the suite's modules."""
    if executor in WRONG_NUMBERS:
        text = f"{quoted(executor)}, which {WRONG_NUMBERS[executor]}; use executor: jmeter or vegeta"
        raise reader.error("refused-executor", path, text)
    tested = (*ENGINES, *(TEST_CASES if functional else ()))
    if executor not in (*tested, *OTHER_EXECUTORS, *own):
        raise reader.error("unknown-executor", path, f"{quoted(executor)}, no executor; {suggestion(executor, PROVED)}")
    if executor not in tested:
        text = f"is {quoted(executor)}, not proved by toril's tests: check its numbers"
        reader.warn("untested-executor", path, text)


def load_problems(
    executor: str, item: Mapping[str, Any], load: ParsedLoad, path: str, *, functional: bool
) -> Iterator[Problem]:
    """What the engine cannot do with an execution, whose load keys are read into `load`."""
    engine = engine_of(executor)
    if functional:
        yield from _functional_problems(executor, load, path)
    if executor == "locust" and item.get("master"):
        what = "on, and then Locust records no percentiles and no response codes"
        yield Problem("unsupported-key", f"{path}.master", f"{what}; leave it out: toril's workers share the load")
    if executor == "apiritif" and item.get("test-mode", executor) != executor:
        text = f"{quoted(item['test-mode'])}, not an API test; leave it out, or use `executor: selenium` for a browser"
        yield Problem("unsupported-key", f"{path}.test-mode", text)
    if engine.browser and item.get("runner", "apiritif") != "apiritif":
        text = f"{quoted(item['runner'])}, which toril does not run; leave it out: toril runs Python scripts"
        yield Problem("unsupported-key", f"{path}.runner", text)
    for key, fix in engine.ignored_load.items():
        if load[key]:
            yield Problem("ignored-load", f"{path}.{key}", f"set, which {engine.title} ignores; {fix}")
    throughput, timed = load["throughput"], load["ramp-up"] or load["hold-for"]
    if executor == "gatling" and throughput and throughput.denominator != 1:
        yield Problem("not-a-number", f"{path}.throughput", "no whole number, and Gatling keeps no other; round it")
    if executor == "k6" and item.get("ramp-up") and item.get("iterations"):
        text = "set beside ramp-up, and k6 takes one of them; leave one out"
        yield Problem("conflicting-keys", f"{path}.iterations", text)
    if throughput and not timed:
        text = "set without ramp-up or hold-for, and then Taurus ignores it; add `hold-for: 1m`"
        yield Problem("ignored-load", f"{path}.throughput", text)
    if executor in OPEN_MODEL:
        yield from _open_model_problems(executor, item, load, path)


def _functional_problems(executor: str, load: ParsedLoad, path: str) -> Iterator[Problem]:
    if executor not in TEST_CASES:
        what = f"{quoted(executor)}, whose test cases toril cannot read, in a functional suite"
        fix = f"use {', '.join(TEST_CASES)}, or leave `settings.aggregator` out"
        yield Problem("unsupported-executor", f"{path}.executor", f"{what}; {fix}")
    for key, value in load.items():
        if value and not (value == 1 and key in ("concurrency", "iterations")):
            what, fix = "set, but a functional suite runs each test case once", "or leave `settings.aggregator` out"
            yield Problem("ignored-load", f"{path}.{key}", f"{what}; leave it out, {fix}")


def _open_model_problems(executor: str, item: Mapping[str, Any], load: ParsedLoad, path: str) -> Iterator[Problem]:
    """An open model has a rate and a time, and no virtual users."""
    if load["steps"] and not load["ramp-up"]:
        yield Problem("ignored-load", f"{path}.steps", "set without a ramp-up; add `ramp-up: 1m`, or leave it out")
    if load["throughput"] is None:
        fix = "write the requests per second of all workers together: `throughput: 100`"
        yield Problem("missing-rate", f"{path}.throughput", f"missing, and {executor} sends at a rate; {fix}")
    if item.get("iterations") is not None:
        fix = "leave it out: `throughput` and `hold-for` say how many requests there are"
        yield Problem("ignored-load", f"{path}.iterations", f"set, and {executor} has no users to repeat them; {fix}")


def warn_of_ignored_keys(
    executor: str, item: Mapping[str, Any], known: Collection[str], reader: SuiteReader, path: str
) -> None:
    """Warn of keys of an execution that an open model does not have; `known` are those that toril reads."""
    if executor not in OPEN_MODEL:
        return
    for key in item:
        if key not in known:
            text = f"is ignored: {executor} has no such key; see `toril.vegeta`"
            reader.warn("ignored-key", f"{path}.{key[:60]}", text)
    if item.get("concurrency") is not None:
        text = f"is ignored: {executor} sends at a rate; `toril.vegeta.max-workers` bounds what is in flight"
        reader.warn("ignored-key", f"{path}.concurrency", text)


def check_curve(executor: str, path: str, reader: SuiteReader) -> None:
    """SuiteError for a load curve that the executor cannot follow."""
    engine = engine_of(executor)
    if engine.no_curve:
        text = f"a load curve, and {engine.title} {engine.no_curve}; {engine.no_curve_advice}"
        raise reader.error("unsupported-curve", path, text)


def check_search(executor: str, path: str, reader: SuiteReader) -> None:
    """SuiteError for a search for the capacity by an engine that has no rate."""
    if executor not in OPEN_MODEL:
        what = f"a search in an execution of {executor}, which has virtual users who wait for answers, and no rate"
        raise reader.error("unsupported-search", path, f"{what}; use executor: {' or '.join(sorted(OPEN_MODEL))}")


# --- Results of another tool

RESULTS_WAITS = ("wait-for-file", "results-timeout")
RESULTS_KEYS = (*RESULTS_WAITS, "recorded")


def check_results(
    item: dict[str, Any], scenario: object, files: Files, reader: SuiteReader, path: str, *, alone: bool
) -> None:
    """Take the results file of another tool along, if it exists already; SuiteError when none is named.

    `alone`: the suite starts no service that could write it.
    """
    holders = [(item, path), *([(scenario, f"{path}.scenario")] if isinstance(scenario, dict) else [])]
    if not any(holder.get(key) for holder, _ in holders for key in ("data-file", "data-file-pattern")):
        raise reader.error("missing-key", f"{path}.data-file", "missing; name the file with another tool's results")
    for key in RESULTS_WAITS:
        reader.seconds(item.get(key), f"{path}.{key}")
    reader.boolean(item.get("recorded", False), f"{path}.recorded")
    for key in item:
        if key not in RESULTS_KEYS and (meant := nearest(key, RESULTS_KEYS, cutoff=0.8)):
            raise reader.error("unknown-key", f"{path}.{key}", f"unknown; did you mean `{meant}`?")
    for holder, where in holders:
        pattern = holder.get("data-file-pattern")
        if pattern is not None and not isinstance(pattern, str):
            raise reader.error("not-a-path", f"{where}.data-file-pattern", "no text; write it like `out/*.jtl`")
        if holder.get("errors-file"):
            text = "is not read: why a request failed is in the results themselves"
            reader.warn("ignored-key", f"{where}.errors-file", text)
        _find_results(holder, files, reader, f"{where}.data-file", alone=alone)


def _find_results(holder: dict[str, Any], files: Files, reader: SuiteReader, path: str, *, alone: bool) -> None:
    if holder.get("data-file") is None:
        return
    text = reader.resolved(holder["data-file"], path, "name a file")
    if not isinstance(text, str):
        raise reader.error("not-a-path", path, "no name of a file; write it like `data-file: results.jtl`")
    if Path(text).is_absolute() or "${" in text:
        return
    if files.existing(text) is not None:
        holder["data-file"] = files.find(text, path, kind="results file")
    elif alone:
        reader.warn("results-missing", path, "does not exist yet: the worker waits for it, see `wait-for-file`")


# --- Scenarios


def problems(executor: str, scenario: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """What a proved engine cannot do with this scenario, in the scenario's order; of a script only its kind.

    Pure, and of a scenario as Taurus writes it; the worker asks again when it generates a script.
    """
    if executor not in PROVED:
        return
    engine = ENGINES[executor]
    if scenario.get("script"):
        yield from _script_problems(executor, engine, str(scenario["script"]), f"{path}.script")
        return
    if engine.browser:
        yield from _browser_problems(executor, scenario, path)
    requests = scenario.get("requests")
    if not engine.generates:
        text = f"without a script, and {engine.title} has nothing else to run; write `script: load{engine.scripts[0]}`"
        yield Problem("missing-script", path, text)
    elif not requests:
        what, fix = (
            ("without a script and without requests", ", or `script: …`")
            if engine.scripts
            else ("without requests", "")
        )
        yield Problem("missing-requests", path, f"{what}; write `requests: [http://…]`{fix}")
    elif not isinstance(requests, list):
        yield Problem("not-a-list", f"{path}.requests", "no list; write it like `requests: [http://…]`")
    elif executor == "vegeta":
        yield from _vegeta_problems(scenario, requests, path)
    else:
        for key in scenario:
            if key in engine.scenario_without and scenario[key]:
                yield _unsupported(engine, f"{path}.{key}", "used")
        if executor == "locust":
            yield from _duration_problems(scenario, ("timeout", "think-time"), path)
        yield from _request_problems(executor, requests, f"{path}.requests")


def _script_problems(executor: str, engine: Engine, script: str, path: str) -> Iterator[Problem]:
    name, suffix = PurePosixPath(script).name[-60:], PurePosixPath(script).suffix.lower()
    if not engine.scripts:
        fix = "write `requests: [http://…]`, or name the executor that the script is for"
        yield Problem("unsupported-script", path, f"set, and {engine.title} runs no scripts; {fix}")
        return
    if suffix in ("", *engine.scripts) or (suffix not in SCRIPT_SUFFIXES and executor != "k6"):
        return
    others = [f"`executor: {one}`" for one in PROVED if suffix in ENGINES[one].scripts and not ENGINES[one].browser]
    fix = f"write {' or '.join(others)}" if others else "name the executor that it is for"
    whose = "toril's " if engine.browser else ""  # bzt's can run more
    text = f"`{name}`, which {whose}{engine.title} cannot run; {fix}, or give a {engine.scripts[0]}"
    yield Problem("unsupported-script", path, text)


def _unsupported(engine: Engine, path: str, what: str) -> Problem:
    text = f"{what}, which {engine.title}'s generated script does not have; {engine.advice}"
    return Problem("unsupported-key", path, text)


def _request_problems(executor: str, requests: list[Any], path: str) -> Iterator[Problem]:
    engine = ENGINES[executor]
    for index, request in enumerate(requests):
        where = f"{path}[{index}]"
        if isinstance(request, str):
            continue
        if not isinstance(request, dict):
            yield NOT_A_REQUEST._replace(path=where)
            continue
        block = next((key for key in (*BLOCKS, *PHASES) if key in request), None)
        if block is None:
            yield from _plain_request_problems(executor, request, where)
        elif block not in engine.blocks:
            yield _unsupported(engine, f"{where}.{block}", "a block")
        else:
            yield from _block_problems(executor, request, block, where)


def _block_problems(executor: str, block: Mapping[str, Any], kind: str, path: str) -> Iterator[Problem]:
    held = HOLDERS.get(kind, "do")
    if kind not in WITHOUT_REQUESTS and not isinstance(block.get(held), list):
        yield Problem("not-a-list", f"{path}.{held}", f"no list of requests; write it like `{held}: [http://…]`")
        return
    for key in NESTED:
        if isinstance(block.get(key), list):
            yield from _request_problems(executor, block[key], f"{path}.{key}")


def _plain_request_problems(executor: str, request: Mapping[str, Any], path: str) -> Iterator[Problem]:
    engine = ENGINES[executor]
    for key in request:
        if key in engine.without:
            yield _unsupported(engine, f"{path}.{key}", "used")
    if engine.browser:
        yield from _step_problems(executor, request, path)
        return
    if executor != "jmeter" and not request.get("url"):
        yield MISSING_URL._replace(path=f"{path}.url")
    if executor == "apiritif":
        yield from _extractor_problems(request, path)
    if executor == "locust":
        yield from _duration_problems(request, ("think-time",), path)
        yield from _assertion_problems(request.get("assert"), f"{path}.assert")


def _extractor_problems(request: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """Options that only JMeter's extractors have; Taurus' own defaults may be spelt out."""
    for key, known in APIRITIF_EXTRACTORS.items():
        extractors = request.get(key)
        for name, one in extractors.items() if isinstance(extractors, dict) else ():
            for option, value in one.items() if isinstance(one, dict) else ():
                if option not in known and str(value) not in EXTRACTOR_DEFAULTS.get(option, ()):
                    yield _unsupported(ENGINES["apiritif"], f"{path}.{key}.{name}.{option}", "used")


def _browser_problems(executor: str, scenario: Mapping[str, Any], path: str) -> Iterator[Problem]:
    """toril drives Chromium, on the worker."""
    browser = str(scenario.get("browser") or "chrome").lower()
    if browser not in ("chrome", "chromium"):
        text = f"`{browser[:40]}`; leave it out: toril drives Chromium"
        yield Problem("unsupported-browser", f"{path}.browser", text)
    if scenario.get("remote"):
        yield Problem("unsupported-browser", f"{path}.remote", "set; leave it out: browsers run on the workers")
    yield from _duration_problems(scenario, ("timeout", "think-time"), path)
    yield from _distribution_problems(executor, scenario, path)


def _distribution_problems(executor: str, holder: Mapping[str, Any], path: str) -> Iterator[Problem]:
    if executor == "playwright" and DISTRIBUTION.fullmatch(str(holder.get("think-time") or "")):
        yield _unsupported(ENGINES[executor], f"{path}.think-time", "a distribution")


def _step_problems(executor: str, request: Mapping[str, Any], path: str) -> Iterator[Problem]:
    if str(request.get("label") or "").endswith(TIMINGS):
        yield Problem("reserved-label", f"{path}.label", "the name of a page's timing; name the step otherwise")
    actions = request.get("actions")
    if actions and not isinstance(actions, list):
        yield Problem("not-a-list", f"{path}.actions", "no list; write it like `actions: [clickByCSS(#buy)]`")
    elif not request.get("url") and not actions:
        yield Problem("missing-url", f"{path}.url", "missing; write the page's address, or `actions` to do")
    yield from _duration_problems(request, ("timeout", "think-time"), path)
    yield from _distribution_problems(executor, request, path)
    for index, written in actions_of(request) if executor == "playwright" else ():
        try:
            read_action(written)
        except ActionError as error:
            yield Problem(error.code, f"{path}.actions[{index}]", str(error))


def _duration_problems(holder: Mapping[str, Any], keys: Collection[str], path: str) -> Iterator[Problem]:
    for key in keys:
        written = holder.get(key)
        if not DISTRIBUTION.fullmatch(str(written)) and not _is_duration(written):
            yield Problem("not-a-duration", f"{path}.{key}", "no duration; write it like 30s, 1m30s or 500ms")


def _assertion_problems(written: Any, path: str) -> Iterator[Problem]:
    """Of Locust's generated script, which compiles the patterns."""
    if written and not isinstance(written, list):
        yield Problem("not-a-list", path, "no list; write it like `assert: [a text of the body]`")
        return
    for index, check in enumerate(written or ()):
        where = f"{path}[{index}]"
        mapping = check if isinstance(check, dict) else {"contains": [check]}
        subject, contains = mapping.get("subject", "body"), mapping.get("contains") or []
        if subject not in ASSERTION_SUBJECTS:
            text = f"{quoted(subject)}; use one of {', '.join(ASSERTION_SUBJECTS)}"
            yield Problem("unknown-value", f"{where}.subject", text)
        if not contains:
            yield Problem("missing-key", f"{where}.contains", "missing; write the expected text: `contains: [text]`")
        texts = contains if isinstance(contains, list) else [contains]
        for text in texts if mapping.get("regexp", True) else ():
            yield from _pattern_problems(str(text), f"{where}.contains")


def _pattern_problems(text: str, path: str) -> Iterator[Problem]:
    try:
        re.compile(text)
    except re.error as error:
        yield Problem("not-a-pattern", path, f"no regular expression ({error}); correct it, or write `regexp: false`")
    except (OverflowError, RecursionError):
        yield Problem("not-a-pattern", path, "too large a regular expression; write a simpler one, or `regexp: false`")


# --- Scenarios of vegeta, which knows its keys by name


def engine_setting_advice(key: str) -> str:
    """Where a setting of vegeta itself is written; `key` is what the suite calls it."""
    if key.startswith(("verify", "ssl", "tls")):
        return "write `toril: {vegeta: {insecure: true}}` for a certificate that cannot be verified"
    meant = nearest(key, VEGETA_SETTINGS)
    return f"write `{meant}` under `toril.vegeta`" if meant else f"`toril.vegeta` has {', '.join(VEGETA_SETTINGS)}"


def _vegeta_problems(scenario: Mapping[str, Any], requests: list[Any], path: str) -> Iterator[Problem]:
    yield from _key_problems(scenario, VEGETA_SCENARIO_KEYS, path)
    yield from _header_problems(scenario.get("headers"), f"{path}.headers")
    sources = scenario.get("data-sources")
    for index, source in enumerate(sources if isinstance(sources, list) else ()):
        if isinstance(source, dict):
            yield from _key_problems(source, VEGETA_SOURCE_KEYS, f"{path}.data-sources[{index}]")
    rooted = bool(scenario.get("default-address"))
    for index, request in enumerate(requests):
        yield from _vegeta_request_problems(request, f"{path}.requests[{index}]", rooted=rooted)


def _vegeta_request_problems(request: Any, path: str, *, rooted: bool) -> Iterator[Problem]:
    if isinstance(request, str):
        yield from _url_problems(request, f"{path}.url", rooted=rooted)
        return
    if not isinstance(request, dict):
        yield NOT_A_REQUEST._replace(path=path)
        return
    block = next((key for key in (*BLOCKS, *PHASES) if key in request and key not in VEGETA_REASONS), None)
    if block is not None:
        fix = ENGINES["vegeta"].advice
        yield Problem("unsupported-key", f"{path}.{block}", f"a block, and vegeta has none: {ON_ITS_OWN}; {fix}")
        return
    yield from _key_problems(request, VEGETA_REQUEST_KEYS, path)
    yield from _url_problems(request.get("url"), f"{path}.url", rooted=rooted)
    if request.get("body") is not None and request.get("body-file"):
        yield Problem("conflicting-keys", f"{path}.body-file", "set beside body; leave one of them out")
    yield from _header_problems(request.get("headers"), f"{path}.headers")


def _key_problems(holder: Mapping[str, Any], known: tuple[str, ...], path: str) -> Iterator[Problem]:
    """Keys that vegeta does not have, and values that it cannot take."""
    for key, value in holder.items():
        if key in known or value is None or (value is False and key in VEGETA_REASONS):
            continue
        where = f"{path}.{str(key)[:60]}"
        if key in VEGETA_REASONS:
            fix = ENGINES["vegeta"].advice
            yield Problem("unsupported-key", where, f"set, which vegeta does not do: {VEGETA_REASONS[key]}; {fix}")
        elif key in VEGETA_SCENARIO_KEYS:
            text = "set, which vegeta has for scenarios only; write it beside `requests`"
            yield Problem("unsupported-key", where, text)
        else:
            meant = nearest(key, known)
            fix = f"did you mean `{meant}`?" if meant else engine_setting_advice(str(key))
            yield Problem("unknown-key", where, f"unknown to vegeta; {fix}")
    for key, (fits, code, text) in VEGETA_VALUES.items():
        if holder.get(key) is not None and not fits(holder[key]):
            yield Problem(code, f"{path}.{key}", f"{quoted(holder[key])}, {text}")


def _has_reference(written: object) -> bool:
    return isinstance(written, str) and "${" in written


def _is_token(written: object) -> bool:
    return _has_reference(written) or (isinstance(written, str) and TOKEN.fullmatch(written) is not None)


def _is_duration(written: object) -> bool:
    try:
        return not written or _has_reference(written) or duration_s(written) >= 0
    except ValueError:
        return False


def _is_delimiter(written: object) -> bool:
    return not written or (isinstance(written, str) and (len(written) == 1 or written.lower() in TABS))


def _is_encoding(written: object) -> bool:
    try:
        return not written or _has_reference(written) or codecs.lookup(str(written)) is not None
    except (LookupError, ValueError):
        return False


NOT_A_BOOLEAN = "not-a-boolean", "not a boolean; write true or false"
VEGETA_VALUES: Mapping[str, tuple[Callable[[Any], bool], str, str]] = {
    "timeout": (_is_duration, "not-a-duration", "not a duration; write it like 30s, 1m30s or 500ms"),
    "keepalive": (lambda value: isinstance(value, bool), *NOT_A_BOOLEAN),
    "follow-redirects": (lambda value: isinstance(value, bool), *NOT_A_BOOLEAN),
    "method": (_is_token, "unknown-value", "no method; write it like GET or POST"),
    "label": (lambda value: not isinstance(value, (dict, list)), "not-a-text", "no text; write a name"),
    "loop": (
        lambda value: value is not False, "unsupported-key",
        "and the load ends by time; leave it out: rows are used again from the first one on",
    ),
    "delimiter": (_is_delimiter, "unknown-value", "no delimiter; write one character, or tab"),
    "encoding": (_is_encoding, "unknown-value", "unknown; write it like utf-8"),
    "variable-names": (lambda value: not isinstance(value, dict), "not-a-list", "a mapping; write a list of names"),
    "random-order": (
        lambda value: not value, "unsupported-key", "and vegeta keeps the order of rows; shuffle the file"
    ),
}  # fmt: skip


def _url_problems(written: object, path: str, *, rooted: bool) -> Iterator[Problem]:
    if not written:
        yield MISSING_URL._replace(path=path)
    elif not isinstance(written, str):
        yield Problem("not-an-address", path, f"`{str(written)[:60]}`, no address; write it like http://shop/cart")
    elif written.startswith("${") or SCHEME.match(written):
        return
    elif "://" in written.partition("?")[0]:
        yield Problem("not-an-address", path, f"{quoted(written)}, and vegeta speaks HTTP; write http://… or https://…")
    elif not rooted:
        text = f"{quoted(written)}, without a host; write it in full, or add `default-address`"
        yield Problem("not-an-address", path, text)


def _header_problems(written: Any, path: str) -> Iterator[Problem]:
    if written is not None and not isinstance(written, dict):
        yield Problem("not-a-mapping", path, "no mapping; write it like `headers: {Accept: text/html}`")
        return
    for name, value in (written or {}).items():
        where = f"{path}.{str(name)[:60]}"
        if not _is_token(str(name)):
            yield Problem("bad-header", where, "no name of a header; write it without blanks and colons")
        elif isinstance(value, (dict, list)) or any(one in str(value) for one in "\r\n\0"):
            yield Problem("bad-header", where, f"{str(value)[:60]!r}, no value of a header; write a text of one line")
