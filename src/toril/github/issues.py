"""Issues about confirmed regressions: opens one per group of changes, keeps it up to date, and closes it."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from toril.github.client import TRIES, Client, UnansweredError
from toril.github.comments import Posted, encoded, is_own, owner_of_token, url_of
from toril.records.trend import Trend, TrendGroup
from toril.reports.markdown import Links, code, escaped, link, render
from toril.reports.trend_blocks import brief_of, group_report, outcome_of
from toril.text import plain

NEAR = 3  # runs: the first run of a change moves as more runs follow
MARKER = re.compile(r"<!-- toril-trend:([\w.]*):([\w.]*) -->\s*\Z")
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
    closed stays closed. `links.report` is the address of the console.
    """
    starts = [point.started_at for found in trends for series in found.series for point in series.points]
    if not starts:
        return []
    address = f"/repos/{repository}/issues"
    since = f"{datetime.fromtimestamp(min(starts), UTC):%Y-%m-%dT%H:%M:%SZ}"  # an issue is younger than its runs
    login = owner_of_token(client)

    def own_issues() -> list[Issue]:
        every = client.pages(address, state="all", since=since)
        return [one for one in every if "pull_request" not in one and is_own(one, login) and _marker_of(one)]

    there, done = own_issues(), list[Posted]()
    for found in trends:
        for group in found.groups:
            old = _issue_of(there, found, group)
            if outcome_of(group) == "failed":
                content = {"title": _title(found, group), "body": _body(found, group, links)}
                if old is None:
                    done.append(_opened(client, address, content, own_issues))
                elif old.get("state") == "open":
                    done.append(_updated(client, f"{address}/{int(old['number'])}", old, content))
            elif old is not None and old.get("state") == "open" and group.state in SETTLED:
                done.append(_closed(client, f"{address}/{int(old['number'])}", group))
    return done


def _marker_of(issue: Issue) -> tuple[str, str] | None:
    """Returns the suite and the run of our marker, encoded."""
    match = MARKER.search(str(issue.get("body") or ""))
    return (match[1], match[2]) if match and isinstance(issue.get("number"), int) else None


def _issue_of(there: Sequence[Issue], found: Trend, group: TrendGroup) -> Issue | None:
    """Returns the issue about this group, an open one if there are several."""
    points = {point.run_id: point.started_at for series in found.series for point in series.points}
    places = {encoded(run_id): place for place, run_id in enumerate(sorted(points, key=points.__getitem__))}
    own = places.get(encoded(group.id), 0)
    named = {encoded(group.id)} | {run for run, place in places.items() if abs(place - own) <= NEAR}
    near = [one for one in there if _marker_of(one) in {(encoded(found.suite), run) for run in named}]
    return min(near, key=lambda one: one.get("state") != "open", default=None)


def _opened(client: Client, address: str, content: dict[str, str], own_issues: Callable[[], list[Issue]]) -> Posted:
    for tries in range(1, TRIES + 1):
        try:
            return Posted(done="created", url=url_of(client.create(address, content).body))
        except UnansweredError:  # it may exist
            if tries == TRIES:
                raise
            client.pause(tries)
            wanted = _marker_of({"number": 0, **content})
            made = next((one for one in own_issues() if _marker_of(one) == wanted), None)
            if made is not None:
                return Posted(done="created", url=url_of(made))
    raise AssertionError  # pragma: no cover


def _updated(client: Client, address: str, old: Issue, content: dict[str, str]) -> Posted:
    if all(str(old.get(name) or "").replace("\r\n", "\n").rstrip() == value for name, value in content.items()):
        return Posted(done="unchanged", url=url_of(old))
    return Posted(done="updated", url=url_of(client.patch(address, content).body))


def _closed(client: Client, address: str, group: TrendGroup) -> Posted:
    answer = client.patch(address, {"state": "closed", "state_reason": "completed"})
    client.create(f"{address}/comments", {"body": SETTLED[group.state] + escaped(group.acknowledged)})
    return Posted(done="closed", url=url_of(answer.body))


def _title(found: Trend, group: TrendGroup) -> str:
    return f"{plain(found.suite, 60)}: {plain(brief_of(group), 150)}"


def _body(found: Trend, group: TrendGroup, links: Links) -> str:
    commits = [one if COMMIT.fullmatch(one) else code(one) for one in (group.from_commit, group.to_commit) if one]
    address = f"{links.report}/suites/{quote(found.suite, safe='')}/trend"
    parts = (
        escaped(group.message),
        f"Commits after {commits[0]} up to {commits[1]}" if len(commits) == 2 else "",
        link("Trend", address) if links.report else "",
        render(group_report(found, group)).decode().rstrip(),
        "An entry in `toril-trend.yml` accepts the change. When the figures are back, toril closes this issue.",
        f"<!-- toril-trend:{encoded(found.suite)}:{encoded(group.id)} -->",
    )
    return "\n\n".join(filter(None, parts))
