"""What a check found, on this machine or in a region: the same for `toril doctor` and the preflight of a run."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from toril.aws.errors import AwsError
from toril.errors import UserError

State = Literal["ok", "missing", "optional", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was checked.

    `missing` stops a run, and its detail names the fix; `optional` stops only some suites, a `warning` none.
    """

    name: str
    state: State
    detail: str
    code: str = ""  # the cause; empty if the state is ok
    region: str = ""  # empty: of the whole run, or of this machine

    @property
    def line(self) -> str:
        return f"{self.region + ' ' if self.region else ''}{self.name}: {self.detail}"


def ok(name: str, detail: str) -> Finding:
    return Finding(name=name, state="ok", detail=detail)


def missing(name: str, code: str, detail: str) -> Finding:
    return Finding(name=name, state="missing", code=code, detail=detail)


def optional(name: str, code: str, detail: str) -> Finding:
    return Finding(name=name, state="optional", code=code, detail=detail)


def warning(name: str, code: str, detail: str) -> Finding:
    return Finding(name=name, state="warning", code=code, detail=detail)


def checked(name: str, check: Callable[[], Iterable[Finding]], region: str = "") -> tuple[Finding, ...]:
    """Returns what a check finds; a call that AWS refuses or does not answer is a finding itself."""

    def findings() -> Iterator[Finding]:
        try:
            yield from tuple(check())
        except UserError as error:  # such as a store that cannot be written
            yield unanswered(name, error)

    return tuple(replace(one, region=region) for one in findings())


def unanswered(name: str, error: UserError) -> Finding:
    """Returns the finding of a failed call: a missing right has to be given; a busy AWS may be asked later."""
    if isinstance(error, AwsError) and error.fault.passes:
        return warning(name, error.code, f"could not be checked: {error}")
    return missing(name, error.code, str(error))
