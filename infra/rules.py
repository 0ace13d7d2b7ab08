"""Security rules for every stack: functions from a resource's type and inputs to its violations.

Inputs are the engine's, with keys in camelCase. Nothing here imports Pulumi: both the tests and the policy pack in
`policy/` use these functions.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Inputs = Mapping[str, Any]
Rule = Callable[[Inputs], Iterator[str]]

# Actions without resource-level permissions, or with a call that names no resource: AWS service authorization
# reference, November 2026. Neither have EC2's Describe actions.
WITHOUT_RESOURCE = frozenset(
    {
        "autoscaling:DescribeAutoScalingGroups",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:GetMetricData",
        "cognito-idp:CreateUserPool",
        "cognito-idp:DescribeUserPoolDomain",
        "dynamodb:ListTables",
        "ecr-public:GetAuthorizationToken",
        "ecr:CreatePullThroughCacheRule",
        "ecr:CreateRepositoryCreationTemplate",
        "ecr:DeletePullThroughCacheRule",
        "ecr:DeleteRegistryPolicy",
        "ecr:DeleteRepositoryCreationTemplate",
        "ecr:DescribePullThroughCacheRules",
        "ecr:DescribeRegistry",
        "ecr:DescribeRepositories",  # a list of all
        "ecr:DescribeRepositoryCreationTemplates",
        "ecr:GetAccountSetting",
        "ecr:GetAuthorizationToken",
        "ecr:GetRegistryPolicy",
        "ecr:GetRegistryScanningConfiguration",
        "ecr:PutAccountSetting",
        "ecr:PutRegistryPolicy",
        "ecr:PutRegistryScanningConfiguration",
        "ecr:PutReplicationConfiguration",
        "ecr:UpdatePullThroughCacheRule",
        "ecr:UpdateRepositoryCreationTemplate",
        "ecs:CreateCluster",
        "ecs:DeregisterTaskDefinition",
        "ecs:DescribeTaskDefinition",
        "ecs:ListAccountSettings",
        "ecs:ListClusters",
        "ecs:ListServices",
        "ecs:ListTasks",
        "ecs:PutAccountSettingDefault",
        "ecs:RegisterTaskDefinition",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DescribeTargetHealth",
        "fis:ListExperiments",
        "kms:CreateKey",
        "kms:ListAliases",
        "kms:TagResource",  # with CreateKey
        "logs:GetQueryResults",  # of a query, by its id
        "logs:StopQuery",
        "scheduler:ListSchedules",
        "secretsmanager:ListSecrets",
        "servicequotas:ListServiceQuotas",
        "sns:GetSubscriptionAttributes",
        "sns:Unsubscribe",
        "sts:GetServiceBearerToken",
        "tag:GetResources",
        "xray:BatchGetTraces",
    }
)
GLOBAL = ("aws:budgets/", "aws:cloudfront/", "aws:iam/", "pulumi:", "toril:")  # types without a region
TLS_12 = ("TLSv1.2", "TLSv1.3")
ROOT_USERS = ("", "0", "root")
GITHUB = "token.actions.githubusercontent.com"
_NAME, _UUID = r"[^*?:/$]+", r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# Subjects with `*` for parts that change with each run, after a fixed organisation and project. The middle part of
# CircleCI is a user's id, of 36 characters. Sources: each CI's reference of its tokens, November 2026.
_OF_ONE_PROJECT = re.compile(
    rf"project_path:{_NAME}(?:/{_NAME})+:(?:[^*?$]+:)?\*"  # GitLab: project_path:GROUP/PROJECT:ref_type:TYPE:ref:REF
    rf"|organization:{_NAME}:pipeline:{_NAME}:(?:[^*?$]+:)?\*"  # Buildkite: …:ref:REF:commit:COMMIT:step:STEP
    rf"|org/{_UUID}/project/{_UUID}/user/(?:\*|\?{{36}}/vcs-origin/[^*?$]+/vcs-ref/[^*?$]+)"  # CircleCI
    rf"|\{{{_UUID}\}}:(?:\{{{_UUID}\}}:)?\*"  # Bitbucket: {REPOSITORY}:{ENVIRONMENT}:{STEP}
)
# the resources that every bucket needs beside itself
OF_A_BUCKET = (
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
)


def reasons(kind: str, inputs: Inputs) -> list[str]:
    """Returns the violations of a resource. Values that are not known yet violate nothing."""
    found = [reason for rule in _RULES.get(kind, ()) for reason in rule(inputs)]
    if kind.startswith("aws:") and not kind.startswith(GLOBAL) and not inputs.get("region"):
        found.append("has no region: it would use the provider's")
    return found


def stack_reasons(resources: Iterable[tuple[str, Inputs]]) -> list[str]:
    """Returns the violations of a stack as a whole: missing parts of its buckets."""
    kinds = [kind for kind, _ in resources]
    buckets = kinds.count("aws:s3/bucket:Bucket")
    return [
        f"{buckets} buckets need {buckets} of {part}; the stack has {kinds.count(part)}"
        for part in OF_A_BUCKET
        if kinds.count(part) < buckets
    ]


def _document(text: Any) -> list[Mapping[str, Any]]:
    """Returns the statements of a policy, or none if the policy is not known yet."""
    if not text:
        return []
    found = json.loads(text) if isinstance(text, str) else text
    statements = found["Statement"]
    return [statements] if isinstance(statements, dict) else list(statements)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def _identity_policy(inputs: Inputs) -> Iterator[str]:
    for statement in _document(inputs.get("policy")):
        yield from _no_wildcard(statement)
        if statement["Effect"] == "Allow" and "*" in _list(statement.get("Resource")):
            for action in _list(statement["Action"]):
                if action not in WITHOUT_RESOURCE and not action.startswith("ec2:Describe"):
                    yield f"allows {action} on every resource; name the resources"


def _no_wildcard(statement: Mapping[str, Any]) -> Iterator[str]:
    if statement["Effect"] != "Allow":
        return
    if "NotAction" in statement or "NotResource" in statement or "NotPrincipal" in statement:
        yield "allows everything except a list (NotAction, NotResource or NotPrincipal)"
    for action in _list(statement.get("Action")):
        if "*" in action:
            yield f"allows {action}, an action with a wildcard"


def _resource_policy(inputs: Inputs) -> Iterator[str]:
    for statement in _document(inputs.get("policy")):
        yield from _no_wildcard(statement)
        anybody = statement.get("Principal") in ("*", {"AWS": "*"})
        if statement["Effect"] == "Allow" and anybody and not statement.get("Condition"):
            yield "allows every principal without a condition"


def _bucket_policy(inputs: Inputs) -> Iterator[str]:
    yield from _resource_policy(inputs)
    statements = _document(inputs.get("policy"))
    if statements and not any(_is_tls_only(statement) for statement in statements):
        yield "does not deny requests without TLS"


def _is_tls_only(statement: Mapping[str, Any]) -> bool:
    condition = statement.get("Condition", {}).get("Bool", {})
    return (
        statement["Effect"] == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and _list(statement.get("Action")) == ["s3:*"]
        and condition.get("aws:SecureTransport") == "false"
    )


def is_of_one_project(subject: str) -> bool:
    """Whether a token's subject is exact, or open only in parts that change with each run of one project."""
    return not re.search(r"[*?]|\$\{", subject) or _OF_ONE_PROJECT.fullmatch(subject) is not None


