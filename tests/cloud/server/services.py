"""The services that are checked: those answered here, and those left to MiniStack behind the checks."""

from ministack import app as gateway
from ministack.core import iam_actions, router

from tests.cloud.server import ecr, ecr_public, quotas
from tests.cloud.server.gateway import Service, guarded
from tests.cloud.server.requests import model_of

CHECKED = (
    ecr.SERVICE,
    Service(name="secretsmanager", model="secretsmanager"),
    Service(name="kms", model="kms"),
    Service(name="logs", model="logs", invalid="InvalidParameterException"),
    Service(name="monitoring", model="cloudwatch", invalid="ValidationError"),
    Service(name="ecs", model="ecs", invalid="InvalidParameterException"),
    Service(name="iam", model="iam", invalid="ValidationError"),
    Service(name="sns", model="sns", invalid="InvalidParameter"),
    Service(name="sqs", model="sqs", invalid="InvalidParameterValue"),
    Service(name="ec2", model="ec2", invalid="InvalidParameterValue"),
    Service(name="budgets", model="budgets", invalid="InvalidParameterException"),
    Service(name="scheduler", model="scheduler"),
)
OURS = (ecr_public.SERVICE, quotas.SERVICE)  # MiniStack doesn't know them
IAM_NAMESPACES = {"ecr-public": "ecr-public", "servicequotas": "servicequotas", "budgets": "budgets"}


def install() -> None:
    """Put the checks and our services between MiniStack's front door, authorisation included, and its services."""
    for service in CHECKED:
        gateway.SERVICE_HANDLERS[service.name] = guarded(service, gateway.SERVICE_HANDLERS[service.name])
    for service in OURS:
        handler = guarded(service, None)
        gateway.SERVICE_HANDLERS[service.name] = handler
        prefix = f"{_target_prefix(service)}."
        router.SERVICE_PATTERNS[service.name] = {"target_prefixes": [prefix], "credential_scope": service.name}
    iam_actions.SERVICE_TO_IAM_NAMESPACE.update(IAM_NAMESPACES)


def _target_prefix(service: Service) -> str:
    return str(model_of(service.model).metadata["targetPrefix"])
