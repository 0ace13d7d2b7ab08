"""`toril trend`: output, exit codes, and duets of suspected changes."""

import json
import shlex
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.github.fake_api import TOKEN, GitHub, serving
from tests.reports.trends import RECORDS, group, trend
from tests.suite.test_git import git
from toril import cli
from toril.errors import UserError
from toril.records import Reason
from toril.records.history import HISTORY
from toril.records.trend import Trend
from toril.runs import earlier
from toril.store import FolderStore

HOOK = """
import sys
open({said!r}, "a").write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "start":
    print("starting")
    print({printed!r})
"""


@pytest.fixture
def computed(tmp_path, monkeypatch):
    """The trends that a store would have, by suite; changed by the test."""
    monkeypatch.chdir(tmp_path)
    found: dict[str, Trend] = {"shop": trend(group())}
    store = FolderStore(tmp_path / ".toril")
    for suite in ("shop", "search"):
        store.put(f"{HISTORY}{suite}/{RECORDS[0].stem}.1.json", RECORDS[0].to_json())
    monkeypatch.setattr(earlier, "read_trend", lambda store, suite, *_: found[suite])
    monkeypatch.setattr("toril.regression.acknowledged.read_acknowledged", lambda path: None)
    return found


def called(*arguments: Any) -> int:
    """Returns the exit code of `toril trend`."""
    code: int = cli.command("trend").main(list(map(str, arguments)), standalone_mode=False)
    return code


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (trend(group()), 1),
        (trend(group("suspected")), 0),
        (trend(group("acknowledged")), 0),
        (trend(), 0),
        (trend(outcome="short"), 3),
    ],
)
def test_the_exit_code_is_1_for_a_new_confirmed_regression_and_3_for_too_few_runs(computed, found, code):
    computed["shop"] = found
    assert called("shop") == code


@pytest.mark.parametrize(("other", "code"), [(trend(), 1), (trend(outcome="short"), 1)])
def test_all_suites_fail_if_one_of_them_does(computed, other, code):
    computed["search"] = other
    assert called() == code


def test_all_suites_have_too_few_runs_only_together(computed):
    computed |= {"shop": trend(outcome="short"), "search": trend()}
    assert called() == 0
    computed["search"] = trend(outcome="short")
    assert called() == 3


@pytest.mark.parametrize(("outcome", "code"), [("short", 3), ("regressed", 1)])
def test_a_clean_suite_excuses_none_without_a_recent_run(computed, outcome, code):
    dead = (Reason(code="nothing-recent", message="None of the newest 3 runs is measured."),)
    computed |= {"shop": trend(outcome=outcome, notes=dead), "search": trend()}
    assert called() == code


def test_a_store_without_runs_has_too_few(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("toril.regression.acknowledged.read_acknowledged", lambda path: None)
    assert called("--store", tmp_path / "empty") == 3
    assert "no judged runs" in capsys.readouterr().err


def test_json_is_the_record_and_a_list_for_all_suites(computed, capfdbinary):
    computed["search"] = trend(suite="search")
    called("shop", "--format", "json")
    assert Trend.from_json(capfdbinary.readouterr().out, "") == trend(group())
    called("--format", "json")
    assert [one["suite"] for one in json.loads(capfdbinary.readouterr().out)] == ["search", "shop"]


def test_the_page_is_one_file_and_a_folder_for_all_suites(computed, tmp_path):
    computed["search"] = trend(suite="search")
    called("shop", "--format", "html", "--out", tmp_path / "shop.html", "--console", "https://load.example.com/")
    assert f"https://load.example.com/runs/{RECORDS[-1].run_id}" in (tmp_path / "shop.html").read_text()
    called("--format", "html", "--out", tmp_path / "pages")
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == ["search.html", "shop.html"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--format", "html"),
        ("shop", "--since", "3 weeks"),
        ("shop", "--min", "3"),
        ("shop", "--issues", "no repository"),
    ],
    ids=" ".join,
)
def test_options_that_contradict_or_cannot_be_read_are_refused(computed, arguments):
    with pytest.raises(UserError):
        called(*arguments)


def test_issues_are_settled_with_links_to_the_console(computed, monkeypatch, capsys):
    with serving(GitHub()) as github:
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        monkeypatch.setenv("GITHUB_API_URL", github.url)
        assert called("shop", "--issues", "acme/shop", "--console", "https://load.example.com/") == 1
    assert "(<https://load.example.com/suites/shop/trend>)" in github.issues[0]["body"]
    assert capsys.readouterr().err == f"issue created {github.issues[0]['html_url']}\n"


# Duets of suspected changes


