"""Hostile files of a worker: the run is judged without them, in bounded time and memory, and never passes.

A suite is foreign code that runs beside the worker and has the worker's permissions.
"""

import json
import os
import resource
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.duets import Measured, file_of, planned
from tests.functional.tested import case
from tests.measured import START, execution, plan_of
from tests.pathological.brute import flushed
from tests.tiers import examples
from toril.coordinator.fold import Fold
from toril.records import CaseFile, Exit, Kept, Plan, Ready, Start, digest_of, encode_cases, run_key, worker_key
from toril.records.document import document
from toril.reports import Bundle
from toril.runs.conclude import judge_again
from toril.runs.stored import fetch, judged, listing
from toril.store import FolderStore
from toril.timeline.intervals import MAX_PACKED, Recorder, decode
from toril.timeline.intervals.format import HEAD, MAX_UNPACKED, TABLES, encode
from toril.verdict.rules import MOST_NAMED

SAMPLES, FILES = 20, 2  # of each worker
MOST_BYTES = 1 << 20  # of a summary of such a short run
MOST_CPU_S = 8.0  # for four readers, which usually need one second
MOST_KIB = 400 << 10  # of additional memory
PLAN = plan_of("avg-rt>10s", workers=2, executions=[execution(hold_for_s=10.0)])
FUNCTIONAL = PLAN.model_copy(update={"functional": True})


