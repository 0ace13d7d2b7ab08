"""The regions and hosts of the FIPS endpoints of AWS services, in one table.

As of 2026-11-24, from the AWS General Reference (service endpoints) and the FIPS compliance page. SDKs build a FIPS
host for any region, whether it exists or not, and Pulumi's provider falls back silently. So this module decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from infra.settings import RegionSettings, SettingError

US = frozenset({"us-east-1", "us-east-2", "us-west-1", "us-west-2"})
CANADA = frozenset({"ca-central-1", "ca-west-1"})
GOVCLOUD = frozenset({"us-gov-east-1", "us-gov-west-1"})
NORTH_AMERICA = US | CANADA | GOVCLOUD


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The FIPS endpoints of a service. Hosts contain `{region}`; `govcloud` is the host there if it differs."""

    name: str
    regions: frozenset[str] | None  # None: everywhere
    host: str
    govcloud: str | None = None

    def in_region(self, region: str) -> bool:
        return self.regions is None or region in self.regions

    def host_in(self, region: str) -> str:
        template = self.govcloud if self.govcloud and region in GOVCLOUD else self.host
        return template.format(region=region)


def _service(name: str, regions: frozenset[str] | None, host: str, govcloud: str | None = None) -> Service:
    return Service(name=name, regions=regions, host=host, govcloud=govcloud)


SERVICES = {
    "ec2": _service("Amazon EC2", NORTH_AMERICA, "ec2-fips.{region}.amazonaws.com", "ec2.{region}.amazonaws.com"),
    "ecr": _service("Amazon ECR", US | GOVCLOUD, "ecr-fips.{region}.amazonaws.com"),
    "ecs": _service("Amazon ECS", US | GOVCLOUD, "ecs-fips.{region}.amazonaws.com"),
    "events": _service(
        "EventBridge", NORTH_AMERICA, "events-fips.{region}.amazonaws.com", "events.{region}.amazonaws.com"
    ),
    "iam": _service("IAM", None, "iam-fips.amazonaws.com", "iam.us-gov.amazonaws.com"),
    "kms": _service("AWS KMS", None, "kms-fips.{region}.amazonaws.com"),
    "logs": _service(
        "CloudWatch Logs", NORTH_AMERICA, "logs-fips.{region}.amazonaws.com", "logs.{region}.amazonaws.com"
    ),
    "monitoring": _service(
        "CloudWatch", US | GOVCLOUD, "monitoring-fips.{region}.amazonaws.com", "monitoring.{region}.amazonaws.com"
    ),
    "route53resolver": _service(
        "Route 53 Resolver",
        NORTH_AMERICA,
        "route53resolver-fips.{region}.amazonaws.com",
        "route53resolver.{region}.amazonaws.com",
    ),
    "s3": _service("Amazon S3", NORTH_AMERICA, "s3-fips.{region}.amazonaws.com"),
    "scheduler": _service("EventBridge Scheduler", NORTH_AMERICA, "scheduler-fips.{region}.amazonaws.com"),
    "secretsmanager": _service("AWS Secrets Manager", NORTH_AMERICA, "secretsmanager-fips.{region}.amazonaws.com"),
    "sqs": _service("Amazon SQS", NORTH_AMERICA, "sqs-fips.{region}.amazonaws.com", "sqs.{region}.amazonaws.com"),
    "sts": _service("AWS STS", NORTH_AMERICA, "sts-fips.{region}.amazonaws.com", "sts.{region}.amazonaws.com"),
}

# Services without FIPS endpoints in commercial regions. No worker calls them.
EXEMPT = {
    "ecr-public": "Amazon ECR Public: publishing the worker image, from the hub",
    "pricing": "AWS Price List: what a run costs, before it starts",
    "servicequotas": "Service Quotas: whether a run fits, before it starts",
}

# Interface endpoints whose FIPS hosts have their own endpoint service. AWS lists none for CloudWatch Logs and Secrets
# Manager, so we assume that their usual endpoint serves both kinds of hosts.
PRIVATE_LINK = {"ecr.api": "ecr-fips.api", "ecr.dkr": "ecr-fips.dkr", "kms": "kms-fips", "sts": "sts-fips"}


def services_used(settings: RegionSettings) -> tuple[str, ...]:
    """Returns the services that deployment, workers and launchers call in the stack's region, sorted."""
    used = {"ec2", "ecr", "ecs", "iam", "logs", "monitoring", "s3", "sts"}
    if settings.encryption != "AES256" or settings.logs.encryption or settings.secret_keys:
        used.add("kms")
    if settings.idle_alarm:
        used.add("events")
    if settings.network.dns_firewall:
        used.add("route53resolver")
    if settings.secrets or any(flavour.credentials for flavour in settings.flavours.values()):
        used.add("secretsmanager")
    if settings.home:
        used |= {"events", "scheduler", "secretsmanager", "sqs"}
    return tuple(sorted(used))


def check(region: str, services: Iterable[str]) -> None:
    """Raises SettingError, with all services that lack a FIPS endpoint in `region`. Skips the services in EXEMPT."""
    missing = sorted(SERVICES[service].name for service in set(services) - EXEMPT.keys() if not _real(service, region))
    if missing:
        has = "have no FIPS endpoint" if len(missing) > 1 else "has no FIPS endpoint"
        raise SettingError(
            f"toril:fips: {', '.join(missing)} {has} in {region}. Remove `fips`, or deploy to one of "
            f"{', '.join(full_regions(services))}."
        )


def full_regions(services: Iterable[str]) -> list[str]:
    """Returns the regions in which all of `services` have FIPS endpoints."""
    return [
        region for region in sorted(NORTH_AMERICA) if all(_real(one, region) for one in set(services) - set(EXEMPT))
    ]


def endpoints(region: str, bucket_region: str, services: Iterable[str]) -> dict[str, str]:
    """Returns the FIPS host of each service, for the region's record. The host of S3 is the results bucket's."""
    return {
        service: SERVICES[service].host_in(bucket_region if service == "s3" else region)
        for service in sorted(set(services) - EXEMPT.keys())
    }


def registry_host(account: str, region: str) -> str:
    """Returns the FIPS host of a private registry."""
    return f"{account}.dkr.ecr-fips.{region}.amazonaws.com"


def _real(service: str, region: str) -> bool:
    return SERVICES[service].in_region(region)
