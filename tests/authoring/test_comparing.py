"""A try compared with its recording: each difference by request, with a proposal."""

import json
from dataclasses import replace

import pytest
import yaml

from tests.authoring.recordings import csrf_form, page
from toril.authoring.comparing import differences
from toril.authoring.shapes import shape_of
from toril.records.evidence import Content, Exchange
from toril.records.recording import PossibleRule, RecordedStep, Recording

JSON, HTML = "application/json", "text/html; charset=utf-8"


def step(label, answer=None, *, status=200, **more):
    text, kind = written(answer)
    return RecordedStep(label=label, status=status, shape=None if answer is None else shape_of(text, kind), **more)


def tried(label, answer=None, *, status=200, **variables):
    text, kind = written(answer)
    content = Content(text=text, type=kind, bytes=len(text))
    return Exchange(why="tried", label=label, status=status, response=content, variables=tuple(variables.items()))


def written(answer):
    if isinstance(answer, str):
        return page("Shop", answer).text, HTML
    return json.dumps(answer), JSON


def compared(steps, exchanges, **more):
    return differences(Recording(steps=tuple(steps), **more), exchanges)


def codes(steps, exchanges, **more):
    return [(one.label, one.code) for one in compared(steps, exchanges, **more)]


ITEMS = [{"id": 7, "name": "lamp", "old": 1}, {"id": 8, "name": "rug"}]
LIST = {"items": ITEMS, "next": None, "total": 2}


ENTER = '<form method="post"><input name="user"><input type="password" name="pass"></form>'
ADD = '<form method="post"><input name="title"></form>'


def test_a_log_in_page_in_place_of_another_is_named_with_the_credentials_to_check():
    refused = tried("POST /login", ENTER, token="NOT_FOUND")
    steps = [
        step("GET /login", ENTER),
        step("POST /login", "", sends=("SHOP_PASSWORD",), gives=("token",)),
        step("GET /me", ""),
    ]
    one, other = compared(steps, [tried("GET /login", ENTER), refused, tried("GET /me", ENTER)])
    assert (one.label, one.code, one.because) == ("POST /login", "log-in", "")
    assert "SHOP_PASSWORD" in one.proposal
    assert (other.label, other.code, other.yaml) == ("GET /me", "log-in", "")


def test_a_status_of_a_refused_log_in_names_the_credentials():
    (one,) = compared([step("POST /login", {}, sends=("SHOP_PASSWORD",))], [tried("POST /login", {}, status=401)])
    assert "SHOP_PASSWORD" in one.proposal


def test_a_request_without_a_value_of_a_refused_log_in_was_not_sent_for_that_reason():
    steps = [
        step("POST /login", {}, sends=("SHOP_PASSWORD",), gives=("token",)),
        step("POST /items", {}, needs=("token",)),
    ]
    unsent = Exchange(why="tried", label="POST /items", ok=False, rc="missing-value", error="no token")
    _, other = compared(steps, [tried("POST /login", {}, status=401), unsent])
    assert (other.code, other.because, other.proposal) == ("not-sent", "POST /login", "")


def test_a_form_that_comes_back_is_a_difference_of_its_own():
    sent = Content(text="title=lamp&csrf=***", type="application/x-www-form-urlencoded")
    now = replace(tried("POST /items", ADD), request=sent)
    (one,) = compared([step("POST /items", "")], [now])
    assert (one.code, one.recorded) == ("form", "accepted")
    assert not compared([step("POST /items", ADD)], [now])  # as after "save and add another"


def test_numbers_in_the_action_of_a_form_are_no_difference():
    before, now = (f'<form method="post" action="issue{n}"><input name="note"></form>' for n in (3, 12))
    assert not compared([step("GET /{id}", before)], [tried("GET /{id}", now)])


def test_no_proposal_removes_the_recording():
    steps = [step("GET /a", {"id": 7}), step("GET /b", {}), step("GET /c", "")]
    found = compared(steps, [tried("GET /a", {}), tried("GET /b", {}, status=418)])
    assert len(found) == 3
    assert all("delete" not in one.proposal.lower() for one in found)


@pytest.mark.parametrize("number", ["***", "17***"])
def test_a_hidden_number_in_json_is_no_difference(number):
    now = replace(tried("GET /time", {}), response=Content(text=f'{{"at":{number},"by": "a: ***, b"}}', type=JSON))
    assert not compared([step("GET /time", {"at": 1796090353, "by": "x"})], [now])


@pytest.mark.parametrize(
    "now",
    [
        LIST,
        {**LIST, "items": [], "more": 1},  # an empty list, and more keys
        {**LIST, "items": [{"id": 9, "name": "mat"}]},  # without what only some items had
        {**LIST, "next": "/items?page=2"},
        {**LIST, "total": "***"},  # as a try shows secrets
        {**LIST, "items": "***"},
    ],
)
def test_the_same_structure_with_other_values_is_no_difference(now):
    assert not compared([step("GET /items", LIST)], [tried("GET /items", now)])


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ({**LIST, "total": "2"}, [("$.total (number)", "string")]),
        ({"items": ITEMS, "next": None}, [("$.total (number)", "missing")]),
        ({**LIST, "items": [{"id": 9}]}, [("$.items[*].name (string)", "missing")]),
        ({**LIST, "items": {"id": 9}}, [("$.items (array)", "object")]),
    ],
)
def test_a_missing_path_or_another_type_is_a_difference(now, found):
    assert [(one.recorded, one.now) for one in compared([step("a", LIST)], [tried("a", now)])] == found


