"""`toril init` copies the files in its folder that a script or a Taurus file names, and no others."""

import re

from tests.authoring.calling import call, refuses, scripts, started, tree, written
from tests.suite.reading import codes
from toril.authoring import InitOptions, create


def test_a_jmx_is_copied_with_its_data_and_keeps_its_load(tmp_path):
    started(tmp_path / "repo", str(scripts(tmp_path / "mine") / "load.jmx"))
    home = tmp_path / "repo/loadtests/load"
    suite = written(tmp_path / "repo", "load")
    assert suite.executions[0].concurrency is None
    assert {str(name) for name in tree(home)} == {"suite.yml", "load.jmx", "data", "data/users.csv"}
    assert (home / "load.jmx").read_bytes() == (tmp_path / "mine/load.jmx").read_bytes()


def test_files_outside_the_folder_of_a_jmx_are_noted_and_not_copied(tmp_path):
    jmx = scripts(tmp_path / "mine") / "load.jmx"
    (tmp_path / "outside.csv").write_text("a secret\n")
    text = jmx.read_text().replace('name="filename"', 'name="File.path"')
    for name in ("../outside.csv", str(tmp_path / "outside.csv"), "no.csv"):
        jmx.write_text(text.replace("data/users.csv", name))
        done = call(tmp_path / name.replace("/", "_"), str(jmx))
        assert f"note: load.jmx: `{name}`" in done.stderr
        assert "outside.csv" not in " ".join(tree(tmp_path / name.replace("/", "_")))


def test_files_behind_links_are_not_copied(tmp_path):
    mine = scripts(tmp_path / "mine")
    (tmp_path / "outside.csv").write_text("a secret\n")
    (mine / "data/users.csv").unlink()
    (mine / "data/users.csv").symlink_to(tmp_path / "outside.csv")
    for option in (str(mine / "load.jmx"), str(mine / "locustfile.py")):
        call(tmp_path / "repo", option)
    assert b"a secret\n" not in tree(tmp_path / "repo").values()


def test_a_locustfile_is_copied_with_its_imports_and_files(tmp_path):
    started(
        tmp_path / "repo",
        str(scripts(tmp_path / "mine") / "locustfile.py"),
        "--host",
        "http://shop:8080",
    )
    home = tmp_path / "repo/loadtests/mine"
    modules = {"steps/__init__.py", "steps/words.py", "steps/more.py", "steps/deep/down.py"}
    assert {name for name in tree(home) if "." in name} == {"suite.yml", "locustfile.py", "data/users.csv", *modules}
    scenario = written(tmp_path / "repo", "mine").common["scenarios"]["mine"]
    assert scenario == {"default-address": "http://shop:8080", "script": "locustfile.py"}


def test_a_script_already_in_place_stays(tmp_path):
    mine = scripts(tmp_path / "loadtests/shop")
    before = tree(mine)
    printed = started(tmp_path, str(mine / "locustfile.py"))
    wrote = [line for line in printed.splitlines() if line.startswith("wrote")]
    assert wrote == [f"wrote {mine / 'suite.yml'}", f"wrote {mine.parent / 'suite.schema.json'}"]
    assert {name: text for name, text in tree(mine).items() if name != "suite.yml"} == before


def test_hidden_and_outside_files_of_a_script_are_not_copied(tmp_path):
    mine = scripts(tmp_path / "mine")
    names = [".env", "data/../../outside.csv", str(tmp_path / "outside.csv"), "no.csv", "a" * 300, "\0", "."]
    for name in (".env", "../outside.csv"):
        (mine / name).write_text("a secret\n")
    (mine / "locustfile.py").write_text(f"import locust\nhost = None\nNAMES = {names!r}\n")
    done = call(tmp_path / "repo", str(mine / "locustfile.py"))
    assert b"a secret\n" not in tree(tmp_path / "repo").values()
    assert re.findall(r"note: locustfile.py: `(.*)` is", done.stderr) == names[:3]


TAURUS = """
# mine:   as I like it
execution: [{scenario: mine, executor: apiritif, iterations: 2}]
scenarios: {mine: {requests: ['http://127.0.0.1/'], data-sources: [users.csv]}}
reporting: [{module: passfail, criteria: ['p95>1s']}]
included-configs: [more.yml]
"""


def test_an_outside_taurus_file_is_copied_unchanged_with_its_files(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, text in {"load.yaml": TAURUS, "more.yml": "settings: {}\n", "users.csv": "a\n1\n", "notes": "x"}.items():
        (mine / name).write_text(text)
    started(tmp_path / "repo", str(mine / "load.yaml"))
    home = tmp_path / "repo/loadtests/load"
    assert tree(home) == {"suite.yaml": TAURUS.encode(), "more.yml": b"settings: {}\n", "users.csv": b"a\n1\n"}
    assert written(tmp_path / "repo", "load").executions[0].iterations == 2


def test_an_outside_taurus_file_is_copied_with_imports_of_its_scripts(tmp_path):
    mine = scripts(tmp_path / "mine/scripts").parent
    load = "execution: [{scenario: {script: scripts/locustfile.py}, executor: locust, hold-for: 1m}]"
    (mine / "load.yml").write_text(load)
    started(tmp_path / "repo", str(mine / "load.yml"))
    home = tree(tmp_path / "repo/loadtests/load")
    assert home["suite.yml"] == load.encode()
    assert {"scripts/steps/deep/down.py", "scripts/data/users.csv"} <= home.keys()
    assert not [name for name in home if "unrelated" in name]


def test_an_outside_taurus_folder_is_copied_unchanged(tmp_path):
    mine = scripts(tmp_path / "shop")
    (mine / "suite.yml").write_text("execution: [{scenario: load.jmx}]")
    (mine / ".env").write_text("a secret")
    (mine / "old.py").write_text("print 'Python 2'")
    started(tmp_path / "repo", str(mine / "suite.yml"))
    assert tree(tmp_path / "repo/loadtests/shop") == {name: text for name, text in tree(mine).items() if name != ".env"}


def test_a_taurus_file_with_colliding_names_is_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/suite.yml").write_text("execution: [{scenario: {requests: ['http://shop/']}, hold-for: 1m}]")
    (tmp_path / "mine/load.yml").write_text("included-configs: [suite.yml]")
    arguments = [str(tmp_path / "mine/load.yml")]
    refuses(tmp_path / "repo", arguments, "colliding-names", "suite.yml")


def test_a_taurus_file_of_the_repository_stays_where_it_is(tmp_path):
    (tmp_path / "perf").mkdir()
    (tmp_path / "perf/load.yml").write_text(TAURUS.replace("included-configs: [more.yml]", ""))
    (tmp_path / "perf/users.csv").write_text("a\n1\n")
    before = tree(tmp_path)
    printed = started(tmp_path, str(tmp_path / "perf/load.yml"), "--workflow")
    assert f"toril run {tmp_path / 'perf/load.yml'}" in printed
    workflow = tmp_path / ".github/workflows/loadtest.yml"
    assert "suite: perf/load.yml\n" in workflow.read_text()
    assert {name: text for name, text in tree(tmp_path).items() if not name.startswith(".github")} == before


def test_a_taurus_file_without_criteria_is_noted(tmp_path):
    (tmp_path / "load.yml").write_text("execution: [{scenario: {requests: ['http://shop/']}, hold-for: 1m}]")
    created = create(InitOptions(script="taurus", file=tmp_path / "load.yml", action="acme/toril@v1"), tmp_path)
    assert codes(created.notes) == ["no-criteria"]
