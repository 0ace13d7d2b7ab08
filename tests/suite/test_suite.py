"""Reading a suite: typed values, files and merging."""

import json

import pytest

from tests.refusals import refused
from tests.suite.reading import SIMPLE, codes, execution, read, refuses, write
from toril.suite import read_suite


def test_the_smallest_suite_has_taurus_defaults(tmp_path):
    suite = read(tmp_path / "shop", SIMPLE)
    (only,) = suite.executions
    assert (suite.name, suite.folder, suite.warnings) == ("shop", tmp_path / "shop", ())
    assert (only.executor, only.concurrency, only.iterations, only.throughput_rps) == ("jmeter", 1, 1, None)
    assert (only.delay_s, only.ramp_up_s, only.hold_for_s, only.labels) == (0, 0, 0, ("http://127.0.0.1/",))


def test_an_execution_has_typed_values(tmp_path):
    suite = read(
        tmp_path,
        execution(
            **{
                "concurrency": "7",
                "ramp-up": "1m30s",
                "delay": 5,
                "throughput": 2.5,
                "steps": 3,
                "iterations": 9,
                "memo": "x",
            }
        ),
    )
    (only,) = suite.executions
    assert (only.concurrency, only.ramp_up_s, only.delay_s, only.hold_for_s, only.steps, only.iterations) == (
        7,
        90,
        5,
        60,
        3,
        9,
    )
    assert float(only.throughput_rps) == 2.5
    assert only.config["memo"] == "x"
    assert "criteria" not in only.config


def test_scenarios_are_named_inline_or_bare_scripts(tmp_path):
    write(tmp_path, "from locust import HttpUser", "scripts/locustfile.py")
    write(tmp_path, "<jmeterTestPlan/>", "load.jmx")
    suite = read(
        tmp_path,
        {
            "execution": [
                {"scenario": "browse"},
                {"scenario": {"script": "scripts/locustfile.py"}, "executor": "locust"},
                {"scenario": "load.jmx"},
                {"scenario": {"requests": [{"url": "/", "label": "home"}]}},
                {"scenario": "browse"},
                {"scenario": "load.jmx", "concurrency": 3},
            ],
            "scenarios": {"browse": {"requests": ["/a"]}},
        },
    )
    assert [e.name for e in suite.executions] == [
        "browse",
        "locustfile.py",
        "load.jmx",
        "jmeter",
        "browse#2",
        "load.jmx#2",
    ]
    assert suite.common["scenarios"]["load.jmx"] == {"script": "load.jmx"}
    assert suite.executions[3].config["scenario"] == "jmeter"
    assert {path.as_posix() for path in suite.files} == {"suite.yml", "load.jmx", "scripts/locustfile.py"}
    assert suite.executions[2].concurrency is None  # the script's own load, unchanged
    assert suite.executions[5].concurrency == 3


def test_an_execution_has_the_labels_of_requests_transactions_and_includes(tmp_path):
    requests = [
        "/plain",
        {"url": "/a", "label": "named ${WHAT}"},
        {"transaction": "buy", "do": ["/cart", {"if": "x", "then": ["/then"], "else": ["/else"]}]},
        {"loop": 3, "do": [{"once": ["/once"]}]},
        {"foreach": "a in b", "do": ["/each"]},
        {"while": "x", "do": ["/while"]},
        {"action": "pause", "pause-duration": "1s"},
        {"set-variables": {"a": 1}},
        {"include-scenario": "other"},
    ]
    suite = read(
        tmp_path,
        {
            "execution": {"scenario": "main"},
            "scenarios": {"main": {"requests": requests}, "other": {"requests": ["/other"]}},
            "settings": {"env": {"WHAT": "page"}},
        },
    )
    expected = "/plain|named page|buy|/cart|/then|/else|/once|/each|/while|/other"
    assert suite.executions[0].labels == tuple(expected.split("|"))
    assert suite.common["scenarios"]["main"]["requests"][1]["label"] == "named ${WHAT}"


