"""A fake AWS for the preflight: everything is in order unless a test changes an answer."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from tests.launchers.plans import ACCOUNT, AWAY
from toril.launchers.findings import Finding
from toril.launchers.preflight import CommandContext, Preflight, check
from toril.records import DeployedCache, Deployment, Plan
from toril.store import Store

INDEX = {"manifests": [{"platform": {"os": "linux", "architecture": one}} for one in ("amd64", "arm64")]}
QUOTAS = {"L-3032A538": 100.0, "L-36FBB829": 50.0, "L-6BAD92DD": 100.0, "L-551A4E9D": 20.0}
TOKEN = "of a session"
NOW = 1_764_000_000.0
CACHE = DeployedCache(prefix="ecr-public", upstream="public.ecr.aws", uri="registry/ecr-public")


class Aws:
    """`(service, region) → client`, with an answer for each operation; tests can change it, for one region or all."""

    def __init__(self, *deployments: Deployment) -> None:
        self.deployments = {one.region: one for one in deployments}
        self.asked: list[tuple[str, str]] = []  # (region, operation)
        self._other: dict[tuple[str, str | None], Callable[..., Any]] = {}

    def __call__(self, service: str, region: str) -> Any:
        return _Client(self, region)

    def answers(self, operation: str, answer: Any, region: str | None = None) -> None:
        """Sets the answer of an operation; an exception is raised, and a function is called with the request."""

        def given(**asked: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer(**asked) if callable(answer) else answer

        self._other[operation, region] = given

    def denies(self, operation: str, code: str = "AccessDeniedException") -> None:
        self.answers(operation, refusal(code, f"User is not authorized to perform: {operation}"))

    def answer(self, region: str, operation: str, **asked: Any) -> Any:
        self.asked.append((region, operation))
        other = self._other.get((operation, region)) or self._other.get((operation, None))
        return other(**asked) if other else getattr(self, f"_{operation}")(region, **asked)

    def _get_caller_identity(self, region: str) -> Any:
        return {"Account": ACCOUNT}

    def _batch_get_image(self, region: str, **asked: Any) -> Any:
        return image()

    def _list_service_quotas(self, region: str, **asked: Any) -> Any:
        return quotas(QUOTAS)

    def _get_metric_data(self, region: str, **asked: Any) -> Any:
        return {"MetricDataResults": [{"Id": "used", "Timestamps": [], "Values": []}]}


class _Client:
    def __init__(self, aws: Aws, region: str) -> None:
        self._aws, self._region = aws, region

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **asked: self._aws.answer(self._region, operation, **asked)


def refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message or code}}, "Operation")


def silence() -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url="https://nowhere.example")


def image(manifest: Any = INDEX) -> Any:
    return {"images": [{"imageManifest": json.dumps(manifest)}], "failures": []}


def quotas(values: dict[str, float]) -> Any:
    return {"Quotas": [{"QuotaCode": code, "Value": value} for code, value in values.items()]}


def used(*vcpus: float) -> Any:
    """CloudWatch's counts of vCPU in use, the latest minute first."""
    times = [datetime.fromtimestamp(NOW - 60 * minute, UTC) for minute in range(1, len(vcpus) + 1)]
    return {"MetricDataResults": [{"Id": "used", "Timestamps": times, "Values": list(vcpus)}]}


class Keys:
    """Credentials, like botocore's."""

    def __init__(self, method: str = "assume-role", token: str | None = TOKEN) -> None:
        self.method, self.token = method, token


def flight(plan: Plan | None, aws: Aws, store: Store, **around: Any) -> Preflight:
    """Returns the preflight of a plan on the fake AWS."""
    given: dict[str, Any] = {
        "store": store,
        "now": lambda: NOW,
        "environment": {},
        "resolve": lambda host: ("192.0.2.1",),
        "credentials": Keys,
        **around,
    }
    return check(plan, aws.deployments, aws, CommandContext(**given))


def of(found: Preflight, name: str, region: str = AWAY) -> Finding:
    """Returns the one finding of that name and region; an empty region means the whole run."""
    (one,) = [one for one in found.findings if (one.name, one.region) == (name, region)]
    return one


def lacking(found: Preflight) -> list[tuple[str, str]]:
    """Returns region and name of each missing thing."""
    return [(one.region, one.name) for one in found.findings if one.state == "missing"]
