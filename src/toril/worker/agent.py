"""`toril agent`: takes shares of runs for one private location from the store, and runs a worker for each.

The module imports no bzt: only the workers need it.
"""

from dataclasses import dataclass

from toril.clock import Clock
from toril.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """The identity and the limits of an agent."""

    location: str
    name: str
    slots: int  # workers at the same time
    max_duration_s: float | None = None  # the longest load that it accepts
    targets: tuple[str, ...] = ()  # hosts that it may load; empty: any


def run_agent(store: Store, options: AgentOptions, clock: Clock) -> int:
    """Serves the location until SIGTERM or Ctrl-C; returns the exit code."""
    raise NotImplementedError
