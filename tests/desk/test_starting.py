"""Requested runs: one run for a repeated request, and a record of each request that cannot run."""

import pytest

from tests.launchers.stage import REGION, deployment
from tests.refusals import refused
from tests.runs.test_suites import SUITE, saved
from toril.clock import SystemClock
from toril.desk.runs import ask_to_stop
from toril.desk.starting import estimate, planned, request_run
from toril.errors import OptionError, RunOverError, StoreError, SuiteError
from toril.plan.options import RunOptions
from toril.records import run_key
from toril.runs import requests
from toril.runs.activity import starting, unfinished
from toril.runs.requests import failure_of, options_of, requested_suite
from toril.store import FolderStore

AT = 1_700_000_000.0
NIGHT = RunOptions(workers=2, tags={"night": "yes"}, overrides=("execution.0.hold-for=7s",))


@pytest.fixture
def store(tmp_path) -> FolderStore:
    found = FolderStore(tmp_path / "store")
    saved(found, {"suite.yml": SUITE})
    return found


def test_a_request_keeps_its_options_and_the_suites_version(store):
    request = request_run(store, "shop", NIGHT, by="anna", at=AT)
    saved(store, {"suite.yml": SUITE.replace(b"5s", b"50s")})
    assert requests.requested(store, request.run_id) == request
    plan = planned(store, request)
    assert (plan.run_id, len(plan.shares), plan.duration_s) == (request.run_id, 2, 7.0)
    assert plan.tags == {"night": "yes", "suite-version": "1"}
    assert options_of(request).on == "local"


def test_a_repeated_request_is_the_first_one(store):
    first = request_run(store, "shop", NIGHT, by="anna", at=AT, key="k")
    saved(store, {"suite.yml": SUITE.replace(b"5s", b"50s")})
    assert request_run(store, "shop", NIGHT, by="anna", at=AT + 60, key="k") == first
    assert request_run(store, "shop", NIGHT, by="berta", at=AT, key="k").run_id != first.run_id
    assert request_run(store, "shop", NIGHT, by="anna", at=AT, key="l").run_id != first.run_id
    with refused("idempotency-mismatch", first.run_id, error=OptionError):
        request_run(store, "shop", RunOptions(), by="anna", at=AT, key="k")
    with refused("idempotency-mismatch", error=OptionError):
        request_run(store, "shop", NIGHT, by="anna", at=AT, key="k", version=2)


def test_a_repeated_request_completes_one_that_was_cut_off(store):
    class Cut(FolderStore):
        def put_once(self, key, data):
            if key.startswith("requests/2"):
                raise StoreError("no answer", code="unreachable")
            return super().put_once(key, data)

    with refused("unreachable"):
        request_run(Cut(store.folder), "shop", NIGHT, by="anna", at=AT, key="k")
    again = request_run(store, "shop", NIGHT, by="anna", at=AT + 9, key="k")
    assert (again.at, requests.requested(store, again.run_id)) == (AT, again)


def test_a_request_that_cannot_run_is_refused_at_once(store):
    with pytest.raises(SuiteError):
        request_run(store, "shop", RunOptions(overrides=("execution.0.hold-for=x",)), by="anna", at=AT, key="k")
    with refused("no-such-suite"):
        request_run(store, "shop", NIGHT, by="anna", at=AT, version=7)
    assert list(store.keys("requests/")) == []


def starting_at(store, now):
    return [one.row.run_id for one in unfinished(store, now) if one.state == "starting"]


def test_a_requested_run_is_starting_until_its_plan_or_failure(store):
    old = request_run(store, "shop", NIGHT, by="anna", at=AT)
    new = request_run(store, "shop", NIGHT, by="anna", at=AT + 100)
    assert starting_at(store, AT + 200) == [new.run_id, old.run_id]
    store.put(run_key(new.run_id, "plan.json"), b"{}")
    with refused("no-workers"), requested_suite(store, old, SystemClock()):
        raise OptionError("no workers", code="no-workers")
    assert starting_at(store, AT + 200) == []
    failure = failure_of(store, old.run_id)
    assert failure is not None
    assert (failure.code, failure.message) == ("no-workers", "no workers")
    assert failure_of(store, new.run_id) is None


def test_a_run_is_no_longer_starting_when_its_starter_is_silent_for_ten_minutes(store):
    request_run(store, "shop", NIGHT, by="anna", at=AT)
    assert [len(starting_at(store, AT + after_s)) for after_s in (599, 601)] == [1, 0]


def test_a_damaged_request_hides_no_other_run(store):
    request = request_run(store, "shop", NIGHT, by="anna", at=AT)
    store.put(f"requests/{request.run_id}.json", b"{")
    other = request_run(store, "shop", NIGHT, by="anna", at=AT + 1)
    assert [(one.row.run_id, one.state) for one in starting(store, AT + 2, ())] == [
        (other.run_id, "starting"),
        (request.run_id, "unreadable"),
    ]


def test_a_request_of_a_deleted_suite_fails_with_its_reason(store):
    request = request_run(store, "shop", NIGHT, by="anna", at=AT)
    store.delete("versions/shop/")
    with refused("no-such-suite"), requested_suite(store, request, SystemClock()):
        pass
    failure = failure_of(store, request.run_id)
    assert failure is not None
    assert failure.code == "no-such-suite"


def test_a_cancelled_request_begins_no_run(store):
    request = request_run(store, "shop", NIGHT, by="anna", at=AT)
    assert "will not begin" in ask_to_stop(store, request.run_id, AT, by="berta")
    assert starting_at(store, AT) == []
    with refused("run-over", error=RunOverError), requested_suite(store, request, SystemClock()):
        raise AssertionError
    failure = failure_of(store, request.run_id)
    assert failure is not None
    assert failure.code == "cancelled"


def test_an_estimate_has_workers_start_and_price(store):
    local = estimate(store, planned(store, request_run(store, "shop", NIGHT, by="anna", at=AT)), {})
    assert (dict(local.workers), local.usd, local.start_s) == ({"local": 2}, 0.0, None)
    store.put(f"deployments/{REGION}.json", deployment().to_json())
    options = RunOptions(on="fargate", workers=2, locations={REGION: "1"})
    remote = estimate(store, planned(store, request_run(store, "shop", options, by="anna", at=AT)), {})
    assert dict(remote.workers) == {REGION: 2}
    assert remote.start_s is not None
    assert remote.start_s > 10
    assert 0 < remote.usd < 1
