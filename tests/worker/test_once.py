"""Setup and teardown run once in a run, and their values reach all workers."""

import json
import os
from pathlib import Path

import pytest

from tests.clocks import SteppedClock
from tests.worker.driver import RUN, plan_of, planned
from toril.errors import InfrastructureError
from toril.records import OnceScript, Plan, StepRecord, given_key, step_key
from toril.store import FolderStore
from toril.worker.once import Once, call, checked, environment_of, hidden_of, variables_of, write_rows

VALUES = {
    "token": "tok-123456",
    "count": 3,
    "users.csv": [{"user": "ann", "password": "a, b"}, {"user": "bob", "password": "x"}],
}
SCRIPT = OnceScript(script="prepare.py", limit_s=30)


def plan(workers: int = 2) -> Plan:
    execution = planned("locust", "shop", concurrency=1, hold_for_s=1)
    return plan_of([execution], {}, workers=workers, setup=SCRIPT, teardown=SCRIPT).model_copy(
        update={"files": {"users.csv": "0" * 64}}
    )


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def once(store: FolderStore, worker: str = "local-1", attempt: str = "a", clock: SteppedClock | None = None) -> Once:
    return Once(store, plan(), worker, attempt, clock or SteppedClock())


def never() -> dict[str, object]:
    raise AssertionError("it runs twice")


def ended(store: FolderStore, step: str) -> StepRecord:
    key = step_key(RUN, "local-1", step, "ended")
    return StepRecord.from_json(store.get(key), key)


def test_all_workers_get_what_one_worker_prepared(store):
    clock = SteppedClock()
    given: list[object] = []
    clock.meanwhile = lambda now: (
        given.append(once(store).given(lambda: VALUES)) if now > 1_700_000_010 and not given else None
    )
    assert once(store, "local-2", "b", clock).given(never) == VALUES
    assert given == [VALUES]
    assert once(store).given(never) == VALUES


@pytest.mark.parametrize("worker", ["local-1", "local-2"])
def test_all_workers_get_the_failure_of_setup(store, worker):
    def fails() -> None:
        raise ValueError("no shop")

    with pytest.raises(InfrastructureError):
        once(store).given(fails)
    with pytest.raises(InfrastructureError, match="no shop") as failed:
        once(store, worker).given(never)
    assert failed.value.code == "setup-failed"


def test_an_attempt_after_a_lost_setup_neither_repeats_it_nor_waits(store):
    store.put_once(
        step_key(RUN, "local-1", "setup", "begun"), StepRecord(worker="local-1", attempt="a", at=0.0).to_json()
    )
    clock = SteppedClock()
    with pytest.raises(InfrastructureError) as failed:
        once(store, attempt="second", clock=clock).given(never)
    assert failed.value.code == "setup-failed"
    assert clock.now() < 1_700_000_001


def test_workers_do_not_wait_for_a_setup_without_end(store):
    clock = SteppedClock()
    with pytest.raises(InfrastructureError):
        once(store, "local-2", clock=clock).given(never)
    assert clock.now() - 1_700_000_000 == pytest.approx(plan().pace.ready_timeout_s, abs=1)


def test_teardown_gets_the_values_once_and_leaves_its_failure(store):
    seen: list[object] = []

    def fails(given: object) -> None:
        seen.append(given)
        raise ValueError("still there")

    once(store).given(lambda: VALUES)
    for _ in range(2):
        once(store, attempt="t").tear_down(fails)
    assert seen == [VALUES]
    assert "still there" in ended(store, "teardown").failure


def test_teardown_after_a_failed_setup_gets_nothing(store):
    with pytest.raises(InfrastructureError):
        once(store).given(lambda: 7)
    seen: list[object] = []
    once(store, attempt="t").tear_down(seen.append)
    assert seen == [{}]


