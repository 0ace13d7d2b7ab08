"""What `toril init` writes is what was asked for, as every other command reads it."""

import re
import shlex
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.init.calling import call, refused, scripts, started, tree, written


def requests(suite, name):
    """The addresses that will be asked."""
    scenario = suite.common["scenarios"][name]
    return [url if "://" in url else scenario["default-address"] + url for url in scenario["requests"]]


def test_addresses_become_requests_of_the_service_that_the_first_one_is_of(tmp_path):
    started(
        tmp_path, "--url", "https://shop.example.com", "--url", "https://shop.example.com/s?q=a:b", "--url", "http://b/"
    )
    suite = written(tmp_path, "shop")
    assert requests(suite, "shop") == ["https://shop.example.com/", "https://shop.example.com/s?q=a:b", "http://b/"]
    (execution,) = suite.executions
    assert (execution.executor, execution.concurrency) == ("locust", 10)
    assert (execution.ramp_up_s, execution.hold_for_s) == (5, 25)
    assert [one.source for one in suite.criteria] == ["p95>500ms", "fail>1%"]
    assert suite.ramp_up_exclude
    assert not suite.warnings


def test_the_page_on_suites_shows_what_is_written(tmp_path):
    page = (Path(__file__).parents[2] / "docs/suites.md").read_text()
    (command,) = re.findall(r"`toril init (--url [^`]+)`", page)
    started(tmp_path, *shlex.split(command))
    assert f"```yaml\n{(tmp_path / 'loadtests/shop/suite.yml').read_text()}```" in page


def test_a_rate_is_jmeters_with_users_enough_for_it(tmp_path):
    started(tmp_path, "--url", "http://shop/", "--rps", "37.5")
    (execution,) = written(tmp_path, "shop").executions
    assert (execution.executor, execution.concurrency, execution.throughput_rps) == ("jmeter", 38, Fraction("37.5"))


def test_limits_of_both_languages_go_where_they_are_judged(tmp_path):
    limits = ["p99 of />1s for 10s", "throughput<4/s", "it is slow: p90>2s"]
    started(tmp_path, "--url", "http://shop/", *(f"--limit={limit}" for limit in limits))
    found = {one.source: one.language for one in written(tmp_path, "shop").criteria}
    assert found == {limits[0]: "taurus", limits[2]: "taurus", limits[1]: "toril"}


def test_a_doubtful_limit_is_written_and_doubted(tmp_path):
    done = call(tmp_path, "--url", "http://shop/", "--limit", "p95>300", "--action", "acme/toril@v1")
    assert "note: suite.yml: reporting[0].criteria[0]" in done.stderr
    assert "a number alone is seconds" in done.stderr


def test_locations_have_their_weights(tmp_path):
    started(tmp_path, "--url", "http://shop/", "--location", "eu-west-1=2.5", "--location", "null")
    (execution,) = written(tmp_path, "shop").executions
    assert execution.locations == {"eu-west-1": Fraction("2.5"), "null": 1}


def test_a_jmx_takes_its_data_along_and_keeps_its_own_load(tmp_path):
    started(tmp_path / "repo", "--jmx", str(scripts(tmp_path / "mine") / "load.jmx"))
    home = tmp_path / "repo/loadtests/load"
    suite = written(tmp_path / "repo", "load")
    assert suite.executions[0].concurrency is None
    assert {str(name) for name in tree(home)} == {"suite.yml", "load.jmx", "data", "data/users.csv"}
    assert (home / "load.jmx").read_bytes() == (tmp_path / "mine/load.jmx").read_bytes()


def test_a_jmx_may_be_given_a_load(tmp_path):
    started(tmp_path, "--jmx", str(scripts(tmp_path / "mine") / "load.jmx"), "--hold-for", "1m", "--name", "nightly")
    (execution,) = written(tmp_path, "nightly").executions
    assert (execution.concurrency, execution.hold_for_s, execution.executor) == (10, 60, "jmeter")


def test_what_a_jmx_names_elsewhere_is_said_and_not_taken_along(tmp_path):
    jmx = scripts(tmp_path / "mine") / "load.jmx"
    (tmp_path / "outside.csv").write_text("a secret\n")
    text = jmx.read_text()
    for name, why in {
        "../outside.csv": "no path below",
        str(tmp_path / "outside.csv"): "no path",
        "no.csv": "not there",
    }.items():
        jmx.write_text(text.replace("data/users.csv", name))
        done = call(tmp_path / name.replace("/", "_"), "--jmx", str(jmx))
        assert name in done.stderr
        assert why in done.stderr
        assert "outside.csv" not in " ".join(tree(tmp_path / name.replace("/", "_")))


