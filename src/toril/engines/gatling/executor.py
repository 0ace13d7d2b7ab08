"""Runs Gatling from its prepared folder: the suite's requests, a script in Scala, or compiled simulations in a jar.

The worker compiles the simulation during preparation, and runs it inside a class that waits at the gate. A simulation
that bzt writes ends between two requests, at its planned end or early. The suite's own simulation ends by itself. To
end it early the worker kills it, and requests that are not in its log yet are lost.
"""

import math
import os
import re
import signal
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from bzt import TaurusConfigError, ToolError
from bzt.engine import ScenarioExecutor
from bzt.modules.gatling import GatlingExecutor

from toril.engines import Batch, EngineContext, InFlight, LoadFacts, tail_of
from toril.engines.base import Engine, not_installed
from toril.engines.gatling.debug import GatlingDebug
from toril.engines.gatling.log import GatlingReader
from toril.engines.gatling.simulation import TEMPLATE, protocol, steps
from toril.engines.jmeter.executor import OUTPUT_CHARS, compile_by, find_java, heap
from toril.engines.readers import batch_of, keep, keeper_of
from toril.programs import GATLING_VERSION, gatling_home

GATED = "TorilGated"  # the class that Gatling runs
GATE = Path(__file__).with_name("gate.scala")
OF_SCALA = "class {gated} extends {simulation} {{ before {{ Toril.await() }} }}\n"
OF_JAVA = "class {gated} extends {simulation} {{ override def before(): Unit = {{ super.before(); Toril.await() }} }}\n"
CLASS = re.compile(r"^[ \t]*(?:final\s+)?class\s+(\w+)[^{\n]*\bextends\s+Simulation\b", re.MULTILINE)
PACKAGE = re.compile(r"^[ \t]*package\s+([\w.]+)", re.MULTILINE)
ASSERTIONS_FAILED = 2  # the exit code
ASSERTION_FAILED = re.compile(r"^(.+ : false(?: \(.*\))?)\s*$", re.MULTILINE)
CLIENT = "io/gatling/http/client/impl/DefaultHttpClient.class"
RETRIES = b"\x9a\x00\x07\x04\xa7\x00\x04\x03\xac"  # the end of its method canRetry: returns true (04) or false
GENERATED = "TorilRequests"
NO_REQUESTS = "Gatling records neither addresses, headers nor bodies during a run."


