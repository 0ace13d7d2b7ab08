"""Checks private locations: their live agents, and whether these can run a plan."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from toril.launchers.findings import CheckResult, Finding, checked, missing, ok, warning
from toril.launchers.preflight.planned import compatible
from toril.launchers.preflight.regions import Resolve
from toril.launchers.preflight.targets import allowed_targets
from toril.records import DeployedTargets, Plan
from toril.records.agent import ENGINES, Announcement
from toril.text import nearest, plural

Agents = Sequence[Announcement]


def check_agents(plan: Plan | None, agents: Agents, resolve: Resolve) -> list[Finding]:
    """Checks the private locations of a plan, which has no other ones; without a plan, all live agents."""
    live = [one for one in agents if not one.leaving]
    found: list[Finding] = []
    for location in sorted({one.location for one in live}) if plan is None else plan.locations:
        here = [one for one in live if one.location == location]
        found += checked("agents", partial(_slots, plan, location, here, live), location)
        for name, check in CHECKS.items() if here else ():
            found += checked(name, partial(check, plan, location, here), location)
        if here:
            found += checked("targets", partial(_targets, plan, location, here, resolve), location)
    return found


def longest_s(agents: Agents) -> float | None:
    """Returns the longest load that all these agents accept, in seconds; None without a limit."""
    return min((one.max_duration_s for one in agents if one.max_duration_s is not None), default=None)


def _slots(plan: Plan | None, location: str, here: Agents, live: Agents) -> Finding:
    if not here:
        near = nearest(location, {one.location for one in live})
        guess = f" (did you mean {near}?)" if near else ""
        return missing("no-agent", f"no agent of {location} is live{guess}; start `toril agent --location {location}`")
    free, slots = sum(one.free for one in here), sum(one.slots for one in here)
    shares = 0 if plan is None else sum(share.location == location for share in plan.shares)
    detail = f"{plural(len(here), 'agent')} ({', '.join(one.agent for one in here)}): {free} of {slots} slots are free"
    if shares > slots:
        fix = "use fewer workers, or start further agents"
        return missing("too-few-slots", f"{detail}, and the run has {plural(shares, 'share')}; {fix}")
    if shares > free:
        return warning("busy-agents", f"{detail}, so some of {plural(shares, 'share')} wait for the end of others")
    return ok(detail)


def _versions(plan: Plan | None, location: str, here: Agents) -> Iterable[Finding]:
    return [compatible(one.toril_version, f"agent {one.agent}", "update the agent") for one in here]


def _executors(plan: Plan | None, location: str, here: Agents) -> Iterator[Finding]:
    """Checks that each agent has the engines, because any of them may take any share of the location."""
    wanted = set() if plan is None else {one.executor for one in plan.executions} & set(ENGINES)
    for one in here:
        lacking = sorted(wanted - set(one.executors))
        if lacking:
            fix = f"run `toril doctor` on its machine, or use another engine than {', '.join(lacking)}"
            yield missing("no-engine", f"agent {one.agent} has only {', '.join(one.executors)}; {fix}")


def _limits(plan: Plan | None, location: str, here: Agents) -> Finding | None:
    longest = longest_s(here)
    bounds = [] if plan is None else [one for one in (plan.bounded_s, plan.max_duration_s) if one is not None]
    if longest is None or plan is None:
        return None
    if bounds and min(bounds) > longest:
        fix = "shorten the load, or restart the agent with a longer --max-duration"
        text = f"the load takes {min(bounds) / 60:g} min, and {longest / 60:g} are allowed; {fix}"
        return missing("over-limits", text)
    return ok(f"at most {longest / 60:g} min")


def _secrets(plan: Plan | None, location: str, here: Agents) -> Finding | None:
    if plan is None or not plan.secrets_of_workers:
        return None
    names = ", ".join(plan.secrets_of_workers)
    return warning("secrets-of-agents", f"workers read {names} with the rights of their agent's machine")


def _targets(plan: Plan | None, location: str, here: Agents, resolve: Resolve) -> Iterator[Finding]:
    for one in here:
        allowed = DeployedTargets(hosts=one.targets)
        fix = "restart the agent with another --target"
        yield from allowed_targets(plan, location, allowed, resolve, f"agent {one.agent}", fix)


CHECKS: dict[str, Callable[[Plan | None, str, Agents], CheckResult]] = {
    "version": _versions,
    "engines": _executors,
    "limits": _limits,
    "secrets": _secrets,
}
