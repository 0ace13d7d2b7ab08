package toril

import java.io.File

/** This worker's part of the load, for simulations. Outside of toril it is everything: index 0 of 1.
  *
  * toril divides the injection of a simulation itself. A simulation that calls `of`, or reads the property
  * `toril.share`, divides its own load, and toril leaves its injection as written.
  */
object Part {

  /** This worker among those of the execution, from 0. */
  def index: Int = Integer.getInteger("toril.worker.index", 0)

  /** The number of workers of the execution. */
  def count: Int = Integer.getInteger("toril.worker.count", 1)

  /** Returns this worker's part of a number of users; the parts of all workers sum to `users`. */
  def of(users: Int): Int = {
    share
    Run.slice.fold(users)(_.of(users).toInt)
  }

  /** Returns this worker's part of a rate. */
  def of(rate: Double): Double = rate * share

  private def share: Double = System.getProperty("toril.share", "1").toDouble
}

/** The places `from` until `to` in each `period` of users, counted over all workers. */
final class Slice(from: Long, to: Long, period: Long) {
  private val size = to - from

  def owns(place: Long): Boolean = { val in = place % period; from <= in && in < to }

  /** Returns how many of the first `total` places are its own. */
  def of(total: Long): Long = total / period * size + math.min(math.max(total % period - from, 0L), size)
}

object Slice {

  /** Returns a slice from a text like `1-3/6`. */
  def of(places: String): Slice = {
    val Array(from, to, period) = places.split("[-/]").map(_.toLong)
    new Slice(from, to, period)
  }
}

/** What the worker and a running simulation tell each other, by files and properties. */
object Run {
  val folder = new File(System.getProperty("toril.folder", "."))
  /** This worker's places among the users; None if it runs all of them. */
  val slice: Option[Slice] = Option(System.getProperty("toril.places")).map(Slice.of)
  private val lengthMs: Long = java.lang.Long.getLong("toril.length-ms", 0L)
  private val FoundWithinMs = 50L
  private val WritesWithinMs = 300L // the last records
  private val watched = new File(folder, "end")
  @volatile private var endMs = Long.MaxValue
  private val done = new java.util.concurrent.atomic.AtomicLong

  /** Waits for the start signal. Calls `cut` when the load has to end early: a generated simulation has some time first. */
  def await(cut: () => Unit): Unit = {
    new File(folder, "parked").createNewFile()
    val gate = new File(folder, "gate")
    while (!gate.exists) Thread.sleep(5)
    val atMs = math.round(java.nio.file.Files.readString(gate.toPath).trim.toDouble * 1000)
    Thread.sleep(math.max(0L, atMs - System.currentTimeMillis))
    if (lengthMs > 0) endMs = atMs + lengthMs
    val watch = new Thread(() => watchFor(cut))
    watch.setDaemon(true)
    watch.start()
  }

  private def watchFor(cut: () => Unit): Unit = {
    var cutMs = Long.MaxValue
    while (System.currentTimeMillis < cutMs) {
      if (watched.exists) { // its time may become shorter
        val withinMs = if (isGenerated) math.round(java.nio.file.Files.readString(watched.toPath).trim.toDouble * 1000) else 0L
        cutMs = math.min(cutMs, System.currentTimeMillis + withinMs - WritesWithinMs)
        endMs = 0
      }
      Thread.sleep(FoundWithinMs)
    }
    cut()
  }

  /** Whether a generated simulation begins one more request. */
  def goesOn: Boolean = System.currentTimeMillis < endMs

  /** Whether the simulation is generated from the suite's requests. */
  val isGenerated: Boolean = System.getProperty("toril.simulation") == "TorilRequests"

  /** A user of a generated simulation has ended an iteration. */
  def iterated(): Unit = done.incrementAndGet()

  /** Returns the users of a generated simulation that did not end their `each` iterations. */
  def unfinished(each: Long): Long = {
    val users: Long = java.lang.Long.getLong("concurrency", 1L)
    (users * each - done.get + each - 1) / each
  }
}