class Executor(Engine, GatlingExecutor):  # type: ignore[misc]  # bzt has no types
    tool_name = "Gatling"
    resolution_us = 1000

    def __init__(self) -> None:
        super().__init__()
        self._java = "java"
        self._home = gatling_home()
        self._path: list[str] = []  # the class path
        self._own = False  # the simulation is the suite's own
        self._log = GatlingReader(Path())
        self._killed = self._retries = False

    def prepare(self) -> None:
        ScenarioExecutor.prepare(self)
        if not (self._home / "lib").is_dir():
            raise not_installed("Gatling", GATLING_VERSION, self._home, code="no-gatling")
        self._java = find_java() or "java"
        folder = self.context.folder
        for name in ("classes", "results"):
            (folder / name).mkdir(exist_ok=True)
        extra = [self.engine.find_file(jar) for jar in self.get_additional_classpath()]
        self._path = [str(folder / "classes"), *extra, str(self._home / "conf"), str(self._home / "lib" / "*")]
        self.script = self.get_script_path()
        self._retries = not without_retries(self._home / "lib", folder / "classes")
        self._compile(folder)
        self._log = GatlingReader(folder / "results")
        self._keeper = keeper_of(self.context)
        self._debug = GatlingDebug(self.context.folder, self._keeper.most_of_body)
        self.open_outputs("gatling")

    def _compile(self, folder: Path) -> None:
        gate = folder / "gate.scala"
        scenario = self.get_scenario()
        if not self.script:
            source, iterations = folder / f"{GENERATED}.scala", self.get_load().iterations or 0
            source.write_text(generated(steps(self, scenario), protocol(scenario), self.context, iterations))
            gate.write_text(gate_of(GENERATED))
            self._scalac([source, gate])
            return
        self._own = True
        script, simulation = Path(self.script), scenario.get("simulation", None)
        if script.suffix == ".jar":
            self._path.insert(1, str(script.absolute()))
            if not simulation:
                raise TaurusConfigError(f"{script.name}: set `simulation` in the scenario to the class to run")
            self._gate_of_jar(gate, simulation)
            return
        simulations = simulations_in(script.read_text())
        if not simulation and len(simulations) != 1:
            several = f"has {', '.join(simulations)}" if simulations else "has no class that extends Simulation"
            raise TaurusConfigError(f"{script.name} {several}. Set `simulation` in the scenario to the class to run")
        gate.write_text(gate_of(simulation or simulations[0]))
        self._scalac([script, gate])

    def _gate_of_jar(self, gate: Path, simulation: str) -> None:
        """Write the gate for a jar, whose simulations may be Scala's or Java's: try Scala first."""
        try:
            gate.write_text(gate_of(simulation))
            self._scalac([gate])
        except ToolError:
            gate.write_text(gate_of(simulation, of_java=True))
            self._scalac([gate])

    def _scalac(self, sources: list[Path]) -> None:
        classes, lib = self._path[0], self._home / "lib"
        jars = os.pathsep.join([*self._path[:-1], *map(str, sorted(lib.glob("*.jar")))])
        command = [self._java, "-cp", str(lib / "*"), "scala.tools.nsc.Main", "-nowarn", "-d", classes, "-cp", jars]
        compile_by([*command, *map(str, sources)], "the simulation", "Correct it")

    def startup(self) -> None:
        load, context = self.get_load(), self.context
        users = context.share.concurrency
        options: dict[str, Any] = {**self.settings.get("properties", {}), **self.get_scenario().get("properties", {})}
        options |= {"toril.folder": context.folder, "toril.length-ms": round(context.length_s * 1000)}
        options |= {"concurrency": users or 1, "iterations": load.iterations} if users else {}
        options |= {"ramp-up": round(context.planned.ramp_up_s), "hold-for": round(context.planned.hold_for_s)}
        options |= {"throughput": context.share.throughput_rps, "steps": context.planned.steps}
        properties = [f"-D{name}={value}" for name, value in options.items() if value]
        properties.append(f"-Dlogback.configurationFile={self._debug.configure(tried=context.tried)}")
        memory = f"-Xmx{self.settings.get('memory-xmx', None) or heap(users or 1)}"
        command = [self._java, memory, *properties, "-cp", os.pathsep.join(self._path), "io.gatling.app.Gatling"]
        self.process = self._execute([*command, "-s", GATED, "-rf", str(context.folder / "results"), "-nr"])

    def end(self, within_s: float) -> None:
        super().end(within_s)
        if self._own or not self.context.gate.exists():
            self.cut_off()

    def cut_off(self) -> None:
        if not self._killed:
            self._killed = True
            os.killpg(self.process.pid, signal.SIGTERM)

    def batches(self, final: bool) -> Iterator[Batch]:
        for records in self._log.read(final):
            yield batch_of(keep(records, self._keeper, NO_REQUESTS, self._debug.next_of))

    def virtual_users(self) -> int | None:
        users = self._log.users
        return None if users is None else max(0, users)  # an end may precede its start in the log

    def unfinished(self) -> Iterable[InFlight]:
        """Returns at most one request for each remaining user: Gatling does not report requests that it cuts off."""
        left = self._log.users or 0
        return [InFlight(label="", count=left)] if left > 0 else []

    def facts(self) -> LoadFacts:
        failed = ""
        if self.exit_code == ASSERTIONS_FAILED:
            broken = ASSERTION_FAILED.findall(tail_of(getattr(self.stdout, "name", None), 30))
            failed = f"assertions of the simulation failed: {'; '.join(broken) or 'see its log'}"[:OUTPUT_CHARS]
        repeats = f"this Gatling sends requests without an answer again; version {GATLING_VERSION} does not"
        ended_at = None if self._log.users else self._log.no_user_since
        return LoadFacts(
            begun_at=self._log.first_user_at,
            ended_at=ended_at,
            unfinished_users=self._unfinished_users(),
            own_shape=self._own,
            script_errors=self._log.script_errors + self._debug.crashes(),
            script_failed=failed,
            note=repeats if self._retries else "",
        )

    def _unfinished_users(self) -> int:
        """Returns the users of generated requests that did not finish their iterations; 0 for own simulations."""
        each, done = self.context.planned.iterations, self.context.folder / "done"
        if self._own or not each:
            return 0
        users = self.context.share.concurrency or 1
        return (
            math.ceil((users * each - int(done.read_text())) / each) if done.exists() else max(0, self._log.users or 0)
        )

    def unreadable(self) -> int:
        return self._log.unreadable

    def failure(self) -> str | None:
        return None if self.exit_code == ASSERTIONS_FAILED or self._killed else super().failure()


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


def gate_of(simulation: str, *, of_java: bool = False) -> str:
    """Returns the source of the class that Gatling runs: `simulation` with a wait before it begins."""
    return GATE.read_text() + (OF_JAVA if of_java else OF_SCALA).format(gated=GATED, simulation=simulation)


def simulations_in(source: str) -> list[str]:
    """Returns the simulations that a Scala script defines, with their package.

    >>> simulations_in("package shop\\nclass Buy extends Simulation {\\n")
    ['shop.Buy']
    """
    package = PACKAGE.search(source)
    return [f"{package[1]}.{name}" if package else name for name in CLASS.findall(source)]


def generated(requests: Sequence[str], configuration: str, context: EngineContext, iterations: int) -> str:
    """Returns a simulation of the suite's requests, with users that stop between requests when the load is over.

    Gatling's own end at `maxDuration` would cut off requests. It has whole seconds and whole rates only.
    """
    planned, share = context.planned, context.share
    ramp_up_ms, stairs, users = round(planned.ramp_up_s * 1000), planned.steps or 0, share.concurrency or 1
    once_more = f' && session("toril").asOption[Int].getOrElse(0) < {iterations}' if iterations else ""
    chain = f"exec({', '.join(f'step{index}' for index in range(len(requests)))})"
    counted = f"{chain}.exec(session => {{ Toril.done.incrementAndGet(); session }})"
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
        loop=f'asLongAs(session => Toril.goesOn{once_more}, "toril", exitASAP = true){{{counted}}}',
        inject=inject,
        protocol=configuration,
        pace=pace,
    )
