"""A task's roles: its own, whose credentials it gets, and the execution role that starts it."""

import json
import re
import time
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import cloudwatch_logs, ecs, ecs_metadata, imds, secretsmanager, sts

from tests.cloud.server import network, registry_store, roles, task_faults, upstream
from tests.cloud.server.ecr_import import imported
from tests.cloud.server.state import on_reset

CREDENTIALS = "/v2/credentials/"
CREDENTIALS_LAST_S = 3600
ECR_IMAGE = re.compile(r"(\d{12})\.dkr\.ecr(?P<fips>-fips)?\.([\w-]+)\.amazonaws\.com/([^:@]+)")
PULL = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability")
WRITE_LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
PULL_ERROR = "CannotPullContainerError: pull image manifest has been retried 1 time(s)"
LOGGER = "ResourceInitializationError: failed to validate logger args"
RESOURCES = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed"


@dataclass(frozen=True, slots=True)
class Grant:
    """The role behind a credentials address, and the required token."""

    role_arn: str
    task_id: str
    token: str


GRANTS: dict[str, Grant] = {}
on_reset(GRANTS.clear)
_register, _start, _answer = ecs._register_metadata, ecs._start_task_worker, imds.handle_request


def install() -> None:
    ecs._register_metadata = _register_on_loopback
    ecs._start_task_worker = _start_with_execution_role
    imds.handle_request = _credentials


def _register_on_loopback(
    task_arn: str, cluster_arn: str, definition: Any, container: Any, launch: str, environment: Any, *more: Any
) -> Any:
    """Registers a task's metadata and credentials at a loopback address. A task without a role gets no credentials."""
    token = _register(task_arn, cluster_arn, definition, container, launch, environment, True, None)
    digest = container["image"].partition("@")[2]
    if digest:
        ecs_metadata._TOKEN_TO_CONTAINER[token]["ImageID"] = digest
    address = environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    overrides = ecs._tasks[task_arn].get("overrides") or {}
    role = overrides.get("taskRoleArn") or definition.get("taskRoleArn")
    if role:
        shown = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        GRANTS[address.rpartition("/")[2]] = Grant(role, task_arn.rpartition("/")[2], shown)
    else:
        del environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"], environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
    return token


