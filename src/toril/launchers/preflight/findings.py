"""What a check found, and what is looked at."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from toril.aws.client import Clients, call
from toril.aws.errors import AwsError
from toril.errors import UserError
from toril.records import DeployedWorker, Deployment, Plan

State = Literal["ok", "missing", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked for. `missing` stops a run, and its detail says what mends it; a `warning` does not."""

    name: str
    state: State
    detail: str
    region: str = ""  # empty: of the whole run

    @property
    def line(self) -> str:
        return f"{self.region + ' ' if self.region else ''}{self.name}: {self.detail}"


def ok(name: str, detail: str) -> Finding:
    return Finding(name=name, state="ok", detail=detail)


def missing(name: str, detail: str) -> Finding:
    return Finding(name=name, state="missing", detail=detail)


def warning(name: str, detail: str) -> Finding:
    return Finding(name=name, state="warning", detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One region: what its stack says, what the run needs of it, and AWS to be asked."""

    deployment: Deployment
    clients: Clients
    now: float
    plan: Plan | None = None  # None: no suite; everything that the region has is looked at
    kinds: tuple[DeployedWorker, ...] = ()  # the task definitions that matter
    workers: int = 0

    @property
    def region(self) -> str:
        return self.deployment.region

    @property
    def up(self) -> str:
        """The command that makes the region's stack as it should be."""
        return f"`pulumi up --stack {self.region}`"

    def ask(self, service: str, operation: str, right: str, **request: Any) -> Any:
        """AWS' answer in this region; AwsError says what was refused. `right` is as IAM names it."""
        return ask(self.clients, service, self.region, operation, right, **request)


def ask(clients: Clients, service: str, region: str, operation: str, right: str, **request: Any) -> Any:
    """AWS' answer; AwsError says what was refused, a client that cannot be made included."""
    return call(lambda **asked: getattr(clients(service, region), operation)(**asked), right, **request)


def checked(name: str, check: Callable[[], Iterable[Finding]], region: str = "") -> tuple[Finding, ...]:
    """What a check finds; one that is refused or gets no answer is a finding itself."""
    return tuple(replace(one, region=region) for one in _told(name, check))


def _told(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    try:
        yield from tuple(check())
    except AwsError as refused:
        yield unanswered(name, refused)
    except UserError as error:  # such as a store that cannot be written
        yield missing(name, str(error))


def unanswered(name: str, refused: AwsError) -> Finding:
    """A right that is missing has to be given; an AWS that is busy may be asked later."""
    if refused.fault.passes:
        return warning(name, f"could not be checked: {refused}")
    return missing(name, str(refused))