def _trust(inputs: Inputs) -> Iterator[str]:
    for statement in _document(inputs.get("assumeRolePolicy")):
        principal, condition = statement.get("Principal", {}), statement.get("Condition", {})
        if principal == "*" or "*" in _list(principal.get("AWS")):
            yield "can be assumed by every principal"
        accounts = [one for one in _list(principal.get("AWS")) if str(one).endswith(":root")]
        if accounts and "aws:PrincipalArn" not in condition.get("ArnLike", {}):
            yield "can be assumed by every principal of an account"
        issuer = str(principal.get("Federated", "")).partition(":oidc-provider/")[2]
        if issuer == GITHUB:
            yield from _pinned(condition)
        elif issuer:
            yield from _narrow(issuer, condition)


def _narrow(issuer: str, condition: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Reports an issuer without exact audiences, or with subjects beyond one project."""
    audiences = _list(condition.get("StringEquals", {}).get(f"{issuer}:aud"))
    subjects = [
        subject
        for operator in ("StringEquals", "StringLike")
        for subject in _list(condition.get(operator, {}).get(f"{issuer}:sub"))
    ]
    if not audiences:
        yield f"trusts {issuer} without an exact audience"
    if not subjects or not all(map(is_of_one_project, subjects)):
        yield f"trusts {issuer} without the subjects of one project"


def _pinned(condition: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    if set(condition) != {"StringEquals"}:
        yield "trusts GitHub by a condition other than StringEquals"
    exact = condition.get("StringEquals", {})
    for claim in ("aud", "repository_id", "sub"):
        values = _list(exact.get(f"{GITHUB}:{claim}"))
        if not values or any("*" in value for value in values):
            yield f"trusts GitHub without an exact {claim}"


def _public_access(inputs: Inputs) -> Iterator[str]:
    for key in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
        if inputs.get(key) is not True:
            yield f"{key} is not true"


def _encryption(inputs: Inputs) -> Iterator[str]:
    for rule in _list(inputs.get("rules")):
        default = rule.get("applyServerSideEncryptionByDefault", {})
        if default.get("sseAlgorithm") not in ("AES256", "aws:kms"):
            yield "has no encryption algorithm"


def _ownership(inputs: Inputs) -> Iterator[str]:
    if inputs.get("rule", {}).get("objectOwnership") != "BucketOwnerEnforced":
        yield "allows object owners other than the bucket's owner"


def _security_group(inputs: Inputs) -> Iterator[str]:
    if inputs.get("ingress"):
        yield "allows ingress"


def _ingress_rule(inputs: Inputs) -> Iterator[str]:
    """Reports ingress from addresses. Only the workers' group may reach the endpoints."""
    if any(inputs.get(key) for key in ("cidrIpv4", "cidrIpv6", "prefixListId")):
        yield "allows ingress from addresses"


def _repository(inputs: Inputs) -> Iterator[str]:
    if inputs.get("imageTagMutability") != "IMMUTABLE":
        yield "has mutable image tags"
    if not inputs.get("imageScanningConfiguration", {}).get("scanOnPush"):
        yield "does not scan images on push"


def _task_definition(inputs: Inputs) -> Iterator[str]:
    for container in json.loads(inputs.get("containerDefinitions") or "[]"):
        name = container["name"]
        if container.get("logConfiguration", {}).get("logDriver") != "awslogs":
            yield f"has a container without a CloudWatch log: {name}"
        if container.get("readonlyRootFilesystem") is not True:
            yield f"has a container with a writable file system: {name}"
        if str(container.get("user", "")).partition(":")[0] in ROOT_USERS:
            yield f"has a container that runs as root: {name}"
        if container.get("privileged"):
            yield f"has a privileged container: {name}"


def _log_group(inputs: Inputs) -> Iterator[str]:
    if not inputs.get("retentionInDays"):
        yield "keeps logs forever"


def _distribution(inputs: Inputs) -> Iterator[str]:
    for behaviour in (inputs.get("defaultCacheBehavior") or {}, *_list(inputs.get("orderedCacheBehaviors"))):
        if behaviour.get("viewerProtocolPolicy") == "allow-all":
            yield "answers viewers without TLS"
    certificate = inputs.get("viewerCertificate") or {}
    if certificate.get("acmCertificateArn") and not str(certificate.get("minimumProtocolVersion")).startswith(TLS_12):
        yield "accepts TLS older than 1.2"


def _user_pool(inputs: Inputs) -> Iterator[str]:
    if not (inputs.get("adminCreateUserConfig") or {}).get("allowAdminCreateUserOnly"):
        yield "lets people register by themselves"


def _queue(inputs: Inputs) -> Iterator[str]:
    yield from _resource_policy(inputs)
    if not (inputs.get("sqsManagedSseEnabled") or inputs.get("kmsMasterKeyId")):
        yield "is not encrypted"


_RULES: dict[str, tuple[Rule, ...]] = {
    "aws:cloudfront/distribution:Distribution": (_distribution,),
    "aws:cloudwatch/logGroup:LogGroup": (_log_group,),
    "aws:cognito/userPool:UserPool": (_user_pool,),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": (_security_group,),
    "aws:ec2/securityGroup:SecurityGroup": (_security_group,),
    "aws:ecr/repository:Repository": (_repository,),
    "aws:ecr/repositoryPolicy:RepositoryPolicy": (_resource_policy,),
    "aws:ecs/taskDefinition:TaskDefinition": (_task_definition,),
    "aws:iam/policy:Policy": (_identity_policy,),
    "aws:iam/role:Role": (_trust,),
    "aws:iam/rolePolicy:RolePolicy": (_identity_policy,),
    "aws:kms/key:Key": (_resource_policy,),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": (_ownership,),
    "aws:s3/bucketPolicy:BucketPolicy": (_bucket_policy,),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": (_public_access,),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (_encryption,),
    "aws:sns/topic:Topic": (_resource_policy,),
    "aws:sqs/queue:Queue": (_queue,),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": (_ingress_rule,),
}
