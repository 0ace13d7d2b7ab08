"""The parts of a suite that each engine accepts: scripts, keys, blocks and load. `toril plan` rejects the rest.

`ENGINES` describes the executors that toril's tests run. A new engine is added there, and has a
folder of its name in `toril.engines`.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from toril.load.model import BY_SCHEDULE, JOURNEY_START, Model, begun
from toril.suite.files import MAX_FILES, SuiteFiles
from toril.suite.reader import SuiteReader, quoted
from toril.text import nearest, suggestion

BLOCKS = ("if", "once", "loop", "while", "foreach", "transaction", "include-scenario", "action", "set-variables")
PHASES = ("setup", "teardown")
NESTED = ("do", "then", "else", "once", *PHASES)  # keys of blocks that hold requests

EXTRACTORS = frozenset(("extract-regexp", "extract-jsonpath", "extract-css-jquery", "extract-xpath"))
PATH_ASSERTIONS = frozenset(("assert-jsonpath", "assert-xpath"))
# The browser sets these itself, or pages do not have them.
OF_PROTOCOLS = frozenset(("method", "body", "body-file", "headers", "keepalive"))
# Suffixes of the labels that engines add to steps and journeys, and `toril.clients` to streams.
TIMINGS = (" (TTFB)", " (DOM ready)", " (LCP)", "browser start", " (first message)", " (message)", JOURNEY_START)

RESULTS_LOADER = "external-results-loader"  # reads the results of another tool
CASE_RUNNERS = ("pytest", "robot", "junit")  # executors that run tests and measure no requests
TEST_CASES = ("jmeter", "apiritif", *CASE_RUNNERS)  # executors whose test cases toril reads in a functional suite
RUNNERS = ((".py", "selenium"), (".rb", "rspec"), (".js", "mocha"), (".dll", "nunit"))  # of Selenium, as in Taurus
_BUILD = "Run these tests in your build. For browsers, record the journey: `toril record --playwright URL`."
REFUSED: Mapping[str, tuple[str, str]] = {  # executor of Taurus → why toril refuses it, and the way out
    "ab": ("it counts HTTP errors as successes of 0 ms, so no criterion could fail", "Use `executor: vegeta`."),
    "siege": ("it rounds to 10 ms and counts HTTP errors as successes", "Use `executor: vegeta`."),
    "tsung": ("it cannot start together with other workers", "Use `executor: vegeta` for a rate of arrivals."),
    "molotov": ("it times whole scenarios, not requests", "Write a locustfile: `executor: locust`."),
    "newman": ("it runs a collection once, without load", "Make a suite of it: `toril import collection.json`."),
    "testng": ("it runs tests of TestNG only", "Write them for JUnit: `executor: junit`. Or run them in your build."),
    **dict.fromkeys(("mocha", "nunit", "xunit", "rspec"), ("it needs a runtime that no worker has", _BUILD)),
    "remote-playwright": (
        "browsers run on the workers", "Record it: `toril record --playwright URL`, with `executor: playwright`."
    ),
    "nose": ("Taurus has renamed it", "Use `executor: apiritif`."),
    "grinder": ("Taurus no longer has it", "Write a locustfile: `executor: locust`."),
    "pbench": ("Taurus no longer has it", "Use `executor: vegeta`."),
}  # fmt: skip
TRACED = ("jmeter", "locust", "apiritif", "toril", "vegeta")  # executors whose requests can carry a W3C trace context
TAGGED = ("jmeter", "locust", "apiritif", "k6")  # executors whose scripts can tag requests
LOAD_KEYS = ("concurrency", "throughput", "iterations", "steps", "ramp-up", "hold-for")
RESULTS_WAITS = ("wait-for-file", "results-timeout")  # keys of the results loader


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRules:
    """The suites that an engine accepts, and its figures for the division of load."""

    title: str  # in messages
    advice: str = "Use `executor: jmeter`."  # for a scenario that the engine cannot run
    needs: str = ""  # to be installed, or present, for a run
    resolution_us: int | None = None  # of recorded response times; None if it depends on a file

    # Scenarios
    scripts: tuple[str, ...] = ()  # suffixes of its scripts, the usual one first
    generates: bool = True  # whether it generates a script from a suite's requests
    blocks: Collection[str] = ()  # supported in its generated script
    without: frozenset[str] = frozenset()  # keys of a request that its generated script does not support
    scenario_without: frozenset[str] = frozenset()  # keys of a scenario that its generated script does not support
    request_keys: tuple[str, ...] = ()  # all that it supports; empty: any
    scenario_keys: tuple[str, ...] = ()
    source_keys: tuple[str, ...] = ()  # of data sources
    reasons: Mapping[str, str] = field(default_factory=dict)  # unsupported key or block → why
    checked: tuple[str, ...] = ()  # keys whose values the plan checks, since a wrong one would fail each request
    browser: bool = False

    # Load
    models: tuple[Model, ...] = ("users",)
    ignored_load: Mapping[str, str] = field(default_factory=dict)  # load key that the engine ignores → the fix
    no_curve: str = ""  # the reason why it cannot follow a load curve; empty if it can
    no_curve_advice: str = "Use `executor: vegeta` or `executor: jmeter`."
    script_load: bool = False  # without load keys in the suite, the load in its script counts
    splits_script_load: bool = False  # each worker runs a segment of that load
    switches: bool = False  # in a duet it runs through and sends each arm in its turns (JMeter: without `throughput`)
    together: bool = False  # one process of it can send both arms of a duet

    # Size: the safe load of one worker, which uses half of its capacity (bench/engines.py, bench/browsers.py)
    requests_per_core: int | None = None  # per second
    users_per_worker: int | None = None
    browsers_per_core: int | None = None
    single_threaded: bool = False
    start_up_cpu_s: float = 2.4  # until it waits for the start signal (bench/engine_start.py)


PAUSES = ("timeout", "think-time")
VEGETA_REQUEST_KEYS = ("url", "label", "method", "headers", "body", "body-file", "follow-redirects")
VEGETA_SCENARIO_KEYS = (
    "requests", "default-address", "headers", "timeout", "keepalive", "follow-redirects", "data-sources", "criteria",
    "hosts",
)  # fmt: skip
VEGETA_SOURCE_KEYS = ("path", "delimiter", "quoted", "encoding", "variable-names", "loop", "random-order")
INDEPENDENT_REQUESTS = "its requests are independent of each other"
VEGETA_REASONS = {
    **dict.fromkeys(
        ("assert", *sorted(PATH_ASSERTIONS | EXTRACTORS)), "it counts the bytes of responses but does not read them"
    ),
    **dict.fromkeys((*BLOCKS, *PHASES, "store-cookie", "store-cache"), INDEPENDENT_REQUESTS),
    "think-time": "it sends by schedule and has no virtual users",
    "jsr223": "it runs no scripts",
    "upload-files": "it sends a body as the suite has it",
    "variables": "it reads variables from data-sources only",
    "retrieve-resources": "it does not parse pages",
    "use-dns-cache-mgr": "`toril.engine.dns-ttl` sets the lifetime of a resolved address",
    "random-source-ip": "it has one source address",
    **dict.fromkeys(("timeout", "keepalive"), "it has one for the whole scenario"),
}
REQUEST_KEYS = (
    *VEGETA_REQUEST_KEYS, "think-time", "timeout", "keepalive", "upload-files", "assert",
    *sorted(PATH_ASSERTIONS), *sorted(EXTRACTORS),
)  # fmt: skip
SCENARIO_KEYS = (
    *VEGETA_SCENARIO_KEYS, "think-time", "variables", "store-cookie", "store-cache", "auto-assert-ok", "files",
    "sign",
)  # fmt: skip
OF_BLOCKS = (*BLOCKS, "else", "target", "pause-duration", "include-timers")
UNSUPPORTED_REASONS = {
    key: VEGETA_REASONS[key] for key in ("jsr223", "retrieve-resources", "use-dns-cache-mgr", "random-source-ip")
}
SELENIUM = EngineRules(
    title="Selenium",
    needs="extra `browser`, Chromium, chromedriver",
    resolution_us=1,
    advice="Use a script.",
    scripts=(".py",),
    blocks=("transaction", "include-scenario", "set-variables"),
    without=OF_PROTOCOLS | EXTRACTORS | PATH_ASSERTIONS | {"jsr223", "upload-files"},
    scenario_without=frozenset(("headers",)),
    checked=PAUSES,
    browser=True,
    ignored_load={"throughput": "Remove it: page load times set the pace of each browser."},
    no_curve="page load times set the pace of its browsers",
    no_curve_advice="Use `concurrency`.",
    browsers_per_core=2,
)
OTHER = EngineRules(title="", no_curve="toril cannot change its rate during the run")
ENGINES = {
    "jmeter": EngineRules(
        title="JMeter",
        needs="Java, JMeter (`make jmeter`)",
        resolution_us=1000,
        advice="Write a .jmx.",
        scripts=(".jmx",),
        checked=PAUSES,
        blocks=BLOCKS,
        script_load=True,
        requests_per_core=3000,
        users_per_worker=1000,
        switches=True,
    ),
    "locust": EngineRules(
        title="Locust",
        needs="extra `worker`",
        resolution_us=1,
        advice="Use a locustfile, or `executor: jmeter`.",
        scripts=(".py",),
        blocks=("transaction",),
        # It supports the timeout of a scenario only.
        without=EXTRACTORS | PATH_ASSERTIONS | {"jsr223", "upload-files", "timeout", "keepalive"},
        scenario_without=frozenset(("data-sources", "variables")),
        ignored_load=dict.fromkeys(
            ("throughput", "steps"), "Remove it and pace the users in the script, or use `executor: jmeter`."
        ),
        checked=(*PAUSES, "sign"),
        no_curve="`wait_time` in the script sets the pace of its users",
        no_curve_advice="Use a `LoadTestShape`, or `executor: vegeta`.",
        requests_per_core=1000,
        users_per_worker=1000,
        single_threaded=True,
        start_up_cpu_s=0.4,
        switches=True,
        together=True,
    ),
    "apiritif": EngineRules(
        title="Apiritif",
        needs="extra `worker`",
        resolution_us=1,
        advice="Use a script, or `executor: jmeter`.",
        scripts=(".py",),
        checked=(*PAUSES, "sign"),
        blocks=("transaction", "include-scenario", "set-variables", *PHASES),
        without=frozenset(("jsr223",)),
        ignored_load={"throughput": "Remove it, or use `executor: jmeter`."},
        no_curve="it cannot limit its rate",
        requests_per_core=150,
        users_per_worker=100,
        start_up_cpu_s=0.2,
    ),
    "toril": EngineRules(
        title="toril",
        needs="toril's engine (`make engine`)",
        resolution_us=1,
        advice="Remove it, or use `executor: jmeter` without `toril.executor`.",
        models=("users", "requests", "arrivals"),
        blocks=(*BLOCKS, *PHASES),
        without=frozenset(UNSUPPORTED_REASONS),
        scenario_without=frozenset(UNSUPPORTED_REASONS),
        request_keys=REQUEST_KEYS,
        scenario_keys=SCENARIO_KEYS,
        source_keys=VEGETA_SOURCE_KEYS,
        reasons=UNSUPPORTED_REASONS,
        checked=(*REQUEST_KEYS, *SCENARIO_KEYS, *VEGETA_SOURCE_KEYS, *OF_BLOCKS),
        requests_per_core=8_000,  # of journeys; independent requests count as vegeta's
        users_per_worker=50_000,  # a worker has 55,536 local ports for connections to one address
        start_up_cpu_s=0.1,
        switches=True,
        together=True,
    ),
    "vegeta": EngineRules(
        title="vegeta",
        needs="toril's engine (`make engine`)",
        resolution_us=1,
        advice="Remove it, or use `executor: jmeter`.",
        without=frozenset(VEGETA_REASONS) - {*BLOCKS, *PHASES},
        scenario_without=frozenset(VEGETA_REASONS) - {*PAUSES, "keepalive"} | {"think-time"},
        request_keys=VEGETA_REQUEST_KEYS,
        scenario_keys=VEGETA_SCENARIO_KEYS,
        source_keys=VEGETA_SOURCE_KEYS,
        reasons=VEGETA_REASONS,
        checked=(*VEGETA_REQUEST_KEYS, *VEGETA_SCENARIO_KEYS, *VEGETA_SOURCE_KEYS),
        models=("requests",),
        requests_per_core=12_000,
        start_up_cpu_s=0.1,
        switches=True,
        together=True,
    ),
    "selenium": SELENIUM,
    "playwright": replace(
        SELENIUM,
        title="Playwright",
        needs="extra `browser`, Chromium",
        advice="Use a script, or `executor: selenium`.",
        blocks=("transaction",),
        without=SELENIUM.without | {"assert", "timeout"},
        scenario_without=frozenset(("headers", "data-sources", "variables")),
    ),
    "k6": EngineRules(
        title="k6",
        needs="k6",
        resolution_us=1,
        scripts=(".js", ".mjs", ".ts", ".tar"),
        generates=False,
        ignored_load=dict.fromkeys(
            ("throughput", "steps"),
            "Remove it, or write an arrival rate into the script and no load keys into the suite.",
        ),
        no_curve="its script sets the rate",
        no_curve_advice="Write the rates into the script, as stages of a `ramping-arrival-rate`.",
        script_load=True,
        splits_script_load=True,
    ),
    "gatling": EngineRules(
        title="Gatling",
        needs="Java, Gatling (`make gatling`)",
        resolution_us=1000,
        advice="Use a script, or `executor: jmeter`.",
        scripts=(".scala", ".java", ".jar"),
        checked=PAUSES,
        blocks=("include-scenario", "set-variables"),
        without=PATH_ASSERTIONS | {"timeout", "keepalive", "jsr223", "upload-files"},
        scenario_without=frozenset(("variables",)),
        no_curve="its simulation sets the rate",
        no_curve_advice="Write the rates into the simulation, as `rampUsersPerSec`.",
        script_load=True,
        splits_script_load=True,
    ),
    RESULTS_LOADER: EngineRules(
        title=RESULTS_LOADER,
        needs="a results file",
        ignored_load=dict.fromkeys(LOAD_KEYS, "Remove it: the other tool made the load."),
        no_curve="it reads the results of another tool",
        no_curve_advice="Remove the curve.",
        script_load=True,
    ),
}
TESTED = tuple(name for name in ENGINES if name != RESULTS_LOADER)  # tested executors that generate load
BROWSER_ENGINES = tuple(name for name, engine in ENGINES.items() if engine.browser)


def by_schedule(executor: str) -> bool:
    """Returns whether an executor has no virtual users."""
    return "users" not in engine_of(executor).models


def engine_of(executor: str) -> EngineRules:
    """Returns the description of an executor; a general one for executors that toril does not test."""
    return ENGINES.get(executor) or replace(OTHER, title=executor.capitalize())


class Flaw(NamedTuple):
    """An unsupported part of a suite: the arguments of `SuiteReader.error`."""

    code: str
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


ParsedLoad = Mapping[str, int | float | Fraction | None]  # by `LOAD_KEYS`


# --- The executor and its load


def check_executor(executor: str, path: str, reader: SuiteReader, *, own: Collection[str], functional: bool) -> None:
    """Raises SuiteError for an unknown or rejected executor; warns of one of the suite's `own` modules."""
    if executor in own and executor not in ENGINES:
        reader.warn("untested-executor", path, f"toril's tests do not cover {quoted(executor)}. Check its numbers.")
        return
    if executor in REFUSED:
        why, fix = REFUSED[executor]
        raise reader.error("refused-executor", path, f"toril rejects {quoted(executor)}: {why}. {fix}")
    if executor in CASE_RUNNERS and not functional:
        what = f"{quoted(executor)} counts tests, not requests, so it makes no load"
        fix = "Move it to a suite without load, or write a Locust or Playwright script."
        raise reader.error("refused-executor", path, f"{what}. {fix}")
    if executor not in (*ENGINES, *CASE_RUNNERS):
        names = (*ENGINES, *CASE_RUNNERS, *REFUSED, *own)
        fix = suggestion(executor, names if nearest(executor, names) else TESTED)
        raise reader.error("unknown-executor", path, f"{quoted(executor)} is not an executor. {fix}")