@pytest.fixture
def confirming(computed, tmp_path, monkeypatch):
    """The arguments of each duet, and the lines that the hook got; a duet confirms the change.

    The commits of the change are those of the repository in the current folder.
    """
    git(tmp_path, "init", "-q", "-b", "main")
    for subject in ("base", "head"):
        git(tmp_path, "commit", "-q", "--allow-empty", "-m", subject)
    base, head = (git(tmp_path, "rev-parse", name)[:12] for name in ("HEAD~", "HEAD"))
    computed["shop"] = trend(group("suspected", from_commit=base, to_commit=head))
    said, duets = tmp_path / "said.txt", list[list[str]]()

    class Duet:
        def main(self, arguments: list[str], **_: Any) -> int:
            sys.stdout.write("a report")
            duets.append(arguments)
            computed["shop"] = trend(group())
            return 0

    own = cli.command
    monkeypatch.setattr(cli, "command", lambda name: Duet() if name == "duet" else own(name))

    def call(printed: str = "base=http://127.0.0.1:1\nhead=http://127.0.0.1:2", *more: Any) -> Any:
        script = tmp_path / "hook.py"
        script.write_text(HOOK.format(said=str(said), printed=printed))
        hook = shlex.join([sys.executable, str(script)])
        return own("trend").main(["shop", "--confirm", hook, *map(str, more)], standalone_mode=False)

    return call, duets, lambda: said.read_text().splitlines() if said.exists() else []


def test_a_suspected_change_starts_both_commits_and_a_duet_and_the_answer_counts_tonight(confirming, tmp_path, capfd):
    call, duets, said = confirming
    suspected = group("suspected")
    assert call() == 1
    (arguments,) = duets
    assert arguments[0] == str(Path("loadtests/shop"))
    assert arguments[arguments.index("--base") + 1] == "http://127.0.0.1:1"
    assert arguments[arguments.index("--head") + 1] == "http://127.0.0.1:2"
    assert arguments[arguments.index("--tag") + 1] == f"confirms={suspected.id}"
    assert arguments[arguments.index("--margin") + 1] == "10.0000%"
    overrides = [following for part, following in pairwise(arguments) if part == "-o"]
    assert overrides == ['toril.regression.labels=["checkout"]', 'toril.regression.metrics=["p95"]']
    assert said() == [f"start {git(tmp_path, 'rev-parse', 'HEAD~')} {git(tmp_path, 'rev-parse', 'HEAD')}", "stop"]
    out, err = capfd.readouterr()
    assert "a report" not in out
    assert "starting" in err


@pytest.mark.parametrize(
    "settled",
    [
        group(),
        group("suspected", duet="one"),
        group("suspected", worse=False),
        group("suspected", from_commit=""),
        group("suspected", to_commit="4e5f6a7b8c9d+"),
    ],
)
def test_other_changes_start_nothing(computed, confirming, settled):
    call, duets, said = confirming
    computed["shop"] = trend(settled)
    call()
    assert duets == said() == []


@pytest.mark.parametrize("tag", ["--upload-pack=touch${IFS}pwned", "4e5f6a7b8c9d", "main"])
def test_a_tag_that_names_no_commit_of_the_default_branch_reaches_no_hook(computed, confirming, capfd, tag):
    call, duets, said = confirming
    (known,) = computed["shop"].groups
    computed["shop"] = trend(replace(known, to_commit=tag))
    assert call() == 0
    assert duets == said() == []
    assert tag in capfd.readouterr().err


def test_a_hook_without_addresses_is_stopped_and_refused(confirming):
    call, duets, said = confirming
    with pytest.raises(UserError) as refused:
        call("base=http://127.0.0.1:1")
    assert refused.value.code == "hook-failed"
    assert duets == []
    assert said()[-1] == "stop"


# Searches for the commits of confirmed changes


@pytest.fixture
def searching(computed, confirming, monkeypatch):
    """The arguments of each search for a commit of a confirmed change."""
    searches, own = list[list[str]](), cli.command
    (known,) = computed["shop"].groups
    computed["shop"] = trend(replace(known, state="confirmed"))

    class Bisect:
        def main(self, arguments: list[str], **_: Any) -> int:
            searches.append(arguments)
            return 3

    monkeypatch.setattr(cli, "command", lambda name: Bisect() if name == "bisect" else own(name))
    trend_command = own("trend")

    def call(*arguments: str) -> int:
        code: int = trend_command.main(["shop", "--bisect", "versions.sh", *arguments], standalone_mode=False)
        return code

    return call, searches


def test_a_search_begins_between_the_commits_of_a_confirmed_change(searching, tmp_path):
    call, searches = searching
    assert call("--on", "fargate") == 1
    (arguments,) = searches
    assert arguments[0] == str(Path("loadtests/shop"))
    commits = [git(tmp_path, "rev-parse", name) for name in ("HEAD~", "HEAD")]
    assert [arguments[arguments.index(name) + 1] for name in ("--good", "--bad")] == commits
    assert (arguments[arguments.index("--start") + 1], arguments[arguments.index("--on") + 1]) == (
        "versions.sh",
        "fargate",
    )
    assert 'toril.regression.labels=["checkout"]' in arguments


@pytest.mark.parametrize(
    "changes",
    [
        {"search": "known"},
        {"state": "suspected"},
        {"small": True},
        {"to_commit": "4e5f6a7b8c9d"},
        {"state": "recovered"},
    ],
    ids=str,
)
def test_other_changes_begin_no_search(computed, searching, changes):
    call, searches = searching
    (known,) = computed["shop"].groups
    computed["shop"] = trend(replace(known, **changes))
    call()
    assert searches == []
