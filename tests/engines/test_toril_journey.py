"""Scenarios as journeys for toril's engine: Taurus' keys with bzt's defaults."""

import base64

import pytest

from tests.refusals import refused
from tests.suite.reading import write
from toril.errors import SuiteError
from toril.plan.options import RunOptions, plan_run
from toril.suite.steps import Scenario


def scenario(written, folder="", **named):
    return Scenario(
        {"default-address": "http://shop/", **written},
        named.__getitem__,
        lambda name: str(folder / name) if folder else name,
    )


def journey(*requests, folder="", named=None, **written):
    return scenario({"requests": list(requests), **written}, folder, **(named or {})).journey()


def step(*requests, **more):
    return journey(*requests, **more)["steps"][0]


def test_a_scenario_has_the_defaults_of_bzts_jmx():
    made = journey("/")
    defaults = {key: value for key, value in made.items() if key not in ("steps", "sign")}
    assert defaults == {
        "address": "http://shop", "headers": [], "cookies": True, "cache": True, "keepalive": True, "timeout_s": 30.0,
        "follow_redirects": True, "fresh_cookies": False, "variables": [], "setup": [], "teardown": [],
    }  # fmt: skip
    (request,) = made["steps"]
    assert (request["do"], request["method"], request["url"], request["label"]) == ("request", "GET", "/", "/")
    assert {request[key] for key in ("timeout_s", "keepalive", "follow_redirects", "think")} == {None}
    assert (request["judges_status"], request["needed"]) == (False, [])


def test_a_scenario_passes_its_own_settings_on():
    written = {
        "headers": {"Accept": "text/html", "X-Number": 7}, "store-cookie": False, "store-cache": False, "timeout": "5s",
        "follow-redirects": False, "keepalive": False, "variables": {"user": "ann", "size": 3},
    }  # fmt: skip
    made = scenario({"requests": ["/"], **written}).journey(fresh_cookies=True)
    assert made["headers"] == [["Accept", "text/html"], ["X-Number", "7"]]
    assert made["variables"] == [["user", "ann"], ["size", "3"]]
    assert (made["timeout_s"], made["fresh_cookies"]) == (5.0, True)
    assert {made[key] for key in ("cookies", "cache", "keepalive", "follow_redirects")} == {False}


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        ({"body": "a=${b}"}, {"body": "a=${b}"}),
        ({"body": {"a": 1, "b": "${c} d"}}, {"form": [["a", "1"], ["b", "${c} d"]]}),
        ({"body": {"a": 1}, "headers": {"content-type": "application/json"}}, {"body": '{"a": 1}'}),
        ({"body": {"a": [1, 2]}}, {"form": [["a", "1"], ["a", "2"]]}),
        ({"body": {"a": {"b": 1}}}, {"body": '{"a": {"b": 1}}'}),
        ({"body": [1, "é"]}, {"body": '[1, "\\u00e9"]'}),
        (
            {"body": {"a": 1}, "headers": {"Content-Type": "multipart/form-data"}},
            {"form": [["a", "1"]], "multipart": True},
        ),
        ({"body-file": "photo.png"}, {"body_bytes": base64.b64encode(b"\x89PNG").decode()}),
        ({}, {}),
    ],
)
def test_a_body_is_a_text_a_form_or_a_file(tmp_path, request_, sent):
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    made = step({"url": "/", "method": "post", **request_}, folder=tmp_path)
    assert made["method"] == "POST"
    assert {key: made[key] for key in ("body", "body_bytes", "form", "files", "multipart") if key in made} == sent


def test_uploads_have_a_path_and_a_type():
    photo = {"param": "photo", "path": "a.png"}
    made = step({"url": "/", "body": {"a": "b"}, "upload-files": [photo, {"path": "x.y", "mime-type": "a/b"}]})
    assert made["form"] == [["a", "b"]]
    assert made["files"] == [
        {"param": "photo", "path": "a.png", "mime": "image/png"},
        {"param": "", "path": "x.y", "mime": "a/b"},
    ]


