"""The switched form of a duet: engines run through, and send the requests of each arm in its turns only."""

from toril.records import Plan
from toril.suite.settings import Regression


def make_switched(
    base: Plan, head: Plan, addresses: tuple[str, str], wanted: Regression, variable: str | None, seed: int
) -> Plan:
    """Returns one plan from the plans of the same suite for the two addresses, as `plan.duet.make_duet` does.

    It has two copies of each execution, one for each arm, which hold to the end of the last turn. `seed` decides the
    order of turns, which is balanced. `variable` holds the address. SuiteError `unsupported-in-duet` if an execution
    cannot be part of a duet.
    """
    raise NotImplementedError