def test_references_are_resolved_in_load_keys_locations_and_criteria_only(tmp_path):
    document = {
        **execution(
            **{
                "concurrency": "${USERS}",
                "ramp-up": "${RAMP}",
                "locations": {"${PLACE}": "${WEIGHT}"},
                "criteria": ["p95 of ${LABEL}>${LIMIT}"],
                "memo": "${USERS}",
            }
        ),
        "settings": {
            "env": {"USERS": 5, "RAMP": "$FROM_SYSTEM", "LABEL": "/", "PLACE": "eu", "LIMIT": "${DEEP}", "DEEP": "1s"}
        },
    }
    suite = read(tmp_path, document, env={"USERS": "8", "WEIGHT": "2"}, system={"FROM_SYSTEM": "9s", "USERS": "99"})
    (only,) = suite.executions
    assert (only.concurrency, only.ramp_up_s, only.locations) == (8, 9, {"eu": 2})
    assert suite.criteria[0].source == "p95 of />1s"
    assert only.config["memo"] == "${USERS}"
    assert suite.common["settings"]["env"]["USERS"] == "${USERS}"  # only the environment of workers has the value
    assert "8" not in json.dumps(suite.common)


VISITS = {"default-address": "http://shop", "requests": ["/${id}"]}


@pytest.mark.parametrize(
    ("scenario", "unset"),
    [
        ({"default-address": "http://${HOST}:${PORT}", "requests": ["/"]}, ["HOST"]),
        ({"default-address": "http://${HOST}", "data-sources": ["hosts.csv"], "requests": ["/"]}, []),
        ({"default-address": "http://${OTHER}", "data-sources": ["hosts.csv"], "requests": ["/"]}, ["OTHER"]),
        ({"default-address": "http://${HOST}", "variables": {"HOST": "shop"}, "requests": ["/"]}, []),
        ({"default-address": "http://${TORIL_LOCATION}.shop:${__P(port,80)}/${__jm__L__idx}", "requests": ["/"]}, []),
        ({"default-address": "http://${TOKEN}.shop", "requests": ["/"]}, []),
        ({"requests": ["${HOST}/a", {"transaction": "t", "do": [{"url": "${WHERE}/b"}]}]}, ["HOST", "WHERE"]),
        ({"requests": [{"url": "http://shop/", "body": "${x}", "headers": {"A": "${y}"}}]}, []),
        (VISITS, ["id"]),
        ({**VISITS, "data-sources": [{"path": "hosts.csv", "variable-names": "id, name"}]}, []),
        ({**VISITS, "data-sources": [{"path": "hosts.csv", "variable-names": ["id"]}]}, []),
        ({**VISITS, "requests": [{"url": "/", "extract-regexp": {"id": "(.)"}}, "/${id_1}"]}, []),
        ({**VISITS, "requests": [{"set-variables": {"id": 1}}, "/${id}"]}, []),
        ({**VISITS, "requests": [{"foreach": "id in ids", "do": ["/${id}"]}]}, []),
        ({**VISITS, "requests": [{"url": "/${id}", "jsr223": "vars.put('id', '1')"}]}, []),
        ({**VISITS, "requests": [{"include-scenario": "login"}, "/${id}"]}, []),
    ],
)
def test_an_address_with_an_unset_variable_is_noted(tmp_path, scenario, unset):
    write(tmp_path, "HOST\nshop\n", "hosts.csv")
    document = execution(scenario=scenario) | {
        "scenarios": {"login": {"requests": [{"url": "http://shop", "extract-jsonpath": {"id": "$.id"}}]}},
        "toril": {"secrets": {"TOKEN": "name"}},
    }
    suite = read(tmp_path, document, env={"PORT": "80"})
    assert codes(suite.unset) == ["unset-reference"] * len(unset)
    for note, name in zip(suite.unset, unset, strict=True):
        assert note.message.startswith("suite.yml: execution[0].scenario.")
        assert f"`{name}`" in note.message
    assert set(suite.unset) <= set(suite.warnings)  # such a suite can still be written and pushed


