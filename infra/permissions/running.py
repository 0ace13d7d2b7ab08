"""The roles that run load tests: of workflows (run), coordinator tasks, the scheduler and the sweeper.

| statement | purpose |
|---|---|
| ListStore, ReadStore, WriteRuns | launcher, coordinator: `deployments/`, suites, requests, runs, history, searches |
| PackIndex | removes index rows after they are packed, and setup's values at a run's end; no other deletion |
| StartWorkers, TagTasks | the launcher's RunTask, one for each share; tags identify a run's cost and tasks |
| HandRolesToWorkers | RunTask passes the worker's role and the execution role to the task |
| WatchAndStopTasks, ListTasks | the live table, quorum, `toril stop` and `sweep`; preflight: recently ended tasks |
| ReadImages | preflight: the image exists by digest |
| ReadQuotas | preflight: vCPU quota and launch rate |
| ReadMetrics | preflight: vCPU in use; criteria on the service's metrics, also for the sweeper |
| ReadLogs | the last lines of a stopped worker |
| PlanSweeps, HandSweeperToScheduler | the one-time schedule that sweeps a run at its deadline |
| StartCoordinators, HandRolesToCoordinators, DeadLetters | the scheduler: it starts one family with two roles |
| StartSweeper, HandRolesToSweeper | the sweeper starts its own task, with its own rights |
| ResultsKey | S3, if the results bucket has its own key |
| SendEvents | an owner in a task puts the events of its run on the default bus, for rules of the account |
| EndRuns | the sweeper: stop of the run, its tasks and agents; lease, end and verdict of a run without an owner |

`service` has the rights that a setting of the hub adds.
"""

from infra.names import Names
from infra.permissions.scope import Scope, pass_roles, use_bucket_key
from infra.permissions.service import end_faults, find_service, read_causes, start_faults
from infra.permissions.statements import ANY, Condition, Document, Statement, allow, document, trust

TASKS_SERVICE = "ecs-tasks.amazonaws.com"
SCHEDULER_SERVICE = "scheduler.amazonaws.com"
ENDING = (
    "cause.json", "end.json", "evidence.json", "lease.json", "metrics.json", "progress.json", "report.html",
    "stop.json", "summary.json", "verdict.json",
)  # fmt: skip
HISTORY = ("history/*", "index/*")
# The key has a value for each event of a request. `Null` refuses requests without the key.
EVENTS_OF_RUNS: Condition = {
    "ForAllValues:StringEquals": {"events:source": "toril"},
    "Null": {"events:source": "false"},
}
SWEEP = "sweep-"  # name prefix of one-time schedules: the right to plan them does not cover nightly ones


def run_policy(scope: Scope) -> Document:
    """Returns the rights to start, watch, stop and judge runs in every region of the environment."""
    return document([*_run_statements(scope), *find_service(scope)])


def coordinator_policy(scope: Scope) -> Document:
    """Returns the rights of a person or workflow, since the coordinator runs the same command, and to send events."""
    return document([*_run_statements(scope), _send_events(scope)])


def _run_statements(scope: Scope) -> list[Statement]:
    return [
        *_store(scope),
        *use_bucket_key(scope, write=True),
        *task_statements(scope),
        allow(
            "PlanSweeps",
            ["scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:GetSchedule"],
            [scope.arn("scheduler", f"schedule/{scope.names.schedule_group()}/{SWEEP}*")],
        ),
        pass_roles("HandSweeperToScheduler", [scope.role("sweeper")], SCHEDULER_SERVICE),
        *start_faults(scope),
        *read_causes(scope),
    ]


def scheduler_policy(scope: Scope) -> Document:
    """Returns the rights to start coordinator tasks, and to send failed invocations to the dead-letter queue."""
    return document(
        [
            allow("StartCoordinators", ["ecs:RunTask"], [scope.coordinators], scope.started),
            _tag_tasks(scope),
            pass_roles(
                "HandRolesToCoordinators", [scope.role("coordinator"), scope.role("execution", "*")], TASKS_SERVICE
            ),
            allow("DeadLetters", ["sqs:SendMessage"], [scope.dead_letters]),
        ]
    )


