"""What an engine's generated script cannot do is refused when the run is planned, with place and fix."""

import pytest

from tests.suite.reading import execution, read, refusal, write
from toril.suite.engines import BLOCKS, INSTEAD, KNOWN_BLOCKS, NEITHER, PHASES


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
    ("engine", "script", "fix"),
    [
        ("jmeter", "load.py", "write `executor: locust` or `executor: apiritif`, or give a .jmx"),
        ("locust", "load.jmx", "write `executor: jmeter`, or give a .py"),
        ("apiritif", "LOAD.JMX", "write `executor: jmeter`, or give a .py"),
        ("jmeter", "load.js", "name the executor that it is for, or give a .jmx"),
    ],
)
@pytest.mark.parametrize("bare", [True, False])
def test_a_script_of_another_engine_is_refused(tmp_path, engine, script, fix, bare):
    write(tmp_path, "", script)
    document = execution(executor=engine, scenario=script if bare else {"script": script})
    text = refusal(tmp_path, document)
    assert f"execution[0].scenario.script is `{script}`, which {engine.capitalize()} cannot run".casefold() in (
        text.casefold()
    )
    assert text.endswith(fix)


@pytest.mark.parametrize(("engine", "script"), [("jmeter", "load.JMX"), ("jmeter", "plan.xml"), ("apiritif", "tests")])
def test_a_script_that_may_be_the_engines_is_left_to_it(tmp_path, engine, script):
    write(tmp_path, "", f"{script}/one.py" if script == "tests" else script)
    assert read(tmp_path, execution(executor=engine, scenario={"script": script})).executions[0].executor == engine


@pytest.mark.parametrize(("engine", "key"), [(engine, key) for engine, keys in NEITHER.items() for key in keys])
def test_a_key_of_a_request_that_would_be_left_out_is_refused(tmp_path, engine, key):
    (tmp_path / "5s").touch()
    request = {"url": "/", key: [] if key == "upload-files" else "5s"}
    text = refusal(tmp_path, suite(engine, "/", request))
    assert text.startswith(f"suite.yml: scenarios.shop.requests[1].{key} is used, which {engine.capitalize()}'s ")
    assert text.endswith(INSTEAD[engine])


@pytest.mark.parametrize("engine", ["locust", "apiritif", "jmeter"])
@pytest.mark.parametrize("kind", [*BLOCKS, *PHASES])
def test_a_block_is_taken_or_refused_wherever_it_stands(tmp_path, engine, kind):
    for number, document in enumerate(
        (suite(engine, "/", block(kind)), suite(engine, {"transaction": "all", "do": ["/", block(kind)]}))
    ):
        if kind in KNOWN_BLOCKS[engine]:
            assert read(tmp_path, document).executions[0].executor == engine
        else:
            place = f"scenarios.shop.requests{['', '[0].do'][number]}[1].{kind}"
            assert f"suite.yml: {place} is a block, which " in refusal(tmp_path, document)


@pytest.mark.parametrize(
    ("engine", "scenario", "says"),
    [
        ("locust", {"data-sources": ["ids.csv"]}, "scenarios.shop.data-sources is used"),
        ("locust", {"variables": {"id": 7}}, "scenarios.shop.variables is used"),
        ("locust", {"timeout": "soon"}, "scenarios.shop.timeout is no duration; write it like 30s"),
        ("locust", {"requests": [{"url": "/", "think-time": "long"}]}, "requests[0].think-time is no duration"),
        ("locust", {"requests": [{"method": "GET"}]}, "requests[0].url is missing"),
        ("apiritif", {"requests": [{"url": "", "label": ""}]}, "requests[0].url is missing"),
        ("locust", {"requests": [{"url": "/", "assert": "text"}]}, "requests[0].assert is no list"),
        ("locust", {"requests": [{"url": "/", "assert": [{"subject": "cookie"}]}]}, "assert[0].subject is `cookie`"),
        ("locust", {"requests": [{"url": "/", "assert": [{"subject": "body"}]}]}, "assert[0].contains is missing"),
        ("locust", {"requests": [{"url": "/", "assert": ["*["]}]}, "assert[0].contains is no regular expression"),
        ("locust", {"requests": [{"url": "/", "assert": [{"contains": "*["}]}]}, "is no regular expression"),
        ("locust", {"requests": [5]}, "requests[0] is no request"),
        ("jmeter", {"requests": [{"loop": 3}]}, "requests[0].do is no list of requests"),
        *((engine, {"requests": None}, "without a script and without requests") for engine in KNOWN_BLOCKS),
        *((engine, {"requests": "requests.txt"}, "requests is no list") for engine in KNOWN_BLOCKS),
    ],
)
def test_what_no_script_can_be_made_of_is_refused(tmp_path, engine, scenario, says):
    (tmp_path / "ids.csv").write_text("id\n1\n")
    assert says in refusal(tmp_path, suite(engine, "/", **scenario))


