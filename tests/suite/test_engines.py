"""The plan rejects whatever an engine's generated script does not support, with place and fix."""

import pytest

from tests.suite.reading import execution, read, refuses, write
from toril.suite.engines import BLOCKS, ENGINES, PHASES

GENERATING = [name for name, engine in ENGINES.items() if engine.blocks]  # engines that generate scripts


def suite(engine, *requests, **scenario):
    return {
        **execution(executor=engine, scenario="shop"),
        "scenarios": {
            "shop": {"default-address": "http://127.0.0.1", "requests": list(requests), **scenario},
            "other": {"requests": ["/"]},
        },
    }


def block(kind):
    inner = ["/"]
    return {
        "if": {"if": "1 == 1", "then": inner},
        "once": {"once": inner},
        "setup": {"setup": inner},
        "teardown": {"teardown": inner},
        "include-scenario": {"include-scenario": "other"},
        "action": {"action": "pause"},
        "set-variables": {"set-variables": {"a": "b"}},
    }.get(kind, {kind: "x in y", "do": inner})


@pytest.mark.parametrize(
    ("engine", "script", "others"),
    [
        ("jmeter", "load.py", ["locust", "apiritif", ".jmx"]),
        ("locust", "load.jmx", ["jmeter", ".py"]),
        ("apiritif", "LOAD.JMX", ["jmeter", ".py"]),
        ("jmeter", "load.js", ["k6", ".jmx"]),
        ("k6", "load.jmx", ["jmeter", ".js"]),
    ],
)
@pytest.mark.parametrize("bare", [True, False])
def test_a_script_of_another_engine_is_rejected(tmp_path, engine, script, others, bare):
    write(tmp_path, "", script)
    document = execution(executor=engine, scenario=script if bare else {"script": script})
    refuses(tmp_path, document, "unsupported-script", "execution[0].scenario.script", script, *others)


@pytest.mark.parametrize(("engine", "script"), [("jmeter", "load.JMX"), ("jmeter", "plan.xml"), ("apiritif", "tests")])
def test_a_script_with_an_unknown_suffix_is_accepted(tmp_path, engine, script):
    write(tmp_path, "", f"{script}/one.py" if script == "tests" else script)
    assert read(tmp_path, execution(executor=engine, scenario={"script": script})).executions[0].executor == engine


@pytest.mark.parametrize(("engine", "key"), [(name, key) for name in ENGINES for key in sorted(ENGINES[name].without)])
def test_a_key_that_the_generated_script_would_ignore_is_rejected(tmp_path, engine, key):
    (tmp_path / "5s").touch()
    request = {"url": "/", key: [] if key == "upload-files" else "5s"}
    refuses(tmp_path, suite(engine, "/", request), "unsupported-key", f"scenarios.shop.requests[1].{key}")


@pytest.mark.parametrize("engine", ["locust", "apiritif", "jmeter"])
@pytest.mark.parametrize("kind", [*BLOCKS, *PHASES])
def test_a_block_is_accepted_or_rejected_at_any_depth(tmp_path, engine, kind):
    for number, document in enumerate(
        (suite(engine, "/", block(kind)), suite(engine, {"transaction": "all", "do": ["/", block(kind)]}))
    ):
        if kind in ENGINES[engine].blocks:
            assert read(tmp_path, document).executions[0].executor == engine
        else:
            place = f"scenarios.shop.requests{['', '[0].do'][number]}[1].{kind}"
            refuses(tmp_path, document, "unsupported-key", place)