def test_a_link_takes_nothing_from_elsewhere_along(tmp_path):
    mine = scripts(tmp_path / "mine")
    (tmp_path / "outside.csv").write_text("a secret\n")
    (mine / "data/users.csv").unlink()
    (mine / "data/users.csv").symlink_to(tmp_path / "outside.csv")
    for option in (f"--jmx={mine / 'load.jmx'}", f"--locustfile={mine / 'locustfile.py'}"):
        call(tmp_path / "repo", option, "--no-workflow")
    assert b"a secret\n" not in tree(tmp_path / "repo").values()


def test_a_locustfile_takes_along_what_it_imports_and_opens(tmp_path):
    started(
        tmp_path / "repo",
        "--locustfile",
        str(scripts(tmp_path / "mine") / "locustfile.py"),
        "--url",
        "http://shop:8080",
    )
    home = tmp_path / "repo/loadtests/mine"
    assert {name for name in tree(home) if "." in name} == {
        "suite.yml", "locustfile.py", "steps/__init__.py", "steps/words.py", "data/users.csv",
    }  # fmt: skip
    scenario = written(tmp_path / "repo", "mine").common["scenarios"]["mine"]
    assert scenario == {"default-address": "http://shop:8080", "script": "locustfile.py"}


def test_a_script_that_lies_where_it_belongs_is_left_there(tmp_path):
    mine = scripts(tmp_path / "loadtests/shop")
    before = tree(mine)
    said = started(tmp_path, "--locustfile", str(mine / "locustfile.py"), "--no-workflow")
    assert [line for line in said.splitlines() if line.startswith("wrote")] == [f"wrote {mine / 'suite.yml'}"]
    assert {name: text for name, text in tree(mine).items() if name != "suite.yml"} == before


def test_a_locustfile_without_a_host_is_noted(tmp_path):
    file = scripts(tmp_path / "mine") / "locustfile.py"
    assert "sets no `host`" in call(tmp_path / "1", "--locustfile", str(file)).stderr
    assert "`host`" not in call(tmp_path / "2", "--locustfile", str(file), "--url", "http://shop").stderr
    file.write_text(file.read_text().replace("    wait_time", "    host = 'http://shop'\n    wait_time"))
    assert "`host`" not in call(tmp_path / "3", "--locustfile", str(file)).stderr


def test_runs_that_git_would_keep_are_noted(tmp_path):
    assert ".gitignore" not in call(tmp_path, "--url", "http://shop/").stderr
    (tmp_path / ".git").mkdir()
    assert "name it in .gitignore" in call(tmp_path, "--url", "http://shop/", "--force").stderr
    (tmp_path / ".gitignore").write_text("build/\n/.toril/\n")
    assert ".gitignore" not in call(tmp_path, "--url", "http://shop/", "--force").stderr


def test_what_was_written_can_be_pointed_elsewhere(tmp_path):
    mine = scripts(tmp_path / "mine")
    started(tmp_path, "--url", "http://shop/", "--name", "requests")
    started(
        tmp_path,
        "--locustfile",
        str(mine / "locustfile.py"),
        "--url",
        "http://shop",
        "--name",
        "script",
        "--no-workflow",
    )
    for name in ("requests", "script"):
        suite = written(tmp_path, name, against="http://other")
        assert suite.common["scenarios"][name]["default-address"] == "http://other"


TAURUS = """
# mine:   as I like it
execution: [{scenario: mine, executor: apiritif, iterations: 2}]
scenarios: {mine: {requests: ['http://127.0.0.1/'], data-sources: [users.csv]}}
reporting: [{module: passfail, criteria: ['p95>1s']}]
included-configs: [more.yml]
"""


