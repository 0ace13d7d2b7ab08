"""What a suite says of browsers: actions, devices, networks, and which of it cannot be done."""

import pytest

from tests.suite.reading import execution, read, refusal
from toril.plan import make_plan
from toril.suite.actions import Action, Unreadable, read_action


def journey(*actions, **toril):
    return {
        **execution(executor="playwright", scenario="buying", **{"hold-for": "1m"}),
        "scenarios": {"buying": {"requests": [{"url": "http://shop/", "actions": list(actions)}]}},
        **({"toril": toril} if toril else {}),
    }


def planned(tmp_path, document):
    return make_plan(read(tmp_path, document), run_id="r", workers=None)


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("clickByCSS(#buy)", Action("click", ("css", "#buy"))),
        ("ClickByXPath(//a[text()='x, y (z)'])", Action("click", ("xpath", "//a[text()='x, y (z)']"))),
        ('clickByLinkText("Log in")', Action("click", ("linktext", "Log in"))),
        ({"typeByID(q)": "lamp"}, Action("type", ("id", "q"), "lamp")),
        ({"typeByName(count)": 3}, Action("type", ("name", "count"), "3")),
        ("waitForByCSS(.hit, visible)", Action("waitfor", ("css", ".hit"), "", "visible")),
        ({"waitForByCSS(a, b, clickable)": "5s"}, Action("waitfor", ("css", "a, b"), "5s", "clickable")),
        ("waitForByID(x)", Action("waitfor", ("id", "x"), "", "present")),
        ("go(http://shop/)", Action("go", None, "http://shop/")),
        ({"go": "http://shop/"}, Action("go", None, "http://shop/")),
        ("pauseFor(2s)", Action("pausefor", None, "2s")),
        ("assertTitle(The shop)", Action("asserttitle", None, "The shop")),
        ({"assertTextByCSS(h1)": "Shop"}, Action("asserttext", ("css", "h1"), "Shop")),
        ({"type": "click", "locators": [{"css": "#a"}, {"id": "b"}]}, Action("click", ("css", "#a"))),
        ({"type": "type", "param": "lamp", "locators": [{"id": "q"}]}, Action("type", ("id", "q"), "lamp")),
        (
            {"type": "waitFor", "param": "visible", "value": "5s", "locators": [{"id": "q"}]},
            Action("waitfor", ("id", "q"), "5s", "visible"),
        ),
    ],
)
def test_an_action_is_read_as_bzt_reads_it(written, means):
    assert read_action(written) == means


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (
            "klickByCSS(a)",
            "`klick`, which Playwright's generated script does not have; did you mean `click`? Else write",
        ),
        ("pauseFor(soon)", "`pausefor` of `soon`, no duration; write it like 30s"),
        ({"waitForByID(x)": "long"}, "`waitfor` of `long`, no duration"),
        ("resizeWindow(maximize)", "a window of `maximize`; write width and height"),
        ("dragByCSS(a)", "`drag`, which Playwright's generated script does not have; write a script, or use"),
        ("click", "`click` without an element; write it like `clickByCSS(#buy)`"),
        ("waitForByCSS(a, shiny)", "waiting for `shiny`; use one of present, visible"),
        ("???", "no action; write it like"),
        (7, "no action"),
        ({"type": "click", "locators": [{"shadow": "a"}]}, "done to `shadow`, which only bzt's script has"),
    ],
)
def test_an_action_that_cannot_be_done_is_refused_with_the_fix(tmp_path, written, says):
    with pytest.raises(Unreadable) as refused:
        read_action(written)
    assert says in str(refused.value)
    text = refusal(tmp_path, journey(written))
    assert text.startswith(f"suite.yml: scenarios.buying.requests[0].actions[0] is {says[:12]}")


@pytest.mark.parametrize("label", ["Open (LCP)", "browser start"])
def test_a_step_is_not_called_like_a_timing(tmp_path, label):
    document = journey()
    document["scenarios"]["buying"]["requests"][0]["label"] = label
    assert "requests[0].label is what a timing of a page is called; name the step otherwise" in refusal(
        tmp_path, document
    )


def test_what_browsers_stand_for_is_in_the_plan_in_full(tmp_path):
    plan = planned(tmp_path, journey(browsers={"buying": {"device": "iphone-13", "network": "Slow 4G"}}))
    browser = plan.executions[0].browser
    assert (browser.device.name, browser.device.width, browser.device.mobile) == ("iPhone 13", 390, True)
    assert (browser.network.name, browser.network.latency_ms) == ("slow-4g", 562.5)


def test_without_a_word_it_is_a_desktop_on_the_workers_network(tmp_path):
    browser = planned(tmp_path, journey()).executions[0].browser
    assert (browser.device.name, browser.device.user_agent, browser.network) == ("Desktop", "", None)


@pytest.mark.parametrize(
    ("browsers", "says"),
    [
        (
            {"buying": {"device": "iPhone 31"}},
            "toril.browsers.buying.device is no device that is known; did you mean `iPhone",
        ),
        ({"buying": {"device": "Nokia"}}, "no device that is known; known are Desktop, Desktop HiDPI, iPhone 13"),
        ({"buying": {"network": "slow4g"}}, "no network that is known; did you mean `slow-4g`?"),
        ({"buying": {"divice": "Pixel 7"}}, "toril.browsers.buying.divice is unknown; did you mean `device`?"),
        ({"buyin": {}}, "toril.browsers.buyin is no execution; did you mean `buying`?"),
    ],
)
def test_a_slip_is_an_error_with_the_nearest_name(tmp_path, browsers, says):
    assert says in refusal(tmp_path, journey(browsers=browsers))


def test_an_execution_without_browsers_stands_for_no_device(tmp_path):
    document = execution(executor="locust", scenario={"requests": ["http://shop/"]})
    text = refusal(tmp_path, {**document, "toril": {"browsers": {"locust": {}}}})
    assert "toril.browsers.locust drives no browser; no execution of this suite drives one" in text


def test_a_worker_gets_as_many_browsers_as_its_cores_bear(tmp_path):
    document = journey(worker={"cpu": 4096})
    document["execution"][0]["concurrency"] = 16
    counts = [share.executions[0].concurrency for share in planned(tmp_path, document).shares]
    assert counts == [8, 8]


def test_a_criterion_on_what_a_page_says_of_a_step_names_a_label_that_is_known(tmp_path):
    document, step = journey("clickByCSS(#buy)"), "Open"
    document["scenarios"]["buying"]["requests"][0]["label"] = step
    criteria = [f"avg-rt of {step}{timing}>9s" for timing in (" (LCP)", " (TTFB)", " (DOM ready)", " (lcp)")]
    document["reporting"] = [{"module": "passfail", "criteria": [*criteria, "avg-rt of browser start>9s"]}]
    (warning,) = planned(tmp_path, document).warnings
    assert f"no request is labelled `{step} (lcp)`; there are {step}" in warning


@pytest.mark.parametrize("executor", ["playwright", "selenium"])
def test_a_think_time_is_a_duration(tmp_path, executor):
    document = journey()
    document["execution"][0]["executor"] = executor
    document["scenarios"]["buying"]["requests"][0]["think-time"] = "long"
    assert "requests[0].think-time is no duration" in refusal(tmp_path, document)


def test_a_think_time_by_chance_is_refused_where_the_script_has_none(tmp_path):
    document = journey()
    document["scenarios"]["buying"]["think-time"] = "uniform(1s,2s)"
    assert "think-time is a distribution, which Playwright's generated script does not have" in refusal(
        tmp_path, document
    )