@pytest.mark.parametrize(
    ("written", "think"),
    [
        ("500ms", ("constant", 0.5, 0.0)),
        (2, ("constant", 2.0, 0.0)),
        ("Uniform(1s, 500ms)", ("uniform", 1.0, 0.5)),
        ("gaussian(2,1)", ("gaussian", 2.0, 1.0)),
        ("poisson(3s 1s)", ("poisson", 3.0, 1.0)),
    ],
)
def test_a_think_time_is_a_distribution(written, think):
    keys = ("kind", "mean_s", "deviation_s")
    assert step({"url": "/", "think-time": written})["think"] == dict(zip(keys, think, strict=True))
    assert step("/", **{"think-time": written})["think"] == dict(zip(keys, think, strict=True))
    assert step({"url": "/", "think-time": 0}, **{"think-time": written})["think"] is None


def test_blocks_hold_steps_and_setup_and_teardown_are_apart():
    made = journey(
        {"setup": ["/in"]},
        {"transaction": "buy", "do": ["/a", {"if": '"${x}" == "1"', "then": ["/b"], "else": ["/c"]}]},
        {"once": ["/d"]},
        {"loop": 3, "do": ["/e"]},
        {"loop": "forever", "do": ["/e"]},
        {"loop": 0, "do": ["/e"]},
        {"while": "${more}", "do": ["/f"]},
        {"foreach": "item in items", "do": ["/${item}"]},
        {"set-variables": {"a": 1}},
        {"action": "pause", "pause-duration": "2s"},
        {"action": "pause", "pause-duration": "${t}"},
        {"action": "stop", "target": "all-threads"},
        {"teardown": ["/out"]},
    )
    assert [made["setup"][0]["url"], made["teardown"][0]["url"]] == ["/in", "/out"]
    buy, once, thrice, forever, never, loop, each, assign, pause, variable, stop = made["steps"]
    assert (buy["label"], buy["include_timers"], buy["steps"][0]["url"]) == ("buy", False, "/a")
    choice = buy["steps"][1]
    assert (choice["condition"], choice["then"][0]["url"], choice["else"][0]["url"]) == ('"${x}" == "1"', "/b", "/c")
    assert once["steps"][0]["url"] == "/d"
    assert (thrice["times"], forever["times"], never["steps"]) == ("3", 0, [])
    assert loop["condition"] == "${more}"
    assert (each["variable"], each["input"]) == ("item", "items")
    assert (assign["do"], assign["variables"], assign["at"]) == ("set", [["a", "1"]], "requests[8]")
    assert (pause["for_s"], variable["for"]) == (2.0, "${t}")
    assert (stop["action"], stop["target"]) == ("stop", "all-threads")


def test_extractors_have_bzts_defaults():
    made = step(
        {
            "url": "/",
            "extract-regexp": {
                "a": "x(.)",
                "b": {"regexp": "y", "match-no": 2, "template": "$1$-", "subject": "Headers"},
            },
            "extract-jsonpath": {"c": "$.c"},
            "extract-css-jquery": {"d": {"expression": "a", "attribute": "href", "default": "none"}},
            "extract-xpath": {"e": {"xpath": "//e", "use-tolerant-parser": True}},
        }
    )
    keys = ("kind", "name", "expression", "match", "template", "subject", "default", "tolerant")
    assert [tuple(one.get(key) for key in keys) for one in made["extract"]] == [
        ("regexp", "a", "x(.)", 1, "$1$", "body", "NOT_FOUND", None),
        ("regexp", "b", "y", 2, "$1$-", "headers", "NOT_FOUND", None),
        ("jsonpath", "c", "$.c", 0, None, None, "NOT_FOUND", None),
        ("css", "d", "a", 0, None, None, "none", None),
        ("xpath", "e", "//e", -1, None, None, "NOT_FOUND", True),
    ]


