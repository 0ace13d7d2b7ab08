"""Whether a run's vCPU fit beside what the account uses already, and how fast it may start tasks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toril.launchers.fargate.rate_limit import Rates, usual_rates
from toril.launchers.fargate.tasks import Capacity
from toril.launchers.preflight.findings import Finding, Look, missing, ok, warning
from toril.launchers.preflight.in_use import UNITS_PER_VCPU, counted, without_ended

VCPUS: dict[Capacity, str] = {"FARGATE": "L-3032A538", "FARGATE_SPOT": "L-36FBB829"}
RATES: dict[Capacity, tuple[str, str]] = {  # burst, sustained
    "FARGATE": ("L-6BAD92DD", "L-551A4E9D"),
    "FARGATE_SPOT": ("L-F6E37E82", "L-FAA52651"),
}
NAMES: dict[Capacity, str] = {"FARGATE": "on-demand vCPU", "FARGATE_SPOT": "Spot vCPU"}


@dataclass(frozen=True, slots=True)
class Quotas:
    """Fargate's in one region, by code."""

    values: Mapping[str, float]

    def rates(self, region: str, capacity: Capacity) -> Rates:
        """How fast tasks may start; what every account has where the quotas do not say."""
        burst, sustained = (self.values.get(code) for code in RATES[capacity])
        return Rates(burst, sustained) if burst and sustained else usual_rates(region)


def read_quotas(look: Look) -> Quotas:
    """All of Fargate's; AwsError when they are not told."""
    values: dict[str, float] = {}
    more: dict[str, str] = {}
    while True:
        answer = look.ask(
            "service-quotas", "list_service_quotas", "servicequotas:ListServiceQuotas", ServiceCode="fargate", **more
        )
        values |= {one["QuotaCode"]: float(one["Value"]) for one in answer.get("Quotas", [])}
        if not answer.get("NextToken"):
            return Quotas(values)
        more = {"NextToken": answer["NextToken"]}


def vcpus(look: Look, quotas: Quotas) -> Iterator[Finding]:
    """The run's vCPU, and those in use, are within the account's quota."""
    size = None if look.plan is None else look.plan.task
    needed = 0.0 if size is None else look.workers * size.cpu / UNITS_PER_VCPU
    wanted: tuple[Capacity, ...] = ("FARGATE", "FARGATE_SPOT")
    if size is not None:
        wanted = ("FARGATE_SPOT", "FARGATE") if size.spot else ("FARGATE",)
    for capacity in wanted:
        found = _vcpus(look, quotas, capacity, needed)
        if found.state == "missing" and capacity == "FARGATE" and size is not None and size.spot:
            found = warning(found.name, f"{found.detail} (needed only where Spot has no capacity)")
        yield found


def _vcpus(look: Look, quotas: Quotas, capacity: Capacity, needed: float) -> Finding:
    name, code = NAMES[capacity], VCPUS[capacity]
    quota = quotas.values.get(code)
    if quota is None:
        return warning(name, f"the quota {code} is not told; a new account has 6 vCPU a region")
    count = counted(look, capacity)
    used = count.vcpus
    if needed <= quota < used + needed:
        used = without_ended(look, capacity, count)
    said = f"{needed:g} are needed, {used:g} are in use, {quota:g} allowed" if needed else f"{used:g} of {quota:g} used"
    if used + needed <= quota:
        return ok(name, said)
    raise_it = (
        f"aws service-quotas request-service-quota-increase --region {look.region} --service-code fargate "
        f"--quota-code {code} --desired-value {used + needed:.0f}"
    )
    return missing(name, f"{said}; fewer or smaller workers here, or `{raise_it}`")


def rates(look: Look, quotas: Quotas) -> Iterator[Finding]:
    """How fast tasks start; told, and never in the way."""
    spot = look.plan is not None and look.plan.task is not None and look.plan.task.spot
    found = quotas.rates(look.region, "FARGATE_SPOT" if spot else "FARGATE")
    yield ok("launch rate", f"{found.burst:g} tasks at once, then {found.sustained_per_s:g} a second")