@pytest.mark.parametrize(
    ("on", "more", "unset"),
    [
        ("local", {}, 1),
        ("local", {"system": {"TOKEN": "5"}}, 0),
        ("local", {"env": {"TOKEN": "5"}}, 0),
        ("fargate", {"system": {"TOKEN": "5"}}, 1),
        ("fargate", {"env": {"TOKEN": "5"}}, 0),
    ],
)
def test_a_variable_that_refers_to_itself_has_to_be_set(tmp_path, on, more, unset):
    document = execution(locations={"eu-west-1": 1}) | {"settings": {"env": {"TOKEN": "${TOKEN}"}}}
    suite = read(tmp_path, document, **{"on": on, "system": {}, **more})
    assert codes(suite.unset) == ["unset-reference"] * unset
    assert set(suite.unset) <= set(suite.warnings)


def test_an_unset_address_is_not_called_a_secret(tmp_path):
    document = execution(locations={"eu-west-1": 1}) | {"settings": {"env": {"BASE_URL": "${BASE_URL}"}}}
    (note,) = read(tmp_path, document, on="fargate", system={}).unset
    assert "secrets" not in note.message


def test_workers_on_fargate_do_not_have_this_machines_environment(tmp_path):
    document = execution(scenario={"default-address": "${SHOP}", "requests": ["/"]}, locations={"eu-west-1": 1})
    for on, env, unset in (("local", {}, 0), ("fargate", {}, 1), ("fargate", {"SHOP": "http://shop"}, 0)):
        assert len(read(tmp_path, document, on=on, env=env, system={"SHOP": "http://shop"}).unset) == unset


@pytest.mark.parametrize(
    ("text", "delimiter"), [("user\nanne\nnels\n", ","), ("a;b,c;d\n", ";"), ("a\tb\n", "\t"), ("", ",")]
)
def test_the_header_of_a_data_source_sets_its_delimiter(tmp_path, text, delimiter):
    write(tmp_path, text, "users.csv")
    for source in ("users.csv", {"path": "users.csv"}):
        scenario = {"requests": ["http://shop/"], "data-sources": [source]}
        suite = read(tmp_path, execution(scenario=scenario))
        assert suite.common["scenarios"]["jmeter"]["data-sources"] == [{"path": "users.csv", "delimiter": delimiter}]
    scenario["data-sources"] = [{"path": "users.csv", "delimiter": "|"}]
    suite = read(tmp_path, execution(scenario=scenario))
    assert suite.common["scenarios"]["jmeter"]["data-sources"][0]["delimiter"] == "|"


def test_an_unset_variable_in_a_load_key_is_rejected_with_the_fix(tmp_path):
    refuses(tmp_path, execution(concurrency="${USERS}"), "unset-reference", "execution[0].concurrency", "--env USERS=")


def test_references_that_grow_without_limit_are_rejected(tmp_path):
    env = {f"V{level}": f"${{V{level + 1}}}" * 100 for level in range(5)}
    refuses(tmp_path, {**execution(concurrency="${V0}"), "settings": {"env": env}}, "too-large", "settings.env")


def test_the_plan_resolves_jmeters_properties_in_load_keys(tmp_path):
    keys = {"concurrency": "${__P(users,3)}", "ramp-up": "${__property(ramp)}", "hold-for": "${__P(hold, 10)}s"}
    suite = read(tmp_path, {**execution(**keys), "modules": {"jmeter": {"properties": {"users": 7, "ramp": "5s"}}}})
    (only,) = suite.executions
    assert (only.concurrency, only.ramp_up_s, only.hold_for_s) == (7, 5, 10)


