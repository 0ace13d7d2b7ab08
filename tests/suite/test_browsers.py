"""Browsers in a suite: actions, devices, networks, and the unsupported ones."""

import pytest

from tests.suite.reading import execution, read, refuses
from toril.plan import make_plan
from toril.suite.actions import ActionError, PageAction, read_action


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
        ("clickByCSS(#buy)", PageAction("click", ("css", "#buy"))),
        ("ClickByXPath(//a[text()='x, y (z)'])", PageAction("click", ("xpath", "//a[text()='x, y (z)']"))),
        ('clickByLinkText("Log in")', PageAction("click", ("linktext", "Log in"))),
        ({"typeByID(q)": "lamp"}, PageAction("type", ("id", "q"), "lamp")),
        ({"typeByName(count)": 3}, PageAction("type", ("name", "count"), "3")),
        ("waitForByCSS(.hit, visible)", PageAction("waitfor", ("css", ".hit"), "", "visible")),
        ({"waitForByCSS(a, b, clickable)": "5s"}, PageAction("waitfor", ("css", "a, b"), "5s", "clickable")),
        ("waitForByID(x)", PageAction("waitfor", ("id", "x"), "", "present")),
        ("go(http://shop/)", PageAction("go", None, "http://shop/")),
        ({"go": "http://shop/"}, PageAction("go", None, "http://shop/")),
        ("pauseFor(2s)", PageAction("pausefor", None, "2s")),
        ("assertTitle(The shop)", PageAction("asserttitle", None, "The shop")),
        ({"assertTextByCSS(h1)": "Shop"}, PageAction("asserttext", ("css", "h1"), "Shop")),
        ({"type": "click", "locators": [{"css": "#a"}, {"id": "b"}]}, PageAction("click", ("css", "#a"))),
        ({"type": "type", "param": "lamp", "locators": [{"id": "q"}]}, PageAction("type", ("id", "q"), "lamp")),
        (
            {"type": "waitFor", "param": "visible", "value": "5s", "locators": [{"id": "q"}]},
            PageAction("waitfor", ("id", "q"), "5s", "visible"),
        ),
    ],
)
def test_an_action_is_read_as_bzt_reads_it(written, means):
    assert read_action(written) == means


@pytest.mark.parametrize(
    ("written", "code", "named"),
    [
        ("klickByCSS(a)", "unsupported-action", ["klick", "click"]),
        ("pauseFor(soon)", "not-a-duration", ["pausefor", "soon"]),
        ({"waitForByID(x)": "long"}, "not-a-duration", ["waitfor", "long"]),
        ("resizeWindow(maximize)", "unknown-value", ["maximize"]),
        ("dragByCSS(a)", "unsupported-action", ["drag"]),
        ("click", "missing-element", ["click"]),
        ("waitForByCSS(a, shiny)", "unknown-value", ["shiny", "visible"]),
        ("???", "not-an-action", []),
        (7, "not-an-action", []),
        ({"type": "click", "locators": [{"shadow": "a"}]}, "unsupported-locator", ["shadow"]),
    ],
)
def test_an_unsupported_action_is_rejected(tmp_path, written, code, named):
    with pytest.raises(ActionError) as refused:
        read_action(written)
    assert refused.value.code == code
    refuses(tmp_path, journey(written), code, "scenarios.buying.requests[0].actions[0]", *named)


@pytest.mark.parametrize("label", ["Open (LCP)", "browser start"])
def test_a_step_cannot_have_the_label_of_a_timing(tmp_path, label):
    document = journey()
    document["scenarios"]["buying"]["requests"][0]["label"] = label
    refuses(tmp_path, document, "reserved-label", "requests[0].label")


def test_the_plan_has_each_browsers_device_and_network(tmp_path):
    plan = planned(tmp_path, journey(browsers={"buying": {"device": "iphone-13", "network": "Slow 4G"}}))
    browser = plan.executions[0].browser
    assert (browser.device.name, browser.device.width, browser.device.mobile) == ("iPhone 13", 390, True)
    assert (browser.network.name, browser.network.latency_ms) == ("slow-4g", 562.5)


