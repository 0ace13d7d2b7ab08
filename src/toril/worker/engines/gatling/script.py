"""What is put around a Gatling simulation: it waits at the gate; the one that bzt writes ends request by request."""

import re
from typing import Any

from bzt import TaurusConfigError
from bzt.modules.gatling import GatlingScriptBuilder

GATED = "TorilGated"  # the class that is run: the suite's own simulation, and a wait before it begins
GATE = """
object Toril {
  private val folder = new java.io.File(System.getProperty("toril.folder"))
  private val lengthMs = java.lang.Long.getLong("toril.length-ms", 0L)
  @volatile private var endMs = Long.MaxValue
  @volatile private var asked = false

  def await(): Unit = {
    new java.io.File(folder, "parked").createNewFile()
    val gate = new java.io.File(folder, "gate")
    while (!gate.exists) Thread.sleep(5)
    val source = scala.io.Source.fromFile(gate)
    val atMs = try math.round(source.mkString.trim.toDouble * 1000) finally source.close()
    Thread.sleep(math.max(0L, atMs - System.currentTimeMillis))
    if (lengthMs > 0) endMs = atMs + lengthMs
    val watch = new Thread(() => while (!asked) {
      asked = new java.io.File(folder, "end").exists
      Thread.sleep(50)
    })
    watch.setDaemon(true)
    watch.start()
  }

  def goesOn: Boolean = !asked && System.currentTimeMillis < endMs

  val done = new java.util.concurrent.atomic.AtomicLong
  def tell(): Unit = java.nio.file.Files.writeString(new java.io.File(folder, "done").toPath, done.toString)
}
"""
OF_SCALA = "class {gated} extends {simulation} {{ before {{ Toril.await() }} }}\n"
OF_JAVA = "class {gated} extends {simulation} {{ override def before(): Unit = {{ super.before(); Toril.await() }} }}\n"
CLASS = re.compile(r"^[ \t]*(?:final\s+)?class\s+(\w+)[^{\n]*\bextends\s+Simulation\b", re.MULTILINE)
PACKAGE = re.compile(r"^[ \t]*package\s+([\w.]+)", re.MULTILINE)


def gate_of(simulation: str, *, of_java: bool = False) -> str:
    """The source of the class to run in the place of `simulation`."""
    return GATE + (OF_JAVA if of_java else OF_SCALA).format(gated=GATED, simulation=simulation)


def simulations_in(source: str) -> list[str]:
    """The simulations that a script in Scala defines, with their package.

    >>> simulations_in("package shop\\nclass Buy extends Simulation {\\n")
    ['shop.Buy']
    """
    package = PACKAGE.search(source)
    return [f"{package[1]}.{name}" if package else name for name in CLASS.findall(source)]


def generated(builder: GatlingScriptBuilder, *, ramp_up_s: float, iterations: int, throughput_rps: float | None) -> str:
    """bzt's simulation of the suite's requests, whose users stop between two requests when the load is over.

    Its own end at `maxDuration` would cut off requests; it knows whole seconds and whole rates only.
    """
    source = str(builder.gen_test_case())
    ramp_up_ms = round(ramp_up_s * 1000)
    once_more = f' && session("toril").asOption[Int].getOrElse(0) < {iterations}' if iterations else ""
    counted = "exec(execution).exec(session => { Toril.done.incrementAndGet(); session })"
    loop = f'asLongAs(session => Toril.goesOn{once_more}, "toril", exitASAP = true){{{counted}}}'
    inject = f"rampUsers(concurrency) during ({ramp_up_ms}.millis)" if ramp_up_ms else "atOnceUsers(concurrency)"
    pace = ""
    if throughput_rps:
        if not float(throughput_rps).is_integer():
            raise TaurusConfigError(f"Gatling keeps whole rates only, and this worker's is {throughput_rps:g}/s")
        rate = int(throughput_rps)
        climb = f"reachRps({rate}) in ({ramp_up_ms}.millis)" if ramp_up_ms else f"jumpToRps({rate})"
        pace = f".throttle({climb}, holdFor(24.hours))"
    head, _, _ = source.partition("  if (iterationLimit == null)")
    return (
        f"{head}  testScenario = testScenario.{loop}\n"
        f"  setUp(testScenario.inject({inject}).protocols(httpConf)){pace}\n  after {{ Toril.tell() }}\n}}\n"
    )


def builder_of(executor: Any, scenario: Any, simulation: str, version: str) -> GatlingScriptBuilder:
    return GatlingScriptBuilder(executor, executor.get_load(), scenario, executor.log, simulation, version)
