"""Codes in reports lead to their page, or to the command that explains them."""

import re

import pytest

from tests.reports.runs import run_of, small
from toril import explain
from toril.reports import render

SITE = "https://acme.github.io/toril"


def test_without_a_site_each_code_names_the_command_that_explains_it() -> None:
    failed = run_of(small(90), "p95>50ms")
    for name in ("github", "html"):
        shown = render(name, failed).decode()
        assert '<code title="toril explain breach">breach</code>' in shown
        assert "/codes/" not in shown
    assert "[breach]" in render("terminal", failed).decode()


def test_with_a_site_each_code_links_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain, "SITE", SITE)
    failed = run_of(small(90), "p95>50ms")
    assert f"[<code>breach</code>](<{SITE}/codes/breach/>)" in render("github", failed).decode()
    assert f'<a href="{SITE}/codes/breach/"><code>breach</code></a>' in render("html", failed).decode()
    last = render("terminal", failed).decode().rstrip().splitlines()[-2:]
    assert " ".join(" ".join(last).split()).endswith(f"cause and fix: toril explain breach ({SITE}/codes/breach/)")


def test_one_command_explains_all_reasons() -> None:
    lost = run_of(small(90), "p95>250ms", lost=[("local-1", "killed")], reported=(), exits={})
    shown = render("terminal", lost).decode()
    codes = [reason.code for reason in lost.verdict.reasons]
    assert len(codes) >= 1
    assert re.search(f"cause and fix: toril explain {' '.join(dict.fromkeys(codes))}", shown)
