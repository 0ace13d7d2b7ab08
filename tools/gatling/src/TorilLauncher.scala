// In Gatling's package, because its Runner has no public interface: it is made for such subclasses.
package io.gatling.app

import java.io.{ FileOutputStream, IOException }
import java.nio.{ ByteBuffer, ByteOrder }
import java.nio.charset.StandardCharsets.UTF_8
import java.util.Properties
import java.util.concurrent.TimeUnit

import scala.collection.mutable
import scala.util.Try

import io.gatling.commons.stats.{ OK, Status }
import io.gatling.commons.util.DefaultClock
import io.gatling.core.CoreComponents
import io.gatling.core.actor.{ ActorRef, ActorSystem }
import io.gatling.core.cli.GatlingArgs
import io.gatling.core.config.GatlingConfiguration
import io.gatling.core.controller.Controller
import io.gatling.core.controller.inject.PopulationFlows
import io.gatling.core.controller.inject.open.Division
import io.gatling.core.scenario.{ Population, Simulation, SimulationParams }
import io.gatling.core.session.GroupBlock
import io.gatling.core.stats.StatsEngine
import io.gatling.core.stats.writer.RunMessage
import io.gatling.netty.util.Transports

/** Runs the simulation that the property `toril.simulation` names: it begins at the start signal, as this worker's part. */
object TorilLauncher {
  def main(arguments: Array[String]): Unit = {
    Runtime.getRuntime.addShutdownHook(new Thread(() => TorilRecords.flush()))
    System.exit(
      try {
        run()
        0
      } catch {
        case error: Throwable =>
          error.printStackTrace()
          1
      }
    )
  }

  private def run(): Unit = {
    val configuration = GatlingConfiguration.load()
    val system = new ActorSystem
    val loops = Transports.newEventLoopGroup(configuration.netty.useNativeTransport, configuration.netty.useIoUring, 0, "gatling")
    val arguments = GatlingArgs.Empty.copy(simulationClass = Some(classOf[TorilSimulation].getName))
    val runner = new Runner(system, loops, new DefaultClock, arguments, configuration) {
      override protected def displayVersionWarning(): Unit = {}

      override protected def newStatsEngine(simulation: SimulationParams, message: RunMessage): StatsEngine = {
        TorilRecords.assertions = simulation.assertions
        TorilRecords
      }

      override protected[gatling] def start(
          simulation: SimulationParams,
          components: CoreComponents,
          flows: PopulationFlows[String, Population]
      ): Try[Unit] = {
        toril.Run.await(() => { TorilRecords.end(); Runtime.getRuntime.halt(0) })
        super.start(simulation, components, flows)
      }
    }
    try runner.run()
    finally {
      system.close()
      loops.shutdownGracefully(0, configuration.core.shutdownTimeout, TimeUnit.MILLISECONDS).awaitUninterruptibly()
    }
    TorilRecords.end()
  }
}

/** The simulation of the suite, or this worker's part of it. */
final class TorilSimulation extends Simulation {
  override private[gatling] def params: SimulationParams = {
    val shared = new Properties
    shared.putAll(System.getProperties)
    @volatile var dividesItself = false
    System.setProperties(new Properties {
      putAll(shared)
      override def getProperty(name: String): String = {
        if (name == "toril.share") dividesItself = true
        super.getProperty(name)
      }
    })
    val name = System.getProperty("toril.simulation")
    val whole = SimulationClass
      .fromClass(Class.forName(name))
      .getOrElse(throw new IllegalArgumentException(s"$name does not extend Simulation"))
      .params
    toril.Run.slice.filterNot(_ => dividesItself).fold(whole)(Division.of(whole, _))
  }
}

/** Writes the rows and names that `RowFile` in toril's engines/readers.py reads. */
object TorilRecords extends StatsEngine {
  private val RowBytes = 40
  private val Users = 0xffffffff // as a label: its bytes are the number of virtual users
  private val MostMessages = 1000 // different failures; further ones are "other"
  private val MostChars = 1000
  private val Unwritten = 74 // the exit code of a process that cannot write its rows (EX_IOERR)
  private val FlushMs = 250
  private val Found = """found (\d{3})\b""".r.unanchored
  private val Raised = """^(?:\w+\.)*(\w*(?:Exception|Error))\b""".r.unanchored

  private lazy val rowsFile = new FileOutputStream(new java.io.File(toril.Run.folder, "rows"))
  private lazy val namesFile = new FileOutputStream(new java.io.File(toril.Run.folder, "names"))
  private val rows = ByteBuffer.allocate(RowBytes * 4096).order(ByteOrder.LITTLE_ENDIAN)
  private val names = new java.lang.StringBuilder
  private val labels = mutable.HashMap.empty[(String, String), Int]
  private val outcomes = mutable.HashMap.empty[(String, String, Boolean), Int]
  private val errors = mutable.HashMap.empty[String, Int].withDefaultValue(0)
  private val places = mutable.HashMap.empty[String, Set[List[String]]].withDefaultValue(Set.empty) // request → its groups
  private var users, begunMs, withoutMs = 0L
  private var active = true // afterwards, requests that Gatling cuts off are unfinished
  @volatile var assertions: Seq[io.gatling.commons.stats.assertion.Assertion] = Nil

  override private[gatling] def start(): Unit = {
    val flusher = new Thread(() => while (true) { Thread.sleep(FlushMs); flush() })
    flusher.setDaemon(true)
    flusher.start()
  }

