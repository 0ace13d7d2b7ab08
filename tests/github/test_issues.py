"""Issues about the trends of suites, with a fake GitHub that is as strict as the real one."""

from typing import Any

import pytest

from tests.clocks import SteppedClock
from tests.github.fake_api import TOKEN, GitHub, serving
from tests.reports.trends import RECORDS, STEP, group, trend
from toril.errors import InfrastructureError
from toril.github import Client
from toril.github.issues import settle
from toril.reports.markdown import Links

LINKS = Links(report="https://load.example.com")


@pytest.fixture
def github():
    with serving(GitHub()) as served:
        yield served


def settled(github: GitHub, *groups: Any, **changes: Any) -> list[str]:
    """Settles the issues of one trend; returns what was done."""
    client = Client(github.url, TOKEN, SteppedClock(0.0))
    return [one.done for one in settle(client, github.repository, [trend(*groups, **changes)], LINKS)]


def test_an_issue_is_opened_once_per_group_and_has_the_commits_and_the_trend(github):
    assert settled(github, group(), group(at=30)) == ["created", "created"]
    assert settled(github, group(), group(at=30)) == ["unchanged", "unchanged"]
    first, second = github.issues
    assert first["title"] == "shop: p95 of checkout +20 % and 1 more"
    for commit in (RECORDS[STEP - 1].tags["commit"], RECORDS[STEP].tags["commit"]):
        assert f" {commit}" in first["body"]  # not escaped, so that GitHub links it
    assert "(<https://load.example.com/suites/shop/trend>)" in first["body"]
    assert first["body"] != second["body"]


@pytest.mark.parametrize(
    "found",
    [group("suspected"), group(worse=False), group(small=True), group("acknowledged"), group("recovered")],
)
def test_nothing_else_opens_an_issue(github, found):
    assert settled(github, found) == []


def test_an_issue_follows_its_group_when_more_runs_move_the_change(github):
    settled(github, group())
    assert settled(github, group(at=STEP - 3)) == ["updated"]
    assert settled(github, group(at=STEP - 3)) == ["unchanged"]
    assert len(github.issues) == 1
    assert settled(github, group(at=STEP - 7)) == ["created"]  # too far away: another change


@pytest.mark.parametrize("state", ["recovered", "acknowledged", "cleared"])
def test_a_settled_group_closes_its_issue_with_a_comment(github, state):
    settled(github, group())
    done = group(state, acknowledged="a known price" if state == "acknowledged" else "")
    assert settled(github, done) == ["closed"]
    assert settled(github, done) == []
    (issue,), (comment,) = github.issues, github.comments
    assert (issue["state"], comment["pull"]) == ("closed", issue["number"])
    assert ("a known price" in comment["body"]) == (state == "acknowledged")


def test_an_issue_that_a_person_closed_stays_closed(github):
    settled(github, group())
    github.issues[0]["state"] = "closed"
    assert settled(github, group()) == []
    assert len(github.issues) == 1


def test_an_issue_is_opened_again_when_its_acknowledgement_has_ended(github):
    settled(github, group())
    settled(github, group("acknowledged"))
    assert settled(github, group()) == ["updated"]
    assert settled(github, group()) == ["unchanged"]
    assert [one["state"] for one in github.issues] == ["open"]


def test_an_issue_that_a_person_closed_is_not_that_of_another_change(github):
    settled(github, group())
    github.issues[0]["state"] = "closed"
    assert settled(github, group(at=STEP + 2), group()) == ["created"]
    assert settled(github, group(at=STEP + 2), group()) == ["unchanged"]


def test_an_improvement_keeps_no_issue_of_a_recovered_regression_open(github):
    settled(github, group())
    assert settled(github, group(worse=False, at=STEP + 3), group("recovered", at=STEP + 1)) == ["closed"]


def test_an_open_issue_stays_as_it_is_if_its_change_is_unknown(github):
    settled(github, group())
    before = [dict(one) for one in github.issues]
    assert settled(github) == []
    assert github.issues == before


def test_issues_of_others_and_pull_requests_are_never_touched(github):
    settled(github, group())
    copied = github.issues[0]["body"]
    github.issues.clear()
    github.issue("copied", copied, {"login": "mallory", "type": "User"})
    github.issue("a pull request", copied, pull_request={})
    assert settled(github, group()) == ["created"]
    assert [one["title"] for one in github.issues[:2]] == ["copied", "a pull request"]


def test_suites_have_issues_of_their_own(github):
    settled(github, group())
    assert settled(github, group(), suite="another") == ["created"]
    assert len(github.issues) == 2


def test_an_issue_whose_answer_was_lost_is_found_by_the_next_call(github):
    github.lost_answers.add("POST")
    with pytest.raises(InfrastructureError):
        settled(github, group())
    assert settled(github, group()) == ["unchanged"]
    assert len(github.issues) == 1


def test_neighbouring_groups_have_issues_of_their_own(github):
    assert settled(github, group(), group(at=STEP - 2)) == ["created", "created"]
    assert settled(github, group(), group(at=STEP - 2)) == ["unchanged", "unchanged"]


def test_a_settled_neighbour_closes_no_issue_of_another_group(github):
    settled(github, group())
    assert settled(github, group("cleared", at=STEP + 2), group()) == ["unchanged"]
    assert settled(github, group("acknowledged", worse=False)) == []


def test_a_hostile_name_closes_no_marker_and_calls_nobody(github):
    bad = "--> @octocat <!--"
    assert settled(github, group(message=bad, from_commit=bad), suite=bad) == ["created"]
    assert settled(github, group(message=bad, from_commit=bad), suite=bad) == ["unchanged"]
    body = github.issues[0]["body"]
    assert "@octocat" not in body
    assert body.count("-->") == 1


def test_a_trend_without_runs_asks_github_nothing(github):
    assert settled(github, series=(), runs=0, outcome="short") == []
    assert github.requests == []


def test_the_commit_of_a_regression_is_in_the_issue_and_in_a_comment_on_its_pull_request(github):
    commit = "4e5f6a7b8c9d4e5f6a7b8c9d4e5f6a7b8c9d4e5f"
    github.merged[commit] = [7]
    words = "Commit 4e5f6a7b8c9d changed p95 of checkout by +20 % (+18 % to +22 %). Probability 98 %, 9 duets."
    found = group(search=words, commit=commit)
    assert settled(github, found) == ["created", "created"]
    assert settled(github, found) == ["unchanged", "unchanged"]
    (issue,), (comment,) = github.issues, github.comments
    assert comment["pull"] == 7
    for text in (issue["body"], comment["body"]):
        assert f" {commit}" in text  # not escaped, so that GitHub links it
        assert "98 %, 9 duets" in text
    assert settled(github, group("acknowledged", search=words, commit=commit)) == ["closed"]
