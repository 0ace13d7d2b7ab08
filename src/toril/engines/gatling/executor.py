"""Runs Gatling from its prepared folder: the suite's requests, a script in Scala or Java, or simulations in a jar.

The worker compiles the simulation during preparation. A launcher of ours in that folder (tools/gatling) runs it from
the start signal on, writes a row for each request, and divides the simulation's own load among workers. A simulation
that toril generates ends between two requests, at its planned end or early. The suite's own simulation ends by itself.
An early end cuts its requests off.
"""

import math
import os
import re
import signal
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar
from zipfile import ZipFile

from bzt import TaurusConfigError
from bzt.engine import ScenarioExecutor
from bzt.modules.gatling import GatlingExecutor

from toril.engines import Batch, EngineContext, InFlight, LoadFacts
from toril.engines.base import RowEngine, not_installed
from toril.engines.gatling.debug import GatlingDebug
from toril.engines.gatling.simulation import TEMPLATE, protocol, steps
from toril.engines.jmeter.executor import compile_by, find_java, heap
from toril.engines.readers import Sampled, keep, keeper_of
from toril.programs import GATLING_VERSION, gatling_home
from toril.records.plan import Segment

OWN_JAR = "toril-gatling.jar"
LAUNCHER = "io.gatling.app.TorilLauncher"
SCALA, JAVA = "scala.tools.nsc.Main", "org.eclipse.jdt.internal.compiler.batch.Main"
JAVA_OPTIONS = ("-17", "-proc:none", "-encoding", "UTF-8")
OPENS = "--add-opens=java.base/java.lang=ALL-UNNAMED"  # for Netty
CLASS = re.compile(r"^[ \t]*(?:public\s+)?(?:final\s+)?class\s+(\w+)[^{\n]*\bextends\s+Simulation\b", re.MULTILINE)
PACKAGE = re.compile(r"^[ \t]*package\s+([\w.]+)", re.MULTILINE)
CLIENT = "io/gatling/http/client/impl/DefaultHttpClient.class"
RETRIES = b"\x9a\x00\x07\x04\xa7\x00\x04\x03\xac"  # the end of its method canRetry: returns true (04) or false
GENERATED = "TorilRequests"
NAME_ONE = "Set `simulation` in the scenario to the class to run"
REPEATS = f"this Gatling sends requests without an answer again; version {GATLING_VERSION} does not"
NO_REQUESTS = "Gatling records neither addresses, headers nor bodies during a run."


