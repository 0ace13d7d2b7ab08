"""The typed, versioned JSON files through which coordinator, workers, watchers and stacks meet.

Every record names its schema (`"schema": "toril.plan/1"`); within a version fields are only added, so a reader
ignores those it does not know.
"""

from toril.records.base import Record
from toril.records.deployment import (
    DeployedCache,
    DeployedHome,
    DeployedLimits,
    DeployedNetwork,
    DeployedTargets,
    DeployedWorker,
    Deployment,
    deployment_key,
)
from toril.records.run import (
    PART_OF_PERIOD_NEEDED,
    End,
    ExecutionShare,
    Exit,
    Launch,
    Lease,
    MetricQuery,
    MetricSeries,
    Pace,
    Plan,
    PlannedCriterion,
    PlannedExecution,
    Ready,
    ServerMetrics,
    Share,
    Start,
    Stop,
    SuiteOrigin,
    TaskSize,
    run_key,
    worker_key,
)

__all__ = [
    "PART_OF_PERIOD_NEEDED",
    "DeployedCache",
    "DeployedHome",
    "DeployedLimits",
    "DeployedNetwork",
    "DeployedTargets",
    "DeployedWorker",
    "Deployment",
    "End",
    "ExecutionShare",
    "Exit",
    "Launch",
    "Lease",
    "MetricQuery",
    "MetricSeries",
    "Pace",
    "Plan",
    "PlannedCriterion",
    "PlannedExecution",
    "Ready",
    "Record",
    "ServerMetrics",
    "Share",
    "Start",
    "Stop",
    "SuiteOrigin",
    "TaskSize",
    "deployment_key",
    "run_key",
    "worker_key",
]
