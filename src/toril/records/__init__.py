"""The typed, versioned JSON files through which coordinator, workers, watchers and stacks meet.

Every record names its schema (`"schema": "toril.plan/1"`); within a version fields are only added, so a reader
ignores those it does not know.
"""

from toril.records.base import Record
from toril.records.browser import Browser, Device, Kept, Network
from toril.records.cases import Case, CaseFile, CaseOutcome, case_file_name, decode_cases, encode_cases
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
from toril.records.duet import ARMS, BASE, HEAD, Duet, Turn
from toril.records.metrics import PART_OF_PERIOD_NEEDED, MetricQuery, MetricSeries, ServerMetrics
from toril.records.rate import Rate, Search, next_rates, rate_key, rates_of
from toril.records.run import (
    End,
    ExecutionShare,
    Exit,
    Launch,
    Lease,
    Pace,
    Plan,
    PlannedCriterion,
    PlannedExecution,
    RanTask,
    Ready,
    Segment,
    Share,
    SourcePlace,
    Start,
    Stop,
    SuiteOrigin,
    TaskSize,
    run_key,
    worker_key,
)
from toril.records.secret_references import SecretReference, secret_reference, secrets_outside

__all__ = [
    "ARMS",
    "BASE",
    "HEAD",
    "PART_OF_PERIOD_NEEDED",
    "Browser",
    "Case",
    "CaseFile",
    "CaseOutcome",
    "DeployedCache",
    "DeployedHome",
    "DeployedLimits",
    "DeployedNetwork",
    "DeployedTargets",
    "DeployedWorker",
    "Deployment",
    "Device",
    "Duet",
    "End",
    "ExecutionShare",
    "Exit",
    "Kept",
    "Launch",
    "Lease",
    "MetricQuery",
    "MetricSeries",
    "Network",
    "Pace",
    "Plan",
    "PlannedCriterion",
    "PlannedExecution",
    "RanTask",
    "Rate",
    "Ready",
    "Record",
    "Search",
    "SecretReference",
    "Segment",
    "ServerMetrics",
    "Share",
    "SourcePlace",
    "Start",
    "Stop",
    "SuiteOrigin",
    "TaskSize",
    "Turn",
    "case_file_name",
    "decode_cases",
    "deployment_key",
    "encode_cases",
    "next_rates",
    "rate_key",
    "rates_of",
    "run_key",
    "secret_reference",
    "secrets_outside",
    "worker_key",
]
