"""What the roles that run load tests may do with the service under test, by the settings of the hub.

| statement | setting | purpose |
|---|---|---|
| StartFaults | faults | starts experiments of AWS FIS whose template has the environment's tag, and reads this tag |
| NewFaults, TagFaults | faults | the experiment that a start makes: it gets the tag of its template |
| FaultRole | faults | the first experiment of an account makes the role of FIS |
| EndFaults | faults | follows and stops experiments with the environment's tag |
| FindFaults | faults | an experiment whose start was not answered: a list has no resource |
| ReadTraces | service | X-Ray's traces of slow and failed requests |
| FindService, ReadService | service | `toril service`: what is behind an address or a tag; the role run only |
| LeaveConsoles | service | the variables of a console's function have a secret |
| SearchLogs | serviceLogs | queries over these log groups |
| FollowQueries | serviceLogs | results and stop of a query, whose id names no log group |
"""

from infra.permissions.scope import Scope
from infra.permissions.statements import ANY, Statement, allow, deny
from toril.cloudwatch.discover import RIGHTS

FIS = "fis.amazonaws.com"
# The reference has no other resource types of `RIGHTS`.
RESOURCES = {
    "dynamodb:DescribeTable": "table/*",
    "ecs:DescribeServices": "service/*",
    "elasticache:DescribeCacheClusters": "cluster:*",
    "elasticache:DescribeReplicationGroups": "replicationgroup:*",
    "lambda:GetFunctionConfiguration": "function:*",
    "rds:DescribeDBClusters": "cluster:*",
    "rds:DescribeDBInstances": "db:*",
}


def start_faults(scope: Scope) -> list[Statement]:
    """Returns the rights to start, follow and stop faults.

    AWS checks a start twice, for the template and for the new experiment, which has no tags yet.
    """
    if not scope.faults:
        return []
    experiments = [scope.arn("fis", "experiment/*")]
    linked = f"arn:{scope.partition}:iam::{scope.account}:role/aws-service-role/{FIS}/*"
    return [
        allow(
            "StartFaults",
            ["fis:GetExperimentTemplate", "fis:StartExperiment"],
            [scope.arn("fis", "experiment-template/*")],
            scope.ours,
        ),
        allow("NewFaults", ["fis:StartExperiment"], experiments, scope.new),
        allow("TagFaults", ["fis:TagResource"], experiments, scope.unclaimed),
        allow("FaultRole", ["iam:CreateServiceLinkedRole"], [linked], {"StringEquals": {"iam:AWSServiceName": FIS}}),
        *end_faults(scope),
    ]


def end_faults(scope: Scope) -> list[Statement]:
    """Returns the rights to find, follow and stop faults."""
    if not scope.faults:
        return []
    return [
        allow("EndFaults", ["fis:GetExperiment", "fis:StopExperiment"], [scope.arn("fis", "experiment/*")], scope.ours),
        allow("FindFaults", ["fis:ListExperiments"], ANY),
    ]


def read_causes(scope: Scope) -> list[Statement]:
    """Returns the rights to read traces and logs of the service after a load."""
    found = [allow("ReadTraces", ["xray:BatchGetTraces"], ANY)] if scope.service else []
    if scope.service_logs:
        groups = [scope.arn("logs", f"log-group:{name}:*") for name in scope.service_logs]
        found.append(allow("SearchLogs", ["logs:StartQuery"], groups))
        found.append(allow("FollowQueries", ["logs:GetQueryResults", "logs:StopQuery"], ANY))
    return found


def find_service(scope: Scope) -> list[Statement]:
    """Returns the rights to find the resources of a service in the account."""
    if not scope.service:
        return []
    resources = [scope.arn(name.partition(":")[0], kind) for name, kind in RESOURCES.items()]
    consoles = [scope.arn("lambda", f"function:toril*console{end}") for end in ("", ":*")]  # also a version of one
    return [
        allow("FindService", set(RIGHTS) - RESOURCES.keys(), ANY),
        allow("ReadService", RESOURCES, resources),
        deny("LeaveConsoles", ["lambda:GetFunctionConfiguration"], consoles),
    ]
