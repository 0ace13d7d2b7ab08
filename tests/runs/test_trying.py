"""The exchanges of a try as readers find them: each once, in the order of the worker's files."""

import pytest

from tests.clocks import SteppedClock
from toril.records import Start, run_key, worker_key
from toril.records.document import document
from toril.records.evidence import Exchange, Exchanges, evidence_file_name
from toril.records.progress import Progress
from toril.runs.trying import Trial
from toril.store import FolderStore

RUN, WORKER, ATTEMPT = "20261124T150405Z-shop-0a1b", "local-1", "abc"


class Silent:
    def show(self, progress: Progress) -> None: ...


@pytest.fixture
def store(tmp_path) -> FolderStore:
    return FolderStore(tmp_path)


def write(store: FolderStore, number: int, *labels: str) -> None:
    kept = Exchanges(run_id=RUN, worker=WORKER, exchanges=tuple(Exchange(why="tried", label=one) for one in labels))
    store.put(worker_key(RUN, WORKER, ATTEMPT, evidence_file_name(number)), document(kept))


def test_each_exchange_is_shown_once_as_it_arrives(store):
    found: list[str] = []
    trial = Trial(store, RUN, Silent(), lambda one: found.append(one.label))
    now = Progress(run_id=RUN, at=SteppedClock().now())
    trial.show(now)
    store.put(run_key(RUN, "start.json"), Start(at=1.0, attempts={WORKER: ATTEMPT}).to_json())
    write(store, 1, "a", "b")
    trial.show(now)
    trial.show(now)
    assert found == ["a", "b"]
    store.put(worker_key(RUN, WORKER, ATTEMPT, evidence_file_name(2)), b"damaged")
    write(store, 3, "c")
    trial.read()
    assert found == ["a", "b", "c"]
