"""Links that show one report to people without an account, and attacks on them."""

import logging
import re
from datetime import timedelta

import pytest

from tests.clocks import SteppedClock
from tests.console import served
from tests.console.served import NOW, TOKEN
from tests.reports import examples, exchanges
from toril.console.guard import log
from toril.desk.runs import delete_run, prune
from toril.records.console import AuditLine
from toril.reports import render
from toril.store import FolderStore

RUN, OTHER = "20261124T150405Z-shop-0a1b", "20261124T150405Z-shop-0c1d"
HOUR_S = 3600


@pytest.fixture
def store(tmp_path):
    found = FolderStore(tmp_path)
    for run_id in (RUN, OTHER):
        served.stored(found, exchanges.failed(), run_id=run_id)
    return found


def allow(store, is_allowed="true"):
    served.client(store).post(f"/runs/{RUN}/share/allow", data={"is_allowed": is_allowed})


def link_to(store, run_id=RUN, hours=24, **more):
    answer = served.client(store, "operator", **more).post(f"/runs/{run_id}/share", data={"hours": hours})
    found = re.search(r'data-copy="' + served.ADDRESS + r'(/shared/[^"]*)"', answer.text)
    return found[1] if found else answer


def stranger(store, **more):
    """Returns a browser of somebody without a session."""
    return served.client(store, identity=served.Known("viewer", away=True), **more)


@pytest.fixture
def link(store):
    allow(store)
    return link_to(store)


def test_a_link_shows_the_report_and_nothing_else(store, link):
    browser = stranger(store)
    answer = browser.get(link)

    assert answer.status_code == 200
    assert served.parsed(answer.content).findtext(".//h1") == "shop"
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "noindex" in answer.headers["x-robots-tag"]
    policy = answer.headers["content-security-policy"]
    assert "sandbox allow-scripts" in policy and "allow-same-origin" not in policy  # an origin of its own
    assert "default-src 'none'" in policy and "unsafe" not in policy and "'self'" not in policy
    assert "frame-ancestors 'none'" in policy
    assert not re.search(r'(?:href|src)="(?!#|https://|data:)', answer.text)  # no file, no page of the console
    for path in (f"/runs/{RUN}", f"/runs/{RUN}/files", f"/runs/{RUN}/measured", "/runs", f"/api/v1/runs/{RUN}"):
        assert browser.get(path).status_code == 401
    head = browser.head(link)
    assert (head.status_code, head.content) == (200, b"")


def test_secrets_are_hidden_as_in_the_downloaded_page(store, link):
    shown, file = stranger(store).get(link).text, render("html", exchanges.failed()).decode()
    assert "***" in shown
    assert [shown.count(text) for text in ("***", "Bearer ")] == [file.count(text) for text in ("***", "Bearer ")]


def test_links_need_an_administrator_first(store):
    assert link_to(store).status_code == 422
    assert not list(store.keys("shares/"))
    assert (
        served.client(store, "operator").post(f"/runs/{RUN}/share/allow", data={"is_allowed": "true"}).status_code
        == 403
    )
    allow(store)
    link = link_to(store)
    assert stranger(store).get(link).status_code == 200
    allow(store, "")
    assert stranger(store).get(link).status_code == 404
    assert served.client(store, "viewer").post(f"/runs/{RUN}/share", data={"hours": 1}).status_code == 403


@pytest.mark.parametrize("hours", ["0", "-1", "721", "1e9", "NaN", ""])
def test_no_link_lives_longer_than_thirty_days(store, hours):
    allow(store)
    assert link_to(store, hours=hours).status_code == 422