def test_local_and_cloud_have_different_loads(tmp_path):
    document = execution(concurrency={"local": 5, "cloud": 1000}, throughput={"cloud": 70})
    here, there = read(tmp_path, document), read(tmp_path, document, on="fargate")
    assert (here.executions[0].concurrency, here.executions[0].throughput_rps) == (5, None)
    assert (there.executions[0].concurrency, there.executions[0].throughput_rps) == (1000, 70)
    assert there.executions[0].config["concurrency"] == 1000


def test_criteria_of_every_place_have_their_scope(tmp_path):
    suite = read(
        tmp_path,
        {
            "execution": [{"scenario": "a", "criteria": ["fail>0%", {"slow": "avg-rt>1s"}]}, {"scenario": "a"}],
            "scenarios": {"a": {"requests": ["/"], "criteria": {"too slow": "p90>250ms"}}},
            "reporting": [
                "final-stats",
                {"module": "passfail", "criteria": ["p95>300ms"]},
                {"module": "passfail", "run-at": "cloud", "criteria": ["p95>100ms"]},
            ],
            "toril": {"criteria": ["hits<10"]},
        },
    )
    assert [(one.where.removeprefix("suite.yml: "), one.executions) for one in suite.criteria] == [
        ("reporting[1].criteria[0]", ()),
        ("execution[0].criteria[0]", ("a",)),
        ("execution[0].criteria[1]", ("a",)),
        ("scenarios.a.criteria.too slow", ("a",)),
        ("scenarios.a.criteria.too slow", ("a#2",)),
        ("toril.criteria[0]", ()),
    ]
    assert "criteria" not in json.dumps([suite.common, [e.config for e in suite.executions]])
    assert not {"execution", "reporting", "toril"} & set(suite.common)


def test_an_invalid_criterion_names_its_place(tmp_path):
    document = {**SIMPLE, "reporting": [{"module": "passfail", "criteria": ["p95>1s", "avg-rt for x>1s"]}]}
    refuses(tmp_path, document, "missing-of", "suite.yml: reporting[0].criteria[1]", "avg-rt for x>1s")


def test_an_unknown_subject_names_the_nearest_one(tmp_path):
    document = {**SIMPLE, "toril": {"criteria": ["latency<450/s"]}}
    refuses(tmp_path, document, "unknown-subject", "toril.criteria[0]", "latency", "avg-lt")


def test_ignored_keys_are_noted(tmp_path):
    document = {
        **execution(executor="warp", **{"start-at": "10:00"}),
        "provisioning": "cloud",
        "cli-aliases": {"x": {"execution": [{"scenario": "never"}]}},
        "reporting": [{"module": "junit-xml"}],
        "modules": {"local": {"sequential": True}, "warp": {"class": "my.Warp"}},
        "unknown": {"left": "alone"},
    }
    suite = read(tmp_path, document)
    assert len(suite.executions) == 1
    assert suite.common["unknown"] == {"left": "alone"}
    assert not {"cli-aliases", "provisioning"} & set(suite.common)
    expected = {
        "untested-executor": "warp",
        "ignored-reporter": "junit-xml",
        "in-turns": "modules.local",
        "ignored-key": "execution[0].start-at",
    }
    for code, name in expected.items():
        assert any(note.code == code and name in note.message for note in suite.warnings)
    assert any(note.code == "ignored-key" and "provisioning: " in note.message for note in suite.warnings)


@pytest.mark.parametrize("executor", ["molotov", "warp"])
def test_an_executor_of_the_suites_own_is_noted(tmp_path, executor):
    document = {**execution(executor=executor), "modules": {executor: {"class": "my.Own"}}}
    (warning,) = read(tmp_path, document).warnings
    assert warning.code == "untested-executor"
    assert "execution[0].executor" in warning.message
    assert f"`{executor}`" in warning.message


