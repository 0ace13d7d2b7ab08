"""The comments on a pull request: one for each suite, created once and then kept up to date."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from toril.github.client import TRIES, Client, RefusedError, UnansweredError
from toril.reports import Bundle, markdown
from toril.reports.markdown import Links
from toril.reports.run_blocks import report_of

BOT = "Bot"
LONGEST_NAME = 200  # of a suite in its marker; toril's own have 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """The result of posting a comment."""

    done: Literal["created", "updated", "unchanged"]
    url: str


def comments(bundles: Sequence[Bundle], links: Links) -> dict[str, str]:
    """A comment for each suite by its name: its newest run and its newest comparison as one text.

    Where a suite ran on Fargate that is another comment, `NAME:fargate`: neither result hides the other. No suite has a
    colon in its name.
    """
    by_name: dict[str, list[Bundle]] = {}
    for bundle in sorted(bundles, key=lambda one: one.plan.run_id):
        name = bundle.plan.suite + (":fargate" if bundle.plan.on == "fargate" else "")
        by_name.setdefault(name, []).append(bundle)
    found = {}
    for name, own in sorted(by_name.items()):
        duets = [one for one in own if one.verdict.comparison]
        runs = [one for one in own if not one.verdict.comparison]
        report = report_of((runs or duets)[-1], duet=duets[-1] if duets else None)
        found[name] = markdown.render(report, links).decode()
    return found


def marker(suite: str) -> str:
    """The HTML comment that ends a suite's comment: its name, encoded so that it cannot end the marker.

    >>> marker("shop"), marker("--> @all"), marker("")
    ('<!-- toril:shop -->', '<!-- toril:_2D_2D_3E_20_40all -->', '<!-- toril: -->')
    """

    def encoded(found: re.Match[str]) -> str:
        return "".join(f"_{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))

    name = re.sub(r"[^A-Za-z0-9.]", encoded, suite)
    if len(name) > LONGEST_NAME:
        name = f"{name[:LONGEST_NAME]}{hashlib.sha256(name.encode()).hexdigest()}"
    return f"<!-- toril:{name} -->"


def post(client: Client, repository: str, pull: int, suite: str, text: str) -> Posted:
    """Create or update the comment of that suite on that pull request.

    Only comments of our own are changed: those written by the owner of the token, or by a program where the token is a
    program's and does not name its owner.
    """
    body = f"{text.rstrip()}\n\n{marker(suite)}"
    for tries in range(1, TRIES + 1):
        old = _ours(client, repository, pull, marker(suite))
        if old is not None and str(old.get("body") or "").replace("\r\n", "\n").rstrip() == body:
            return Posted(done="unchanged", url=_url(old))
        try:
            if old is not None:
                answer = client.patch(f"/repos/{repository}/issues/comments/{int(old['id'])}", {"body": body})
                return Posted(done="updated", url=_url(answer.body))
            answer = client.create(f"/repos/{repository}/issues/{pull}/comments", {"body": body})
            return Posted(done="created", url=_url(answer.body))
        except UnansweredError:
            if tries == TRIES:
                raise
            client.pause(tries)  # and look again: it may be there
    raise AssertionError  # pragma: no cover


def _ours(client: Client, repository: str, pull: int, ending: str) -> dict[str, Any] | None:
    """The oldest comment of ours with that marker at its end."""
    found = [
        one
        for one in client.pages(f"/repos/{repository}/issues/{pull}/comments")
        if isinstance(one.get("id"), int) and str(one.get("body") or "").rstrip().endswith(ending)
    ]
    if not found:
        return None
    login = _login(client)
    for one in found:
        user = one.get("user") or {}
        if (user.get("type") == BOT) if login is None else (user.get("login") == login):
            return one
    return None


def _login(client: Client) -> str | None:
    """Whose token it is; None for that of a workflow or an app, which may not ask."""
    try:
        body = client.get("/user").body
    except RefusedError as error:
        if error.status != 403:
            raise
        return None
    return str(body.get("login")) if isinstance(body, dict) else None


def _url(comment: Any) -> str:
    return str(comment.get("html_url") or "") if isinstance(comment, dict) else ""


def pulls_of(client: Client, repository: str, head: str, commit: str) -> list[int]:
    """The open pull requests from `head` (owner:branch) whose newest commit is that one.

    None when the branch has moved on since, or its pull request is closed.
    """
    found = client.pages(f"/repos/{repository}/pulls", head=head, state="open")
    return [
        one["number"]
        for one in found
        if isinstance(one.get("number"), int) and _is(one.get("head"), head, commit) and one.get("state") == "open"
    ]


def is_at(client: Client, repository: str, number: int, commit: str) -> bool:
    """Whether that is the newest commit of a pull request."""
    found = client.get(f"/repos/{repository}/pulls/{number}").body
    head = found.get("head") if isinstance(found, dict) else None
    return isinstance(head, dict) and head.get("sha") == commit


def _is(found: object, head: str, commit: str) -> bool:
    """GitHub takes a filter that it does not understand for none at all."""
    if not isinstance(found, dict):
        return False
    return str(found.get("label")).casefold() == head.casefold() and str(found.get("sha")) == commit
