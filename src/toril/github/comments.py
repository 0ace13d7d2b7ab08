"""Comments on a pull request: creates one per suite, and updates it after later runs."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from toril.github.client import TRIES, Client, GithubRefusedError, UnansweredError
from toril.reports import Bundle, markdown
from toril.reports.blocks import Report
from toril.reports.markdown import Links
from toril.reports.run_blocks import report_of

BOT = "Bot"
LONGEST_NAME = 200  # of a suite in the marker; toril's own names have at most 60 characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """The result of posting a comment or an issue."""

    done: Literal["created", "updated", "unchanged", "closed"]
    url: str


def reports_of(bundles: Sequence[Bundle]) -> dict[str, Report]:
    """Returns a report per suite name: of the newest run, with the newest comparison.

    Runs on Fargate, of a stage, or of a part have their own report, such as `NAME:fargate`, so that no result hides the
    other. Names of suites contain no colon.
    """
    by_name: dict[str, list[Bundle]] = {}
    for bundle in sorted(bundles, key=lambda run: run.plan.run_id):
        name = ":".join([bundle.plan.suite, *(["fargate"] if bundle.plan.on == "fargate" else []), *bundle.plan.scope])
        by_name.setdefault(name, []).append(bundle)
    reports = {}
    for name, own in sorted(by_name.items()):
        duets = [run for run in own if run.verdict.comparison]
        runs = [run for run in own if not run.verdict.comparison]
        reports[name] = report_of((runs or duets)[-1], duet=duets[-1] if duets else None)
    return reports


def comments(bundles: Sequence[Bundle], links: Links) -> dict[str, str]:
    """Returns a comment per suite name, as `reports_of`."""
    return {name: markdown.render(report, links).decode() for name, report in reports_of(bundles).items()}


def marker(suite: str) -> str:
    """Returns the HTML comment at the end of a comment: the name of the suite, encoded so that it cannot close it.

    >>> marker("shop"), marker("--> @all"), marker("")
    ('<!-- toril:shop -->', '<!-- toril:_2D_2D_3E_20_40all -->', '<!-- toril: -->')
    """
    return f"<!-- toril:{encoded(suite)} -->"


def encoded(name: str) -> str:
    """Returns a name that an HTML comment can hold; a long one ends in its checksum."""

    def of_bytes(match: re.Match[str]) -> str:
        return "".join(f"_{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))

    shown = re.sub(r"[^A-Za-z0-9.]", of_bytes, name)
    if len(shown) > LONGEST_NAME:
        shown = f"{shown[:LONGEST_NAME]}{hashlib.sha256(shown.encode()).hexdigest()}"
    return shown


def post(client: Client, repository: str, pull: int, suite: str, text: str) -> Posted:
    """Creates or updates the comment of that suite on that pull request.

    Changes only comments by the owner of the token. The token of a workflow or an app does not name its owner; then
    any comment by a bot qualifies.
    """
    body = f"{text.rstrip()}\n\n{marker(suite)}"

    def act() -> Posted:
        old = _own_comment(client, repository, pull, marker(suite))
        if old is not None and str(old.get("body") or "").replace("\r\n", "\n").rstrip() == body:
            return Posted(done="unchanged", url=url_of(old))
        if old is not None:
            answer = client.patch(f"/repos/{repository}/issues/comments/{int(old['id'])}", {"body": body})
            return Posted(done="updated", url=url_of(answer.body))
        answer = client.create(f"/repos/{repository}/issues/{pull}/comments", {"body": body})
        return Posted(done="created", url=url_of(answer.body))

    return insistently(client, act)


def insistently(client: Client, act: Callable[[], Posted]) -> Posted:
    """Repeats an act without an answer. The act first checks whether its last try has created something."""
    for tries in range(1, TRIES):
        try:
            return act()
        except UnansweredError:
            client.pause(tries)
    return act()


def _own_comment(client: Client, repository: str, pull: int, ending: str) -> dict[str, Any] | None:
    """Returns our oldest comment that ends with that marker."""
    comments_found = [
        comment
        for comment in client.pages(f"/repos/{repository}/issues/{pull}/comments")
        if isinstance(comment.get("id"), int) and str(comment.get("body") or "").rstrip().endswith(ending)
    ]
    login = owner_of_token(client) if comments_found else None
    return next((comment for comment in comments_found if is_own(comment, login)), None)


def is_own(comment: dict[str, Any], login: str | None) -> bool:
    """Returns whether the owner of the token wrote a comment or an issue; without a name, whether a bot did."""
    user = comment.get("user") or {}
    return bool((user.get("type") == BOT) if login is None else (user.get("login") == login))


def owner_of_token(client: Client) -> str | None:
    """Returns the owner of the token; None for the token of a workflow or an app, which may not read it."""
    try:
        body = client.get("/user").body
    except GithubRefusedError as error:
        if error.status != 403:
            raise
        return None
    return str(body.get("login")) if isinstance(body, dict) else None


def url_of(comment: Any) -> str:
    return str(comment.get("html_url") or "") if isinstance(comment, dict) else ""


def pulls_of(client: Client, repository: str, head: str, commit: str) -> list[int]:
    """Returns the open pull requests from `head` (owner:branch) with that newest commit.

    Empty if the branch has newer commits, or its pull request is closed.
    """
    pulls = client.pages(f"/repos/{repository}/pulls", head=head, state="open")
    return [
        one["number"]
        for one in pulls
        if isinstance(one.get("number"), int) and _matches(one.get("head"), head, commit) and one.get("state") == "open"
    ]


def is_at(client: Client, repository: str, number: int, commit: str) -> bool:
    """Returns whether that is the newest commit of a pull request."""
    body = client.get(f"/repos/{repository}/pulls/{number}").body
    head = body.get("head") if isinstance(body, dict) else None
    return isinstance(head, dict) and head.get("sha") == commit


def _matches(head_of: object, head: str, commit: str) -> bool:
    """Returns whether a pull request matches: GitHub ignores filters that it does not understand."""
    if not isinstance(head_of, dict):
        return False
    return str(head_of.get("label")).casefold() == head.casefold() and str(head_of.get("sha")) == commit