@pytest.mark.parametrize(("executor", "named"), [("jmetr", "`jmeter`"), ("warpdrive", "vegeta")])
def test_an_unknown_executor_is_rejected_with_the_nearest_one(tmp_path, executor, named):
    for document in (
        execution(executor=executor),
        {**SIMPLE, "settings": {"default-executor": executor}},
        {**execution(executor=executor), "modules": {executor: {"path": "x"}}},  # settings without a class
    ):
        refuses(tmp_path, document, "unknown-executor", f"`{executor}`", named)


@pytest.mark.parametrize(
    ("key", "meant"), [("scenario", "scenarios"), ("executions", "execution"), ("module", "modules")]
)
def test_a_misspelt_top_level_key_is_rejected(tmp_path, key, meant):
    document = {"execution": {"scenario": "shop"}, key: {"shop": {}}}
    refuses(tmp_path, document, "unknown-key", f"`{key}`", f"`{meant}`")


def test_the_suite_sets_the_default_executor(tmp_path):
    suite = read(tmp_path, {**SIMPLE, "settings": {"default-executor": "apiritif"}})
    assert suite.executions[0].config["executor"] == "apiritif"


def test_a_folder_sends_all_its_files_except_hidden_files_and_caches(tmp_path):
    for name in ("suite.yml", "lib/helper.py", ".env", ".git/config", "__pycache__/x.pyc"):
        write(tmp_path, SIMPLE if name == "suite.yml" else "x", name)
    suite = read_suite([tmp_path], system={})
    assert [path.as_posix() for path in suite.files] == ["lib/helper.py", "suite.yml"]
    assert all((suite.folder / path).is_file() for path in suite.files)


def test_files_that_a_script_uses_and_workers_do_not_receive_are_noted(tmp_path):
    script = "import helper\nfrom locust import HttpUser\nUSERS = open('users.csv').read()\n"
    for name, text in {"own.py": script, "users.csv": "a\n", "helper.py": "", "other.csv": "", "unused.py": ""}.items():
        write(tmp_path, text, name)
    document = {"execution": {"scenario": "own.py", "executor": "locust", "hold-for": "1m"}}
    warnings = read_suite([write(tmp_path, document, "load.yml")], system={}).warnings
    assert [(note.code, note.message.split(": ")[1]) for note in warnings] == [
        ("left-behind", "helper.py"),
        ("left-behind", "users.csv"),
    ]
    with_files = {"execution": {**document["execution"], "files": ["users.csv", "helper.py"]}}
    assert not read_suite([write(tmp_path, with_files, "load.yml")], system={}).warnings
    assert not read(tmp_path, document).warnings  # with a suite.yml, workers receive the whole folder


def test_the_files_that_change_a_run_are_named_by_the_suite_or_by_its_scripts(tmp_path):
    script = "import helper\nfrom lib.pages import Home\nUSERS = open('users.csv').read()\n"
    texts = {"own.py": script, "users.csv": "a\n", "helper.py": "import more\n", "more.py": "", "lib/pages.py": "",
             "README.md": "", "junit.xml": "", "unused.py": ""}  # fmt: skip
    for name, text in texts.items():
        write(tmp_path, text, name)
    suite = read(tmp_path, {"execution": {"scenario": "own.py", "executor": "locust", "hold-for": "1m"}})
    assert {path.as_posix() for path in suite.named} == {
        "suite.yml", "own.py", "helper.py", "more.py", "lib/pages.py", "users.csv",
    }  # fmt: skip
    assert set(suite.named) < set(suite.files)


def test_a_folder_sends_no_store_of_earlier_runs(tmp_path):
    write(tmp_path, "{}", "results/runs/20261124T150405Z-shop-0a1b/plan.json")
    write(tmp_path, "{}", "data/runs/plan.json")
    suite = read(tmp_path, SIMPLE)
    assert [path.as_posix() for path in suite.files] == ["data/runs/plan.json", "suite.yml"]


