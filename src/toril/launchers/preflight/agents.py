"""Checks private locations: their live agents, and whether these can run a plan."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from toril.launchers.findings import Finding, missing, ok, warning
from toril.launchers.preflight.planned import compatible
from toril.launchers.preflight.regions import Resolve
from toril.launchers.preflight.targets import allowed_targets
from toril.records import DeployedTargets, Plan
from toril.records.agent import ENGINES, Announcement
from toril.text import nearest, plural

Agents = Sequence[Announcement]


def check_agents(plan: Plan | None, agents: Agents, resolve: Resolve, regions: Collection[str] = ()) -> list[Finding]:
    """Checks the private locations of a plan, which has no other ones; without a plan, all live agents.

    `regions`: the deployed ones, whose misspelt names may look like private locations.
    """
    live = [agent for agent in agents if not agent.leaving]
    locations = sorted({agent.location for agent in live}) if plan is None else plan.locations
    return [
        replace(finding, name=name, region=location)
        for location in locations
        for name, finding in _checks(plan, location, live, resolve, regions)
    ]


def longest_s(agents: Agents) -> float | None:
    """Returns the longest load that all these agents accept, in seconds; None without a limit."""
    return min((agent.max_duration_s for agent in agents if agent.max_duration_s is not None), default=None)


def refusal(agent: Announcement, plan: Plan) -> str:
    """Returns why an agent's own limits exclude a plan; "" if they do not. The command that runs it may not check."""
    findings = [*_targets(plan, agent, lambda host: ()), _too_long(plan, agent.max_duration_s)]
    return next((finding.detail for finding in findings if finding is not None and finding.state == "missing"), "")


def _checks(
    plan: Plan | None, location: str, live: Agents, resolve: Resolve, regions: Collection[str]
) -> Iterator[tuple[str, Finding]]:
    """Yields the name of each check with its finding. Any agent of a location may take any of its shares."""
    here = [agent for agent in live if agent.location == location]
    yield "agents", _slots(plan, location, here, {*regions, *(agent.location for agent in live)})
    for one_agent in here:
        who = f"agent {one_agent.agent}"
        yield "version", compatible(one_agent.toril_version, who, "update the agent")
        for finding in _targets(plan, one_agent, resolve):
            yield "targets", finding
        wanted = set() if plan is None else {execution.executor for execution in plan.executions}
        lacking = ", ".join(sorted(wanted & set(ENGINES) - set(one_agent.executors)))
        if lacking:
            fix = "run `toril doctor` on its machine, or use another engine"
            yield "engines", missing("no-engine", f"{who} lacks {lacking}; {fix}")
    if plan is None or not here:
        return
    if (long := _too_long(plan, longest_s(here))) is not None:
        yield "limits", long
    if plan.secrets_of_workers:
        text = f"workers read {', '.join(plan.secrets_of_workers)} with the rights of their agent's machine"
        yield "secrets", warning("secrets-of-agents", text)


def _targets(plan: Plan | None, agent: Announcement, resolve: Resolve) -> Iterator[Finding]:
    allowed, fix = DeployedTargets(hosts=agent.targets), "restart the agent with another --target"
    return allowed_targets(plan, agent.location, allowed, resolve, f"agent {agent.agent}", fix)


def _too_long(plan: Plan, longest: float | None) -> Finding | None:
    bounds = [bound for bound in (plan.bounded_s, plan.max_duration_s) if bound is not None]
    if longest is None or not bounds or min(bounds) <= longest:
        return None
    fix = "shorten the load, or restart the agent with a longer --max-duration"
    return missing("over-limits", f"the load takes {min(bounds) / 60:g} min, and {longest / 60:g} are allowed; {fix}")


def _slots(plan: Plan | None, location: str, here: Agents, known: Collection[str]) -> Finding:
    if not here:
        near = nearest(location, known)
        guess = f" (did you mean {near}?)" if near else ""
        fix = f"start `toril agent {location}` with the same --store"
        return missing("no-agent", f"no agent of {location} is live{guess}; {fix}")
    free, slots = sum(agent.free for agent in here), sum(agent.slots for agent in here)
    shares = 0 if plan is None else sum(share.location == location for share in plan.shares)
    detail = f"{plural(len(here), 'agent')} ({', '.join(one.agent for one in here)}): {free} of {slots} slots are free"
    if shares > slots:
        fix = "use fewer workers, or start further agents"
        return missing("too-few-slots", f"{detail}, and the run has {plural(shares, 'share')}; {fix}")
    if shares > free:
        return warning("busy-agents", f"{detail}, so some of {plural(shares, 'share')} wait for the end of others")
    return ok(detail)
