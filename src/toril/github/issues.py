"""Issues about confirmed regressions: opens one per group of changes, keeps it up to date, and closes it.

If the commit of a regression is known, the pull request that brought it gets a comment.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from operator import attrgetter, itemgetter
from typing import Any
from urllib.parse import quote

from toril.github.client import Client
from toril.github.comments import Posted, encoded, is_own, owner_of_token, post, url_of
from toril.records.trend import Trend, TrendGroup
from toril.reports.markdown import Links, code, escaped, link, render
from toril.reports.trend_blocks import brief_of, group_report, outcome_of
from toril.text import plain

NEAR = 3  # runs: the first run of a change moves as more runs follow
MARKER = re.compile(r"<!-- toril-trend:([\w.]*):([\w.]*)( settled)? -->\s*\Z")
COMMIT = re.compile(r"[0-9a-f]{7,64}")  # GitHub links it
SETTLED = {  # by state
    "recovered": "Later runs are back at the level before the change.",
    "cleared": "A duet of both commits shows no regression.",
    "acknowledged": "The change is acknowledged: ",
}
Issue = dict[str, Any]


def settle(client: Client, repository: str, trends: Sequence[Trend], links: Links) -> list[Posted]:
    """Opens, updates and closes the issues of these trends in `repository` (`OWNER/REPO`); returns what was done.

    It changes only issues that the same author opened with the marker of a suite and run. An issue that a person
    closed stays closed. One that this function closed is opened again if its change counts again, e.g. because an
    acknowledgement has ended. `links.report` is the address of the console. After an error, the next call does the
    rest.
    """
    starts = [point.started_at for trend in trends for series in trend.series for point in series.points]
    if not starts:
        return []
    since = f"{datetime.fromtimestamp(min(starts), UTC):%Y-%m-%dT%H:%M:%SZ}"  # an issue is younger than its runs
    address, login = f"/repos/{repository}/issues", owner_of_token(client)
    there = [own for own in client.pages(address, state="all", since=since) if _marker_of(own) and is_own(own, login)]
    done = list[Posted]()
    for trend in trends:
        issues = _issues_of(there, trend)
        for group in filter(attrgetter("worse"), trend.groups):
            old = issues.get(group.id)
            place, is_open = f"{address}/{old and int(old['number'])}", old is not None and old.get("state") == "open"
            content = {"title": f"{plain(trend.suite, 60)}: {plain(brief_of(group), 150)}"}
            if outcome_of(group) == "failed":
                content["body"] = _body(trend, group, links)
                if old is None:
                    done.append(Posted(done="created", url=url_of(client.create(address, content).body)))
                elif is_open and all(_text(old, name) == value for name, value in content.items()):
                    done.append(Posted(done="unchanged", url=url_of(old)))
                elif is_open or ((marker := _marker_of(old)) and marker[2]):
                    content["state"] = "open"
                    done.append(Posted(done="updated", url=url_of(client.patch(place, content).body)))
            elif is_open and group.state in SETTLED:
                content |= {"state": "closed", "state_reason": "completed"}
                content["body"] = _body(trend, group, links, " settled")
                answer = client.patch(place, content)
                client.create(f"{place}/comments", {"body": SETTLED[group.state] + escaped(group.acknowledged)})
                done.append(Posted(done="closed", url=url_of(answer.body)))
    explained = [(trend, group) for trend in trends for group in trend.groups if group.commit]
    for trend, group in explained:  # last, because the token may have no right to read pull requests
        if outcome_of(group) == "failed":
            done += _tell_pulls(client, repository, trend, group, links)
    return done


def _tell_pulls(client: Client, repository: str, trend: Trend, group: TrendGroup, links: Links) -> Iterator[Posted]:
    """Comments on the pull requests that brought the commit of a regression; yields what was done."""
    body = "\n\n".join(_about(trend, group, links))
    for pull in client.pages(f"/repos/{repository}/commits/{group.commit}/pulls"):
        if isinstance(pull.get("number"), int) and pull.get("merged_at"):
            yield post(client, repository, pull["number"], f"{trend.suite}:{group.commit[:12]}", body)


def _text(issue: Issue, name: str) -> str:
    return str(issue.get(name) or "").replace("\r\n", "\n").rstrip()


def _marker_of(issue: Issue) -> tuple[str, str, bool] | None:
    """Returns the suite and the run of our marker, encoded, and whether toril closed it. None for a pull request."""
    match = MARKER.search(_text(issue, "body"))
    return (match[1], match[2], bool(match[3])) if match and "pull_request" not in issue and "number" in issue else None


def _issues_of(there: Sequence[Issue], trend: Trend) -> dict[str, Issue]:
    """Returns the issue of each regression by its id. The nearest runs belong together, up to `NEAR` runs apart."""
    points = {point.run_id: point.started_at for series in trend.series for point in series.points}
    places = {encoded(run_id): place for place, run_id in enumerate(sorted(points, key=points.__getitem__))}
    near = []
    for group in trend.groups:
        own = encoded(group.id)
        for issue in there if group.worse and own in places else ():
            suite, run, _ = _marker_of(issue) or ("", "", False)
            if suite == encoded(trend.suite) and run in places and (apart := abs(places[run] - places[own])) <= NEAR:
                near.append(((apart, outcome_of(group) != "failed", issue.get("state") != "open"), group.id, issue))
    issues, taken = dict[str, Issue](), set[int]()
    for _, group_id, issue in sorted(near, key=itemgetter(0)):
        if group_id not in issues and issue["number"] not in taken:
            issues[group_id] = issue
            taken.add(issue["number"])
    return issues


def _about(trend: Trend, group: TrendGroup, links: Links) -> Iterator[str]:
    """Yields the paragraphs about a change."""
    commits = [sha if COMMIT.fullmatch(sha) else code(sha) for sha in (group.from_commit, group.to_commit) if sha]
    address = f"{links.report}/suites/{quote(trend.suite, safe='')}/trend"
    yield render(group_report(trend, group)).decode().rstrip()
    if len(commits) == 2:
        yield f"Commits after {commits[0]} up to {commits[1]}"
    if COMMIT.fullmatch(group.commit):
        yield f"The commit that made it worse: {group.commit}"
    if links.report:
        yield link("Trend", address)


def _body(trend: Trend, group: TrendGroup, links: Links, settled: str = "") -> str:
    accept = "An entry in `toril-trend.yml` accepts the change. When the figures are back, toril closes this issue."
    marker = f"<!-- toril-trend:{encoded(trend.suite)}:{encoded(group.id)}{settled} -->"
    return "\n\n".join([*_about(trend, group, links), accept, marker])