def test_a_suite_of_one_file_sends_the_files_that_it_and_its_jmx_name(tmp_path):
    jmx = '<x><stringProp name="filename">users.csv</stringProp><stringProp name="filename">${gone}</stringProp></x>'
    for name, text in {"load.jmx": jmx, "users.csv": "a", "other.txt": "x", "extra.jar": "x"}.items():
        write(tmp_path, text, name)
    path = write(tmp_path, {"execution": [{"scenario": "load.jmx", "files": ["extra.jar"]}]}, "nightly.yml")
    suite = read_suite([path], system={})
    assert suite.name == "nightly"
    assert [path.as_posix() for path in suite.files] == ["extra.jar", "load.jmx", "nightly.yml", "users.csv"]


def test_workers_receive_the_files_of_an_included_scenario(tmp_path):
    other = {"requests": [{"url": "/", "body-file": "body.txt"}], "data-sources": ["users.csv"]}
    for name in ("body.txt", "users.csv"):
        write(tmp_path, "x", name)
    scenarios = {"main": {"requests": [{"loop": 2, "do": [{"include-scenario": "other"}]}]}, "other": other}
    path = write(tmp_path, {"execution": [{"scenario": "main"}], "scenarios": scenarios}, "nightly.yml")
    assert [path.as_posix() for path in read_suite([path], system={}).files] == ["body.txt", "nightly.yml", "users.csv"]


def test_scripts_are_also_found_in_the_current_folder(tmp_path, monkeypatch):
    write(tmp_path, "<x/>", "loadtests/shop/load.jmx")
    write(tmp_path, {"execution": [{"scenario": "loadtests/shop/load.jmx"}]}, "loadtests/shop/suite.yml")
    monkeypatch.chdir(tmp_path)
    suite = read_suite(["loadtests/shop"], system={})
    assert suite.common["scenarios"]["load.jmx"] == {"script": "load.jmx"}


def test_several_files_merge_and_overrides_come_last(tmp_path):
    base = write(tmp_path, {**execution(concurrency=1), "settings": {"ramp-up-exclude": True}}, "base.yml")
    more = write(tmp_path, json.dumps({"$execution": [{"concurrency": 2}], "toril": {"workers": 2}}), "more.json")
    suite = read_suite([base, str(more)], overrides=["execution.0.concurrency=6", "toril.workers=3"], system={})
    assert (suite.executions[0].concurrency, suite.toril.workers, suite.ramp_up_exclude) == (6, 3, True)
    assert (suite.name, suite.source) == ("base", "base.yml + more.json")


@pytest.mark.parametrize(
    ("paths", "code", "named"),
    [
        ([], "no-suite", ""),
        (["gone.yml"], "unreadable-file", "gone.yml"),
        (["empty"], "no-suite", "empty"),
        (["full", "full"], "several-suites", "full"),
        (["full/suite.yml", "full"], "several-suites", "full"),
        (["http://127.0.0.1/"], "not-a-suite", "http://127.0.0.1/"),
        (["load.jmx"], "not-a-suite", "load.jmx"),
        (["x\0y"], "unreadable-file", "x"),
        (["/dev/zero"], "unreadable-file", "zero"),
    ],
)
def test_arguments_that_are_not_suites_are_rejected(tmp_path, monkeypatch, paths, code, named):
    (tmp_path / "empty").mkdir()
    write(tmp_path, SIMPLE, "full/suite.yml")
    monkeypatch.chdir(tmp_path)
    with refused(code, named):
        read_suite(paths, system={})


@pytest.mark.parametrize(
    "names", ["base.yml", ["gone.yml"], [5], ["http://127.0.0.1/x.yml"], {"a": 1}, [f"{n}.yml" for n in range(200)]]
)
def test_invalid_includes_are_rejected(tmp_path, names):
    refuses(tmp_path, {**SIMPLE, "included-configs": names}, "bad-include", "included-configs")
