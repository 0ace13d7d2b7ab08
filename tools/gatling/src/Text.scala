package toril

import io.gatling.commons.validation._
import io.gatling.core.session._

/** Expressions of generated simulations. */
object Text {

  /** Returns a text. Each second part is the name of a variable; an empty name stands for nothing. */
  def of(parts: String*): Expression[String] =
    if (parts.size == 1) parts.head.expressionSuccess
    else session => parts.zipWithIndex.foldLeft("".success) { case (before, (part, index)) =>
      val next = if (index % 2 == 0 || part.isEmpty) part.success else session(part).validate[Any].map(_.toString)
      before.flatMap(start => next.map(start + _))
    }

  def set(name: String, value: Expression[String]): Expression[Session] =
    session => value(session).map(session.set(name, _))
}