  override private[gatling] def stop(controller: ActorRef[Controller.Command], crash: Option[Exception]): Unit = {
    synchronized { active = false }
    controller ! Controller.Command.StatsEngineStopped
  }

  override def logUserStart(scenario: String): Unit = record {
    if (begunMs == 0) begunMs = System.currentTimeMillis
    users += 1
  }

  override def logUserEnd(scenario: String): Unit = record {
    users -= 1
    if (users == 0) withoutMs = System.currentTimeMillis
  }

  override def logResponse(
      scenario: String, groups: List[String], request: String, sentMs: Long, answeredMs: Long, status: Status,
      code: Option[String], message: Option[String]
  ): Unit =
    if (answeredMs >= 0) record {
      places(request) += groups
      sample(request, "request", sentMs, answeredMs, status == OK, code, message)
    }

  override def logGroupEnd(scenario: String, group: GroupBlock, exitMs: Long): Unit = record {
    val failed = Option.when(group.status != OK)("a request of the group failed")
    sample(group.groups.mkString(" / "), "transaction", group.startTimestamp, exitMs, failed.isEmpty, None, failed)
  }

  override def logRequestCrash(scenario: String, groups: List[String], request: String, error: String): Unit = record {
    val now = System.currentTimeMillis
    errors(request) += 1
    sample(request, "transaction", now, now, ok = false, None, Some(error))
  }

  private def record(event: => Unit): Unit = synchronized(if (active) event)

  private def sample(
      label: String, kind: String, fromMs: Long, toMs: Long, ok: Boolean, code: Option[String], message: Option[String]
  ): Unit = {
    val labelId = labels.getOrElseUpdate((label, kind), { note("label", label, kind); labels.size })
    val why = if (ok) "" else message.map(_.trim.take(MostChars)).filter(_.nonEmpty).getOrElse("failed without a message")
    val rc = code.getOrElse(why match {
      case Found(status)     => status
      case Raised(exception) => exception
      case _                 => ""
    })
    val known = outcomes.contains((rc, why, ok)) || ok || outcomes.size < MostMessages
    val outcome = if (known) (rc, why, ok) else (rc, "other", ok)
    val outcomeId = outcomes.getOrElseUpdate(outcome, { noteOutcome(outcome); outcomes.size })
    row(fromMs / 1000.0, (toMs - fromMs) * 1000, -1, 0, labelId, outcomeId)
  }

  private def row(startedS: Double, responseUs: Long, ttfbUs: Long, bytes: Long, label: Int, outcome: Int): Unit = {
    if (rows.remaining < RowBytes) write()
    rows.putDouble(startedS).putLong(responseUs).putLong(ttfbUs).putLong(bytes).putInt(label).putInt(outcome)
  }

  /** Writes all records. `flush` is called several times a second, and when the process ends, also by a signal. */
  def flush(): Unit = synchronized {
    if (begunMs > 0) row(System.currentTimeMillis / 1000.0, 0, 0, users, Users, 0)
    write()
  }

  /** The load has ended. */
  def end(): Unit = synchronized {
    active = false
    if (begunMs > 0) fact("begun_at", (begunMs / 1000.0).toString)
    if (users == 0 && withoutMs > 0) fact("ended_at", (withoutMs / 1000.0).toString)
    val each = java.lang.Long.getLong("iterations", 0L)
    if (toril.Run.isGenerated && each > 0) fact("unfinished_users", toril.Run.unfinished(each).toString)
    if (errors.nonEmpty) fact("script_errors", errors.map { case (label, count) => s"${text(label)}: $count" }.mkString("{", ", ", "}"))
    factsOfAssertions()
    note("end", "done")
    flush()
  }

  private def factsOfAssertions(): Unit = {
    val read = assertions.map(assertion => assertion -> TorilAssertions.criteria(assertion, places.toMap))
    val criteria = read.flatMap(_._2.toSeq.flatten).map { case (subject, label, operator, threshold) =>
      val fields = Seq("subject" -> subject, "label" -> label, "condition" -> operator, "threshold" -> threshold)
      fields.map { case (name, value) => s"${text(name)}: ${text(value)}" }.mkString("{", ", ", "}")
    }
    fact("criteria", criteria.mkString("[", ", ", "]"))
    val ignored = read.collect { case (assertion, Left(why)) => s"${TorilAssertions.text(assertion)} ($why)" }
    if (ignored.nonEmpty) fact("note", text(s"assertions that toril does not judge: ${ignored.mkString("; ")}"))
  }

  private def write(): Unit =
    try { // a row's names are written before it
      namesFile.write(names.toString.getBytes(UTF_8))
      names.setLength(0)
      rowsFile.write(rows.array, 0, rows.position())
      rows.clear()
    } catch {
      case error: IOException =>
        System.err.println(s"cannot write the records: $error")
        Runtime.getRuntime.halt(Unwritten)
    }

  private def noteOutcome(outcome: (String, String, Boolean)): Unit =
    line(List(text("outcome"), text(outcome._1), text(outcome._2), outcome._3.toString))

  private def fact(name: String, value: String): Unit = line(List(text("fact"), text(name), value))

  private def note(parts: String*): Unit = line(parts.map(text))

  private def line(values: Seq[String]): Unit = names.append(values.mkString("[", ", ", "]\n"))

  private def text(value: String): String = {
    val json = new StringBuilder("\"")
    value.foreach {
      case '"'           => json ++= "\\\""
      case '\\'          => json ++= "\\\\"
      case c if c < ' '  => json ++= f"\\u${c.toInt}%04x"
      case c             => json += c
    }
    json.append('"').toString
  }
}
