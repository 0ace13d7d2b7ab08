"""Runs one suite on several engines, and returns what each of them sent and recorded.

A case is data: `requests` and further keys of a scenario, `answers` of the service, `load`, and `files`. All cases run
at once, each against its own service. Think times are skipped, as in a try.
"""

import importlib
import json
import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal

from lxml import etree

from tests.engines.differential.server import Recording, recording
from tests.worker.driver import plan_of, planned, workers
from toril.engines.in_process import NOT_SAMPLES
from toril.programs import engine_program
from toril.records import Keeping
from toril.suite.requests import problems

ENGINES = ("jmeter", "apiritif", "toril")
KINDS: tuple[Literal["request", "transaction"], ...] = ("request", "transaction")
PATIENCE_S = 300.0
AT_ONCE = 4
BETWEEN = " ¦ "  # in JMeter's labels, between the name of a case and its own label


@dataclass(frozen=True)
class Case:
    """One suite with its service."""

    name: str
    requests: Sequence[Any]
    scenario: Mapping[str, Any] = field(default_factory=dict)  # further keys
    scenarios: Mapping[str, Any] = field(default_factory=dict)  # others, to include
    answers: Mapping[str, Any] = field(default_factory=dict)
    load: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    differs: Mapping[str, str] = field(default_factory=dict)  # engine → the reason why it differs
    without: Mapping[str, str] = field(default_factory=dict)  # engine → why it does not run the case
    like: str = "jmeter"  # the engine that toril's follows
    sends: Sequence[str] | None = None  # what toril's sends if it follows neither, of one user
    records: Mapping[str, Sequence[int]] | None = None  # label → samples and failures of toril's, if it follows neither

    def accepted_by(self, engine: str) -> bool:
        scenario = {**self.scenario, "default-address": "http://shop", "requests": list(self.requests)}
        flaws = problems(engine, deepcopy(scenario), "scenario")
        return engine not in self.without and next(iter(flaws), None) is None


@dataclass(frozen=True)
class Observed:
    """What a case's service and worker recorded."""

    sent: list[list[str]]  # of each user
    labels: dict[str, tuple[int, int]]  # label, with its kind unless it is a request → samples, failures

    def __str__(self) -> str:
        users = "\n--\n".join("\n".join(f"  {line}" for line in log) for log in self.sent)
        return f"{users}\n  {self.labels}"


def observe(engine: str, cases: Sequence[Case], folder: Path) -> dict[str, Observed]:
    """Returns what was observed of each case that the engine accepts, by the case's name."""
    cases = [case for case in cases if case.accepted_by(engine)]
    with ExitStack() as stack:
        services = {case.name: stack.enter_context(recording(case.answers)) for case in cases}
        scenarios: dict[str, Any] = {}
        for case in cases:
            scenarios |= scenarios_of(case, services[case.name], folder / "files" / case.name)
        found = RUNNERS[engine](cases, scenarios, folder)
        labels: dict[str, dict[str, tuple[int, int]]] = {case.name: {} for case in cases}
        for name, label, kind, samples, failures in found:
            shown = label if kind == "request" else f"{label} ({kind})"
            shown = shown.replace(services[name].url, "$URL").replace(f"localhost:{services[name].port}", "$OTHER")
            labels[name][shown] = (samples, failures)
        return {name: Observed(service.log(), dict(sorted(labels[name].items()))) for name, service in services.items()}


def scenarios_of(case: Case, service: Recording, folder: Path) -> dict[str, Any]:
    """Returns the case's scenario under its name, and those that it includes, with real addresses and files."""
    folder.mkdir(parents=True)
    for name, content in case.files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else str(content).encode())

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            return service.named(value).replace("$FILES", str(folder))
        if isinstance(value, dict):
            return {key: filled(item) for key, item in value.items()}
        return [filled(item) for item in value] if isinstance(value, list) else value

    own = {"default-address": service.url, **case.scenario, "requests": list(case.requests)}
    return {name: filled(deepcopy(dict(one))) for name, one in {case.name: own, **case.scenarios}.items()}


Total = tuple[str, str, str, int, int]  # case, label, kind, samples, failures