def test_a_browser_test_is_no_load_for_apiritif(tmp_path):
    document = execution(executor="apiritif", scenario={"requests": ["/"]}, **{"test-mode": "selenium"})
    assert "execution[0].test-mode is `selenium`, not an API test" in refusal(tmp_path, document)


def test_one_scenario_is_asked_of_each_engine_that_runs_it(tmp_path):
    document = suite("jmeter", {"url": "/", "timeout": "1s"})
    assert read(tmp_path, document)
    document["execution"].append({"executor": "locust", "scenario": "shop", "hold-for": "1m"})
    assert "scenarios.shop.requests[0].timeout is used" in refusal(tmp_path, document)


def test_an_included_scenario_is_asked_of_the_engine_as_well(tmp_path):
    document = suite("apiritif", {"include-scenario": "other"})
    document["scenarios"]["other"] = {"requests": [{"url": "/", "jsr223": "x"}]}
    assert "scenarios.other.requests[0].jsr223 is used" in refusal(tmp_path, document)


@pytest.mark.parametrize(
    ("included", "says"),
    [
        ({"other": []}, "requests[0].include-scenario is `othr`, not a scenario; did you mean `other`?"),
        ({"othr": [{"include-scenario": "shop"}]}, "include-scenario is `shop`, which includes itself"),
        ({"othr": [{"include-scenario": "othr"}]}, "include-scenario is `othr`, which includes itself"),
        (
            {"othr": [{"include-scenario": "0"}]} | {f"{n}": [{"include-scenario": f"{n + 1}"}] for n in range(50)},
            "include-scenario is more than 20 levels deep",
        ),
    ],
)
def test_an_include_that_leads_nowhere_is_refused(tmp_path, included, says):
    document = suite("jmeter", {"include-scenario": "othr"})
    document["scenarios"] |= {name: {"requests": requests} for name, requests in included.items()}
    assert says in refusal(tmp_path, document)


def test_scenarios_that_include_each_other_manifold_are_read_at_once(tmp_path):
    document = suite("jmeter", {"include-scenario": "0"})
    document["scenarios"] |= {f"{n}": {"requests": [{"include-scenario": f"{n + 1}"}] * 5} for n in range(19)}
    document["scenarios"]["19"] = {"requests": ["/end"]}
    assert read(tmp_path, document).executions[0].labels == ("/end",)


def test_a_locustfile_does_what_it_likes_and_references_are_left_to_the_worker(tmp_path):
    (tmp_path / "locustfile.py").write_text("")
    own = {"script": "locustfile.py", "variables": {"a": 1}, "timeout": "soon"}
    assert read(tmp_path, execution(executor="locust", scenario=own))
    assert read(tmp_path, suite("locust", {"url": "/", "think-time": "${PAUSE}"}, timeout="${T}"))
    assert read(tmp_path, suite("locust", {"url": "/", "think-time": "uniform(1s,2s)"}))
    assert read(tmp_path, suite("locust", {"url": "/", "assert": [{"contains": ["*["], "regexp": False}]}))


def test_an_option_that_apiritifs_extractors_do_not_have_is_refused(tmp_path):
    def asked(engine, **options):
        return suite(engine, {"url": "/", "extract-regexp": {"id": {"regexp": r"(\d+)", **options}}})

    text = refusal(tmp_path, asked("apiritif", **{"match-no": 2}))
    assert "requests[0].extract-regexp.id.match-no is used, which Apiritif's generated script does not have" in text
    read(tmp_path, asked("apiritif", **{"match-no": 1, "template": 1, "subject": "body", "default": "none"}))
    read(tmp_path, asked("jmeter", **{"match-no": 2}))