def load_problems(
    executor: str, item: Mapping[str, Any], load: ParsedLoad, path: str, *, functional: bool, model: Model
) -> Iterator[Flaw]:
    """Yields the keys of an execution that the engine does not support. `load` has the parsed load keys."""
    engine = engine_of(executor)
    if functional:
        yield from _functional_problems(executor, load, path)
    if executor == "locust" and item.get("master"):
        what = "A Locust master records no percentiles and no response codes"
        yield Flaw("unsupported-key", f"{path}.master", f"{what}. Remove it: toril's workers share the load.")
    if executor == "jmeter" and item.get("distributed"):
        what = "JMeter's own servers do not wait for the common start"
        yield Flaw("unsupported-key", f"{path}.distributed", f"{what}. Remove it: toril's workers share the load.")
    if executor == "apiritif" and item.get("test-mode", executor) != executor:
        text = f"{quoted(item['test-mode'])} is not an API test. Remove it, or use `executor: selenium` for a browser."
        yield Flaw("unsupported-key", f"{path}.test-mode", text)
    for key, fix in engine.ignored_load.items():
        if load[key]:
            yield Flaw("ignored-load", f"{path}.{key}", f"{engine.title} ignores this key. {fix}")
    throughput, timed = load["throughput"], load["ramp-up"] or load["hold-for"]
    if model == "arrivals" and not timed:
        yield Flaw("missing-key", f"{path}.hold-for", "Journeys at a rate need a duration. Add `hold-for: 1m`.")
    if executor == "k6" and item.get("ramp-up") and item.get("iterations"):
        text = "k6 does not combine `iterations` with `ramp-up`. Remove one of them."
        yield Flaw("conflicting-keys", f"{path}.iterations", text)
    if throughput and not timed:
        text = "Taurus ignores a throughput without `ramp-up` or `hold-for`. Add `hold-for: 1m`."
        yield Flaw("ignored-load", f"{path}.throughput", text)
    if load["steps"] and not load["ramp-up"] and (executor == "gatling" or model in BY_SCHEDULE):
        text = "Steps need a ramp-up. Add `ramp-up: 1m`, or remove `steps`."
        yield Flaw("ignored-load", f"{path}.steps", text)
    if model in BY_SCHEDULE:
        yield from _open_model_problems(executor, item, load, path, begun(model))


