"""The result of a check, on this machine or in a region, for `toril doctor` and for the preflight of a run."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from toril.aws.errors import AwsError
from toril.errors import UserError
from toril.explain import coded

State = Literal["ok", "missing", "optional", "warning"]

MARKS = {"ok": "ok", "missing": "MISSING", "optional": "optional", "warning": "warning"}
WIDTH = 11  # characters of the names of a machine's findings


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check.

    `missing` prevents every run, `optional` prevents some suites, `warning` prevents none; the detail names the fix.
    """

    state: State
    detail: str
    code: str = ""  # the cause; empty if the state is ok
    name: str = ""
    region: str = ""  # empty for the whole run, or for this machine
    quota: float | None = None
    used: float | None = None  # of the quota

    @property
    def line(self) -> str:
        return f"{self.region + ' ' if self.region else ''}{self.name}: {coded(self.detail, self.code)}"


def ok(detail: str) -> Finding:
    return Finding(state="ok", detail=detail)


def missing(code: str, detail: str) -> Finding:
    return Finding(state="missing", code=code, detail=detail)


def optional(code: str, detail: str) -> Finding:
    return Finding(state="optional", code=code, detail=detail)


def warning(code: str, detail: str) -> Finding:
    return Finding(state="warning", code=code, detail=detail)


CheckResult = Finding | Iterable[Finding] | None


def checked(name: str, check: Callable[[], CheckResult], region: str = "") -> tuple[Finding, ...]:
    """Returns the findings of a check, with its name and region; a call that AWS refuses is a finding, too."""
    try:
        result = check()
        findings = (result,) if isinstance(result, Finding) else tuple(result or ())
    except UserError as error:  # including a store that is not writable
        findings = (failed_call(error),)
    return tuple(replace(finding, name=finding.name or name, region=region or finding.region) for finding in findings)


def failed_call(error: UserError) -> Finding:
    """Returns the finding of a failed call: a warning if the cause is temporary, such as throttling."""
    if isinstance(error, AwsError) and error.fault.passes:
        return warning(error.code, f"could not be checked: {error}")
    return missing(error.code, str(error))


def render(findings: Iterable[Finding]) -> str:
    """Returns one line per finding: first those without a region, then region by region."""
    ordered = sorted(findings, key=lambda finding: finding.region)
    named = [(f"{finding.region} {finding.name}".strip(), finding) for finding in ordered]
    of_regions = any(finding.region for finding in ordered)
    width = max((len(name) for name, _ in named), default=0) if of_regions else WIDTH
    return "".join(
        f"{MARKS[finding.state]:<8}  {name:<{width}}  {coded(finding.detail, finding.code)}\n"
        for name, finding in named
    )