def test_assertions_have_bzts_defaults():
    made = step(
        {
            "url": "/",
            "assert": ["text", {"contains": 404, "subject": "http-code", "regexp": False, "not": True}],
            "assert-jsonpath": ["$.a", {"jsonpath": "$.b", "expected-value": 1}],
            "assert-xpath": [{"xpath": "//a", "invert": True}],
        }
    )
    text, code, exists, equals, xpath = made["assert"]
    assert (text["contains"], text["subject"], text["regexp"], text["not"]) == (["text"], "body", True, False)
    assert (code["contains"], code["subject"], code["regexp"], code["not"]) == (["404"], "http-code", False, True)
    assert (exists["expression"], exists["expected"], equals["expected"]) == ("$.a", None, "1")
    assert (xpath["expression"], xpath["invert"], xpath["tolerant"]) == ("//a", True, False)
    assert made["judges_status"] is True
    assert step("/", **{"auto-assert-ok": False})["judges_status"] is True


def test_only_values_without_a_default_that_a_request_refers_to_are_needed():
    made = journey(
        {"url": "/", "extract-jsonpath": {"id": "$.id", "no": "$.no", "own": {"jsonpath": "$.o", "default": "x"}}},
        {"url": "/", "extract-regexp": {"asked": "a"}},
        {"if": '"${asked}" == "x"', "then": [{"url": "/item/${id}", "headers": {"X": "${__urlencode(${own})}"}}]},
    )
    assert [one["needed"] for one in made["steps"][:2]] == [["id"], []]


def test_a_value_in_the_headers_of_the_scenario_is_needed():
    login = {"url": "/", "extract-jsonpath": {"tok-id": "$.t"}}
    made = scenario({"default-address": "http://shop", "requests": [login, "/"], "headers": {"X": "t ${tok-id}"}})
    assert made.journey()["steps"][0]["needed"] == ["tok-id"]


def test_an_included_scenario_inherits_address_and_headers():
    other = {"requests": ["/other"], "headers": {"accept": "a/b"}, "variables": {"x": "1", "y": "2"}, "timeout": "1s"}
    outer = scenario(
        {
            "headers": {"Accept": "c/d", "X": "1"},
            "variables": {"x": "own"},
            "requests": [{"transaction": "t", "do": [{"include-scenario": "other"}]}],
            "data-sources": ["a.csv"],
        },
        other={**other, "data-sources": ["a.csv", "b.csv"]},
    )
    made = outer.journey()
    assert dict(made["variables"]) == {"x": "own", "y": "2"}
    assert outer.sources() == ["a.csv", "b.csv"]
    (included,) = made["steps"][0]["steps"]
    assert included["steps"][0]["url"] == "/other"
    assert included["journey"]["address"] == "http://shop"
    assert included["journey"]["headers"] == [["X", "1"], ["accept", "a/b"]]
    assert included["journey"]["timeout_s"] == 1.0


def test_a_request_without_a_host_is_refused():
    with refused("no-host", "requests[1].do[0].url", "/b", error=SuiteError):
        journey("http://shop/", {"transaction": "t", "do": ["/b"]}, **{"default-address": ""})


@pytest.mark.live
@pytest.mark.parametrize(
    ("written", "place"),
    [
        ({"url": "/", "extract-jsonpath": {"x": "$..[?(@.a ~~ 3)]"}}, "requests[0]"),
        ({"url": "/", "extract-xpath": {"x": "//a["}}, "requests[0]"),
        ({"url": "/", "extract-css-jquery": {"x": "a["}}, "requests[0]"),
        ({"url": "/", "assert": ["a(b"]}, "requests[0]"),
        ({"url": "/${__time(}"}, "requests[0]"),
        ({"if": "1 <> 2", "then": ["/"]}, "requests[0]"),
    ],
)
def test_a_plan_refuses_what_the_engine_does_not_compile(tmp_path, written, place):
    def plan(*requests):
        own = {"default-address": "http://shop", "requests": list(requests)}
        load = {"executor": "toril", "concurrency": 1, "hold-for": "1s", "scenario": "buy"}
        return plan_run([write(tmp_path, {"execution": load, "scenarios": {"buy": own}})], RunOptions(), 0.0)

    plan({"url": "/", "extract-jsonpath": {"x": "$.a"}, "assert": ["a.b"]})
    with pytest.raises(SuiteError) as error:
        plan(written)
    assert error.value.code == "wrong-expression"
    assert f"scenarios.buy.{place}" in str(error.value)
