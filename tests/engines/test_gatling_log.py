"""Gatling's text log as records."""

import pytest

from toril.engines.gatling.log import GatlingReader

AT_MS = 1_764_100_000_123
RUN = f"RUN\tshop.Buying\tbuying\t{AT_MS}\t \t3.9.5\n"
HOME = f"REQUEST\tbuy\thome\t{AT_MS}\t{AT_MS + 12}\tOK\t \n"


def read(tmp_path, text):
    log = tmp_path / "simulation.log"
    log.write_text(text)
    reader = GatlingReader(log)
    return [record for part in reader.read(True) for record in part], reader


def test_requests_groups_and_users_are_read(tmp_path):
    text = RUN + f"USER\tbuying\tSTART\t{AT_MS}\n" * 2 + HOME
    text += f"GROUP\tbuy,all\t{AT_MS}\t{AT_MS + 30}\t12\tKO\n" + f"USER\tbuying\tEND\t{AT_MS}\n"
    (home, group), reader = read(tmp_path, text)
    assert (home.started_s, home.response_us, home.label, home.ok, home.rc) == (AT_MS / 1000, 12_000, "home", True, "")
    assert (group.label, group.kind, group.ok, group.response_us) == ("buy / all", "transaction", False, 30_000)
    assert (reader.users, reader.unreadable) == (1, 0)


@pytest.mark.parametrize(
    ("message", "rc"),
    [
        ("status.find.in([200, 209], 304), found 503", "503"),
        ("j.i.IOException: Premature close", "IOException"),
        ("i.n.c.ConnectTimeoutException: connection timed out", "ConnectTimeoutException"),
        ("substring(no such text).find.exists, found nothing", ""),
    ],
)
def test_a_failure_has_its_code(tmp_path, message, rc):
    ((one,), _) = read(tmp_path, RUN + f"REQUEST\t\thome\t{AT_MS}\t{AT_MS}\tKO\t{message}\n")
    assert (one.ok, one.rc, one.message) == (False, rc, message)


def test_unreadable_rows_are_counted(tmp_path):
    odd = [
        "REQUEST\tbuy\thome\tsoon\t1\tOK\t \n",
        "REQUEST\tbuy\n",
        "NEWS\t1\n",
        f"REQUEST\t\ta\t1\t{AT_MS}\tPERHAPS\t \n",
    ]
    found, reader = read(tmp_path, RUN + HOME + "".join(odd) + HOME[:20])
    assert (len(found), reader.unreadable) == (1, 5)


def test_a_missing_log_has_no_records(tmp_path):
    assert list(GatlingReader(tmp_path / "none").read(False)) == []
