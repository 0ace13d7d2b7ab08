"""What may be started of a run, decided and written down before anything is."""

import secrets
from collections.abc import Callable

from toril.coordinator.live import read_launch
from toril.coordinator.protocol import load_ends_s
from toril.records import Launch, Plan, run_key
from toril.store import Store

REPLACEMENTS = 2  # of a worker that never began; more of them would only hide what is wrong


def issue(
    store: Store,
    plan: Plan,
    now: float,
    longest_s: float | None = None,
    digests: tuple[str, ...] = (),
    nonce: Callable[[], str] = lambda: secrets.token_hex(4),
) -> Launch:
    """The run's attempts and deadline. What somebody wrote before counts: a run is issued once.

    `longest_s`: the most seconds of load that its regions allow; `digests`: the images that its workers may be of.
    """
    found = read_launch(store, plan.run_id)
    if found is not None:
        return found
    tries = 1 + (REPLACEMENTS if plan.on == "fargate" else 0)
    launch = Launch(
        at=now,
        deadline=now + lasts_s(plan, longest_s),
        attempts={share.worker: tuple(nonce() for _ in range(tries)) for share in plan.shares},
        digests=digests,
    )
    if store.put_once(run_key(plan.run_id, "launch.json"), launch.to_json()):
        return launch
    return issue(store, plan, now, longest_s, digests, nonce)


def lasts_s(plan: Plan, longest_s: float | None = None) -> float:
    """From the launch to the moment at which nothing of the run is left, whatever happens to it."""
    return plan.pace.ready_timeout_s + plan.pace.start_lead_s + load_ends_s(plan, longest_s)