def sweeper_policy(scope: Scope) -> Document:
    """Returns the rights to stop runs past their deadline. Both the scheduler and the sweeper's task have this role."""
    return document(
        [
            allow("StartSweeper", ["ecs:RunTask"], [scope.coordinators], scope.started),
            _tag_tasks(scope),
            pass_roles("HandRolesToSweeper", [scope.role("sweeper"), scope.role("execution", "*")], TASKS_SERVICE),
            allow("DeadLetters", ["sqs:SendMessage"], [scope.dead_letters]),
            *_stop_tasks(scope),
            allow("ListStore", ["s3:ListBucket"], [scope.bucket_arn]),
            allow("ReadStore", ["s3:GetObject"], scope.objects("deployments/*", *HISTORY, "runs/*")),
            allow(
                "EndRuns",
                ["s3:PutObject"],
                scope.objects(
                    "events/*",
                    *HISTORY,
                    "runs/agents/offers/*",
                    "runs/*/workers/*/setup/begun.json",  # so that setup cannot begin after the end
                    *(f"runs/*/{name}" for name in ENDING),
                    *(["runs/*/faults/*"] if scope.faults else []),
                ),
            ),
            *end_faults(scope),
            *read_causes(scope),
            _pack_index(scope),
            _send_events(scope),
            allow("ReadMetrics", ["cloudwatch:GetMetricData"], ANY),  # no resource-level permissions
            *use_bucket_key(scope, write=True),
        ]
    )


def task_statements(scope: Scope) -> list[Statement]:
    """Returns the rights to start, watch and stop a run's tasks, and to check its regions."""
    logs = scope.arn("logs", f"log-group:{scope.names.log_group()}:*")
    return [
        allow("StartWorkers", ["ecs:RunTask"], [scope.workers], scope.started),
        _tag_tasks(scope),
        pass_roles("HandRolesToWorkers", [scope.role("worker", "*"), scope.role("execution", "*")], TASKS_SERVICE),
        *_stop_tasks(scope),
        *region_statements(scope),
        allow("ReadLogs", ["logs:GetLogEvents"], [logs]),
    ]


def region_statements(scope: Scope) -> list[Statement]:
    """Returns the rights to read what preflight and `toril doctor` check in the regions."""
    return [
        allow("ReadImages", ["ecr:BatchGetImage"], [scope.arn("ecr", "repository/*")]),
        allow("ReadQuotas", ["servicequotas:ListServiceQuotas"], ANY),  # no resource-level permissions
        allow("ReadMetrics", ["cloudwatch:GetMetricData"], ANY),  # nor has this
    ]


def service_trust(
    services: tuple[str, ...], partition: str, account: str, names: Names, *, console: bool = False
) -> Document:
    """Returns a role's trust in AWS services acting for this account's resources only (no confused deputy).

    `console`: the role is for schedules of the console too.
    """
    groups = [names.schedule_group(), *([names.console] if console else [])]
    sources: dict[str, str | list[str]] = {
        TASKS_SERVICE: f"arn:{partition}:ecs:*:{account}:*",
        SCHEDULER_SERVICE: [f"arn:{partition}:scheduler:*:{account}:schedule-group/{one}" for one in groups],
    }
    return document(
        trust(
            {"Service": service},
            "sts:AssumeRole",
            {"StringEquals": {"aws:SourceAccount": account}, "ArnLike": {"aws:SourceArn": sources[service]}},
        )
        for service in sorted(services)
    )


def _store(scope: Scope) -> list[Statement]:
    return [
        # without this right, S3 answers a missing file as forbidden; the bucket has no other content
        allow("ListStore", ["s3:ListBucket"], [scope.bucket_arn]),
        allow(
            "ReadStore",
            ["s3:GetObject"],
            scope.objects("bisect/*", "deployments/*", *HISTORY, "requests/*", "runs/*", "suites/*", "versions/*"),
        ),
        allow(
            "WriteRuns",
            ["s3:PutObject"],
            scope.objects("bisect/*", "events/*", *HISTORY, "requests/*.failed.json", "runs/*"),
        ),
        _pack_index(scope),
    ]


def _pack_index(scope: Scope) -> Statement:
    return allow("PackIndex", ["s3:DeleteObject"], scope.objects("given/*", "index/*"))


def _send_events(scope: Scope) -> Statement:
    """Returns the right to put events of runs, and no others, on the default bus."""
    return allow("SendEvents", ["events:PutEvents"], [scope.arn("events", "event-bus/default")], EVENTS_OF_RUNS)


def _stop_tasks(scope: Scope) -> list[Statement]:
    return [
        allow("WatchAndStopTasks", ["ecs:DescribeTasks", "ecs:StopTask"], [scope.tasks], scope.in_cluster),
        allow("ListTasks", ["ecs:ListTasks"], ANY, scope.in_cluster),  # on Fargate it has only a cluster condition
    ]


def _tag_tasks(scope: Scope) -> Statement:
    return allow("TagTasks", ["ecs:TagResource"], [scope.tasks], {"StringEquals": {"ecs:CreateAction": "RunTask"}})