def _functional_problems(executor: str, load: ParsedLoad, path: str) -> Iterator[Flaw]:
    if executor not in TEST_CASES:
        what = f"toril cannot read test cases of {quoted(executor)} in a functional suite"
        fix = f"Use {', '.join(TEST_CASES[:-1])} or {TEST_CASES[-1]}, or remove `settings.aggregator`."
        yield Flaw("unsupported-executor", f"{path}.executor", f"{what}. {fix}")
    text = "A functional suite runs each test case once. Remove this key, or `settings.aggregator`."
    if executor in CASE_RUNNERS:
        text = f"{executor} counts tests, not requests. Remove the load, or write a Locust or Playwright script."
    for key in LOAD_KEYS:
        value = load[key]
        if value and not (value == 1 and key in ("concurrency", "iterations")):
            yield Flaw("ignored-load", f"{path}.{key}", text)


def _open_model_problems(
    executor: str, item: Mapping[str, Any], load: ParsedLoad, path: str, what: str
) -> Iterator[Flaw]:
    """An open model has a rate and a duration, and no virtual users."""
    if load["throughput"] is None:
        fix = "Add the requests per second of all workers together: `throughput: 100`."
        yield Flaw("missing-rate", f"{path}.throughput", f"{executor} needs a rate. {fix}")
    if item.get("iterations") is not None:
        fix = f"Remove `iterations`: the rate and `hold-for` set the number of {what}."
        yield Flaw("ignored-load", f"{path}.iterations", f"Load by a rate has no virtual users. {fix}")


