package io.gatling.app

import io.gatling.commons.stats.assertion._
import io.gatling.shared.model.assertion.AssertionMessage

/** Assertions of a simulation as criteria of toril, which state the failing case. */
private object TorilAssertions {

  /** A criterion: subject, label, operator and threshold. */
  type Criterion = (String, String, String, String)

  /** Returns the criteria; or why toril cannot judge the assertion as Gatling does.
    *
    * `places`: the groups of each request. toril's labels have no groups, so a request in several places is none of them.
    */
  def criteria(assertion: Assertion, places: Map[String, Set[List[String]]]): Either[String, Seq[Criterion]] =
    for {
      labels <- labelsOf(assertion.path, places)
      measure <- measureOf(assertion.target)
      failing <- failingCases(assertion.condition)
    } yield for (label <- labels; (operator, value) <- failing if operator != "<" || value > 0) yield (measure._1, label, operator, number(value) + measure._2)

  def text(assertion: Assertion): String = AssertionMessage.message(assertion)

  private def labelsOf(path: AssertionPath, places: Map[String, Set[List[String]]]): Either[String, Seq[String]] = path match {
    case AssertionPath.Global => Right(Seq(""))
    case AssertionPath.ForAll =>
      val ambiguous = places.collect { case (request, groups) if groups.size > 1 => request }
      if (ambiguous.isEmpty) Right(places.keys.toSeq.sorted) else Left(s"${ambiguous.head} is in several groups")
    case AssertionPath.Details(parts) if parts.isEmpty => Right(Seq(""))
    case AssertionPath.Details(parts) =>
      places.get(parts.last) match {
        case Some(groups) if groups == Set(parts.init)     => Right(Seq(parts.last))
        case Some(groups) if groups.contains(parts.init)   => Left(s"${parts.last} is in several groups")
        case _                                             => Left(s"no request ${parts.mkString(" / ")} was sent")
      }
  }

  private def measureOf(target: Target): Either[String, (String, String)] = target match {
    case Target.Time(_, Stat.Min)                  => Right(("p0", "ms"))
    case Target.Time(_, Stat.Max)                  => Right(("p100", "ms"))
    case Target.Time(_, Stat.Mean)                 => Right(("avg-rt", "ms"))
    case Target.Time(_, Stat.StandardDeviation)    => Right(("stdev-rt", "ms"))
    case Target.Time(_, Stat.Percentile(value))    => Right((s"p${number(value)}", "ms"))
    case Target.Count(CountMetric.AllRequests)        => Right(("hits", ""))
    case Target.Count(CountMetric.FailedRequests)     => Right(("fail", ""))
    case Target.Count(CountMetric.SuccessfulRequests) => Right(("succ", ""))
    case Target.Percent(CountMetric.FailedRequests)     => Right(("fail", "%"))
    case Target.Percent(CountMetric.SuccessfulRequests) => Right(("succ", "%"))
    case Target.Percent(CountMetric.AllRequests)        => Left("it is always 100 %")
    case Target.MeanRequestsPerSecond                 => Right(("throughput", "/s"))
  }

  private def failingCases(condition: Condition): Either[String, Seq[(String, Double)]] = condition match {
    case Condition.Lt(value)                  => Right(Seq((">=", value)))
    case Condition.Lte(value)                 => Right(Seq((">", value)))
    case Condition.Gt(value)                  => Right(Seq(("<=", value)))
    case Condition.Gte(value)                 => Right(Seq(("<", value)))
    case Condition.Is(value)                  => Right(Seq(("<", value), (">", value)))
    case Condition.Between(low, high, true)   => Right(Seq(("<", low), (">", high)))
    case Condition.Between(low, high, false)  => Right(Seq(("<=", low), (">=", high)))
    case Condition.In(List(value))            => Right(Seq(("<", value), (">", value)))
    case Condition.In(_)                      => Left("it has several values")
  }

  private def number(value: Double): String = new java.math.BigDecimal(value.toString).stripTrailingZeros.toPlainString
}
