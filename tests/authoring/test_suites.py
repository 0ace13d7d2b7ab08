"""What `toril init` writes is what was asked for, as every other command reads it."""

import re
import shlex
import textwrap
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.authoring.calling import call, refuses, scripts, started, written
from tests.suite.reading import codes
from toril.authoring import InitOptions, create
from toril.authoring.options import Url, read_limit
from toril.criteria import parse_criterion, samples_needed
from toril.plan import make_plan
from toril.suite.schema import schema_text

SHOP = Url("http://shop", "/")


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
    assert (execution.executor, execution.concurrency) == ("toril", 10)
    assert (execution.ramp_up_s, execution.hold_for_s) == (5, 25)
    assert [one.source for one in suite.criteria] == ["p95>500ms", "fail>1%"]
    assert suite.ramp_up_exclude
    assert not suite.warnings


def test_the_page_on_suites_shows_what_is_written(tmp_path):
    page = (Path(__file__).parents[2] / "docs/how-to/start-a-suite.md").read_text()
    (command,) = re.findall(r"^ *toril init (--url .+)$", page, re.MULTILINE)
    started(tmp_path, *shlex.split(command))
    (shown,) = re.findall(r"^ *```yaml\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    text = (tmp_path / "loadtests/shop/suite.yml").read_text()
    assert textwrap.dedent(shown) == text.partition("\n")[2]  # without the line for editors


def test_a_rate_has_users_enough_for_it(tmp_path):
    started(tmp_path, "--url", "http://shop/", "--rps", "37.5")
    (execution,) = written(tmp_path, "shop").executions
    assert (execution.executor, execution.concurrency, execution.throughput_rps) == ("toril", 38, Fraction("37.5"))


def test_arrivals_have_no_users(tmp_path):
    started(tmp_path, "--url", "http://shop/", "--url", "http://shop/cart", "--arrivals", "7.5")
    suite = written(tmp_path, "shop")
    (execution,) = suite.executions
    assert (execution.executor, execution.concurrency, execution.hold_for_s) == ("toril", None, 25)
    assert execution.throughput_rps == 7.5


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--rps", "1"),
        ("--users", "1"),
        ("--users", "3", "--criterion", "p99>1s"),
        ("--rps", "20", "--criterion", "p99.9>1s"),
        ("--url", "http://shop/cart", "--criterion", "p99 of /cart>1s", "--rps", "4"),
    ],
)
def test_the_load_makes_samples_enough_for_the_limits(tmp_path, options):
    started(tmp_path, "--url", "http://shop/", *options)
    suite = written(tmp_path, "shop")
    plan = make_plan(suite, run_id="run", workers=None)
    assert not plan.warnings
    (execution,) = suite.executions
    rps = (
        float(execution.throughput_rps or 0) or (execution.concurrency or 0) / 2
    )  # a second each for thinking and answering
    needed = max(samples_needed(parse_criterion(one.source, "")) for one in suite.criteria if "fail" not in one.source)
    assert rps * execution.hold_for_s >= needed


def test_a_load_that_is_too_short_for_its_limits_is_noted(tmp_path):
    options = InitOptions(urls=(SHOP,), users=4, hold_for="5s", workflow=False)
    (note,) = create(options, tmp_path).notes
    assert note.code == "too-few-samples"
    assert "72" in note.message
    assert "12 users" in note.message


def test_limits_of_both_languages_go_where_they_are_judged(tmp_path):
    limits = ["p99 of />1s for 10s", "throughput<4/s", "it is slow: p90>2s"]
    started(tmp_path, "--url", "http://shop/", *(f"--criterion={limit}" for limit in limits))
    found = {one.source: one.language for one in written(tmp_path, "shop").criteria}
    assert found == {limits[0]: "taurus", limits[2]: "taurus", limits[1]: "toril"}