def warn_of_ignored_keys(
    executor: str, model: Model, item: Mapping[str, Any], known: Collection[str], reader: SuiteReader, path: str
) -> None:
    """Warns of keys of an execution that an open model does not support; `known` are the keys that toril reads."""
    if model not in BY_SCHEDULE:
        return
    for key in item:
        if key not in known:
            text = f"{executor} ignores this key. See `toril.engine` for its settings."
            reader.warn("ignored-key", f"{path}.{key[:60]}", text)
    if item.get("concurrency") is not None:
        text = f"toril ignores this key: {begun(model)} begin at a rate. `toril.engine.max-workers` limits them."
        reader.warn("ignored-key", f"{path}.concurrency", text)


def check_curve(executor: str, path: str, reader: SuiteReader) -> None:
    """Raises SuiteError for a load curve that the executor cannot follow."""
    engine = engine_of(executor)
    if engine.no_curve:
        text = f"{engine.title} cannot follow a load curve: {engine.no_curve}. {engine.no_curve_advice}"
        raise reader.error("unsupported-curve", path, text)


def check_search(executor: str, model: Model, path: str, reader: SuiteReader) -> None:
    """Raises SuiteError for a capacity search with virtual users."""
    if model not in BY_SCHEDULE:
        what = f"A search needs a rate, but the virtual users of {executor} wait for responses"
        fix = "Add `arrivals: true` to it" if "arrivals" in engine_of(executor).models else "Use `executor: vegeta`"
        raise reader.error("unsupported-search", path, f"{what}. {fix}.")