def test_a_taurus_file_of_elsewhere_is_copied_byte_for_byte_with_all_that_it_names(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    for name, text in {"load.yaml": TAURUS, "more.yml": "settings: {}\n", "users.csv": "a\n1\n", "notes": "x"}.items():
        (mine / name).write_text(text)
    started(tmp_path / "repo", "--taurus", str(mine / "load.yaml"))
    home = tmp_path / "repo/loadtests/load"
    assert tree(home) == {"suite.yaml": TAURUS.encode(), "more.yml": b"settings: {}\n", "users.csv": b"a\n1\n"}
    assert written(tmp_path / "repo", "load").executions[0].iterations == 2


def test_a_taurus_file_of_the_repository_stays_where_it_is(tmp_path):
    (tmp_path / "perf").mkdir()
    (tmp_path / "perf/load.yml").write_text(TAURUS.replace("included-configs: [more.yml]", ""))
    (tmp_path / "perf/users.csv").write_text("a\n1\n")
    before = tree(tmp_path)
    said = started(tmp_path, "--taurus", str(tmp_path / "perf/load.yml"))
    assert f"toril run {tmp_path / 'perf/load.yml'}" in said
    workflow = tmp_path / ".github/workflows/loadtest.yml"
    assert "suite: perf/load.yml\n" in workflow.read_text()
    assert {name: text for name, text in tree(tmp_path).items() if not name.startswith(".github")} == before


def test_a_taurus_file_that_judges_nothing_is_said_to(tmp_path):
    (tmp_path / "load.yml").write_text("execution: [{scenario: {requests: ['http://shop/']}, hold-for: 1m}]")
    assert "no criteria" in call(tmp_path, "--taurus", str(tmp_path / "load.yml")).stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("", "give --url URL, --jmx FILE, --locustfile FILE or --taurus FILE"),
        ("--jmx load.jmx --locustfile locustfile.py", "give one of them"),
        ("--url http://shop/ --jmx load.jmx", "give one of them"),
        ("--jmx locustfile.py", "expected a file that ends in .jmx"),
        ("--jmx none.jmx", "there is no such file"),
        ("--taurus load.jmx", "expected a file that ends in .yml or .yaml or .json"),
        ("--locustfile locustfile.py --rps 5", "wait_time"),
        ("--locustfile locustfile.py --url http://shop/path", "without a path"),
        ("--taurus good.yml --users 5", "with -o"),
        ("--taurus bad.yml", "execution is missing"),
        ("--url shop.example.com", "expected an address such as https://"),
        ("--url ftp://shop/", "expected an address"),
        ("--url http://me:secret@shop/", "leave user and password out"),
        ("--url http://shop/#top", "write %23"),
        ("--url http://shop/ü", "write http://shop/%C3%BC"),
        ("--url http://shop/{id}", "write http://shop/%7Bid%7D"),
        ("--url http://shop/100%", "write http://shop/100%25"),
        ("--url http://shop:99999/", "no port 99999"),
        ("--url http://shöp/", "host and port in ASCII"),
        ("--url http://shop/ --rps 0", "above 0"),
        ("--url http://shop/ --rps nan", "above 0"),
        ("--url http://shop/ --ramp-up soon", "expected a duration"),
        ("--url http://shop/ --hold-for 0", "no time at all"),
        ("--url http://shop/ --hold-for 9999d", "longer than a year"),
        ("--url http://shop/ --limit p95", "no comparison"),
        ("--url http://shop/ --limit p105>1s", "p105"),
        ("--url http://shop/ --limit fail>${LIMIT}", "instead of a reference"),
        ("--url http://shop/ --location a=0", "above 0"),
        ("--url http://shop/ --location a=1 --location a=2", "named twice"),
        ("--url http://shop/ --location ../a", "letters, digits"),
        ("--url http://shop/ --name ../a", "letters, digits"),
        ("--url http://shop/ --name a.", "letters, digits"),
        ("--url http://shop/ --action toril", "acme/toril@v1"),
        ("--url http://shop/ --users 2000000", "workers"),
    ],
)
def test_what_cannot_be_is_refused_with_the_fix_and_nothing_is_written(tmp_path, monkeypatch, arguments, told):
    folder = scripts(tmp_path / "mine")
    monkeypatch.chdir(folder)
    Path("good.yml").write_text("execution: [{scenario: {requests: ['http://shop/']}, hold-for: 1m}]")
    Path("bad.yml").write_text("scenarios: {}")
    text = refused(tmp_path / "repo", *arguments.split())
    assert told in text
    assert "\n" not in text
    assert "secret" not in text or "***" in text
    assert not (tmp_path / "repo").exists()


def test_a_script_that_is_no_python_is_said_with_its_line(tmp_path):
    (tmp_path / "locustfile.py").write_text("import locust\nclass:\n")
    assert "line 2 is no Python" in refused(tmp_path, "--locustfile", str(tmp_path / "locustfile.py"))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://www.shop.example.com/", "shop"),
        ("http://127.0.0.1:80/", "local"),
        ("http://[::1]/", "local"),
        ("http://-/", "first"),
    ],
)
def test_a_suite_is_named_after_its_host(tmp_path, url, name):
    started(tmp_path, "--url", url)
    suite = written(tmp_path, name)
    assert urlsplit(requests(suite, name)[0]).netloc == urlsplit(url).netloc
    assert suite.name == name


def test_the_end_says_what_was_written_and_what_comes_next(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = started(tmp_path / "my shop", "--url", "http://shop/")
    assert re.findall(r"wrote (.*)", said) == [
        f"{tmp_path}/my shop/loadtests/shop/suite.yml",
        f"{tmp_path}/my shop/.github/workflows/loadtest.yml",
    ]
    assert said.endswith(
        f"  toril plan '{tmp_path}/my shop/loadtests/shop'\n  toril run '{tmp_path}/my shop/loadtests/shop'\n"
    )
