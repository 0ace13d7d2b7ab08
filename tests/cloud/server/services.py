"""The checked services: those answered here, and those of MiniStack behind the checks."""

from ministack import app as gateway
from ministack.core import iam_actions, router

from tests.cloud.server import (
    analyzer,
    apis,
    authorisation,
    cognito,
    decisions,
    documents,
    ec2,
    ecr,
    ecr_public,
    ecs,
    events,
    fis,
    iam,
    lambdas,
    quotas,
    resolver,
    s3,
    scheduler,
    secrets,
    sites,
    task_roles,
    usage,
)
from tests.cloud.server.gateway import Service, guarded
from tests.cloud.server.requests import model_of

CHECKED = (
    ecr.SERVICE,
    secrets.SERVICE,
    iam.SERVICE,
    ec2.SERVICE,
    documents.KMS,
    documents.SQS,
    documents.SNS,
    ecs.SERVICE,
    Service(name="events", model="events"),
    Service(name="sts", model="sts", invalid="ValidationError"),
    usage.SERVICE,
    Service(name="budgets", model="budgets", invalid="InvalidParameterException"),
    scheduler.SERVICE,
    apis.SERVICE,
    cognito.SERVICE,
    lambdas.SERVICE,
    Service(name="ssm", model="ssm"),
)
OURS = (analyzer.SERVICE, ecr_public.SERVICE, fis.SERVICE, quotas.SERVICE, resolver.SERVICE)  # MiniStack lacks them

KNOWN = (*CHECKED, *OURS)
NAMES = {service.name for service in KNOWN} | {"s3"}


def install() -> None:
    """Installs the checks and our services between MiniStack's entry, with its authorisation, and its services."""
    for service in CHECKED:
        gateway.SERVICE_HANDLERS[service.name] = guarded(service, gateway.SERVICE_HANDLERS[service.name])
    for service in OURS:
        handler = guarded(service, None)
        gateway.SERVICE_HANDLERS[service.name] = handler
        prefixes = [f"{prefix}." for prefix in _target_prefixes(service)]
        iam_actions._BOTOCORE_SERVICE_MAP.setdefault(service.name, [service.model])  # for actions of REST requests
        router.SERVICE_PATTERNS[service.name] = {"target_prefixes": prefixes, "credential_scope": service.name}
    s3.install()
    authorisation.install()
    decisions.install()
    ecs.install()
    task_roles.install()
    scheduler.install()
    events.install()
    lambdas.install()
    apis.install()
    cognito.install()
    sites.install()
    namespaces = {service.name: service.name for service in KNOWN}
    iam_actions.SERVICE_TO_IAM_NAMESPACE.update({**namespaces, **iam_actions.SERVICE_TO_IAM_NAMESPACE})


def _target_prefixes(service: Service) -> list[str]:
    """Returns the prefix of a JSON protocol's header; none for a REST protocol."""
    found = model_of(service.model).metadata.get("targetPrefix")
    return [str(found)] if found else []