async def _credentials(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Any:
    if not path.startswith(CREDENTIALS):
        return await _answer(method, path, headers, body, query)
    grant = GRANTS.get(path.removeprefix(CREDENTIALS))
    if grant is None or headers.get("authorization") != grant.token:
        return 401, {"Content-Type": "application/json"}, b"{}"
    key, secret, token = sts._gen_session_access_key(), sts._gen_secret(), sts._gen_session_token()
    until = time.time() + CREDENTIALS_LAST_S
    arn, _ = sts._assumed_role_arn(grant.role_arn, grant.task_id)
    sts.register_session(
        key,
        {
            "Arn": arn,
            "UserId": f"{sts._role_id(grant.role_arn)}:{grant.task_id}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": until,
            "AccountId": grant.role_arn.split(":")[4],
            "PrincipalType": "AssumedRole",
            "SourceAccessKeyId": None,
            "SourcePrincipalArn": None,
            "SessionTags": [],
            "SessionPolicies": None,
        },
    )
    shown = {
        "AccessKeyId": key,
        "SecretAccessKey": secret,
        "Token": token,
        "RoleArn": grant.role_arn,
        "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until)),
    }
    return 200, {"Content-Type": "application/json"}, json.dumps(shown).encode()


def _start_with_execution_role(task: Any, definition: Any, overrides: Any, client: Any) -> None:
    failed = task_faults.held_back(task)
    if failed:
        ecs._fail_task_start(task, client, failed)
        return
    architecture = (definition.get("runtimePlatform") or {}).get("cpuArchitecture", "X86_64")
    for at, container in enumerate(definition["containerDefinitions"]):
        role = definition.get("executionRoleArn") or ""
        place = network.place_of(task)
        wrong = (
            (_cannot_reach(container, place) if place else None)
            or _cannot_start(container, role, client.real, way_out=place is None or network.way_out(place))
            or _cannot_pull(container["image"], architecture, client)
        )
        if wrong:
            ecs._fail_task_start(task, client, wrong)
            return
        digest = _digest(container["image"])
        if digest:
            task["containers"][at]["imageDigest"] = digest
    _start(task, definition, overrides, client)


def _cannot_reach(container: dict[str, Any], place: network.Place) -> str | None:
    """Returns the reason if a container's image, login or logs are beyond the task's network, or None."""
    image, use = ECR_IMAGE.match(container["image"]), None
    hosts = [container["image"].partition("/")[0]]
    if image:
        hosts.append(f"api.ecr{image['fips'] or ''}.{image[3]}.amazonaws.com")
        layers = f"prod-{image[3]}-starport-layer-bucket"
        use = network.Use("s3:GetObject", f"arn:aws:s3:::{layers}/layer")
        problem = network.stopped(place, f"{layers}.s3.{image[3]}.amazonaws.com", use)
        if problem:
            return f"{PULL_ERROR}: {problem.message}"
    if login := container.get("repositoryCredentials"):
        hosts.append(f"secretsmanager.{login['credentialsParameter'].split(':')[3]}.amazonaws.com")
    if container.get("logConfiguration"):
        hosts.append(f"logs.{container['logConfiguration']['options']['awslogs-region']}.amazonaws.com")
    problems = [network.stopped(place, host) for host in hosts if "." in host]
    return next((f"{RESOURCES}: {problem.message}" for problem in problems if problem), None)


def _cannot_log_in(container: dict[str, Any], role: str) -> str | None:
    """Returns the reason if a container's image has a login that the execution role cannot read, or a wrong one."""
    host = container["image"].partition("/")[0]
    wanted = upstream.UPSTREAMS.get(host, upstream.Upstream()).login
    login = container.get("repositoryCredentials") or {}
    if not login:
        return f"{PULL_ERROR}: {host}: no basic auth credentials" if wanted else None
    arn = login["credentialsParameter"]
    if not roles.allows(role, "secretsmanager:GetSecretValue", arn):
        return f"{RESOURCES}: AccessDeniedException: secretsmanager:GetSecretValue on {arn}"
    found = json.loads(secretsmanager.resolve_secret_string(arn) or "{}")
    given = (found.get("username"), found.get("password"))
    if not all(given) or (wanted and given != wanted):
        return f"{PULL_ERROR}: {host}: unauthorized: incorrect username or password"
    return None


def _cannot_start(container: dict[str, Any], role: str, real: bool, *, way_out: bool) -> str | None:
    """Returns the reason if a container cannot start, or None. The checks have Fargate's order."""
    if wrong := _cannot_log_in(container, role):
        return wrong
    image = ECR_IMAGE.match(container["image"])
    if image:
        account, region, name = image[1], image[3], image[4]
        repository = f"arn:aws:ecr:{region}:{account}:repository/{name}"
        for action, resource in [("ecr:GetAuthorizationToken", "*"), *((one, repository) for one in PULL)]:
            if not roles.allows(role, action, resource):
                return f"{RESOURCES}: AccessDeniedException: not authorized to perform: {action} on {resource}"
        with request_scope(account, region):
            wrong = imported(
                name, _reference(container["image"]), role, fips=image["fips"] is not None, real=real, way_out=way_out
            )
        if wrong:
            return f"{PULL_ERROR}: {wrong}"
    for secret in container.get("secrets", ()):
        of_manager = ":secretsmanager:" in secret["valueFrom"]
        action = "secretsmanager:GetSecretValue" if of_manager else "ssm:GetParameters"
        resource = ":".join(secret["valueFrom"].split(":")[:7]) if of_manager else _parameter(secret["valueFrom"])
        if not roles.allows(role, action, resource):
            return f"{RESOURCES}: AccessDeniedException: not authorized to perform: {action} on {resource}"
    return _cannot_log(container.get("logConfiguration") or {}, role)


def _cannot_pull(reference: str, architecture: str, client: Any) -> str | None:
    missing = client.missing(reference, architecture)
    return f"{PULL_ERROR}: failed to resolve ref {missing}" if missing else None


def _reference(image: str) -> str:
    """Returns the digest of an image, else its tag."""
    name, _, digest = image.partition("@")
    return digest or (name.rpartition(":")[2] if ":" in name else "latest")


def _digest(image: str) -> str | None:
    """Returns the digest of a tag's image."""
    known, reference = ECR_IMAGE.match(image), _reference(image)
    if "@" in image or known is None:
        return reference if "@" in image else None
    with request_scope(known[1], known[3]):
        found = registry_store.image(known[4], reference)
    return str(found["imageDigest"]) if found else None


def _cannot_log(logging: dict[str, Any], role: str) -> str | None:
    if logging.get("logDriver") != "awslogs":
        return None
    options = logging["options"]
    group, region = options["awslogs-group"], options["awslogs-region"]
    made = options.get("awslogs-create-group") == "true"
    there = cloudwatch_logs._log_groups.get_scoped(get_account_id(), region, group) is not None
    if not there and not made:
        return f"{LOGGER}: The specified log group does not exist: {group}"
    arn = f"arn:aws:logs:{region}:{get_account_id()}:log-group:{group}"
    for action in (*WRITE_LOGS, *(() if there else ("logs:CreateLogGroup",))):
        resource = arn if action == "logs:CreateLogGroup" else f"{arn}:log-stream:task"
        if not roles.allows(role, action, resource):
            return f"{LOGGER}: AccessDeniedException: {action} on {arn}"
    return None


def _parameter(name: str) -> str:
    return (
        name
        if name.startswith("arn:")
        else f"arn:aws:ssm:{get_region()}:{get_account_id()}:parameter/{name.lstrip('/')}"
    )