def _direct(cases: Sequence[Case], scenarios: dict[str, Any], folder: Path) -> Iterator[Total]:
    """Runs toril's engine: its program on each journey, without workers, which take longer."""
    from toril.engines.toril.executor import Executor  # imports bzt, which takes a second

    program = engine_program()
    assert program is not None
    folders = {case.name: folder / "loads" / case.name for case in cases}
    for case in cases:
        folders[case.name].mkdir(parents=True)
        (folders[case.name] / "gate").write_text("0")
        load = {"folder": str(folders[case.name]), **load_of(case, scenarios)}
        (folders[case.name] / "load.json").write_text(json.dumps(load))

    def run(name: str) -> None:
        command = [str(program), str(folders[name] / "load.json")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, f"{name}: {done.stderr}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(run, folders))
    yield from _rows(folders, Executor.row)


def load_of(case: Case, scenarios: dict[str, Any]) -> dict[str, Any]:
    """Returns what the program reads, but for its folder."""
    from toril.engines.toril.sources import sources_of
    from toril.suite.steps import Scenario

    scenario = Scenario(scenarios[case.name], scenarios.__getitem__, str)
    count = case.load.get("concurrency", 1)
    users = {"count": count, "total": count, "iterations": case.load.get("iterations", 1)}
    limits = {"graceful_stop_s": 10.0, "timeout_s": 30.0, "keepalive": True, "redirects": 10}
    sources = sources_of(scenario.sources(), str, [])
    journeys = [scenario.journey()]
    return {"model": "users", "tried": True, "users": users, **limits, "sources": sources, "journeys": journeys}


def _forked(cases: Sequence[Case], scenarios: dict[str, Any], folder: Path) -> Iterator[Total]:
    """Runs Apiritif: the scripts that toril generates, in forks of one process."""
    from toril.engines.apiritif.executor import WRAPPER, Executor

    folders = {case.name: folder / "scripts" / case.name for case in cases}
    for case in cases:
        folders[case.name].mkdir(parents=True)
        (folders[case.name] / "gate").write_text("0")
        _write_script(case, scenarios, folders[case.name])
    settings = [str(one / "settings.json") for one in folders.values()]
    forks = Path(__file__).with_name("forks.py")
    subprocess.run([sys.executable, "-P", str(forks), str(WRAPPER), *settings], check=True, timeout=PATIENCE_S)
    yield from _rows(folders, Executor.row)


def _rows(folders: Mapping[str, Path], row: Any) -> Iterator[Total]:
    """Reads what each engine recorded in its folder."""
    from toril.engines.readers import RowFile

    for name, one in folders.items():
        file = RowFile(one, row, 10_000)
        totals: Counter[tuple[str, str, bool]] = Counter()
        for rows in file.read(final=True):
            samples = rows[rows["label"] < NOT_SAMPLES]
            if len(samples):
                named = file.named(samples)
                totals.update(zip(named["label"], named["kind"], named["ok"].tolist(), strict=True))
        file.close()
        for label, kind in {(label, kind) for label, kind, _ in totals}:
            failures = totals[label, kind, False]
            yield name, label, kind, failures + totals[label, kind, True], failures


def _write_script(case: Case, scenarios: dict[str, Any], folder: Path) -> None:
    from toril.engines.apiritif.generator import ScriptGenerator

    executor = _executor_of_bzt("bzt.modules._apiritif.executor", "ApiritifNoseExecutor", case, scenarios)
    executor.engine.artifacts_dir = str(folder)
    scenario = executor.get_scenario()
    checks_status = scenario.get("auto-assert-ok", True)
    scenario["auto-assert-ok"] = False
    builder = ScriptGenerator(scenario, case.name, executor=executor, test_mode="apiritif")
    builder.checks_status, builder.thinks = checks_status, False
    builder.literal = _literal(case, scenarios)
    builder.write(str(folder / "test_requests.py"))
    settings = {
        "tags": [],
        **{"folder": str(folder), "test": str(folder / "test_requests.py"), "generated": True, "cases": False},
        **{
            "require_values": False,
            "any_status": not checks_status,
            "keeping": None,
            "traceparent": False,
            "sign": None,
        },
        **{"concurrency": case.load.get("concurrency", 1), "iterations": case.load.get("iterations", 1)},
        **{"ramp_up_s": 0, "hold_for_s": 0, "steps": 0, "length_s": 0, "graceful_stop_s": 10},
    }
    (folder / "settings.json").write_text(json.dumps(settings))


def _merged(cases: Sequence[Case], scenarios: dict[str, Any], folder: Path) -> Iterator[Total]:
    """Runs JMeter: one plan with a thread group for each case."""
    (folder / "all.jmx").write_bytes(test_plan(cases, scenarios, folder))
    plan = plan_of(
        [planned("jmeter", "all")],
        {"all": {"script": "all.jmx"}},
        keeping=Keeping(everything=True, slowest=()),
    )
    with workers(plan, folder, {"all.jmx": (folder / "all.jmx").read_text("utf-8")}) as run:
        run.patience_s = PATIENCE_S  # it starts many engines
        outcome = run.go()
        assert outcome.exits[0].outcome == "finished", f"{outcome.exits[0].message}\n{run.log()[-6000:]}"
        for label, kind in product(outcome.timeline.labels(), KINDS):
            name, _, own = label.partition(BETWEEN)
            total = outcome.timeline.select(label, kind=kind).total
            if label and total.samples:
                yield name, own, kind, total.samples, total.failures


def test_plan(cases: Sequence[Case], scenarios: dict[str, Any], folder: Path) -> bytes:
    """Returns JMeter's plan with a thread group for each case, as bzt writes it for one."""
    whole: Any = None
    for case in cases:
        plan = _plan_of_bzt(case, scenarios, folder)
        top = plan.getroot().find("hashTree/hashTree")
        group, inside = top.find("ThreadGroup"), top.find("ThreadGroup").getnext()
        group.set("testname", case.name)
        (users,) = group.xpath("*[@name='ThreadGroup.num_threads']")
        (loops,) = group.xpath(".//*[@name='LoopController.loops']")
        users.text, loops.text = str(case.load.get("concurrency", 1)), str(case.load.get("iterations", 1))
        if whole is None:
            whole = plan
            for element in list(top):
                top.remove(element)
            target = top
        target.extend([group, inside])
    text: bytes = etree.tostring(whole, encoding="UTF-8", xml_declaration=True)
    return text


def _plan_of_bzt(case: Case, scenarios: dict[str, Any], folder: Path) -> Any:
    """Returns the plan that bzt writes for the case, with its variables and headers in the thread group."""
    from bzt.jmx import JMX
    from bzt.jmx.tools import JMeterScenarioBuilder

    executor = _executor_of_bzt("bzt.modules.jmeter", "JMeterExecutor", case, scenarios)
    executor.settings.merge({"version": "5.6.3", "protocol-handlers": {"http": "bzt.jmx.http.HTTPProtocolHandler"}})
    builder = JMeterScenarioBuilder(executor)
    path = folder / f"{case.name}.jmx"
    builder.save(str(path))
    plan: Any = etree.parse(path)
    inside = plan.getroot().find("hashTree/hashTree").find("ThreadGroup").getnext()
    scenario = executor.get_scenario()
    more = [JMX.add_user_def_vars_elements(scenario["variables"])] if scenario.get("variables") else []
    more += [JMX._get_header_mgr(scenario.get_headers())] if scenario.get_headers() else []
    for element in more:
        inside.extend([element, etree.Element("hashTree")])
    literal = _literal(case, scenarios)
    for element in inside.iter("HTTPSamplerProxy", "TransactionController"):
        label = element.get("testname")
        if label in literal:
            label = label.replace("${", "${__char(36)}{")
        element.set("testname", f"{case.name}{BETWEEN}{label}")
    return plan


def _executor_of_bzt(module: str, name: str, case: Case, scenarios: dict[str, Any]) -> Any:
    """Returns an executor of bzt that is good enough to write a script."""
    from bzt.engine import Engine  # the import takes a second

    from toril.engines.uploads import install

    install()
    engine = Engine(logging.getLogger("differential"))
    engine.config.merge({"scenarios": deepcopy(scenarios)})
    executor = getattr(importlib.import_module(module), name)()
    executor.engine = engine
    executor.execution.merge({"scenario": case.name})
    executor.label = case.name
    return executor


def _literal(case: Case, scenarios: dict[str, Any]) -> frozenset[str]:
    from toril.engines.labels import literal_labels

    return literal_labels({name: scenarios[name] for name in (case.name, *case.scenarios)})


RUNNERS = {"jmeter": _merged, "apiritif": _forked, "toril": _direct}
