// In Gatling's package, because its injection has no public interface.
package io.gatling.core.controller.inject.open

import java.util.concurrent.atomic.AtomicLong

import scala.concurrent.duration._

import io.gatling.commons.util.Clock
import io.gatling.core.controller.inject.{ InjectionProfile, Workload }
import io.gatling.core.controller.inject.closed.{ Levels, ClosedInjectionProfile, ClosedInjectionStep }
import io.gatling.core.controller.throttle.{ Hold, Jump, ThrottleStep, Throttling }
import io.gatling.core.scenario.{ Scenario, SimulationParams }
import io.gatling.core.stats.StatsEngine
import io.gatling.core.structure.PopulationBuilder

import io.netty.channel.EventLoopGroup
import toril.Slice

/** Divides a simulation's injection among workers: each user of the whole is a user of one worker, at the same time. */
object Division {
  def of(whole: SimulationParams, slice: Slice): SimulationParams =
    new SimulationParams(
      whole.name,
      whole.rootPopulationBuilders.map(populationOf(_, slice)),
      whole.globalProtocols,
      whole.globalPauseType,
      limitsOf(whole.globalThrottleSteps, slice),
      whole.maxDuration,
      whole.assertions,
      whole.before,
      whole.after
    )

  private def populationOf(whole: PopulationBuilder, slice: Slice): PopulationBuilder =
    whole.copy(
      injectionProfile = new DividedProfile(whole.injectionProfile, slice),
      scenarioThrottleSteps = limitsOf(whole.scenarioThrottleSteps, slice),
      children = whole.children.map(_.map(populationOf(_, slice)))
    )

  /** Returns when the slice's users begin. */
  private[open] def usersOf(steps: List[OpenInjectionStep], slice: Slice): Iterator[FiniteDuration] =
    steps
      .foldRight(Iterator.empty: Iterator[FiniteDuration])((step, later) => step.chain(later))
      .zipWithIndex
      .collect { case (at, place) if slice.owns(place) => at }

  /** Gatling has one limit a second. */
  private[open] def limitsOf(whole: Iterable[ThrottleStep], slice: Slice): List[ThrottleStep] =
    Throttling.of(whole).toList.flatMap { throttling =>
      (0L until whole.map(_.durationInSec).sum).flatMap { second =>
        List(Jump(slice.of(throttling.limit(second)).toInt), Hold(1.second))
      }
    }
}

private final class DividedProfile(whole: InjectionProfile, slice: Slice) extends InjectionProfile {
  override def totalUserCount: Option[Long] = whole.totalUserCount.map(slice.of)

  override private[inject] def workload(
      scenario: Scenario,
      userIdGen: AtomicLong,
      startTime: Long,
      eventLoopGroup: EventLoopGroup,
      statsEngine: StatsEngine,
      clock: Clock
  ): Workload = {
    val field = whole.getClass.getDeclaredField("steps")
    field.setAccessible(true)
    // Numbers of users are unique over all workers.
    val own = new Scenario(
      scenario.name,
      scenario.entry,
      session => scenario.onStart(session.copy(userId = (session.userId - 1) * toril.Part.count + toril.Part.index + 1)),
      scenario.onExit,
      scenario.ctx
    )
    whole match {
      case _: OpenInjectionProfile =>
        val steps = field.get(whole).asInstanceOf[List[OpenInjectionStep]]
        val users = Division.usersOf(steps, slice)
        val length = steps.foldLeft(Duration.Zero)((sum, step) => sum + step.duration)
        new OpenWorkload(
          new UserStream(users), length, !users.hasNext, own, userIdGen, startTime, eventLoopGroup, statsEngine, clock
        )
      case _: ClosedInjectionProfile =>
        Levels
          .divided(field.get(whole).asInstanceOf[List[ClosedInjectionStep]], slice)
          .workload(own, userIdGen, startTime, eventLoopGroup, statsEngine, clock)
      case other => throw new IllegalArgumentException(s"toril cannot divide ${other.getClass.getName}")
    }
  }
}