def test_a_doubtful_limit_is_written_and_doubted(tmp_path):
    options = InitOptions(urls=(SHOP,), limits=(read_limit("p95>300"),), action="acme/toril@v1")
    (note,) = create(options, tmp_path).notes
    assert note.code == "bare-seconds"
    assert "reporting[0].criteria[0]" in note.message


def test_locations_have_their_weights(tmp_path):
    started(tmp_path, "--url", "http://shop/", "--locations", "eu-west-1=2.5,null")
    (execution,) = written(tmp_path, "shop").executions
    assert execution.locations == {"eu-west-1": Fraction("2.5"), "null": 1}


def test_a_jmx_may_be_given_a_load(tmp_path):
    started(tmp_path, str(scripts(tmp_path / "mine") / "load.jmx"), "--hold-for", "1m", "--name", "nightly")
    (execution,) = written(tmp_path, "nightly").executions
    assert (execution.concurrency, execution.hold_for_s, execution.executor) == (10, 60, "jmeter")


def test_a_shape_of_locust_is_a_load_of_its_own_unless_another_is_given(tmp_path):
    file = scripts(tmp_path / "mine") / "locustfile.py"
    file.write_text("from locust import HttpUser, LoadTestShape\n")
    for users, name in (((), "own"), (("--users", "5"), "given")):
        started(tmp_path, str(file), "--host=http://shop", "--name", name, *users)
        (execution,) = written(tmp_path, name).executions
        assert ("hold-for" in execution.config, "ramp-up" in execution.config) == (bool(users), bool(users))


def test_a_locustfile_without_a_host_is_noted(tmp_path):
    file = scripts(tmp_path / "mine") / "locustfile.py"
    options = InitOptions(script="locustfile", file=file, workflow=False)
    assert codes(create(options, tmp_path / "1").notes) == ["no-host"]
    assert codes(create(replace(options, urls=(SHOP,)), tmp_path / "2").notes) == []
    file.write_text(file.read_text().replace("    wait_time", "    host = 'http://shop'\n    wait_time"))
    assert codes(create(options, tmp_path / "3").notes) == []


def test_runs_that_git_would_keep_are_noted(tmp_path):
    options = InitOptions(urls=(SHOP,), workflow=False)
    assert codes(create(options, tmp_path).notes) == []
    (tmp_path / ".git").mkdir()
    assert codes(create(options, tmp_path, force=True).notes) == ["runs-not-ignored"]
    (tmp_path / ".gitignore").write_text("build/\n/.toril/\n")
    assert codes(create(options, tmp_path, force=True).notes) == []


def test_notes_are_printed(tmp_path):
    (tmp_path / ".git").mkdir()
    assert "stores runs in .toril/" in call(tmp_path, "--url", "http://shop/").stderr