def recorded(worker: str) -> list[bytes]:
    recorder = Recorder(worker, "local")
    recorder.generator(cores=2.0, single_threaded=True)
    recorder.resolution("shop", 1000)
    files = []
    for number in range(FILES):
        for position in range(SAMPLES // FILES):
            second = 5 * number + position / 2
            recorder.add_one(
                "shop", completed_s=second, label=f"page {position % 3}", response_us=1000 * position, rc="200",
                ok=position != 4, message="no" if position == 4 else "", ttfb_us=10, bytes=7,
            )  # fmt: skip
        recorder.virtual_users(5 * number, "shop", 5)
        recorder.health(5 * number, 0.1, 0.1, 1 << 20, 0.0, machine=0.2, sockets=4)
        if number == FILES - 1:
            recorder.unfinished(9, "shop", "page 1", 1, 1000)
        files += flushed(recorder)
    return files


INTERVALS = {share.worker: recorded(share.worker) for share in PLAN.shares}
CASES = encode_cases(CaseFile("local-2", 1, [case("one", execution="shop"), case("two", execution="shop")]))


REPORT = {
    "samples": SAMPLES, "unfinished": 1, "dropped": 0, "queued_s": 0.0, "ended_s": 10.0, "unfinished_users": 0,
    "own_shape": False, "script_errors": {}, "script_failed": "", "missing_values": [], "note": "It is so.",
}  # fmt: skip


def exit_of(worker: str, plan: Plan = PLAN, **more: Any) -> Exit:
    values: dict[str, Any] = {
        "worker": worker, "attempt": "a", "at": START + 11, "outcome": "finished", "interval_files": FILES,
        "samples": SAMPLES, "last_sample_s": 9.5, "engine_exit_codes": {"shop": 0},
        "first_sample_lateness_s": {"shop": 0.1}, "executions": {"shop": REPORT},
        "case_files": int(plan.functional and worker == "local-2"),
        "kept": (Kept(execution="shop", label="page 1", message="no", at_s=2.0, files=("failures/0-1.txt",)),),
    }  # fmt: skip
    return Exit.model_validate(values | more)


def ready_of(worker: str) -> Ready:
    return Ready(worker=worker, attempt="a", at=START - 2, toril_version="0", pid=1, clock_uncertainty_s=0.01)


def key(name: str, worker: str = "local-2") -> str:
    return worker_key(PLAN.run_id, worker, "a", name)


def stored(folder: Path, changes: dict[str, bytes | None], plan: Plan = PLAN) -> FolderStore:
    """Returns a store with a good run, except for these files of local-2; None: no file."""
    store = FolderStore(folder)
    store.put(run_key(plan.run_id, "plan.json"), plan.to_json())
    store.put(run_key(plan.run_id, "start.json"), Start(at=START, attempts={"local-1": "a", "local-2": "a"}).to_json())
    for worker, files in INTERVALS.items():
        left: dict[str, bytes | None] = {
            "ready.json": ready_of(worker).to_json(),
            "exit.json": exit_of(worker, plan).to_json(),
            "failures/0-1.txt": b"a response",
            **{f"intervals-{number:06d}": data for number, data in enumerate(files, 1)},
        }
        if worker == "local-2":
            left |= ({"tests-000001": CASES} if plan.functional else {}) | changes
        for name, data in left.items():
            if data is not None:
                (path := folder / key(name, worker)).parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
    return store


def judged_by_all(store: FolderStore, plan: Plan = PLAN) -> Bundle:
    """Judges the run by all readers of runs, within bounds; returns the first judgement."""
    before_kib, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    live = Fold(store, plan, {"local-1": "a", "local-2": "a"})
    live.poll_before_start()
    for second in range(3):
        live.poll(START + 100 * second, ending=second == 2)
    live.finish()
    bundle = judge_again(store, plan.run_id)
    assert judged(store, plan.run_id, START + 1e6).outcome == bundle.outcome
    assert [row.state for row in listing(store, START + 1e6)] == [bundle.outcome]
    assert sorted(bundle.summary.workers.damaged_files) == sorted(live.damaged)
    assert len(document(bundle.summary.to_dict())) < MOST_BYTES
    assert time.process_time() - began < MOST_CPU_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < MOST_KIB
    return bundle


# ── files that broke toril once


def rebuilt(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Returns an interval file with another body and a matching header."""
    body = change(zlib.decompress(data[HEAD.size :]))
    packed = zlib.compress(body)
    head = HEAD.pack(b"torili", 1, len(packed), len(body), 0)[:-4]
    return head + struct.pack("<I", zlib.crc32(packed, zlib.crc32(head))) + packed


def with_names(change: Callable[[dict[str, Any]], object], data: bytes = INTERVALS["local-2"][1]) -> bytes:
    def changed(body: bytes) -> bytes:
        (length,) = struct.unpack_from("<I", body)
        names = json.loads(body[4 : 4 + length])
        change(names)
        header = json.dumps(names).encode()
        return struct.pack("<I", len(header)) + header + body[4 + length :]

    return rebuilt(data, changed)


def at_second(second: int) -> bytes:
    recorder = Recorder("local-2", "local")
    recorder.files = 1
    recorder.add_one("shop", completed_s=second, label="late", response_us=1)
    return recorder.flush() or b""


def elsewhere(**changes: Any) -> bytes:
    recorder = Recorder(changes.get("worker", "local-2"), changes.get("location", "local"))
    recorder.files = changes.get("files", 1)
    recorder.add_one(
        changes.get("execution", "shop"), completed_s=1, label="x", response_us=1, arm=changes.get("arm", 0)
    )
    return recorder.flush() or b""


KEPT = '[{"execution": "shop", "label": "", "message": "", "at_s": 1, "files": ["%s"]}]'


def exit_with(name: str, token: str) -> bytes:
    """Returns an exit.json with this JSON instead of a value."""
    left = json.loads(exit_of("local-2").to_json())
    return json.dumps(left | {name: "@@"}).replace('"@@"', token).encode()


def report_with(name: str, token: str) -> bytes:
    """Returns an exit.json with this JSON in an engine's report."""
    return exit_with("executions", json.dumps({"shop": REPORT | {name: "@@"}}).replace('"@@"', token))


SECOND = "intervals-000002"
BROKEN: dict[str, dict[str, bytes | None]] = {
    "a count of files without end": {"exit.json": exit_with("interval_files", "1000000000000")},
    "a count of files that are not there": {"exit.json": exit_with("interval_files", "999999")},
    "a count below 0": {"exit.json": exit_with("interval_files", "-1")},
    "a name with too many digits": {"intervals-999999999999": b""},
    "a name with superscript digits": {"intervals-²": b""},
    "a name with foreign digits": {"intervals-٠٠٠٠٠٣": INTERVALS["local-2"][0]},
    "a second far away": {SECOND: at_second((1 << 21) - 1)},
    "a second after the end": {SECOND: at_second(100_000)},
    "a health reading far away": {SECOND: with_names(lambda names: names["vitals"][0].__setitem__(0, (1 << 21) - 1))},
    "a last sample far away": {"exit.json": exit_with("last_sample_s", "1e12")},
    "a kept file elsewhere": {"exit.json": exit_with("kept", KEPT % "../../x.jpg")},
    "a kept page": {"exit.json": exit_with("kept", KEPT % "evil.html")},
    "a time that is not a number": {"exit.json": exit_with("last_sample_s", "NaN")},
    "a time that overflows to infinity": {"exit.json": exit_with("at", "1e999")},
    "a number without end": {"exit.json": exit_with("samples", "9" * 5000)},
    "nesting": {"exit.json": exit_with("message", "[" * 100_000 + "]" * 100_000)},
    "many small parts": {"exit.json": exit_with("later", "[" + "[]," * 1_000_000 + "0]")},
    "a lone surrogate": {"exit.json": exit_with("message", '"\\ud800"')},
    "a duplicate name": {"exit.json": exit_with("samples", '20, "samples": 20')},
    "no UTF-8": {"exit.json": b"\xff\xfe{}"},
    "no object": {"exit.json": b"[]"},
    "a turn far away": {"exit.json": report_with("queued_s", "1e10")},
    "a turn before the start": {"exit.json": report_with("queued_s", "-1e10")},
    "an end far away": {"exit.json": report_with("ended_s", "1e10")},
    "script errors below 0": {"exit.json": report_with("script_errors", '{"x": -1}')},
    "a note that is too long": {"exit.json": report_with("note", '"' + "x" * 20_000 + '"')},
    "reports of unknown executions": {"exit.json": exit_with("executions", '{"other": {}}')},
    "lateness of unknown executions": {"exit.json": exit_with("first_sample_lateness_s", '{"other": 1e9}')},
    "waits far away": {SECOND: with_names(lambda names: names.update(waits=[[(1 << 21) - 1], [0], [0], [1], [1]]))},
    "a wait without end": {SECOND: with_names(lambda names: names.update(waits=[[9], [0], [0], [1 << 41], [1]]))},
    "more waits than unfinished requests": {
        SECOND: with_names(lambda names: names["waits"].__setitem__(-1, [1 << 52] * len(names["waits"][-1])))
    },
    "waits of a label without unfinished requests": {
        SECOND: with_names(lambda names: names["waits"].__setitem__(2, [0] * len(names["waits"][-1])))
    },
    "waits of an unknown label": {SECOND: with_names(lambda names: names.update(waits=[[9], [0], [99], [1], [1]]))},
    "another worker's exit.json": {"exit.json": exit_of("local-1").to_json()},
    "an exit.json that is too long": {"exit.json": exit_with("message", '"' + "x" * (1 << 24) + '"')},
    "too long a text": {"exit.json": exit_with("message", '"' + "x" * 20_000 + '"')},
    "ready with an endless clock": {"ready.json": ready_of("local-2").to_json().replace(b"0.01", b"1e999")},
    "ready of another": {"ready.json": ready_of("local-1").to_json()},
    "ready without end": {"ready.json": b"[" * 500_000},
    "names of wrong types": {SECOND: with_names(lambda names: names.update(worker=[], number="²", labels=5))},
    "a number that is a text": {SECOND: with_names(lambda names: names.update(number="000002"))},
    "labels of wrong types": {SECOND: with_names(lambda names: names.update(labels=[[]] * len(names["labels"])))},
    "a resolution that is a text": {SECOND: with_names(lambda names: names.update(resolution_us={"shop": "x"}))},
    "unreadable records without end": {SECOND: with_names(lambda names: names.update(unreadable=1 << 70))},
    "a generator of lists": {SECOND: with_names(lambda names: names.update(generator={"memory_limit_bytes": []}))},
    "a series of nothing": {SECOND: with_names(lambda names: names.update(series=[[-1] * 7] * len(names["series"])))},
    "tables without end": {SECOND: with_names(lambda names: names.update(tables=[[1 << 40, 1]] * len(TABLES)))},
    "tables of no size": {SECOND: with_names(lambda names: names.update(tables=[["x", 1]] * len(TABLES)))},
    "zeros without end": {SECOND: rebuilt(INTERVALS["local-2"][1], lambda _: bytes(MAX_UNPACKED + 1))},
    "a file that is too long": {SECOND: INTERVALS["local-2"][1] + bytes(MAX_PACKED)},
    "an unknown execution": {SECOND: elsewhere(execution="other")},
    "an arm of no duet": {SECOND: elsewhere(arm=1)},
    "another location": {SECOND: elsewhere(location="moon")},
    "another worker": {SECOND: elsewhere(worker="local-1")},
    "another number": {SECOND: elsewhere(files=6)},
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_bad_file_is_reported_and_left_out(tmp_path, name):
    bundle = judged_by_all(stored(tmp_path, BROKEN[name]))
    assert bundle.outcome == "inconclusive"
    assert "damaged-file" in {reason.code for reason in bundle.verdict.reasons}
    assert len(bundle.summary.workers.damaged_files) <= 2
    assert not any("html" in file for one in bundle.summary.first_failures for file in one.files)


def test_the_same_run_without_a_bad_file_passes(tmp_path):
    bundle = judged_by_all(stored(tmp_path, {}))
    assert (bundle.outcome, bundle.summary.workers.damaged_files) == ("passed", ())


@pytest.mark.parametrize(
    ("name", "token"), [("at", str(-(1 << 35))), ("at", str(1 << 35)), ("ended_s", str(-(1 << 35)))]
)
def test_extreme_times_within_their_bounds_are_accepted(tmp_path, name, token):
    left = json.loads(exit_with(name, token) if name == "at" else report_with(name, token))
    if name == "at":
        del left["executions"]
    bundle = judged_by_all(stored(tmp_path, {"exit.json": json.dumps(left).encode()}))
    assert (bundle.outcome == "passed") == (token == str(1 << 35))


def test_script_errors_of_many_labels_give_a_limited_number_of_reasons(tmp_path):
    errors = json.dumps({f"page {number}": number for number in range(10_000)})
    bundle = judged_by_all(stored(tmp_path, {"exit.json": report_with("script_errors", errors)}))
    assert {reason.code for reason in bundle.verdict.reasons} == {"script-errors"}
    assert len(bundle.verdict.reasons) == MOST_NAMED + 1


def test_many_bad_files_give_a_limited_list(tmp_path):
    store = stored(tmp_path, {f"intervals-x{number}": b"" for number in range(3000)})
    bundle = judged_by_all(store)
    assert bundle.outcome == "inconclusive"
    assert len(bundle.summary.workers.damaged_files) == 1001


def test_a_named_pipe_instead_of_a_file_blocks_no_reader(tmp_path):
    store = stored(tmp_path, {"exit.json": None})
    os.mkfifo(tmp_path / key("exit.json"))
    assert judged_by_all(store).outcome == "inconclusive"


# ── foreign files


def own(files: list[bytes], **more: Any) -> dict[str, bytes | None]:
    return {"exit.json": exit_of("local-2", interval_digests="".join(map(digest_of, files)), **more).to_json()}


def foreign(samples: int = 2000) -> bytes:
    """Returns a valid file to replace the second one."""
    recorder = Recorder("local-2", "local")
    recorder.files = 1
    for _ in range(samples):
        recorder.add_one("shop", completed_s=6.5, label="page 0", response_us=1000)
    return recorder.flush() or b""


def test_a_foreign_file_is_damaged_and_left_out(tmp_path):
    bundle = judged_by_all(stored(tmp_path, {**own(INTERVALS["local-2"]), SECOND: foreign()}))
    assert bundle.outcome == "inconclusive"
    assert bundle.summary.total.samples == 2 * SAMPLES - SAMPLES // FILES


def test_a_breach_in_a_foreign_file_does_not_fail_the_run(tmp_path):
    recorder = Recorder("local-2", "local")
    recorder.files = 1
    for _ in range(2000):
        recorder.add_one("shop", completed_s=6.5, label="page 0", response_us=20_000_000)
    bundle = judged_by_all(stored(tmp_path, {**own(INTERVALS["local-2"]), SECOND: recorder.flush()}))
    assert bundle.outcome == "inconclusive"


def test_an_additional_file_that_was_read_live_is_left_out_at_the_end(tmp_path):
    elsewhere_plan = PLAN.model_copy(update={"on": "fargate"})
    store = stored(
        tmp_path, {**own(INTERVALS["local-2"][:1], interval_files=1, samples=10), "exit.json": None}, elsewhere_plan
    )
    live = Fold(store, elsewhere_plan, {"local-1": "a", "local-2": "a"})
    live.poll(START)
    assert live.timeline.select().total.samples == 2 * SAMPLES
    store.put(key("exit.json"), own(INTERVALS["local-2"][:1], interval_files=1, samples=10)["exit.json"] or b"")
    live.finish()
    assert live.timeline.select().total.samples == 2 * SAMPLES - SAMPLES // FILES


def test_more_samples_than_a_worker_recorded_make_the_run_inconclusive(tmp_path):
    bundle = judged_by_all(stored(tmp_path, {SECOND: foreign()}))
    assert bundle.outcome == "inconclusive"
    assert "surplus-samples" in {reason.code for reason in bundle.verdict.reasons}


@pytest.mark.parametrize("digests", ["0" * 15, "0" * 16, "x" * 32, "0" * 48])
def test_wrong_digests_make_an_exit_record_damaged(tmp_path, digests):
    bundle = judged_by_all(stored(tmp_path, {"exit.json": exit_with("interval_digests", f'"{digests}"')}))
    assert bundle.outcome == "inconclusive"


def test_foreign_test_cases_are_damaged_and_left_out(tmp_path):
    left = exit_of("local-2", FUNCTIONAL, case_digests=digest_of(CASES)).to_json()
    fine = judged_by_all(stored(tmp_path / "own", {"exit.json": left}, FUNCTIONAL), FUNCTIONAL)
    other = encode_cases(CaseFile("local-2", 1, [case("other", "failed", execution="shop")]))
    bundle = judged_by_all(stored(tmp_path / "not", {"exit.json": left, "tests-000001": other}, FUNCTIONAL), FUNCTIONAL)
    assert (fine.outcome, len(fine.summary.to_dict()["tests"]["cases"])) == ("passed", 2)
    assert (bundle.outcome, len(bundle.summary.to_dict()["tests"]["cases"])) == ("inconclusive", 0)


def test_a_file_that_cannot_be_copied_does_not_prevent_other_copies(tmp_path):
    store = stored(tmp_path / "there", {})
    into = FolderStore(tmp_path / "here")
    (tmp_path / "here" / key(SECOND)).mkdir(parents=True)
    copied, problems = fetch(store, PLAN.run_id, into)
    assert (copied, len(problems)) == (len(list(store.keys(""))) - 1, 1)


# ── random changes

TOKENS = [
    "NaN", "-Infinity", "1e999", "-1", "0", "1e12", "1e300", "1000000000000", "2097151", "9223372036854775808",
    "9" * 400, "9" * 5000, '"²"', '"\\ud800"', '"\\u0000"', '"../x"', '"evil.html"', "[]", "{}", "null", "true", "0.5",
    "[" * 50_000 + "]" * 50_000, '"' + "x" * 20_000 + '"', '{"a": 1, "a": 1}', "[[[]]]", '{"": null}', "[1, 2, 3]",
    '["x"]', '"shop"', "[[1, 2]]", "@", "",
]  # fmt: skip


def paths(found: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Returns the paths of the value and of all values in it."""
    below = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    return [path, *(one for name, value in below for one in paths(value, (*path, name)))]


def replaced(text: bytes, draw: Any) -> bytes:
    """Returns JSON with some values replaced, or with other or missing bytes."""
    for _ in range(draw(st.integers(1, 3))):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return text
        path = draw(st.sampled_from(paths(found)))
        at = found
        for name in path[:-1]:
            at = at[name]
        if path:
            at[path[-1]] = "@@"
        text = json.dumps(found if path else "@@").replace('"@@"', draw(st.sampled_from(TOKENS)), 1).encode()
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.binary(max_size=4)) + text[place + draw(st.integers(0, 4)) :]
    return text


def remade(data: bytes, draw: Any) -> bytes:
    """Returns an interval file with other names or numbers and a matching checksum."""

    def changed(body: bytes) -> bytes:
        (length,) = struct.unpack_from("<I", body)
        header, tables = body[4 : 4 + length], bytearray(body[4 + length :])
        if draw(st.booleans()):
            header = replaced(header, draw)
        else:
            for _ in range(draw(st.integers(1, 8))):
                tables[draw(st.integers(0, len(tables) - 1))] = draw(st.sampled_from([0, 1, 2, 127, 128, 255]))
        return struct.pack("<I", len(header)) + header + bytes(tables)

    return rebuilt(data, changed)


def wide(data: bytes, draw: Any) -> bytes:
    """Returns an interval file with numbers of any size in its tables."""
    interval = decode(data, "file")
    tables = {name: getattr(interval, name).copy() for name in TABLES if hasattr(interval, name)}
    tables["counts"] = interval.counts.astype("int64")[None].copy()
    tables["gaps"] = (interval.buckets.astype("int64") - [0, *interval.buckets[:-1].tolist()])[None] & 0xFFFF
    for _ in range(draw(st.integers(1, 3))):
        table = tables[draw(st.sampled_from(sorted(tables)))]
        if table.size:
            place = draw(st.integers(0, table.size - 1))
            table.reshape(-1)[place] = draw(
                st.sampled_from([0, 1, 255, 1 << 15, 1 << 21, 1 << 31, 1 << 40, (1 << 63) - 1])
            )
    body = zlib.decompress(data[HEAD.size :])
    names = json.loads(body[4 : 4 + struct.unpack_from("<I", body)[0]])
    del names["tables"]
    return encode(names, tables)


@st.composite
def changes(draw: Any) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    kinds = st.sampled_from(["exit", "ready", "interval", "wide", "cases", "name", "missing"])
    for kind in draw(st.lists(kinds, min_size=1, max_size=2, unique=True)):
        match kind:
            case "exit":
                left = exit_of("local-2", FUNCTIONAL, interval_digests="".join(map(digest_of, INTERVALS["local-2"])))
                found["exit.json"] = replaced(left.to_json(), draw)
            case "ready":
                found["ready.json"] = replaced(ready_of("local-2").to_json(), draw)
            case "interval":
                number = draw(st.integers(1, FILES))
                found[f"intervals-{number:06d}"] = remade(INTERVALS["local-2"][number - 1], draw)
            case "wide":
                found[SECOND] = wide(INTERVALS["local-2"][1], draw)
            case "cases":
                head, *rows = CASES.splitlines(keepends=True)
                place = draw(st.integers(0, len(rows)))
                lines = [head, *rows]
                lines[place] = replaced(lines[place], draw) + b"\n"
                found["tests-000001"] = b"".join(lines)
            case "name":
                stem = draw(st.sampled_from(["intervals-", "tests-", "failures/x"]))
                ending = draw(st.sampled_from(["", "²", "999999999999", "00000３", "999999", "000000", "1", "x/y"]))
                found[stem + ending] = draw(st.sampled_from([b"", CASES, *INTERVALS["local-2"]]))
            case "missing":
                found[draw(st.sampled_from(["exit.json", "ready.json", SECOND, "tests-000001"]))] = None
    return found


@examples(150)
@given(changes(), st.booleans())
def test_a_run_with_any_files_of_a_worker_is_judged(tmp_path_factory, changed, functional):
    plan = FUNCTIONAL if functional else PLAN
    bundle = judged_by_all(stored(tmp_path_factory.mktemp("run"), changed, plan), plan)
    if bundle.summary.workers.damaged_files:
        assert bundle.outcome != "passed"


@pytest.fixture(scope="module")
def duet(tmp_path_factory):
    """Returns a duet's plan, the only file of its worker, and its number of samples."""
    plan = planned(tmp_path_factory.mktemp("suite"), run_id=PLAN.run_id)
    assert plan.duet is not None
    samples = [Measured(turn.arm, turn.block, since) for turn in plan.duet.turns() for since in (0.5, 3.5, 9.5)]
    return plan, file_of(plan, samples), len(samples)


@examples(50)
@given(data=st.data())
def test_a_duet_with_any_files_of_a_worker_is_judged(tmp_path_factory, duet, data):
    plan, file, samples = duet
    store = FolderStore(tmp_path_factory.mktemp("run"))
    changed = data.draw(st.sampled_from([remade, wide]))(file, data.draw)
    reports = {one.name: REPORT | {"ended_s": one.steady_to_s} for one in plan.executions}
    left = exit_of(
        "local-1", interval_files=1, samples=samples, first_sample_lateness_s={}, executions=reports
    ).to_json()
    if data.draw(st.booleans()):
        left = replaced(left, data.draw)
    files = {"intervals-000001": changed, "exit.json": left, "ready.json": ready_of("local-1").to_json()}
    for name, content in files.items():
        store.put(key(name, "local-1"), content)
    store.put(run_key(plan.run_id, "plan.json"), plan.to_json())
    store.put(run_key(plan.run_id, "start.json"), Start(at=START, attempts={"local-1": "a"}).to_json())
    bundle = judge_again(store, plan.run_id)
    assert bundle.outcome != "passed"
    assert len(document(bundle.summary.to_dict())) < MOST_BYTES


def test_sums_over_a_duet_s_blocks_may_exceed_the_bounds_of_one_report(tmp_path, duet):
    plan, file, samples = duet
    store, most = FolderStore(tmp_path), (1 << 53) - 1
    report = REPORT | dict.fromkeys(("samples", "unfinished", "dropped", "unfinished_users"), most)
    reports = {one.name: report | {"script_errors": {"x": most}} for one in plan.executions}
    left = exit_of("local-1", interval_files=1, samples=samples, first_sample_lateness_s={}, executions=reports)
    for name, content in {"intervals-000001": file, "exit.json": left.to_json()}.items():
        store.put(key(name, "local-1"), content)
    store.put(run_key(plan.run_id, "plan.json"), plan.to_json())
    store.put(run_key(plan.run_id, "start.json"), Start(at=START, attempts={"local-1": "a"}).to_json())
    assert judge_again(store, plan.run_id).outcome == "inconclusive"
