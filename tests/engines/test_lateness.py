"""Lateness of sends: the probe inside engines, the reports of JMeter's thread, and Linux' counters of waiting."""

import os
import socket
import sys
import threading
from pathlib import Path

import psutil
import pytest

from toril.engines import Sends
from toril.engines.in_process import PROBE_S, Lateness
from toril.engines.jmeter.records import SendsFile
from toril.worker.health import cores_of, open_sockets, thread_waits


def test_each_second_has_its_maximum_and_its_90th_percentile() -> None:
    received: list[tuple[float, int, int]] = []
    now = 7.1
    late = Lateness(lambda *one: received.append(one), lambda: now)
    for ms in (5, 1, 3, 4, 2, 9, 8, 6, 7, 10):
        late.add(ms / 1000)
    assert received == []  # the second is not over
    now = 8.0
    late.add(0.2)
    assert received == [(7, 10_000, 9_000)]
    late.flush()
    late.flush()
    assert received[1:] == [(8, 200_000, 200_000)]


def test_each_second_in_which_a_program_stood_still_is_late() -> None:
    received: list[tuple[float, int, int]] = []
    late = Lateness(lambda *one: received.append(one), lambda: 9.4)
    late.add(2.1)
    for _ in range(30):
        late.add(0.0)
    late.flush()
    assert received == [(8, 2_100_000, 2_100_000), (7, 2_100_000, 2_100_000), (9, 2_100_000, 0)]


def test_a_probe_reports_how_much_it_overslept_and_never_a_negative_time() -> None:
    received: list[tuple[float, int, int]] = []
    asked: list[float] = []
    Lateness(lambda *one: received.append(one)).probe(asked.append, lambda: len(asked) >= 3)  # wakes at once: too early
    assert asked == [PROBE_S] * 3
    assert {one[1:] for one in received} == {(0, 0)}


def test_jmeters_lines_are_read_whole_and_once(tmp_path: Path) -> None:
    path = tmp_path / "sends"
    sends = SendsFile(path)
    assert list(sends.read()) == []
    path.write_bytes(b"1700000000500 900 400 3\n1700000001500 80")
    first = Sends(at_s=1_700_000_000.5, late_us=900, late_p90_us=400, dropped=3)
    assert list(sends.read()) == [first]
    assert list(sends.read()) == []
    with path.open("ab") as file:
        file.write(b"0 70 10\n")
    assert list(sends.read()) == [Sends(at_s=1_700_000_001.5, late_us=800, late_p90_us=70, dropped=7)]


def test_dropped_sends_are_unknown_without_a_schedule(tmp_path: Path) -> None:
    (tmp_path / "sends").write_bytes(b"1000 1 1 -1\n")
    assert [one.dropped for one in SendsFile(tmp_path / "sends").read()] == [None]


def test_waiting_is_reported_by_thread_if_the_kernel_counts_it(tmp_path: Path) -> None:
    for thread, text in {"7": "500 90 3", "8": "100 0 1", "9": "0 0 0", "10": "torn"}.items():
        (tmp_path / "7" / "task" / thread).mkdir(parents=True)
        (tmp_path / "7" / "task" / thread / "schedstat").write_text(text)
    (tmp_path / "5" / "task" / "5").mkdir(parents=True)
    assert thread_waits(7, tmp_path) == {7: 90, 8: 0}
    assert thread_waits(5, tmp_path) is None  # it exists, without schedstat
    assert thread_waits(4, tmp_path) is None  # it does not exist


@pytest.mark.skipif(sys.platform != "linux", reason="only /proc distinguishes sockets from other files")
def test_open_sockets_are_counted_among_all_open_files() -> None:
    me = psutil.Process()
    before = open_sockets(me, 1 << 20)
    one, other = socket.socketpair()
    with one, other:
        now = open_sockets(me, 1 << 20)
        rough = open_sockets(me, 1)
    assert before is not None
    assert now is not None
    assert rough is not None
    assert before.sockets is not None
    assert (now.files - before.files, now.sockets) == (2, before.sockets + 2)
    assert (rough.files, rough.sockets) == (now.files, None)
    assert now.limit is not None
    assert now.limit >= now.files


def test_an_ended_process_has_no_open_files_and_no_waiting() -> None:
    process = psutil.Popen([sys.executable, "-c", ""])
    process.wait()
    assert open_sockets(process, 10) is None
    assert thread_waits(process.pid) is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity")
def test_a_process_has_as_many_cores_as_its_affinity_allows() -> None:
    found: list[float] = []

    def on_one() -> None:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # of this thread alone
        found.append(cores_of(threading.get_native_id(), 8.0))

    thread = threading.Thread(target=on_one)
    thread.start()
    thread.join()
    assert found == [1.0]
    assert cores_of(os.getpid(), 0.5) == 0.5
