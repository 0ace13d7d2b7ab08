"""What each engine accepts of a suite: scripts, keys, blocks and load. Anything else is refused at plan.

`ENGINES` describes the executors that toril's tests run; an engine is added there. What an engine does with its share
is in `toril.worker.engines`.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from toril.load.shapes import OPEN_MODEL
from toril.suite.files import Files
from toril.suite.reader import SuiteReader, quoted
from toril.text import nearest, suggestion

BLOCKS = ("if", "once", "loop", "while", "foreach", "transaction", "include-scenario", "action", "set-variables")
PHASES = ("setup", "teardown")
NESTED = ("do", "then", "else", "once", *PHASES)  # keys of blocks that hold requests

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
