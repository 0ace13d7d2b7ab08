"""The roles of the console: that of its function, and the rights that the home region adds to it.

| statement | purpose |
|---|---|
| ListStore, ReadStore | every page reads the store |
| LeaveGiven | what a run's setup gave, only its workers read |
| WriteStore | versions, requests, notes, baselines, links, uploads, people, marks of deleted runs, the audit log |
| SteerRuns | stop of a run, changes of its rate, and the probe with which the page of locations checks the store |
| DeleteRuns | administrators delete runs with their history; operators delete suites and links |
| ReadSecrets | the session key, and the client's secret at the issuer |
| MakeSessionKey | the first request makes the session key |
| WriteLog | the function's own log |
| ReadTasks, ListTasks | why the coordinator of a requested run has ended |
| ResultsKey | S3, if the results bucket has its own key |
| StartCoordinators, TagTasks | a run that a person starts: one family, in the home region's cluster |
| HandRolesToCoordinators | the coordinator's role and the execution role of the home region |
| WriteSchedules, ListSchedules | schedules in the console's own group |
| ReadSchedules | the stack's schedules, which the console only shows |
| HandRoleToScheduler | the scheduler's role, which may start coordinators only |

The statements that read the regions are those of a run: see `running`.
"""

from collections.abc import Iterable

from infra.permissions.running import SCHEDULER_SERVICE, TASKS_SERVICE, region_statements
from infra.permissions.scope import Scope, pass_roles, use_bucket_key
from infra.permissions.statements import ANY, Document, allow, calls, deny, document
from infra.place import Place

LAMBDA_SERVICE = "lambda.amazonaws.com"
PROBE = "runs/preflight/probe"
WRITTEN = ("audit", "baselines", "index", "notes", "people", "requests", "shares", "uploads", "versions")
DELETED = ("baselines", "history", "index", "notes", "runs", "shares", "suites", "versions")


def console_policy(scope: Scope) -> Document:
    """Returns the rights of the function in every hub. They start nothing."""
    parameters = scope.arn("ssm", "parameter" + scope.names.console_parameter("*"), scope.region)
    session_key = scope.arn("ssm", "parameter" + scope.names.console_parameter("session-key"), scope.region)
    log = scope.arn("logs", f"log-group:{scope.names.console_log_group()}:*", scope.region)
    return document(
        [
            # without this right, S3 answers a missing file as forbidden
            allow("ListStore", ["s3:ListBucket"], [scope.bucket_arn]),
            allow("ReadStore", ["s3:GetObject"], scope.objects("*")),
            deny("LeaveGiven", ["s3:GetObject"], scope.objects("given/*")),
            allow("WriteStore", ["s3:PutObject"], scope.objects(*(f"{folder}/*" for folder in WRITTEN))),
            allow("SteerRuns", ["s3:PutObject"], scope.objects("runs/*/stop.json", "runs/*/rates/*", PROBE)),
            allow("DeleteRuns", ["s3:DeleteObject"], scope.objects(*(f"{folder}/*" for folder in DELETED))),
            allow("ReadSecrets", ["ssm:GetParameter"], [parameters]),
            allow("MakeSessionKey", ["ssm:PutParameter"], [session_key]),
            allow("WriteLog", ["logs:CreateLogStream", "logs:PutLogEvents"], [log]),
            allow("ReadTasks", ["ecs:DescribeTasks"], [scope.tasks], scope.in_cluster),
            allow("ListTasks", ["ecs:ListTasks"], ANY, scope.in_cluster),  # on Fargate it has only this condition
            *use_bucket_key(scope, write=True),
            *region_statements(scope),
        ]
    )


def home_policy(
    place: Place, *, cluster: str, family: str, group: str, schedules: str, roles: Iterable[str], scheduler: str
) -> Document:
    """Returns the rights that the home region adds: to start its coordinators, now and on schedule.

    `group` is the console's schedule group, `schedules` that of the stack; `roles` are those of a coordinator's task.
    """
    inside = {"ArnLike": {"ecs:cluster": cluster}}
    never = {"ecs:enable-ebs-volumes": "false", "ecs:enable-execute-command": "false"}
    tasks = place.arn("ecs", f"task/{place.names.cluster()}/*")
    own = place.arn("scheduler", f"schedule/{group}/*")
    return document(
        [
            allow(
                "StartCoordinators",
                ["ecs:RunTask"],
                [place.arn("ecs", f"task-definition/{family}:*")],
                {**inside, "StringEqualsIfExists": never},
            ),
            allow("TagTasks", ["ecs:TagResource"], [tasks], {"StringEquals": {"ecs:CreateAction": "RunTask"}}),
            pass_roles("HandRolesToCoordinators", roles, TASKS_SERVICE),
            allow(
                "WriteSchedules",
                calls("scheduler", "CreateSchedule", "DeleteSchedule", "GetSchedule", "UpdateSchedule"),
                [own],
            ),
            allow("ReadSchedules", ["scheduler:GetSchedule"], [place.arn("scheduler", f"schedule/{schedules}/*")]),
            allow("ListSchedules", ["scheduler:ListSchedules"], ANY),  # no resource-level permissions
            pass_roles("HandRoleToScheduler", [scheduler], SCHEDULER_SERVICE),
        ]
    )