# --- Executors that run tests and measure no requests


def runner_of(execution: Mapping[str, Any], script: Path | None) -> str:
    """Returns the executor of a Selenium execution: its `runner`, or by its script's type, as Taurus finds it."""
    if execution.get("runner"):
        return "selenium" if execution["runner"] == "apiritif" else str(execution["runner"])
    if script is None:
        return "selenium"
    files = [script] if script.is_file() else islice(script.rglob("*"), MAX_FILES)
    suffixes = {file.suffix for file in files}
    if suffixes & {".java", ".jar"}:
        return "testng" if execution.get("testng-xml") or (script.parent / "testng.xml").is_file() else "junit"
    return next((runner for suffix, runner in RUNNERS if suffix in suffixes), "selenium")


# --- Results of another tool


def check_results(
    item: dict[str, Any], scenario: object, files: SuiteFiles, reader: SuiteReader, path: str, *, alone: bool
) -> None:
    """Adds another tool's results file to the suite's files if it exists; raises SuiteError if the suite names none.

    `alone`: the suite starts no service that could write the file.
    """
    holders = [(item, path), *([(scenario, f"{path}.scenario")] if isinstance(scenario, dict) else [])]
    if not any(holder.get(key) for holder, _ in holders for key in ("data-file", "data-file-pattern")):
        text = "Missing key. Name the file with the results of another tool."
        raise reader.error("missing-key", f"{path}.data-file", text)
    for key in RESULTS_WAITS:
        reader.seconds(item.get(key), f"{path}.{key}")
    reader.boolean(item.get("recorded", False), f"{path}.recorded")
    for holder, where in holders:
        pattern = holder.get("data-file-pattern")
        if pattern is not None and not isinstance(pattern, str):
            text = f"{quoted(pattern)} is not a text. Write it like `out/*.jtl`."
            raise reader.error("not-a-path", f"{where}.data-file-pattern", text)
        if holder.get("errors-file"):
            text = "toril ignores this file: the results themselves have the errors."
            reader.warn("ignored-key", f"{where}.errors-file", text)
        _find_results(holder, files, reader, f"{where}.data-file", alone=alone)


def _find_results(holder: dict[str, Any], files: SuiteFiles, reader: SuiteReader, path: str, *, alone: bool) -> None:
    if holder.get("data-file") is None:
        return
    text = reader.resolved(holder["data-file"], path, "Name a file.")
    if not isinstance(text, str):
        message = f"{quoted(text)} is not a file name. Write it like `data-file: results.jtl`."
        raise reader.error("not-a-path", path, message)
    if Path(text).is_absolute() or "${" in text:
        return
    if files.existing(text) is not None:
        holder["data-file"] = files.find(text, path, kind="results file")
    elif alone:
        text = "The file does not exist yet. The worker waits for it: see `wait-for-file`."
        reader.warn("results-missing", path, text)
