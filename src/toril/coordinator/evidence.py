"""Gathers the requests and responses that workers kept, and merges them into one record.

A missing or damaged file is only counted: evidence never changes the verdict.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from toril.errors import StoreError
from toril.records import Exit, Keeping, Plan, Share, worker_key
from toril.records.document import document
from toril.records.evidence import (
    MOST_BYTES_OF_EVIDENCE,
    MOST_BYTES_OF_FILE,
    Exchange,
    Exchanges,
    evidence_file_name,
)
from toril.secrets.masking import masked, masked_headers, masked_url
from toril.store import Reader

FILES_AT_ONCE = 64  # held in memory
LARGEST = MOST_BYTES_OF_EVIDENCE * 3 // 4  # of exchanges one by one; together they are indented more


def gathered(
    store: Reader,
    plan: Plan,
    attempts: Mapping[str, str],
    exits: Mapping[str, Exit],
    check: Callable[[], object] = lambda: None,
) -> Exchanges | None:
    """Returns the first failures of each label and error, and the slowest requests; None if there are none.

    `check` is called before each of many reads, and raises an error to end them.
    """
    keeping = plan.keeping
    if keeping is None:
        return None
    shares = {share.worker: share for share in plan.shares}
    files = list(_files(store, plan, attempts, exits, keeping.most_files))
    kept: list[Exchange] = []
    left_out, incomplete = 0, set[str]()
    for first in range(0, len(files), FILES_AT_ONCE):
        check()
        some = files[first : first + FILES_AT_ONCE]
        data = store.find_many([key for _, key in some], MOST_BYTES_OF_FILE)
        for worker, key in some:
            try:
                own = _read(data.get(key), key, plan.run_id, shares[worker])
            except StoreError:
                incomplete.add(worker)
                continue
            kept += own.exchanges
            left_out += own.left_out
        kept, beyond = chosen(kept, keeping)
        left_out += beyond
    if not kept and not left_out and not incomplete:
        return None
    shown = _within(map(_masked, kept), LARGEST)
    return Exchanges(
        run_id=plan.run_id,
        exchanges=tuple(sorted(shown, key=lambda exchange: (exchange.why, *_order(exchange)))),
        left_out=left_out + len(kept) - len(shown),
        left_out_workers=len(incomplete),
    )


def chosen(exchanges: Iterable[Exchange], keeping: Keeping) -> tuple[list[Exchange], int]:
    """Returns the exchanges to keep, the most important first, and the number of those beyond the limit.

    Choosing from parts, and then from the chosen, gives the same result. Labels take turns, so that one with many
    errors does not displace the others.
    """
    ordered, most = sorted(exchanges, key=_order), keeping.most_exchanges
    if keeping.everything:
        return ordered[:most], max(0, len(ordered) - most)
    slowest: dict[str, Exchange] = {}
    of_kind, of_label = Counter[tuple[str, ...]](), Counter[str]()
    failures: list[tuple[int, Exchange]] = []
    for exchange in ordered:
        if exchange.why == "slowest":
            for label in {"", exchange.label}.intersection(keeping.slowest):
                if label not in slowest or exchange.response_us > slowest[label].response_us:
                    slowest[label] = exchange
            continue
        kind = (exchange.arm, exchange.label, exchange.kind, exchange.rc, exchange.error)
        of_kind[kind] += 1
        if of_kind[kind] <= keeping.failures:
            failures.append((of_label[exchange.label], exchange))
            of_label[exchange.label] += 1
    failures.sort(key=lambda ranked: ranked[0])  # stable: earlier ones first
    kept = [*dict.fromkeys(slowest.values()), *(failed for _, failed in failures)]
    return kept[:most], max(0, len(kept) - most)


def _order(call: Exchange) -> tuple[float | str, ...]:
    return (call.at_s, call.worker, call.execution, call.label, call.rc, call.error, call.response_us, call.url)


def _files(
    store: Reader, plan: Plan, attempts: Mapping[str, str], exits: Mapping[str, Exit], most: int
) -> Iterator[tuple[str, str]]:
    """Yields worker and key of each file. The files of a worker without an exit.json are listed.

    `most`: of a worker.
    """
    for worker, attempt in attempts.items():
        if worker in exits:
            numbers = range(1, min(exits[worker].evidence_files, most) + 1)
            keys = [worker_key(plan.run_id, worker, attempt, evidence_file_name(number)) for number in numbers]
        else:
            keys = list(store.keys(worker_key(plan.run_id, worker, attempt, "evidence-")))[:most]
        yield from ((worker, key) for key in keys)


def _read(data: bytes | None, key: str, run_id: str, share: Share) -> Exchanges:
    """Returns the content of a worker's file; StoreError if it is missing, damaged or of another worker."""
    if data is None or len(data) > MOST_BYTES_OF_FILE:
        raise StoreError(f"{key} is missing or too large", code="damaged-file")
    exchanges = Exchanges.from_stranger(data, key)
    sources = {(exchange.worker, exchange.location) for exchange in exchanges.exchanges}
    if (exchanges.run_id, exchanges.worker) != (run_id, share.worker) or sources - {(share.worker, share.location)}:
        raise StoreError(f"{key} belongs to another worker", code="foreign-file")
    return exchanges


def _masked(exchange: Exchange) -> Exchange:
    """Masks once more, because the suite's code runs beside the worker."""
    return replace(
        Exchange.from_dict(masked(exchange)),
        url=masked_url(exchange.url)[0],
        request_headers=tuple(masked_headers(exchange.request_headers)[0]),
        response_headers=tuple(masked_headers(exchange.response_headers)[0]),
    )


def _within(exchanges: Iterable[Exchange], most_bytes: int) -> Sequence[Exchange]:
    """Returns the first exchanges that fit together."""
    kept = []
    for exchange in exchanges:
        most_bytes -= len(document(exchange))
        if most_bytes < 0:
            break
        kept.append(exchange)
    return kept
