"""The alarm about tasks that run for longer than any run may last."""

import math
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.place import Place
from infra.settings import RegionSettings

GRACE_S = 1800  # for the start of tasks, and for the last results
DAY_S, WEEK_S = 86_400, 7 * 86_400
CLASSES = {"demand": "Standard/OnDemand", "spot": "Standard/Spot"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The alarm evaluates `periods` of `period_s` each, and needs `datapoints` of them with tasks.

    It needs one fewer: FILL sets the newest period to 0 if its metric is late. CloudWatch allows a day of minutes or a
    week of hours.
    """

    period_s: int
    datapoints: int

    @property
    def periods(self) -> int:
        return self.datapoints + 1


def window(duration_s: int) -> Window | None:
    """Returns the shortest window whose datapoints last longer than any run, or None if CloudWatch has none."""
    for period_s, most_s in ((300, DAY_S), (3600, WEEK_S)):
        found = Window(period_s=period_s, datapoints=math.ceil((duration_s + GRACE_S) / period_s))
        if found.period_s * found.periods <= most_s:
            return found
    return None


class IdleAlarm(pulumi.ComponentResource):
    """An alarm if Fargate vCPU were in use, without a pause, for longer than a run may last.

    The metric is the account's, so it includes other Fargate tasks in this region. `Notices` forwards the alarm: an
    alarm itself can call only a topic of its own region.
    """

    def __init__(
        self,
        name: str,
        settings: RegionSettings,
        place: Place,
        found: Window,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("toril:region:IdleAlarm", name, {}, opts)
        aws.cloudwatch.MetricAlarm(
            name,
            region=place.region,
            name=place.names.idle_alarm(),
            alarm_description=(
                f"Fargate has run in {place.region} for longer than any run may last "
                f"({settings.limits.duration_s} s). List the tasks of cluster {place.names.cluster()}, and stop what "
                "belongs to no run."
            ),
            comparison_operator="GreaterThanThreshold",
            threshold=0,
            evaluation_periods=found.periods,
            datapoints_to_alarm=found.datapoints,
            treat_missing_data="notBreaching",
            metric_queries=[
                aws.cloudwatch.MetricAlarmMetricQueryArgs(
                    id="all", expression="FILL(demand, 0) + FILL(spot, 0)", label="vCPU", return_data=True
                ),
                *[_usage(label, kind, found.period_s) for label, kind in CLASSES.items()],
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def _usage(label: str, kind: str, period_s: int) -> aws.cloudwatch.MetricAlarmMetricQueryArgs:
    return aws.cloudwatch.MetricAlarmMetricQueryArgs(
        id=label,
        return_data=False,
        metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
            namespace="AWS/Usage",
            metric_name="ResourceCount",
            stat="Minimum",
            period=period_s,
            dimensions={"Service": "Fargate", "Type": "Resource", "Resource": "vCPU", "Class": kind},
        ),
    )