@pytest.mark.parametrize(
    ("engine", "scenario", "refusal"),
    [
        ("locust", {"data-sources": ["ids.csv"]}, ("unsupported-key", "scenarios.shop.data-sources")),
        ("locust", {"variables": {"id": 7}}, ("unsupported-key", "scenarios.shop.variables")),
        ("locust", {"timeout": "soon"}, ("not-a-duration", "scenarios.shop.timeout")),
        (
            "locust",
            {"requests": [{"url": "/", "think-time": "long"}]},
            ("not-a-duration", "scenarios.shop.requests[0].think-time"),
        ),
        ("locust", {"requests": [{"method": "GET"}]}, ("missing-url", "scenarios.shop.requests[0].url")),
        ("apiritif", {"requests": [{"url": "", "label": ""}]}, ("missing-url", "scenarios.shop.requests[0].url")),
        ("locust", {"requests": [{"url": "/", "assert": "text"}]}, ("not-a-list", "scenarios.shop.requests[0].assert")),
        (
            "locust",
            {"requests": [{"url": "/", "assert": [{"contains": ["a"], "subject": "cookie"}]}]},
            ("unknown-value", "scenarios.shop.requests[0].assert[0].subject", "cookie"),
        ),
        (
            "locust",
            {"requests": [{"url": "/", "assert": [{"subject": "body"}]}]},
            ("missing-key", "scenarios.shop.requests[0].assert[0].contains"),
        ),
        (
            "locust",
            {"requests": [{"url": "/", "assert": ["*["]}]},
            ("not-a-pattern", "scenarios.shop.requests[0].assert[0].contains"),
        ),
        (
            "locust",
            {"requests": [{"url": "/", "assert": [{"contains": "*["}]}]},
            ("not-a-pattern", "scenarios.shop.requests[0].assert[0].contains"),
        ),
        ("locust", {"requests": [5]}, ("not-a-request", "scenarios.shop.requests[0]")),
        ("jmeter", {"requests": [{"loop": 3}]}, ("not-a-list", "scenarios.shop.requests[0].do")),
        *((engine, {"requests": None}, ("missing-requests", "scenarios.shop")) for engine in GENERATING),
        *((engine, {"requests": "requests.txt"}, ("not-a-list", "scenarios.shop.requests")) for engine in GENERATING),
    ],
)
def test_a_scenario_that_makes_no_script_is_rejected(tmp_path, engine, scenario, refusal):
    (tmp_path / "ids.csv").write_text("id\n1\n")
    refuses(tmp_path, suite(engine, "/", **scenario), *refusal)


def test_apiritif_rejects_browser_tests(tmp_path):
    document = execution(executor="apiritif", scenario={"requests": ["/"]}, **{"test-mode": "selenium"})
    refuses(tmp_path, document, "unsupported-key", "execution[0].test-mode", "selenium")


def test_a_scenario_is_checked_for_each_engine_that_runs_it(tmp_path):
    document = suite("jmeter", {"url": "/", "timeout": "1s"})
    assert read(tmp_path, document)
    document["execution"].append({"executor": "locust", "scenario": "shop", "hold-for": "1m"})
    refuses(tmp_path, document, "unsupported-key", "scenarios.shop.requests[0].timeout")


def test_an_included_scenario_is_checked_for_the_engine(tmp_path):
    document = suite("apiritif", {"include-scenario": "other"})
    document["scenarios"]["other"] = {"requests": [{"url": "/", "jsr223": "x"}]}
    refuses(tmp_path, document, "unsupported-key", "scenarios.other.requests[0].jsr223")


@pytest.mark.parametrize(
    ("included", "refusal"),
    [
        ({"other": []}, ("unknown-scenario", "scenarios.shop.requests[0].include-scenario", "othr", "other")),
        (
            {"othr": [{"include-scenario": "shop"}]},
            ("recursive-include", "includes itself"),
        ),
        (
            {"othr": [{"include-scenario": "othr"}]},
            ("recursive-include", "scenarios.othr", "othr"),
        ),
    ],
)
def test_an_invalid_include_is_rejected(tmp_path, included, refusal):
    document = suite("jmeter", {"include-scenario": "othr"})
    document["scenarios"] |= {name: {"requests": requests} for name, requests in included.items()}
    refuses(tmp_path, document, *refusal)


def test_scenarios_with_many_includes_are_read_quickly(tmp_path):
    document = suite("jmeter", {"include-scenario": "0"})
    document["scenarios"] |= {f"{n}": {"requests": [{"include-scenario": f"{n + 1}"}] * 5} for n in range(199)}
    document["scenarios"]["199"] = {"requests": ["/end"]}
    assert read(tmp_path, document).executions[0].labels == ("/end",)


def test_scripts_and_references_are_not_checked(tmp_path):
    (tmp_path / "locustfile.py").write_text("")
    own = {"script": "locustfile.py", "variables": {"a": 1}, "timeout": "soon"}
    assert read(tmp_path, execution(executor="locust", scenario=own))
    assert read(tmp_path, suite("locust", {"url": "/", "think-time": "${PAUSE}"}, timeout="${T}"))
    assert read(tmp_path, suite("locust", {"url": "/", "think-time": "uniform(1s,2s)"}))
    assert read(tmp_path, suite("locust", {"url": "/", "assert": [{"contains": ["*["], "regexp": False}]}))


def test_unsupported_options_of_apiritifs_extractors_are_rejected(tmp_path):
    def asked(engine, **options):
        return suite(engine, {"url": "/", "extract-regexp": {"id": {"regexp": r"(\d+)", **options}}})

    refuses(tmp_path, asked("apiritif", **{"match-no": 2}), "unsupported-key", "extract-regexp.id.match-no")
    read(tmp_path, asked("apiritif", **{"match-no": 1, "template": 1, "subject": "body", "default": "none"}))
    read(tmp_path, asked("jmeter", **{"match-no": 2}))
