"""The ARN of a request for authorisation, if MiniStack's differs from AWS's."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from ministack.core import iam_actions
from ministack.services import ecs, iam

from tests.cloud.server import resources_ec2

_known = iam_actions.extract_resource_arn
UNRESTRICTED = {  # ECS actions without a resource
    "DescribeTaskDefinition", "DeregisterTaskDefinition", "ListTaskDefinitions", "ListTasks", "ListClusters",
    "CreateCluster", "PutAccountSettingDefault", "ListAccountSettings",
}  # fmt: skip
RESOLVER = {
    "FirewallDomainListId": "firewall-domain-list",
    "FirewallRuleGroupId": "firewall-rule-group",
    "FirewallRuleGroupAssociationId": "firewall-rule-group-association",
}


def of(
    service: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    params: Mapping[str, Any],
    region: str,
    account: str,
) -> str:
    request = body_of(body)
    action = headers.get("x-amz-target", "").rpartition(".")[2] or _one(params, "Action") or ""
    place = f"{region}:{account}"
    if service == "ec2":
        first = resources_ec2.made(action, place)
        return first or next(iter(resources_ec2.named(action, params, place)), "*")
    if service in NAMED and (known := NAMED[service](action, {**params, **request}, path, place)):
        return known
    if service == "ecs":
        return _ecs(action, request, place)
    if service == "ecr":
        name = request.get("repositoryName") or next(iter(request.get("repositoryNames") or ()), None)
        return request.get("resourceArn") or (f"arn:aws:ecr:{place}:repository/{name}" if name else "*")
    if service == "ecr-public":
        name = request.get("repositoryName") or next(iter(request.get("repositoryNames") or ()), None)
        return request.get("resourceArn") or (f"arn:aws:ecr-public::{account}:repository/{name}" if name else "*")
    if service == "servicequotas" and "QuotaCode" in request:
        return f"arn:aws:servicequotas:{place}:{request['ServiceCode']}/{request['QuotaCode']}"
    if service == "budgets":
        name = request.get("BudgetName") or (request.get("Budget") or request.get("NewBudget") or {}).get("BudgetName")
        return request.get("ResourceARN") or (f"arn:aws:budgets::{account}:budget/{name}" if name else "*")
    if service == "route53resolver":
        if action in ("CreateFirewallDomainList", "CreateFirewallRuleGroup"):
            return f"arn:aws:route53resolver:{place}:{RESOLVER[action.removeprefix('Create') + 'Id']}/new"
        kinds = [(kind, request[name]) for name, kind in RESOLVER.items() if name in request]
        named = f"arn:aws:route53resolver:{place}:{kinds[0][0]}/{kinds[0][1]}" if kinds else "*"
        return request.get("ResourceArn") or named
    if service == "scheduler" and path.startswith("/schedules/"):
        group = request.get("GroupName") or (params.get("groupName") or ["default"])[0]
        return f"arn:aws:scheduler:{place}:schedule/{group}/{unquote(path.removeprefix('/schedules/'))}"
    if service == "iam" and (name := _one(params, "RoleName")):
        role = iam._roles.get(name)
        return str(role["Arn"]) if role else f"arn:aws:iam::{account}:role{_one(params, 'Path') or '/'}{name}"
    found: str = _known(service, method, path, headers, body, params, region, account)
    return found


def others(action: str, request: Mapping[str, Any], place: str) -> list[str]:
    """Returns the other resources of a request that names several, all of which need a right."""
    if action == "ecs:DescribeTasks":
        return [_ecs("DescribeTasks", {**request, "tasks": [one]}, place) for one in request.get("tasks", [])[1:]]
    if action == "ecs:DescribeServices":
        return [_ecs("DescribeServices", {**request, "services": [one]}, place) for one in request["services"][1:]]
    if action == "ecs:DescribeClusters":
        return [_ecs("DescribeClusters", {"clusters": [one]}, place) for one in request.get("clusters", [])[1:]]
    if action in ("ssm:GetParameters", "ssm:DeleteParameters"):
        return parameters(request, place)[1:]
    if action == "logs:StartQuery":
        return _searched(request, place)[1:]
    if action == "fis:StartExperiment":
        return [f"arn:aws:fis:{place}:experiment-template/{request.get('experimentTemplateId')}"]
    if action == "ecr:DescribeRepositories":
        return [f"arn:aws:ecr:{place}:repository/{one}" for one in request.get("repositoryNames", [])[1:]]
    return []


def body_of(body: bytes) -> dict[str, Any]:
    """Returns the members of a JSON request, or none for another kind of request."""
    if body[:1] != b"{":
        return {}
    try:
        found = json.loads(body)
    except ValueError:
        return {}  # the service rejects it for every caller
    return found if isinstance(found, dict) else {}


def cluster(request: Mapping[str, Any], place: str) -> str:
    name = str(request.get("cluster") or "default")
    return name if name.startswith("arn:") else f"arn:aws:ecs:{place}:cluster/{name}"


def _ecs(action: str, request: dict[str, Any], place: str) -> str:
    def full(kind: str, name: str) -> str:
        return name if name.startswith("arn:") else f"arn:aws:ecs:{place}:{kind}/{name}"

    if action in UNRESTRICTED:
        return "*"
    if action == "RunTask":
        name = str(request.get("taskDefinition", ""))
        newest = ecs._task_def_latest.get(name)
        return full("task-definition", name if ":" in name else f"{name}:{newest}")
    if action == "RegisterTaskDefinition":
        return full("task-definition", f"{request.get('family')}:*")
    named = cluster(request, place).rpartition("/")[2]
    tasks = request.get("tasks") or [request["task"]] if "tasks" in request or "task" in request else []
    if tasks:
        task = str(tasks[0])
        return full("task", task if task.startswith("arn:") else f"{named}/{task}")
    if action == "DescribeServices":
        service = str(request["services"][0])
        return full("service", service if service.startswith("arn:") else f"{named}/{service}")
    if "resourceArn" in request:
        return str(request["resourceArn"])
    clusters = request.get("clusters") or [request.get("cluster") or request.get("clusterName") or "default"]
    return full("cluster", str(clusters[0]))


def _events(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    if action == "PutEvents":  # callers of the tests put one event at a time
        asked = asked["Entries"][0]
    bus = str(asked.get("EventBusName") or "default").rpartition("/")[2]
    if "ResourceARN" in asked:
        return str(asked["ResourceARN"])
    if action in ("CreateEventBus", "DeleteEventBus", "DescribeEventBus", "PutEvents"):
        return f"arn:aws:events:{place}:event-bus/{str(asked.get('Name') or bus).rpartition('/')[2]}"
    rule = asked.get("Rule") or asked.get("Name")
    below = "" if bus == "default" else f"{bus}/"
    return f"arn:aws:events:{place}:rule/{below}{rule}" if rule else None


def _sns(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    if action in ("Unsubscribe", "GetSubscriptionAttributes"):
        return "*"  # neither action has a resource
    return _one(asked, "ResourceArn")


def _fis(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    """Returns the experiment of a start, which has no id yet; `others` has its template."""
    parts = [unquote(part) for part in path.strip("/").split("/", 1)]
    if parts[0] == "tags":
        return parts[1]
    kind = {"experiments": "experiment", "experimentTemplates": "experiment-template"}.get(parts[0])
    named = parts[1] if len(parts) > 1 else "new" if "clientToken" in asked else None
    return f"arn:aws:fis:{place}:{kind}/{named}" if kind and named else "*"


def _iam(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    account = place.partition(":")[2]
    if service := _one(asked, "AWSServiceName"):
        return f"arn:aws:iam::{account}:role/aws-service-role/{service}/role"
    if action == "CreateOpenIDConnectProvider":
        host = str(_one(asked, "Url")).removeprefix("https://")
        return f"arn:aws:iam::{account}:oidc-provider/{host}"
    if provider := _one(asked, "OpenIDConnectProviderArn"):
        return provider
    if action == "CreatePolicy":
        return f"arn:aws:iam::{account}:policy{_one(asked, 'Path') or '/'}{_one(asked, 'PolicyName')}"
    return None


def _logs(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    if "resourceArn" in asked:
        return str(asked["resourceArn"])
    if groups := _searched(asked, place):
        return groups[0]
    if action in ("GetQueryResults", "StopQuery"):
        return "*"
    group = str(asked.get("logGroupName") or "")
    return f"arn:aws:logs:{place}:log-group:{group}:log-stream:{asked.get('logStreamName') or ''}"


def _searched(asked: Mapping[str, Any], place: str) -> list[str]:
    """Returns the log groups of a query that names several by names or ARNs."""
    names = [str(one).rpartition("log-group:")[2] for one in asked.get("logGroupIdentifiers") or ()]
    return [f"arn:aws:logs:{place}:log-group:{name}:log-stream:" for name in names]


def _monitoring(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    if action in ("ListTagsForResource", "TagResource", "UntagResource"):
        return _one(asked, "ResourceARN")
    if action == "DescribeAlarms":
        return "*"
    name = _one(asked, "AlarmName") or _one(asked, "AlarmNames.member.1") or _one(asked, "AlarmNames")
    return f"arn:aws:cloudwatch:{place}:alarm:{name}" if name else None


def _scheduler(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    return unquote(path.removeprefix("/tags/")) if path.startswith("/tags/") else None


def _kms(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    if action in ("CreateAlias", "DeleteAlias", "UpdateAlias"):
        return f"arn:aws:kms:{place}:{asked['AliasName']}"
    return None


def _lambda(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    created = path.endswith("/functions") and "FunctionName" in asked
    return f"arn:aws:lambda:{place}:function:{asked['FunctionName']}" if created else None


def _cloudfront(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    """Returns the ARN of a resource: a new one has no id yet, so creating one needs the right on all of its kind."""
    parts = path.strip("/").split("/")[1:]
    if parts[0] == "tagging":
        return _one(asked, "Resource")
    account = place.partition(":")[2]
    return f"arn:aws:cloudfront::{account}:{parts[0]}/{parts[1] if len(parts) > 1 else '*'}"


def _cognito(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    return _one(asked, "ResourceArn")


def _rds(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    """Returns the databases of a list, of which AWS allows all or none."""
    kind, name = {"DescribeDBClusters": ("cluster", "DBClusterIdentifier")}.get(action, ("db", "DBInstanceIdentifier"))
    return f"arn:aws:rds:{place}:{kind}:{_one(asked, name) or '*'}" if action.startswith("DescribeDB") else None


def _elasticache(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    kind = {"DescribeCacheClusters": "cluster", "DescribeReplicationGroups": "replicationgroup"}.get(action)
    name = _one(asked, "CacheClusterId") or _one(asked, "ReplicationGroupId") or "*"
    return f"arn:aws:elasticache:{place}:{kind}:{name}" if kind else None


def parameters(asked: Mapping[str, Any], place: str) -> list[str]:
    """Returns the ARNs of the parameters that a request names."""
    named = [asked.get(name) for name in ("Name", "Path", "ResourceId")]
    names = [str(name) for name in (*named, *asked.get("Names", ())) if name]
    return [f"arn:aws:ssm:{place}:parameter/{name.strip('/')}" for name in names]


def _ssm(action: str, asked: Mapping[str, Any], path: str, place: str) -> str | None:
    return next(iter(parameters(asked, place)), None)


NAMED: dict[str, Callable[[str, Mapping[str, Any], str, str], str | None]] = {
    "cloudfront": _cloudfront,
    "cognito-idp": _cognito,
    "elasticache": _elasticache,
    "events": _events,
    "fis": _fis,
    "iam": _iam,
    "kms": _kms,
    "lambda": _lambda,
    "logs": _logs,
    "monitoring": _monitoring,
    "rds": _rds,
    "scheduler": _scheduler,
    "sns": _sns,
    "ssm": _ssm,
}


def _one(params: Mapping[str, Any], name: str) -> str | None:
    found = params.get(name)
    return found[0] if isinstance(found, list) and found else found or None