class Executor(RowEngine, GatlingExecutor):  # type: ignore[misc]  # bzt has no types
    tool_name = "Gatling"
    resolution_us = 1000
    reports_lateness: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._java = "java"
        self._home = gatling_home()
        self._path: list[str] = []  # the class path
        self._simulation = GENERATED
        self._killed = self._retries = False

    def prepare(self) -> None:
        ScenarioExecutor.prepare(self)
        if not (self._home / OWN_JAR).is_file():
            raise not_installed("Gatling", GATLING_VERSION, self._home, code="no-gatling")
        self._java = find_java()
        classes = self.context.folder / "classes"
        classes.mkdir(exist_ok=True)
        extra = [self.engine.find_file(jar) for jar in self.get_additional_classpath()]
        self._path = [str(classes), *extra, *(str(self._home / part) for part in ("conf", OWN_JAR, "lib/*"))]
        self.script = self.get_script_path()
        self._retries = not without_retries(self._home / "lib", classes)
        self._prepare_simulation()
        self._keeper = keeper_of(self.context)
        self._debug = GatlingDebug(self.context.folder, self._keeper.most_of_body)
        self.open_outputs("gatling")

    def _prepare_simulation(self) -> None:
        scenario = self.get_scenario()
        if not self.script:
            source, iterations = self.context.folder / f"{GENERATED}.scala", self.get_load().iterations or 0
            source.write_text(generated(steps(self, scenario), protocol(scenario), self.context, iterations))
            self._compile(source, source.parent)
            return
        script, simulation = Path(self.script), scenario.get("simulation", None)
        if script.suffix == ".jar":
            self._path.insert(1, str(script.absolute()))
            if not simulation:
                raise TaurusConfigError(f"{script.name} is a jar. {NAME_ONE}")
        else:
            text = script.read_text()
            simulations = simulations_in(text)
            if not simulation and len(simulations) != 1:
                several = f"has {', '.join(simulations)}" if simulations else "has no class that extends Simulation"
                raise TaurusConfigError(f"{script.name} {several}. {NAME_ONE}")
            simulation = simulation or simulations[0]
            self._compile(script, root_of(script, text))
        self._simulation = simulation

    def _compile(self, source: Path, root: Path) -> None:
        """Compile a source, and those below `root` that it names."""
        lib = self._home / "lib"
        jars = os.pathsep.join([*self._path[:-1], *map(str, sorted(lib.glob("*.jar")))])
        compiler = [JAVA, *JAVA_OPTIONS] if source.suffix == ".java" else [SCALA]
        command = [self._java, "-cp", str(lib / "*"), *compiler, "-nowarn", "-d", self._path[0], "-cp", jars]
        compile_by([*command, "-sourcepath", str(root), str(source)], "the simulation", "Correct it")

    def startup(self) -> None:
        load, context = self.get_load(), self.context
        users = context.share.concurrency
        options: dict[str, Any] = {**self.settings.get("properties", {}), **self.get_scenario().get("properties", {})}
        options |= {"toril.folder": context.folder, "toril.length-ms": round(context.length_s * 1000)}
        options |= {"toril.simulation": self._simulation, **share_of(context.share.segment)}
        options |= {"concurrency": users or 1, "iterations": load.iterations} if users else {}
        options |= {"ramp-up": round(context.planned.ramp_up_s), "hold-for": round(context.planned.hold_for_s)}
        options |= {"throughput": context.share.throughput_rps, "steps": context.planned.steps}
        properties = [f"-D{name}={value}" for name, value in options.items() if value]
        properties.append(f"-Dlogback.configurationFile={self._debug.configure(tried=context.tried)}")
        memory = f"-Xmx{self.settings.get('memory-xmx', None) or heap(users or 1)}"
        command = [self._java, memory, OPENS, *properties, "-cp", os.pathsep.join(self._path), LAUNCHER]
        self.process = self._execute(command)

    def cut_off(self) -> None:
        if not self._killed:
            self._killed = True
            os.killpg(self.process.pid, signal.SIGTERM)

    def _batch(self, rows: Any) -> Batch:
        batch = super()._batch(rows)
        if self._keeper.on:
            columns = (batch.started_s, batch.response_us, batch.label, batch.ok, batch.rc, batch.message)
            rows = zip(batch.kind, *(column.tolist() for column in columns), strict=True)
            records = [Sampled(*values)._replace(kind=kind) for kind, *values in rows]
            keep(records, self._keeper, NO_REQUESTS, self._debug.next_of)
        return batch

    def unfinished(self) -> Iterable[InFlight]:
        """Returns at most one request for each remaining user: Gatling does not report requests that it cuts off."""
        return [InFlight(label="", count=self._users)] if self._users else []

    def facts(self) -> LoadFacts:
        known = dict(self._file.facts)
        errors = Counter(known.pop("script_errors", {})) + self._debug.crashes()
        note = "; ".join(filter(None, [known.pop("note", ""), REPEATS * self._retries]))
        return LoadFacts(own_shape=self._simulation != GENERATED, script_errors=errors, note=note, **known)

    def failure(self) -> str | None:
        return None if self._killed else super().failure()


