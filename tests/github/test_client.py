"""Retries and their limits, with a fake clock."""

import re

import pytest

from tests import refusals
from tests.clocks import SteppedClock
from tests.github.fake_api import TOKEN, Answer, GitHub, refused, serving
from toril.errors import InfrastructureError
from toril.github import Client, marker, post, pulls_of

LIMITED = "You have exceeded a secondary rate limit"


@pytest.fixture
def github():
    with serving(GitHub()) as served:
        yield served


@pytest.fixture
def clock():
    return SteppedClock(1000.0)


@pytest.fixture
def client(github, clock):
    return Client(github.url, TOKEN, clock)


def posted(client: Client, text: str = "hello") -> str:
    return post(client, "acme/shop", 7, "shop", text).done


@pytest.mark.parametrize("status", [500, 502, 503])
def test_temporary_failures_are_retried(status, github, client, clock):
    github.troubles = [refused(status, "oh")] * 3

    assert posted(client) == "created"
    assert clock.now() == 1000 + 1 + 2 + 4


def test_retries_end_with_an_error(github, client):
    github.troubles = [refused(502, "oh")] * 100

    with refusals.refused("github-unanswered", "502 oh", error=InfrastructureError):
        posted(client)
    assert len(github.requests) == 5


@pytest.mark.parametrize(
    ("trouble", "waits_s"),
    [
        (Answer(status=403, body={"message": LIMITED}, headers={"Retry-After": "30"}), 30),
        (Answer(status=429, body={"message": LIMITED}, headers={"Retry-After": "7"}), 7),
        (refused(429, "slow down"), 60),
        (refused(403, LIMITED), 60),
        (refused(403, "x").with_headers({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1042"}), 42),
    ],
)
def test_the_client_waits_as_long_as_github_requests(trouble, waits_s, github, client, clock):
    github.troubles = [trouble]

    assert posted(client) == "created"
    assert clock.now() == 1000 + waits_s


def test_a_wait_of_an_hour_is_an_error(github, client, clock):
    github.troubles = [Answer(status=403, body={"message": LIMITED}, headers={"Retry-After": "3600"})]

    with refusals.refused("github-rate-limit", LIMITED, error=InfrastructureError):
        posted(client)
    assert clock.now() == 1000


def test_a_comment_without_a_response_is_not_created_twice(github, client):
    """GitHub executed the request, but the response was lost."""
    github.lost_answers = {"POST"}

    assert posted(client) == "unchanged"
    assert len(github.comments) == 1


def test_an_unexpected_response_is_an_error(github, client):
    github.troubles = [Answer(status=200, body={"a": 1})]

    with refusals.refused("not-github", error=InfrastructureError):
        posted(client)


def test_an_unreachable_server_is_an_error(clock):
    with refusals.refused("github-unanswered", "http://127.0.0.1:1", error=InfrastructureError):
        pulls_of(Client("http://127.0.0.1:1", TOKEN, clock), "acme/shop", "a:b", "a" * 40)


def test_the_comment_is_found_on_a_later_page(github, client):
    for number in range(230):
        github.comment(7, f"talk {number}", {"login": "somebody", "type": "User"})
    posted(client, "first")
    assert posted(client, "second") == "updated"

    assert len(github.comments) == 231
    assert github.comments[-1]["body"].startswith("second")


def test_every_suite_name_gives_a_short_valid_marker():
    names = ["--> <b>", "\ud800" * 9_000, "x" * 9_000, "x" * 8_999, "a-b", "a_b", "a_2Db", "A", "a", ""]
    markers = [marker(name) for name in names]

    assert len(set(markers)) == len(names)
    assert all(re.fullmatch(r"<!-- toril:[A-Za-z0-9._]{,270} -->", one) for one in markers)


def test_a_short_page_is_not_the_last_one(github, client):
    """GitHub omits comments that a user may not see."""
    for number in range(120):
        github.comment(7, f"talk {number}", {"login": "somebody", "type": "User"})
    posted(client, "first")
    github.hidden = {one["id"] for one in github.comments[:30]}

    assert posted(client, "second") == "updated"


@pytest.mark.parametrize(
    ("login", "user"),
    [
        (None, {"login": "somebody", "type": "User"}),
        ("releaser", {"login": "somebody", "type": "User"}),
        ("releaser", {"login": "github-actions[bot]", "type": "Bot"}),
        (None, None),
    ],
)
def test_a_comment_of_another_user_is_not_changed(login, user, github, client):
    github.login = login
    strange = github.comment(7, "mine\n\n<!-- toril:shop -->")
    strange["user"] = user

    assert posted(client) == "created"
    assert github.comments[0]["body"].startswith("mine")


def test_a_comment_that_only_quotes_the_marker_is_not_changed(github, client):
    github.comment(7, "> <!-- toril:shop -->\n\nwhat is this?")

    assert posted(client) == "created"
    assert len(github.comments) == 2


def test_the_token_of_a_user_updates_the_comment_of_that_user(github, client):
    github.login = "releaser"

    assert [posted(client, "first"), posted(client, "second")] == ["created", "updated"]
    assert [one["user"]["login"] for one in github.comments] == ["releaser"]


def test_changed_line_ends_are_no_update(github, client):
    posted(client, "one\n\ntwo")
    github.comments[0]["body"] = github.comments[0]["body"].replace("\n", "\r\n")

    assert posted(client, "one\n\ntwo") == "unchanged"