def test_the_default_browser_is_a_desktop_on_the_workers_network(tmp_path):
    browser = planned(tmp_path, journey()).executions[0].browser
    assert (browser.device.name, browser.device.user_agent, browser.network) == ("Desktop", "", None)


@pytest.mark.parametrize(
    ("browsers", "refusal"),
    [
        (
            {"buying": {"device": "iPhone 31"}},
            ("unknown-value", "toril.browsers.buying.device", "iPhone 15"),
        ),
        ({"buying": {"device": "Nokia"}}, ("unknown-value", "toril.browsers.buying.device")),
        ({"buying": {"network": "slow4g"}}, ("unknown-value", "toril.browsers.buying.network", "slow-4g")),
        ({"buying": {"divice": "Pixel 7"}}, ("unknown-key", "toril.browsers.buying.divice", "device")),
        ({"buyin": {}}, ("unknown-execution", "toril.browsers.buyin", "buying")),
    ],
)
def test_a_misspelt_setting_is_rejected_with_the_nearest_name(tmp_path, browsers, refusal):
    refuses(tmp_path, journey(browsers=browsers), *refusal)


def test_an_execution_without_browsers_has_no_device(tmp_path):
    document = execution(executor="locust", scenario={"requests": ["http://shop/"]})
    refuses(tmp_path, {**document, "toril": {"browsers": {"locust": {}}}}, "not-a-browser", "toril.browsers.locust")


def test_a_worker_gets_two_browsers_per_core(tmp_path):
    document = journey(worker={"cpu": 4096})
    document["execution"][0]["concurrency"] = 16
    counts = [share.executions[0].concurrency for share in planned(tmp_path, document).shares]
    assert counts == [8, 8]


def test_a_criterion_can_name_the_timings_of_a_step(tmp_path):
    document, step = journey("clickByCSS(#buy)"), "Open"
    document["scenarios"]["buying"]["requests"][0]["label"] = step
    criteria = [f"avg-rt of {step}{timing}>9s" for timing in (" (LCP)", " (TTFB)", " (DOM ready)", " (lcp)")]
    document["reporting"] = [{"module": "passfail", "criteria": [*criteria, "avg-rt of browser start>9s"]}]
    plan = planned(tmp_path, document)
    assert plan.warning_codes == ("unknown-label",)
    assert f"{step} (lcp)" in plan.warnings[0]


@pytest.mark.parametrize("executor", ["playwright", "selenium"])
def test_a_think_time_is_a_duration(tmp_path, executor):
    document = journey()
    document["execution"][0]["executor"] = executor
    document["scenarios"]["buying"]["requests"][0]["think-time"] = "long"
    refuses(tmp_path, document, "not-a-duration", "requests[0].think-time")


def test_playwright_rejects_a_random_think_time(tmp_path):
    document = journey()
    document["scenarios"]["buying"]["think-time"] = "uniform(1s,2s)"
    refuses(tmp_path, document, "unsupported-key", "scenarios.buying.think-time")


@pytest.mark.parametrize("wanted", [{"browser": "Firefox"}, {"remote": "http://grid"}])
@pytest.mark.parametrize("place", ["execution[0]", "scenarios.buying", "modules.selenium"])
def test_another_browser_is_refused_at_each_place(tmp_path, place, wanted):
    document = journey("clickByCSS(#buy)")
    (item,) = document["execution"]
    item["executor"] = "selenium"
    holders = {"execution[0]": item, "scenarios.buying": document["scenarios"]["buying"]}
    holders.get(place, document.setdefault("modules", {}).setdefault("selenium", {})).update(wanted)
    refuses(tmp_path, document, "unsupported-browser", f"{place}.{next(iter(wanted))}")


def test_capabilities_of_another_browser_are_refused(tmp_path):
    document = journey("clickByCSS(#buy)")
    document["scenarios"]["buying"]["capabilities"] = {"browserName": "firefox"}
    refuses(tmp_path, document, "unsupported-browser", "`firefox`")
