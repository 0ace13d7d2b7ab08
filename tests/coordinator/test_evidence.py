"""Merging what workers kept: nothing depends on their order, and no label displaces the others."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.measured import plan_of
from tests.tiers import examples
from toril.coordinator.evidence import chosen, gathered
from toril.records import Exit, Keeping, worker_key
from toril.records.document import document
from toril.records.evidence import MOST_BYTES_OF_EVIDENCE, MOST_EXCHANGES, Content, Exchange, Exchanges
from toril.store import FolderStore

KEEPING = Keeping(failures=2, slowest=("", "pay"))
PLAN = plan_of(workers=2).model_copy(update={"keeping": KEEPING})
ATTEMPTS = {"local-1": "aa", "local-2": "bb"}


def failure(at_s=1.0, label="pay", error="503", worker="local-1", **fields):
    return Exchange(
        why="failure",
        label=label,
        error=error,
        rc="503",
        ok=False,
        worker=worker,
        location="local",
        at_s=at_s,
        **fields,
    )


def slow(response_us, label="pay", **fields):
    return Exchange(why="slowest", label=label, worker="local-1", location="local", response_us=response_us, **fields)


def put(store, exchanges, worker="local-1", number=1, **fields):
    record = {"run_id": PLAN.run_id, "worker": worker, "exchanges": tuple(exchanges), **fields}
    store.put(
        worker_key(PLAN.run_id, worker, ATTEMPTS[worker], f"evidence-{number:06d}"), document(Exchanges(**record))
    )


def merged(store, exits):
    found = gathered(store, PLAN, ATTEMPTS, exits)
    assert found is not None
    return found


def ended(worker, files):
    return Exit(worker=worker, attempt=ATTEMPTS[worker], at=0.0, outcome="finished", evidence_files=files)


kept_ones = st.lists(
    st.builds(
        lambda at, label, error, worker, why, us: replace(
            failure(at / 10, label, error, worker), why=why, response_us=us
        ),
        st.integers(0, 50),
        st.sampled_from(["pay", "home", "cart"]),
        st.sampled_from(["503", "timeout"]),
        st.sampled_from(["local-1", "local-2"]),
        st.sampled_from(["failure", "slowest"]),
        st.integers(1, 1000),
    ),
    max_size=30,
)


@examples(200)
@given(parts=st.lists(kept_ones, max_size=4), data=st.data())
def test_the_order_of_workers_and_parts_does_not_matter(parts, data):
    every = [one for part in parts for one in part]
    at_once, _ = chosen(every, KEEPING)
    by_parts: list[Exchange] = []
    for part in data.draw(st.permutations(parts)):
        by_parts, _ = chosen([*part, *by_parts], KEEPING)
    assert by_parts == at_once
    failures = [one for one in at_once if one.why == "failure"]
    for kind in {(one.label, one.error) for one in every if one.why == "failure"}:
        of_kind = sorted(one.at_s for one in every if one.why == "failure" and (one.label, one.error) == kind)
        assert sorted(one.at_s for one in failures if (one.label, one.error) == kind) == of_kind[:2]
    slowest = [one for one in every if one.why == "slowest"]
    assert max((one.response_us for one in slowest), default=0) == max(
        (one.response_us for one in at_once if one.why == "slowest"), default=0
    )


def test_a_label_with_many_errors_does_not_displace_the_others():
    noisy = [failure(0.0, "pay", f"error {number}") for number in range(2 * MOST_EXCHANGES)]
    quiet = [failure(99.0, "home", f"error {number}") for number in range(20)]
    found, left_out = chosen([*noisy, *quiet], KEEPING)
    assert set(quiet) <= set(found)
    assert (len(found), left_out) == (MOST_EXCHANGES, MOST_EXCHANGES + 20)


def test_both_arms_of_a_duet_have_their_own_first_failures():
    arms = [failure(at, notes=(f"arm {arm}",)) for arm, at in ((1, 1.0), (1, 2.0), (1, 3.0), (2, 8.0))]
    assert sorted(one.at_s for one in chosen(arms, KEEPING)[0]) == [1.0, 2.0, 8.0]


def test_a_try_keeps_every_request_in_order():
    ones = [replace(failure(9 - number), why="tried") for number in range(9)]
    assert [one.at_s for one in chosen(ones, Keeping(everything=True))[0]] == list(range(1, 10))


def test_files_of_all_workers_are_merged_whether_they_ended_or_were_lost(tmp_path):
    store = FolderStore(tmp_path)
    put(store, [failure(1.0), failure(2.0), slow(70)], left_out=4)
    put(store, [slow(90)], number=2)
    put(store, [failure(0.5, worker="local-2")], worker="local-2")
    found = merged(store, {"local-1": ended("local-1", 2)})
    assert [(one.why, one.at_s, one.response_us) for one in found.exchanges] == [
        ("failure", 0.5, 0), ("failure", 1.0, 0), ("slowest", 0.0, 90),
    ]  # fmt: skip
    assert (found.left_out, found.left_out_workers) == (4, 0)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: None,
        lambda data: data[:-9],
        lambda data: data.replace(b'"local-2"', b'"local-1"'),
        lambda data: data.replace(PLAN.run_id.encode(), b"other"),
        lambda data: data.replace(b'"rc": "503"', b'"rc": 503'),
        lambda data: data + b" " * (1 << 20),
        lambda data: b"[" * 100_000,
    ],
    ids=["missing", "cut", "another worker's", "another run's", "wrong type", "too large", "deep"],
)
def test_a_damaged_file_is_counted_and_spoils_no_other(tmp_path, damage):
    store = FolderStore(tmp_path)
    put(store, [failure(1.0)])
    put(store, [failure(2.0, worker="local-2")], worker="local-2")
    key = worker_key(PLAN.run_id, "local-2", "bb", "evidence-000001")
    data = damage(store.get(key))
    store.delete_many([key]) if data is None else store.put(key, data)
    found = merged(store, {worker: ended(worker, 1) for worker in ATTEMPTS})
    assert [one.at_s for one in found.exchanges] == [1.0]
    assert found.left_out_workers == 1


def test_credentials_that_a_worker_did_not_mask_are_masked(tmp_path):
    store = FolderStore(tmp_path)
    put(
        store,
        [
            failure(
                url="https://joe:hunter22@shop.example/?token=hunter22",
                request_headers=(("Authorization", "Bearer hunter22"), ("Cookie", "sid=hunter22")),
                response=Content(text='{"password": "hunter22"}'),
            )
        ],
    )
    found = merged(store, {"local-1": ended("local-1", 1)})
    assert b"hunter22" not in document(found)
    assert found.exchanges[0].request_headers[1] == ("Cookie", "sid=***")


def test_the_merged_file_can_be_read_again_however_large_bodies_are(tmp_path):
    store = FolderStore(tmp_path)
    body = Content(text='{"é": "' + "x" * 60_000 + '"}')
    for number in range(1, 26):
        label = f"label {number}"
        put(store, [failure(number, label, str(one), response=body) for one in range(12)], number=number)
    found = merged(store, {"local-1": ended("local-1", 25)})
    data = document(found)
    assert len(data) <= MOST_BYTES_OF_EVIDENCE
    assert Exchanges.from_json(data, "evidence.json") == found
    assert len(found.exchanges) + found.left_out == 300
    assert len({one.label for one in found.exchanges}) == 25


def test_a_run_that_keeps_nothing_has_no_evidence(tmp_path):
    store = FolderStore(tmp_path)
    assert gathered(store, plan_of(), {}, {}) is None
    assert gathered(store, PLAN, ATTEMPTS, {"local-1": ended("local-1", 0)}) is None
