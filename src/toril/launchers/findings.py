"""The result of a check, on this machine or in a region: the same for `toril doctor` and the preflight of a run."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from toril.aws.errors import AwsError
from toril.errors import UserError

State = Literal["ok", "missing", "optional", "warning"]

MARKS = {"ok": "ok", "missing": "MISSING", "optional": "optional", "warning": "warning"}
WIDTH = 11  # of the names of a machine's findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was checked.

    `missing` stops a run, and its detail names the fix; `optional` stops only some suites, a `warning` none.
    """

    state: State
    detail: str
    code: str = ""  # the cause; empty if the state is ok
    name: str = ""
    region: str = ""  # empty: of the whole run, or of this machine

    @property
    def line(self) -> str:
        return f"{self.region + ' ' if self.region else ''}{self.name}: {self.detail}"


def ok(detail: str) -> Finding:
    return Finding(state="ok", detail=detail)


def missing(code: str, detail: str) -> Finding:
    return Finding(state="missing", code=code, detail=detail)


def optional(code: str, detail: str) -> Finding:
    return Finding(state="optional", code=code, detail=detail)


def warning(code: str, detail: str) -> Finding:
    return Finding(state="warning", code=code, detail=detail)


Found = Finding | Iterable[Finding] | None


def checked(name: str, check: Callable[[], Found], region: str = "") -> tuple[Finding, ...]:
    """Returns the findings of a check, with their name and region; a call that AWS refuses is a finding itself."""
    try:
        found = check()
        findings = (found,) if isinstance(found, Finding) else tuple(found or ())
    except UserError as error:  # also a store that cannot be written
        findings = (unanswered(error),)
    return tuple(replace(one, name=one.name or name, region=region) for one in findings)


def unanswered(error: UserError) -> Finding:
    """Returns the finding of a failed call: a missing right has to be given; a busy AWS may be asked later."""
    if isinstance(error, AwsError) and error.fault.passes:
        return warning(error.code, f"could not be checked: {error}")
    return missing(error.code, str(error))


def render(findings: Iterable[Finding]) -> str:
    """Returns one line a finding: first those of no region, then region by region."""
    ordered = sorted(findings, key=lambda finding: finding.region)
    named = [(f"{one.region} {one.name}".strip(), one) for one in ordered]
    of_regions = any(one.region for one in ordered)
    width = max((len(name) for name, _ in named), default=0) if of_regions else WIDTH
    return "".join(f"{MARKS[one.state]:<8}  {name:<{width}}  {one.detail}\n" for name, one in named)
