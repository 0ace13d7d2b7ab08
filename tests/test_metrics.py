"""The scripts' own metrics, outside a run and within one."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from toril import metrics


def all_of_them():
    metrics.trend("items", 3)
    metrics.counter("orders")
    metrics.counter("bytes", 512)
    metrics.gauge("queue", 7)
    metrics.rate("hit", 1)
    return metrics.check("has total", ""), metrics.check("has items", [1])


def test_outside_a_run_they_do_nothing_and_a_check_says_whether_it_holds(capfd, monkeypatch):
    monkeypatch.delitem(sys.modules, "in_process", raising=False)  # of a test before
    with metrics.tags(tenant="big"):
        assert all_of_them() == (False, True)
    assert capfd.readouterr() == ("", "")


def test_within_a_run_each_is_recorded(monkeypatch):
    found = []
    monkeypatch.setitem(sys.modules, "in_process", SimpleNamespace(measure=lambda *row: found.append(row)))
    all_of_them()
    assert found == [
        ("trend", "items", 3.0, True),
        ("counter", "orders", 1.0, True),
        ("counter", "bytes", 512.0, True),
        ("gauge", "queue", 7.0, True),
        ("rate", "hit", 0.0, True),
        ("check", "has total", 0.0, False),
        ("check", "has items", 0.0, True),
    ]


def test_inner_tags_add_to_outer_ones_and_end_with_their_block():
    with metrics.tags(tenant="big", plan="free"):
        with pytest.raises(KeyError), metrics.tags(plan="paid", hit=True):
            assert metrics.TAGS.get() == {"tenant": "big", "plan": "paid", "hit": "True"}
            raise KeyError
        assert metrics.TAGS.get() == {"tenant": "big", "plan": "free"}
    assert metrics.TAGS.get() == {}


def test_the_module_imports_nothing_else_of_toril():
    code = "import sys, toril.metrics; print(*(name for name in sys.modules if name.startswith(('toril', 'numpy'))))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert set(done.stdout.split()) == {"toril", "toril.metrics"}
