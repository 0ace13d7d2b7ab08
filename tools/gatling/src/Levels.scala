package io.gatling.core.controller.inject.closed

import scala.concurrent.duration._

import toril.Slice

/** Gatling looks at the number of concurrent users once a second: each second is a level of its own. */
private[inject] object Levels {
  def divided(steps: List[ClosedInjectionStep], slice: Slice): ClosedInjectionProfile = {
    val ends = steps.scanLeft(Duration.Zero: FiniteDuration)(_ + _.duration).tail.zip(steps)
    val levels = (1L to ends.lastOption.fold(0L)(_._1.toSeconds)).map { second =>
      val Some((end, step)) = ends.find(_._1 >= second.seconds): @unchecked
      ConstantConcurrentUsersInjection(slice.of(step.valueAt(second.seconds - end + step.duration)).toInt, 1.second)
    }
    new ClosedInjectionProfile(levels.toList)
  }
}