def test_every_link_that_does_not_work_has_the_same_answer(store, link):
    token = link.rpartition("/")[2]
    digest = next(store.keys(f"shares/{RUN}/")).rpartition("/")[2].removesuffix(".json")
    late = stranger(store, clock=SteppedClock(NOW + 24 * HOUR_S + 1))
    wrong = (digest, token[:-1], f"{token}A", token.swapcase(), "_allowed", "é" * 43)
    others = [f"/shared/{RUN}/{name}" for name in wrong]
    others += [f"/shared/{run_id}/{token}" for run_id in (OTHER, "none", "%2e%2e", "_allowed.json", "é")]
    answers = [*map(stranger(store).get, others), late.get(link)]
    served.client(store, "operator").post(f"/runs/{RUN}/share/revoke", data={"link": digest})
    answers.append(stranger(store).get(link))

    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}
    headers = [{name: value for name, value in answer.headers.items() if name != "x-request-id"} for answer in answers]
    assert all(one == headers[0] for one in headers)
    assert stranger(store).head(link).status_code == stranger(store).head(others[0]).status_code == 404


def test_the_store_keeps_only_a_digest_of_the_token_and_the_log_nothing(store, caplog):
    allow(store)
    with caplog.at_level(logging.INFO, log.name):
        link = link_to(store)
        stranger(store).get(link)
    token = link.rpartition("/")[2]
    assert len(token) == 43
    assert token not in caplog.text
    assert '"/shared/***"' in caplog.text
    assert all(token not in key and token.encode() not in store.get(key) for key in store.keys(""))


def test_an_operator_sees_and_revokes_links_on_the_page_of_the_run(store, link):
    browser = served.client(store, "operator")
    page = served.parsed(browser.get(f"/runs/{RUN}").content)
    (button,) = page.xpath("//button[@name='link']")
    assert "not opened yet" in page.text_content()
    assert link.rpartition("/")[2] not in browser.get(f"/runs/{RUN}").text
    stranger(store).get(link)
    stranger(store).get(link)
    assert "first opened" in browser.get(f"/runs/{RUN}").text

    browser.post(button.getparent().get("action"), data={"link": button.get("value"), "csrf": TOKEN})

    assert stranger(store).get(link).status_code == 404
    assert "Links to this report" not in browser.get(f"/runs/{RUN}").text
    lines = [AuditLine.from_json(store.get(key), key) for key in store.keys("audit/")]
    assert sorted(line.what for line in lines) == ["share.allow", "share.create", "share.open", "share.revoke"]


def test_a_link_that_was_revoked_while_it_is_opened_stays_revoked(store, link, monkeypatch):
    swap = type(store).swap

    def revoked_before(self, key, data, version):
        self.delete(f"shares/{RUN}/")
        return swap(self, key, data, version)

    monkeypatch.setattr(type(store), "swap", revoked_before)
    stranger(store).get(link)
    assert not list(store.keys(f"shares/{RUN}/"))


@pytest.mark.parametrize("delete", [delete_run, lambda store, _, now: prune(store, timedelta(days=1), now)])
def test_a_deleted_run_has_no_links(store, link, delete):
    delete(store, RUN, NOW)
    assert not list(store.keys(f"shares/{RUN}/"))
    assert stranger(store).get(link).status_code == 404


def test_a_run_without_a_verdict_cannot_be_shared(store):
    allow(store)
    served.running(store, served.progress(90))
    assert link_to(store, served.LIVE).status_code == 422


def test_a_link_needs_the_console_s_own_address(store, link):
    assert stranger(store).get(link, headers={"host": "evil.example"}).status_code == 421


@pytest.mark.live
def test_the_shared_page_draws_its_charts_in_an_origin_of_its_own(store, browser):
    run_id = served.stored(store, examples.failed(), run_id="20261124T150405Z-shop-0e1f")
    with served.serving(store, identity=served.Known("admin")) as address:
        page = browser.new_page()
        complaints = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/runs/{run_id}/share")
        page.get_by_role("button", name="Allow links to reports").click()
        page.get_by_role("button", name="Make a link").click()
        link = page.locator("[data-copy]").get_attribute("data-copy")
        page.goto(link)
        assert page.locator("canvas").count() > 0
        assert page.evaluate("() => origin") == "null"
        page.locator("#theme").click()
        assert complaints == []
        page.close()