@pytest.mark.parametrize(
    "values",
    [
        7, None, [], {"PATH": "x"}, {"a b": "x"}, {"x": None}, {"x": {"y": 1}}, {"x": "\0"}, {"other.csv": [{"a": 1}]},
        {"users.csv": []}, {"users.csv": [{"a": 1}, {"b": 1}]}, {"users.csv": [{}]}, {"users.csv": [{"a": [1]}]},
        dict.fromkeys((f"v{number}" for number in range(201)), 1),
    ],
)  # fmt: skip
def test_unusable_values_are_a_failure(values):
    with pytest.raises(InfrastructureError) as failed:
        checked(values, {"users.csv"})
    assert failed.value.code == "setup-failed"


def test_values_become_variables_and_rows(tmp_path):
    (tmp_path / "users.csv").write_text("user,password\n")
    write_rows(VALUES, tmp_path)
    assert (tmp_path / "users.csv").read_text() == 'user,password\nann,"a, b"\nbob,x\n'
    assert variables_of({**VALUES, "on": True}) == {"token": "tok-123456", "count": "3", "on": "true"}


def test_values_are_hidden_unless_they_are_short_words_or_addresses():
    given = {
        "token": "abcdef",
        "id": "order-17",
        "n": 12,
        "where": "http://shop/",
        "stage": "staging",
        "users.csv": [{"user": "ann-1234", "password": "hunter2!"}],
    }
    assert hidden_of(given) == (["abcdef", "order-17"], ["hunter2!"])


def test_a_script_sees_the_environment_of_the_suite():
    suite = plan().model_copy(
        update={"common": {"settings": {"env": {"SHOP": "http://${HOST}/", "HOST": "a", "NO": None}}}}
    )
    seen = environment_of(suite, {"HOST": "shop", "NO": "1"}, {"TOKEN": "t"})
    assert seen == {"SHOP": "http://shop/", "HOST": "a", "NO": "1", "TOKEN": "t"}


# Scripts, in processes of their own


def called(folder: Path, body: str, limit_s: float = 30.0) -> object:
    (folder / "prepare.py").write_text(
        f"import beside\ndef setup():\n    {body}\ndef teardown(given):\n    print(given['n'])\n"
    )
    (folder / "beside.py").write_text("N = 5\n")
    return call(OnceScript(script="prepare.py", limit_s=limit_s), "setup", None, folder, folder / "logs", os.environ)


def test_a_script_runs_in_the_folder_of_its_suite(tmp_path):
    assert called(tmp_path, "import os; return {'n': beside.N, 'here': os.path.exists('beside.py')}") == {
        "n": 5,
        "here": True,
    }
    call(SCRIPT, "teardown", {"n": 8}, tmp_path, tmp_path / "logs", os.environ)
    assert (tmp_path / "logs" / "teardown.log").read_text() == "8\n"


@pytest.mark.parametrize(
    ("body", "limit_s"),
    [
        ("raise ValueError('no shop')", 30.0),
        ("import os; os._exit(0)", 30.0),
        ("raise SystemExit(0)", 30.0),
        ("import time; time.sleep(60)", 0.5),
        ("return 'x' * (1 << 20)", 30.0),
        ("return {'x': float('nan')}", 30.0),
    ],
)
def test_a_script_without_a_usable_result_has_failed(tmp_path, body, limit_s):
    with pytest.raises(InfrastructureError) as failed:
        called(tmp_path, body, limit_s)
    assert failed.value.code == "setup-failed"


def test_teardown_may_have_no_parameter(tmp_path):
    (tmp_path / "prepare.py").write_text("def teardown(): print('gone')")
    call(SCRIPT, "teardown", {"n": 8}, tmp_path, tmp_path, os.environ)
    assert (tmp_path / "teardown.log").read_text() == "gone\n"


def test_a_script_without_the_function_has_failed(tmp_path):
    (tmp_path / "prepare.py").write_text("")
    with pytest.raises(InfrastructureError) as failed:
        call(SCRIPT, "teardown", {}, tmp_path, tmp_path, os.environ)
    assert failed.value.code == "teardown-failed"


def test_the_values_are_outside_of_the_run(store):
    once(store).given(lambda: VALUES)
    assert json.loads(store.get(given_key(RUN, "local-1/setup.json"))) == VALUES
    assert not [key for key in store.keys(f"runs/{RUN}/") if "tok-123456" in store.get(key).decode()]