def share_of(segment: Segment | None) -> dict[str, Any]:
    """Returns the properties by which a simulation, or the launcher for it, takes this worker's part of its load."""
    if segment is None or segment.own == "0:1":
        return {}
    ends = [Fraction(end) for end in segment.whole.split(",")]
    own, to = map(Fraction, segment.own.split(":"))
    period = math.lcm(*(end.denominator for end in ends))
    return {
        "toril.worker.index": ends.index(own),
        "toril.worker.count": len(ends) - 1,
        "toril.share": float(to - own),
        "toril.places": f"{own * period}-{to * period}/{period}",  # of each `period` users
    }


def without_retries(lib: Path, classes: Path) -> bool:
    """Stop Gatling from sending a request again, without a trace, whose reused connection closed before an answer.

    No setting does so: write its client's class, with one byte changed, where Java finds it first. Returns whether this
    succeeded.
    """
    for jar in lib.glob("gatling-http-client-*.jar"):
        with ZipFile(jar) as archive:
            code = archive.read(CLIENT) if CLIENT in archive.namelist() else b""
        if code.count(RETRIES) == 1:
            path = classes / CLIENT
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(code.replace(RETRIES, RETRIES.replace(b"\x04\xa7", b"\x03\xa7")))
            return True
    return False


def simulations_in(source: str) -> list[str]:
    """Returns the simulations that a script in Scala or Java defines, with their package.

    >>> simulations_in("package shop\\nclass Buy extends Simulation {\\n")
    ['shop.Buy']
    """
    package = PACKAGE.search(source)
    return [f"{package[1]}.{name}" if package else name for name in CLASS.findall(source)]


def root_of(script: Path, source: str) -> Path:
    """Returns the folder of a source's root package, if its folders have the names of its package; else its folder.

    >>> root_of(Path("sims/shop/Buy.java"), "package shop;").name
    'sims'
    """
    package = PACKAGE.search(source)
    names = package[1].split(".") if package else []
    folders = script.absolute().parent
    return folders.parents[len(names) - 1] if names and list(folders.parts[-len(names) :]) == names else folders


def generated(requests: Sequence[str], configuration: str, context: EngineContext, iterations: int) -> str:
    """Returns a simulation of the suite's requests, with users that stop between requests when the load is over.

    Gatling's own end at `maxDuration` would cut off requests. It has whole seconds and whole rates only.
    """
    planned, share = context.planned, context.share
    ramp_up_ms, stairs, users = round(planned.ramp_up_s * 1000), planned.steps or 0, share.concurrency or 1
    once_more = f' && session("toril").asOption[Int].getOrElse(0) < {iterations}' if iterations else ""
    chain = f"exec({', '.join(f'step{index}' for index in range(len(requests)))})"
    counted = f"{chain}.exec(session => {{ toril.Run.iterated(); session }})"
    stairs = stairs if ramp_up_ms else 0
    each_ms = round(ramp_up_ms / stairs) if stairs else 0
    inject = f"rampUsers(concurrency) during ({ramp_up_ms}.millis)" if ramp_up_ms else "atOnceUsers(concurrency)"
    if stairs:
        each = [users * (step + 1) // stairs - users * step // stairs for step in range(stairs)]
        inject = f", nothingFor({each_ms}.millis), ".join(f"atOnceUsers({users})" for users in each)
    pace = ".disablePauses" if context.tried else ""
    if share.throughput_rps:
        rate = int(share.throughput_rps)
        climb = f"reachRps({rate}) in ({ramp_up_ms}.millis)" if ramp_up_ms else f"jumpToRps({rate})"
        if stairs:
            rates = (rate * (step + 1) // stairs for step in range(stairs))
            climb = ", ".join(f"jumpToRps({rps}), holdFor({each_ms}.millis)" for rps in rates)
        pace += f".throttle({climb}, holdFor(24.hours))"
    return TEMPLATE.format(
        name=GENERATED,
        # A method each, since Java limits one to 64 KiB.
        steps="\n".join(f"  def step{index} = {request}" for index, request in enumerate(requests)),
        loop=f'asLongAs(session => toril.Run.goesOn{once_more}, "toril", exitASAP = true){{{counted}}}',
        inject=inject,
        protocol=configuration,
        pace=pace,
    )
