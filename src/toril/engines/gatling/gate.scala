// Waits at the gate, and reports when the load ends; executor.py adds the class to run below.
import io.gatling.commons.validation._
import io.gatling.core.session._

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

  // Returns a text. Each second part is the name of a variable; an empty name stands for nothing.
  def text(parts: String*): Expression[String] =
    if (parts.size == 1) parts.head.expressionSuccess
    else session => parts.zipWithIndex.foldLeft("".success) { case (before, (part, index)) =>
      val next = if (index % 2 == 0 || part.isEmpty) part.success else session(part).validate[Any].map(_.toString)
      before.flatMap(start => next.map(start + _))
    }

  def set(name: String, value: Expression[String]): Expression[Session] =
    session => value(session).map(session.set(name, _))

  val done = new java.util.concurrent.atomic.AtomicLong
  def report(): Unit = java.nio.file.Files.writeString(new java.io.File(folder, "done").toPath, done.toString)
}