def test_what_was_written_can_be_pointed_elsewhere(tmp_path):
    mine = scripts(tmp_path / "mine")
    started(tmp_path, "--url", "http://shop/", "--name", "requests")
    started(
        tmp_path,
        str(mine / "locustfile.py"),
        "--host",
        "http://shop",
        "--name",
        "script",
    )
    for name in ("requests", "script"):
        suite = written(tmp_path, name, against="http://other")
        assert suite.common["scenarios"][name]["default-address"] == "http://other"


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        ("", "missing-option", "--url"),
        ("load.jmx --locations a,b", "missing-option", "--users"),
        ("load.jmx --host http://shop", "conflicting-options", "--host"),
        ("none.jmx", "no-such-file", "none.jmx"),
        ("locustfile.py --rps 5", "conflicting-options", "--rps"),
        ("locustfile.py --host http://shop/path", "not-a-host", "--host"),
        ("good.yml --users 5", "conflicting-options", "--users"),
        ("good.yml --functional", "conflicting-options", "--functional"),
        ("bad.yml", "missing-execution", "bad.yml"),
        ("--url shop.example.com", "not-an-address", "shop.example.com"),
        ("--url ftp://shop/", "not-an-address", "ftp://shop/"),
        ("--url http://me:secret@shop/", "credentials-in-address", "@shop"),
        ("--url http://shop/#top", "not-an-address", "%23"),
        ("--url http://shop/ü", "not-an-address", "http://shop/%C3%BC"),
        ("--url http://shop/{id}", "not-an-address", "http://shop/%7Bid%7D"),
        ("--url http://shop/100%", "not-an-address", "http://shop/100%25"),
        ("--url http://shop:99999/", "not-an-address", "99999"),
        ("--url http://shöp/", "not-an-address", "http://shöp/"),
        ("--url http://shop/ --arrivals 0/s", "out-of-range", "--arrivals"),
        ("--url http://shop/ --arrivals 5/s --users 5", "conflicting-options", "--users"),
        ("locustfile.py --arrivals 5/s", "conflicting-options", "--arrivals"),
        ("--url http://shop/ --rps 0", "out-of-range", "--rps"),
        ("--url http://shop/ --rps nan", "not-a-number", "--rps: `nan`"),
        ("--url http://shop/ --rps ${RPS}", "unset-reference", "--rps `${RPS}`"),
        ("--url http://shop/ --ramp-up soon", "not-a-duration", "--ramp-up: `soon`"),
        ("--url http://shop/ --hold-for 0", "out-of-range", "--hold-for"),
        ("--url http://shop/ --hold-for 9999d", "out-of-range", "9999d"),
        ("--url http://shop/ --criterion fail>${LIMIT}", "unset-reference", "fail>${LIMIT}"),
        ("--url http://shop/ --criterion p95", "no-comparison", "--criterion: `p95`"),
        ("--url http://shop/ --criterion p105>1s", "wrong-percentile", "105"),
        ("--url http://shop/ --locations a=0", "out-of-range", "a=0"),
        ("--url http://shop/ --locations a=", "out-of-range", "a="),
        ("--url http://shop/ --locations a=1,a=2", "repeated-location", "a=2"),
        ("--url http://shop/ --locations ../a", "unusable-name", "../a"),
        ("--url http://shop/ --name ../a", "unusable-name", "../a"),
        ("--url http://shop/ --name a.", "unusable-name", "a."),
        ("--url http://shop/ --action toril", "unusable-name", "--action"),
        ("--url http://shop/ --users 90000000", "too-many-workers", "more than 1,000"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(tmp_path, monkeypatch, arguments, code, named):
    folder = scripts(tmp_path / "mine")
    monkeypatch.chdir(folder)
    Path("good.yml").write_text("execution: [{scenario: {requests: ['http://shop/']}, hold-for: 1m}]")
    Path("bad.yml").write_text("scenarios: {}")
    text = refuses(tmp_path / "repo", arguments.split(), code, named)
    assert "\n" not in text
    assert "secret" not in text or "***" in text
    assert not (tmp_path / "repo").exists()


def test_a_script_that_is_no_python_is_said_with_its_line(tmp_path):
    (tmp_path / "locustfile.py").write_text("import locust\nclass:\n")
    refuses(tmp_path, [str(tmp_path / "locustfile.py")], "not-python", "line 2")


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
        f"{tmp_path}/my shop/loadtests/suite.schema.json",
    ]
    assert said.endswith(
        f"  toril plan '{tmp_path}/my shop/loadtests/shop'\n  toril run '{tmp_path}/my shop/loadtests/shop'\n"
    )


def test_a_suite_names_its_schema_which_stands_beside_the_folders_of_suites(tmp_path):
    for name in ("first", "second"):
        call(tmp_path, "--url", f"https://{name}.example.com", "--name", name, "--no-workflow")
        text = (tmp_path / "loadtests" / name / "suite.yml").read_text()
        assert text.startswith("# yaml-language-server: $schema=../suite.schema.json\n")
    schema = tmp_path / "loadtests/suite.schema.json"
    assert schema.read_text() == schema_text()
