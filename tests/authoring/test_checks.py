"""Assertions of what a recording proves of its pages and documents."""

import json

import pytest

from tests.authoring.suites import body, exchange, form, recorded, requests, suite

HTML = "text/html"
FORM = '<form method="post"><input type="hidden" name="csrf" value="{}"><input name="item"><input name="note"></form>'
LOGIN = '<form method="post"><input name="user"><input type="password" name="pass"></form>'


def page(number, path, content, method="GET", title="Shop", **more):
    text = f"<html><head><title>{title}</title></head>{content}</html>"
    return exchange(number, path, method, response=body(text, HTML), kind="document", **more)


def checks(folder, *exchanges, second=None, **options):
    """Returns the assertions beside the status: of each request the texts that it must have, and must not have."""
    found = []
    for one in requests(suite(folder, recorded(*exchanges), second, **options)):
        texts = [(check.get("not", False), check["contains"]) for check in one["assert"] if "subject" not in check]
        found.append(tuple([text for no, some in texts if no is wanted for text in some] for wanted in (False, True)))
    return found


def test_each_page_after_a_log_in_must_not_ask_for_a_password(tmp_path):
    login, home = page(1, "/login", LOGIN), page(2, "/home", "")
    assert checks(tmp_path, login, home) == [([], []), ([], ["(?i)type=.?password"])]
    assert checks(tmp_path, home) == [([], [])]


def test_a_form_that_was_sent_must_not_come_back_with_its_visible_fields(tmp_path):
    sent = {"method": "POST", "body": form(("csrf", "7"), ("item", "lamp"), ("note", "x"))}
    asked = page(1, "/order", FORM.format(7))
    assert checks(tmp_path, asked, page(2, "/order", FORM.format(8)[:70], **sent))[1] == (
        [], [r"name=.?item(?![\w-])"],
    )  # fmt: skip


TITLES = [("Thank you", True), ("Order 7", False), ("A lamp is ordered", False)]


@pytest.mark.parametrize(("title", "asserted"), TITLES)
def test_a_form_that_also_the_right_page_has_is_known_by_its_title_unless_that_varies(title, asserted, tmp_path):
    sent = {"method": "POST", "body": form(("csrf", "7"), ("item", "lamp"))}
    asked, answered = page(1, "/order", FORM.format(7)), page(2, "/order", FORM.format(8), title=title, **sent)
    titles = [f"<title>{title}</title>"] if asserted else []
    assert checks(tmp_path, asked, answered)[1] == (titles, ["(?i)aria-invalid=.?true"])
    other = recorded(asked, page(2, "/order", FORM.format(8), title=f"{title}, Ada", **sent))
    assert checks(tmp_path, asked, answered, second=other)[1] == ([], ["(?i)aria-invalid=.?true"])


def test_a_write_has_the_keys_of_its_json_and_graphql_no_errors(tmp_path):
    saved = exchange(1, "/items", "POST", body=body("{}"), response=body(json.dumps({"id": 7, "name": "lamp"})))
    read = exchange(2, "/items", response=body(json.dumps({"items": []})))
    graph = exchange(3, "/graphql", "POST", body=body("{}"), response=body(json.dumps({"data": {"me": None}})))
    assert checks(tmp_path, saved, read, graph) == [
        (['"id"', '"name"'], []), ([], []), (['"data"'], [r'"errors"\s*:']),
    ]  # fmt: skip


def test_a_key_that_an_extractor_names_needs_no_assertion_of_its_own(tmp_path):
    token = body(json.dumps({"token": "9tY4bQ7zLm2XcV8nKp3R", "kind": "x"}))
    sent = (("Authorization", "Bearer 9tY4bQ7zLm2XcV8nKp3R"),)
    login = exchange(1, "/login", "POST", body=body("{}"), response=token)
    assert checks(tmp_path, login, exchange(2, "/me", headers=sent)) == [(['"kind"'], []), ([], [])]


def test_a_response_that_the_service_refused_proves_nothing(tmp_path):
    refused = exchange(1, "/items", "POST", status=409, body=body("{}"), response=body(json.dumps({"error": "known"})))
    assert checks(tmp_path, refused) == [([], [])]
