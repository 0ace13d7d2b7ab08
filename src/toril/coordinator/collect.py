"""What a run left behind, beside its measurements: which workers reported, which were lost, which files are damaged."""

from collections.abc import Mapping

from toril.coordinator.live import Fold, attempts_of, read_record
from toril.records import End, Plan, Rate, Start, Stop, run_key
from toril.store import Store
from toril.store.records import find_record, next_rates
from toril.summary import Completeness


def collect(store: Store, run_id: str) -> tuple[Fold, Completeness]:
    """Fold a stored run from its files alone."""
    plan, start, stop = read_record(store, run_id)
    fold = Fold(store, plan, attempts_of(store, run_id, start))
    fold.finish()
    rates = tuple(next_rates(store, run_id, 0))
    end = find_record(store, End, run_key(run_id, "end.json"))
    if end is None:
        return fold, completeness_of(fold, start, stop, {}, rates)
    return fold, completeness_of(fold, start, None if end.stopped is False else stop, end.lost, rates)


def completeness_of(
    fold: Fold, start: Start | None, stop: Stop | None, lost: Mapping[str, str], rates: tuple[Rate, ...] = ()
) -> Completeness:
    """What is known of every planned worker. One that left no exit is lost, and why is known only if it was seen."""
    planned = _workers(fold.plan)
    why = {worker: lost.get(worker) or _unheard(fold, worker) for worker in planned}
    return Completeness(
        planned=planned,
        reported=tuple(worker for worker in planned if why[worker] is None),
        lost=tuple((worker, reason) for worker, reason in why.items() if reason is not None),
        damaged=tuple(fold.damaged),
        exits=fold.exits,
        stop=stop,
        rates=rates,
        started_at=start.at if start else None,
        clock_s={worker: (ready.clock_offset_s, ready.clock_uncertainty_s) for worker, ready in fold.readies.items()},
    )


def _workers(plan: Plan) -> tuple[str, ...]:
    return tuple(share.worker for share in plan.shares)


def _unheard(fold: Fold, worker: str) -> str | None:
    left = fold.exits.get(worker)
    return fold.unfit.get(worker, "left no exit.json") if left is None else left.failure
