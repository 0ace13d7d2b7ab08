// Compares the parts of injections with the whole, for test_gatling.py.
package io.gatling.core.controller.inject.closed {
  object Levelled {
    def of(steps: List[ClosedInjectionStep], share: String): List[Int] = {
      val profile = Levels.divided(steps, toril.Slice.of(share))
      val field = profile.getClass.getDeclaredField("steps")
      field.setAccessible(true)
      field.get(profile).asInstanceOf[List[ClosedInjectionStep]].map(_.valueAt(scala.concurrent.duration.Duration.Zero))
    }
  }
}

package io.gatling.core.controller.inject.open {
  import scala.concurrent.duration._
  import io.gatling.core.Predef._
  import io.gatling.core.controller.inject.closed.Levelled
  import io.gatling.core.controller.throttle.Throttling

  object Check {
    val shares = List(List("0-1/1"), List("0-1/2", "1-2/2"), List("0-1/3", "1-2/3", "2-3/3"), List("0-1/6", "1-3/6", "3-6/6"))

    def main(arguments: Array[String]): Unit = {
      val open = List(
        List(atOnceUsers(1)), List(atOnceUsers(7), nothingFor(2.seconds), rampUsers(11).during(3.seconds)),
        List(constantUsersPerSec(2.5).during(5.seconds), rampUsersPerSec(1).to(9).during(4.seconds)),
        List(stressPeakUsers(20).during(5.seconds), constantUsersPerSec(3).during(7.seconds).randomized),
        List(incrementUsersPerSec(2).times(3).eachLevelLasting(2.seconds).separatedByRampsLasting(1.second).startingFrom(1))
      )
      for (steps <- open; parts <- shares) {
        val whole = Division.usersOf(steps, toril.Slice.of("0-1/1")).toList
        val each = parts.map(share => Division.usersOf(steps, toril.Slice.of(share)).toList)
        assert(whole.nonEmpty && each.flatten.sorted == whole.sorted, s"$steps in $parts: $each")
        assert(each.zip(parts).forall { case (own, share) => own.size == toril.Slice.of(share).of(whole.size) }, s"$steps")
      }
      val closed = List(
        List(constantConcurrentUsers(7).during(3.seconds), rampConcurrentUsers(2).to(13).during(4.seconds)),
        List(incrementConcurrentUsers(3).times(3).eachLevelLasting(2.seconds).separatedByRampsLasting(1500.millis))
      )
      for (steps <- closed; parts <- shares) {
        val whole = Levelled.of(steps, "0-1/1")
        assert(whole.max > 5 && parts.map(Levelled.of(steps, _)).transpose.map(_.sum) == whole, s"$steps in $parts")
      }
      assert(Levelled.of(closed.head, "0-1/1") == List(7, 7, 7, 4, 7, 10, 13))
      val limits = List(reachRps(10).in(3.seconds), holdFor(2.seconds), jumpToRps(5), holdFor(1.second))
      for (parts <- shares; second <- 0L until 7L) {
        val each = parts.map(share => Throttling.of(Division.limitsOf(limits, toril.Slice.of(share))).get.limit(second))
        assert(each.sum == Throttling.of(limits).get.limit(second), s"second $second in $parts: $each")
      }
      println("divided")
    }
  }
}
