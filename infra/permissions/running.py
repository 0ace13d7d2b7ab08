"""Roles that run loads: of workflows (run), of coordinator tasks, of the scheduler, of the sweeper.

| statement | who needs it, for what |
|---|---|
| ListStore, ReadStore, WriteRuns | the launcher and coordinator: `deployments/`, `suites/`, runs; no deletion |
| StartWorkers, TagTasks | the launcher's RunTask, one for each share; tags tell a run's cost and its tasks |
| HandRolesToWorkers | RunTask hands the worker's and the execution role to the task |
| WatchAndStopTasks, ListTasks | the live table, quorum, `toril stop` and `sweep`; preflight: what has just ended |
| ReadTaskDefinitions, ReadClusters | preflight: the revision exists and fits the architecture, the cluster is active |
| ReadImages, CheckCaches | preflight: the image is there by digest, the cache rule is valid |
| ReadQuotas, ReadRegions | preflight: vCPU quota and launch rate, region opted in |
| ReadMetrics | preflight: vCPU in use; criteria on the service's metrics, for the sweeper as well |
| ReadLogs | the last lines of a worker that stopped |
| PlanSweeps, HandSweeperToScheduler | the one-time schedule that sweeps a run at its deadline |
| LaunchInOtherAccounts | the launcher's role in each other account with regions |
| StartCoordinators, HandRolesToCoordinators, DeadLetters | the scheduler's: it starts one family with two roles |
| StartSweeper, HandRolesToSweeper | the sweeper starts its own task, with no more rights than it has |
| ResultsKey | S3, where the results bucket has a key of its own |
| EndRuns | the sweeper: the stop, before it stops tasks; then lease, end and judgement of a run without an owner |
"""

from infra.names import Names
from infra.permissions.scope import Scope, pass_roles, use_bucket_key
from infra.permissions.statements import ANY, Document, Statement, allow, document, trust

TASKS_SERVICE = "ecs-tasks.amazonaws.com"
SCHEDULER_SERVICE = "scheduler.amazonaws.com"
ENDING = ("end.json", "lease.json", "metrics.json", "report.html", "stop.json", "summary.json", "verdict.json")
SWEEP = "sweep-"  # prefix of one-time schedules: a right to plan one gives no right to change a nightly one
LAUNCHER = "launcher"  # purpose of the role that a region stack in another account makes for this account's runs


def run_policy(scope: Scope) -> Document:
    """Start, watch, stop and judge runs in every region of the environment."""
    return document(
        [
            *_store(scope),
            *use_bucket_key(scope, write=True),
            *task_statements(scope),
            allow(
                "PlanSweeps",
                ["scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:GetSchedule"],
                [scope.arn("scheduler", f"schedule/{scope.names.schedule_group()}/{SWEEP}*")],
            ),
            pass_roles("HandSweeperToScheduler", [scope.role("sweeper")], SCHEDULER_SERVICE),
            *_other_accounts(scope),
        ]
    )


def coordinator_policy(scope: Scope) -> Document:
    """The same as a run that a person or a workflow starts: it is the same command."""
    return run_policy(scope)


def scheduler_policy(scope: Scope) -> Document:
    """Start coordinator tasks; letters that cannot be delivered go to their queue."""
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
    """Stop what runs past its deadline. The scheduler takes this role to start a task that has it, too."""
    return document(
        [
            allow("StartSweeper", ["ecs:RunTask"], [scope.coordinators], scope.started),
            _tag_tasks(scope),
            pass_roles("HandRolesToSweeper", [scope.role("sweeper"), scope.role("execution", "*")], TASKS_SERVICE),
            allow("DeadLetters", ["sqs:SendMessage"], [scope.dead_letters]),
            *_stop_tasks(scope),
            allow("ListStore", ["s3:ListBucket"], [scope.bucket_arn]),
            allow("ReadStore", ["s3:GetObject"], scope.objects("deployments/*", "runs/*")),
            allow("EndRuns", ["s3:PutObject"], scope.objects(*(f"runs/*/{name}" for name in ENDING))),
            allow("ReadMetrics", ["cloudwatch:GetMetricData"], ANY),  # knows no resource
            *use_bucket_key(scope, write=True),
            *_other_accounts(scope),
        ]
    )


def task_statements(scope: Scope) -> list[Statement]:
    """What of a run happens in its regions' accounts; a launcher's role in another account needs the same."""
    logs = scope.arn("logs", f"log-group:{scope.names.log_group()}:*")
    return [
        allow("StartWorkers", ["ecs:RunTask"], [scope.workers], scope.started),
        _tag_tasks(scope),
        pass_roles("HandRolesToWorkers", [scope.role("worker", "*"), scope.role("execution", "*")], TASKS_SERVICE),
        *_stop_tasks(scope),
        allow("ReadClusters", ["ecs:DescribeClusters"], [scope.cluster]),
        allow("ReadTaskDefinitions", ["ecs:DescribeTaskDefinition"], ANY),  # knows no resource
        allow("ReadImages", ["ecr:BatchGetImage", "ecr:DescribeImages"], [scope.arn("ecr", "repository/*")]),
        # neither action knows a resource
        allow("CheckCaches", ["ecr:DescribePullThroughCacheRules", "ecr:ValidatePullThroughCacheRule"], ANY),
        allow("ReadQuotas", ["servicequotas:GetServiceQuota", "servicequotas:ListServiceQuotas"], ANY),  # nor these
        allow("ReadRegions", ["ec2:DescribeRegions"], ANY),  # knows no resource
        allow("ReadMetrics", ["cloudwatch:GetMetricData"], ANY),  # knows no resource
        allow("ReadLogs", ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"], [logs]),
    ]


def service_trust(services: tuple[str, ...], partition: str, account: str, names: Names) -> Document:
    """AWS services that may take a role, on behalf of this account's resources only (no confused deputy)."""
    sources = {
        TASKS_SERVICE: f"arn:{partition}:ecs:*:{account}:*",
        SCHEDULER_SERVICE: f"arn:{partition}:scheduler:*:{account}:schedule-group/{names.schedule_group()}",
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
        # the bucket holds nothing else; without this right a missing file would look like a forbidden one
        allow("ListStore", ["s3:ListBucket"], [scope.bucket_arn]),
        allow("ReadStore", ["s3:GetObject"], scope.objects("deployments/*", "runs/*", "suites/*")),
        allow("WriteRuns", ["s3:PutObject"], scope.objects("runs/*")),
    ]


def _stop_tasks(scope: Scope) -> list[Statement]:
    return [
        allow("WatchAndStopTasks", ["ecs:DescribeTasks", "ecs:StopTask"], [scope.tasks], scope.in_cluster),
        allow("ListTasks", ["ecs:ListTasks"], ANY, scope.in_cluster),  # knows no resource on Fargate, only a cluster
    ]


def _tag_tasks(scope: Scope) -> Statement:
    return allow("TagTasks", ["ecs:TagResource"], [scope.tasks], {"StringEquals": {"ecs:CreateAction": "RunTask"}})


def _other_accounts(scope: Scope) -> list[Statement]:
    name = scope.names.iam_path + scope.names.role(LAUNCHER, "*")
    roles = [f"arn:{scope.partition}:iam::{account}:role{name}" for account in scope.region_accounts]
    return [allow("LaunchInOtherAccounts", ["sts:AssumeRole"], roles)] if roles else []