def test_json_that_was_cut_is_not_compared():
    whole = json.dumps({"items": ITEMS * 9, "total": 2})
    content = Content(text=whole[:100], type=JSON, bytes=len(whole), cut=True)
    cut = Exchange(why="tried", label="a", status=200, response=content)
    assert not compared([step("a", {"items": ITEMS, "total": 2})], [cut])


def test_pages_are_compared_by_title_and_forms():
    form = csrf_form("/orders/8123/pay", "x")
    recorded = step("GET /pay", form)
    assert not compared([recorded], [tried("GET /pay", csrf_form("/orders/9/pay", "y"))])
    assert codes([recorded], [tried("GET /pay", "<p>Sorry</p>")]) == [("GET /pay", "form")]
    other = tried("GET /pay", form.replace("csrf", "_token"))
    assert [(one.recorded, one.now) for one in compared([recorded], [other])] == [
        ("POST /orders/{}/pay: csrf", "missing")
    ]
    titled = shape_of(page("Order 8123 of ada", "").text, HTML, hide=lambda text: text.replace("ada", "***"))
    assert titled.title == "Order 8123 of ***"  # people see numbers, and no comparison does
    for title, same in (("Order 9 of ada", True), ("Log in", False)):
        text = page(title, "").text
        now = Exchange(why="tried", label="a", status=200, response=Content(text=text, type=HTML))
        assert (not compared([RecordedStep(label="a", status=200, shape=titled)], [now])) is same


def test_names_of_people_are_no_part_of_a_shape():
    def hide(text):
        return text.replace("ada@example.com", "***").replace("grace", "***")

    found = shape_of(json.dumps({"ada@example.com": {"id": 1}, "grace": 2}), JSON, hide=hide)
    assert found.json_paths == (("$", "object"), ("$.*", "object"), ("$.*.id", "number"), ("$.***", "number"))
    found = shape_of(page("Shop", csrf_form("/reset/ada@example.com", "x")).text, HTML, hide=hide)
    (form,) = found.forms
    assert (form.action, form.fields) == ("/reset/***", ("csrf",))
    recorded = RecordedStep(label="a", status=200, shape=found)
    assert not compared([recorded], [tried("a", csrf_form("/reset/bob@example.com", "x"))])


def test_a_step_that_was_not_sent_and_one_of_another_type_are_differences():
    steps = [step("a", {}), step("b", {}), step("c", {})]
    assert codes(steps, [tried("a", {}), tried("c", "<p>Log in</p>")]) == [("b", "not-sent"), ("c", "content-type")]


def test_what_is_not_sent_after_a_failed_request_follows_from_it():
    steps = [step("a", {}), step("b", {}), step("c", {})]
    found = compared(steps, [tried("a", {}, status=500)])
    assert [(one.step, one.label, one.because) for one in found] == [(1, "a", ""), (2, "b", "a"), (3, "c", "a")]


def test_what_follows_from_an_earlier_difference_names_it():
    steps = [
        step("POST /login", {"token": "x"}, gives=("token",)),
        step("GET /cart", {"lines": []}, needs=("token",)),
        step("GET /news", {"news": []}),
    ]
    renamed = tried("POST /login", {"accessToken": "y"}, token="NOT_FOUND")
    found = compared(
        steps, [renamed, tried("GET /cart", {}, status=401), tried("GET /news", {"news": []}, token="NOT_FOUND")]
    )
    assert [(one.label, one.code, one.because) for one in found] == [
        ("POST /login", "missing-value", ""),
        ("GET /cart", "status", "POST /login"),
    ]
    assert yaml.safe_load(found[0].yaml) == {"extract-jsonpath": {"token": "$.accessToken"}}


def test_several_new_values_without_a_similar_name_are_no_proposal():
    steps = [step("GET /cart", {"basketId": "b-1"}, gives=("basket_id",))]
    (found,) = compared(steps, [tried("GET /cart", {"color": "red", "sum": "9.99"}, basket_id="NOT_FOUND")])
    assert (found.code, found.yaml) == ("missing-value", "")


def test_a_renamed_field_of_a_form_is_proposed():
    steps = [step("GET /", csrf_form("/cart", "x"), gives=("csrf",)), step("POST /cart", {}, needs=("csrf",))]
    page_now = tried("GET /", csrf_form("/cart", "y").replace("csrf", "_token"), csrf="NOT_FOUND")
    found = compared(steps, [page_now, tried("POST /cart", {}, status=403)])
    assert found[0].code == "missing-value"
    assert yaml.safe_load(found[0].yaml)["extract-css-jquery"]["csrf"]["expression"] == 'input[name="_token"]'
    assert found[-1].because == "GET /"


def test_a_listed_rule_is_proposed_for_the_step_that_uses_it():
    rule = PossibleRule(rule=2, label="GET /items", used_by=("POST /orders",), yaml="extract-jsonpath: {id: $.x}\n")
    steps = [step("GET /items", {}), step("POST /orders", {}, status=201)]
    (found,) = compared(steps, [tried("GET /items", {}), tried("POST /orders", {}, status=404)], possible=(rule,))
    assert (found.code, found.yaml) == ("status", rule.yaml)
    assert "--rule 2" in found.proposal


@pytest.mark.parametrize("status", [401, 404, 409, 429, 500])
def test_each_other_status_has_a_proposal(status):
    (found,) = compared([step("a", {})], [tried("a", {}, status=status)])
    assert (found.recorded, found.now) == ("200", str(status))
    assert found.proposal


@pytest.mark.parametrize(("status", "advice"), [(503, "log of the service"), (None, "that the service runs")])
def test_a_service_that_fails_is_not_recorded_again(status, advice):
    (found,) = compared([step("a", {})], [tried("a", {}, status=status)])
    assert advice in found.proposal
