"""Which requests engines keep, and how workers make files of them."""

import json
from functools import partial
from types import SimpleNamespace

import pytest

from toril.engines import keeping
from toril.engines.keeping import EMPTY, Keeper, traceparent
from toril.records import Keeping
from toril.records.evidence import MOST_BYTES_OF_FILE, MOST_FILES_OF_EVIDENCE, Exchanges
from toril.secrets.redaction import Redactor
from toril.timeline.intervals import Recorder
from toril.worker import evidence
from toril.worker.evidence import ExchangeBook
from toril.worker.hiding import Hiding

START = 1_000_000_000.0


def keeper(folder, **settings):
    return Keeper(folder, Keeping(**settings).model_dump())


def lines(folder):
    return [json.loads(line) for line in (folder / "exchanges").read_text().splitlines()]


def book_and_recorder(**settings):
    hiding = Hiding(Redactor())
    recorder = Recorder("local-1", "here", Redactor(), hiding)
    return ExchangeBook("a-run", recorder, hiding, Keeping(**settings)), recorder


def book_of(**settings):
    return book_and_recorder(**settings)[0]


def run_in(folder):
    planned = SimpleNamespace(series="shop", arm=0)
    return SimpleNamespace(
        execution="shop", planned=planned, engine=SimpleNamespace(context=SimpleNamespace(kept=folder / "exchanges"))
    )


def written(folder, *exchanges):
    text = "".join(json.dumps({**EMPTY, "started_s": START, **one}) + "\n" for one in exchanges)
    (folder / "exchanges").write_text(text)


def files_of(book, folder):
    """Returns what the book writes after the load."""
    book.read(run_in(folder), START, last=True)
    return [Exchanges.from_stranger(data, name) for name, data in book.flush(last=True)]


def test_the_first_failures_of_each_label_code_and_message_are_kept(tmp_path):
    keep = keeper(tmp_path, failures=2, slowest=())
    wanted = [keep.wants(label, rc, "wrong", False, 1) for label in "ab" for rc in ("500", "502") for _ in range(4)]
    assert wanted == ["failure", "failure", "", ""] * 4


def test_only_new_slowest_requests_are_kept_and_failures_count(tmp_path):
    keep = keeper(tmp_path, failures=1, slowest=("", "a"))
    sent = [("a", True, 5), ("b", True, 5), ("a", True, 5), ("b", True, 9), ("a", False, 20), ("a", True, 15)]
    found = [keep.wants(label, "", "", ok, took) for label, ok, took in sent]
    assert found == ["slowest", "", "", "slowest", "failure", ""]


def test_a_slowest_request_is_built_only_if_none_is_slower_until_the_flush(tmp_path):
    keep = keeper(tmp_path)
    built: list[int] = []

    def building(number):
        built.append(number)
        return {"n": number}

    for number in range(5):
        keep.keep("slowest", "a", partial(building, number))
    keep.flush()
    keep.flush()
    assert (built, lines(tmp_path)) == ([4], [{"n": 4}])
    assert (tmp_path / "exchanges").stat().st_mode & 0o777 == 0o600


def test_requests_beyond_the_limits_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "MOST_BYTES", 1000)
    keep = keeper(tmp_path)
    for _ in range(10):
        keep.keep("failure", "a", lambda: {"text": "x" * 200})
    keep.keep("failure", "a", lambda: {"text": object()})
    keep.flush()
    *kept, count = lines(tmp_path)
    assert (len(kept), count) == (4, {"left_out": 7})


def test_nothing_is_kept_without_settings(tmp_path):
    assert not Keeper(tmp_path, None).wants("a", "500", "x", False, 10)
    assert not list(tmp_path.iterdir())


def test_trace_contexts_are_valid_and_different():
    found = [traceparent().split("-") for _ in range(100)]
    assert {(one[0], len(one[1]), len(one[2]), one[3]) for one in found} == {("00", 32, 16, "01")}
    assert len({one[1] for one in found}) == len({one[2] for one in found}) == 100


def test_a_workers_files_have_its_failures_and_the_slowest_request_of_each_judged_label(tmp_path):
    written(
        tmp_path,
        {"why": "failure", "label": "a", "ok": False, "rc": "500", "error": "wrong", "response_us": 50},
        {"why": "slowest", "label": "a", "response_us": 20},
        {"why": "slowest", "label": "b", "response_us": 90},
        {"why": "slowest", "label": "c", "response_us": 70},
        {"left_out": 3},
    )
    (found,) = files_of(book_of(slowest=("", "a", "c")), tmp_path)
    assert [(one.why, one.label, one.response_us) for one in found.exchanges] == [
        ("failure", "a", 50),
        ("slowest", "b", 90),
        ("slowest", "a", 50),
        ("slowest", "c", 70),
    ]
    first = found.exchanges[0]
    assert (first.execution, first.worker, first.location, first.error) == ("shop", "local-1", "here", "wrong")
    assert (found.run_id, found.worker, found.left_out) == ("a-run", "local-1", 3)


@pytest.mark.parametrize(
    "bad",
    [
        b"not json\n",
        b"[]\n",
        b'{"why": "failure", "url": null, "request_headers": 5}\n',
        b'{"why": "other"}\n',
        b'{"why": "failure", "request": "no base64"}\n',
        b'{"why": "failure", "started_s": 1e308, "response_us": 1e400}\n',
        b'{"why": "failure", "status": "many"}\n',
        b'{"why": "failure", "method": "' + b"x" * 200 + b'"}\n',
    ],
)
def test_a_damaged_line_is_counted_and_spoils_nothing_else(tmp_path, bad):
    written(tmp_path, {"why": "failure", "label": "a", "ok": False})
    with (tmp_path / "exchanges").open("ab") as file:
        file.write(bad)
    (found,) = files_of(book_of(slowest=()), tmp_path)
    assert (len(found.exchanges), found.left_out) == (1, 1)


def test_a_hidden_value_is_hidden_in_later_messages_but_labels_stay(tmp_path):
    cookie = [["Cookie", "step=checkout"]]
    one = {"why": "failure", "label": "checkout", "ok": False, "request_headers": cookie}
    written(tmp_path, {**one, "error": "no checkout"}, {**one, "error": "not a checkout"})
    (found,) = files_of(book_of(slowest=()), tmp_path)
    assert [(one.label, one.error) for one in found.exchanges] == [("checkout", "no ***"), ("checkout", "not a ***")]


def test_many_large_exchanges_stay_within_the_limits_of_files(tmp_path, monkeypatch):
    body = "x" * 20_000
    pairs = [[f"X-{number}", body[:300]] for number in range(100)]
    one = {"why": "failure", "ok": False, "request_headers": pairs, "response_headers": pairs, "notes": [body] * 9}
    written(tmp_path, *[{**one, "label": str(number)} for number in range(50)])
    monkeypatch.setattr("toril.worker.evidence.LAST_S", 60.0)
    monkeypatch.setattr("toril.records.plan.MOST_EXCHANGES", 20)
    book = book_of(slowest=())
    book.read(run_in(tmp_path), START, last=True)
    files = dict(book.flush(last=True))
    assert max(map(len, files.values())) < MOST_BYTES_OF_FILE
    assert (book.files, len(files) <= MOST_FILES_OF_EVIDENCE) == (len(files), True)
    found = [Exchanges.from_stranger(data, name) for name, data in files.items()]
    assert sum(len(one.exchanges) + one.left_out for one in found) == 50


def test_a_try_writes_each_request_at_each_flush(tmp_path):
    book = book_of(everything=True)
    written(tmp_path, {"why": "tried", "label": "a"})
    book.read(run_in(tmp_path), START)
    assert [name for name, _ in book.flush(last=False)] == ["evidence-000001"]
    assert [*book.flush(last=False), *book.flush(last=True)] == []


def test_reading_takes_a_small_share_of_the_workers_time(tmp_path, monkeypatch):
    monkeypatch.setattr("toril.worker.evidence.FREE_S", 0.0)
    monkeypatch.setattr("toril.worker.evidence.SHARE_OF_CPU", 0.0)
    written(tmp_path, {"why": "failure", "ok": False})
    book = book_of(slowest=())
    book.read(run_in(tmp_path), START)
    assert list(book.flush(last=True)) == []
    assert len(files_of(book, tmp_path)) == 1


def test_the_first_failure_of_each_label_and_code_precedes_the_second_ones(tmp_path, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(evidence, "time", SimpleNamespace(monotonic=lambda: next(clock), thread_time=lambda: 0.0))
    one = {"why": "failure", "ok": False, "label": "a"}
    written(tmp_path, *[{**one, "rc": rc} for rc in ("500", "500", "500", "TimeoutError", "403")])
    (found,) = files_of(book_of(slowest=()), tmp_path)  # there is time for two
    assert [exchange.rc for exchange in found.exchanges] == ["500", "TimeoutError"]
    assert found.left_out == 3


def test_time_in_which_other_programs_run_is_not_charged(tmp_path, monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(evidence, "time", SimpleNamespace(monotonic=lambda: next(clock), thread_time=lambda: 0.0))
    monkeypatch.setattr(evidence, "FREE_S", 4.0)
    monkeypatch.setattr(evidence, "STEP_S", 2.0)  # enough for one
    written(tmp_path, *[{"why": "failure", "ok": False, "label": label} for label in "abcd"])
    book = book_of(slowest=())
    for _ in range(4):
        book.read(run_in(tmp_path), START)
    ((name, data),) = book.flush(last=True)
    assert len(Exchanges.from_stranger(data, name).exchanges) == 4


def failures_of_users(count, **more):
    """Returns failures whose messages have a key of their own, of which the request's head tells that it is one."""
    return [
        {
            "label": "a", "ok": False, "rc": "401", "error": f"invalid key VALUE{number:04}key",
            "request_headers": [["X-Api-Key", f"VALUE{number:04}key"]], **more,
        }
        for number in range(count)
    ]  # fmt: skip


def test_messages_are_hidden_before_there_is_time_for_the_bodies(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "FREE_S", -1e9)
    failures = failures_of_users(400, response="eA==", response_bytes=1)  # more than are remembered at once
    written(tmp_path, *failures)
    book, recorder = book_and_recorder(slowest=())
    book.read(run_in(tmp_path), START)
    assert list(book.flush(last=False)) == []
    assert {recorder.text("message", one["error"]) for one in failures} == {"invalid key ***"}


def test_messages_of_failures_beyond_a_limit_are_hidden_too(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "MOST_KINDS", 5)
    monkeypatch.setattr(keeping, "MOST_BYTES", 1500)
    keep = keeper(tmp_path, failures=1, slowest=())
    failures = failures_of_users(20, response="x" * 500, response_bytes=500)
    for one in failures:
        why = keep.wants(one["label"], one["rc"], one["error"], False, 1)
        keep.keep(why, "a", partial(dict, EMPTY, why=why, **one))
    keep.flush()
    book, recorder = book_and_recorder(slowest=())
    (found,) = files_of(book, tmp_path)
    assert (len(found.exchanges), found.left_out) == (1, 19)
    assert {recorder.text("message", one["error"]) for one in failures} == {"invalid key ***"}
