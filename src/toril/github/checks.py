"""Check runs: the verdict of each suite at a commit, neutral if it is inconclusive."""

from collections.abc import Iterator
from typing import Any

from toril.github.client import Client
from toril.github.comments import Posted, insistently, url_of
from toril.reports import markdown
from toril.reports.annotations import annotations_of
from toril.reports.blocks import Report
from toril.reports.markdown import Links
from toril.text import plain

CONCLUSIONS = {"passed": "success", "failed": "failure"}  # others are neutral
LEVELS = {"error": "failure", "warning": "warning", "notice": "notice"}
LONGEST_SUMMARY = 65_535  # GitHub's maximum, in characters


def post_check(client: Client, repository: str, commit: str, name: str, report: Report, links: Links) -> Posted:
    """Creates the check run of a suite at a commit, unless it exists for the same run and conclusion.

    GitHub shows the newest check run of a name.
    """
    headline = report.headline
    conclusion = CONCLUSIONS.get(headline.outcome, "neutral")
    check = {
        "name": f"toril: {plain(name, 100)}",
        "head_sha": commit,
        "external_id": f"{headline.run_id[:200]}:{conclusion}",
        "status": "completed",
        "conclusion": conclusion,
        "output": {
            "title": f"{headline.outcome}: {headline.brief}"[:250],
            "summary": markdown.render(report, links).decode()[:LONGEST_SUMMARY],
            "annotations": list(_annotations(report)),
        },
        **({"details_url": links.report} if links.report else {}),
    }

    def act() -> Posted:
        body = client.get(f"/repos/{repository}/commits/{commit}/check-runs", check_name=str(check["name"])).body
        for old in body.get("check_runs", ()) if isinstance(body, dict) else ():
            if old.get("external_id") == check["external_id"]:
                return Posted(done="unchanged", url=url_of(old))
        return Posted(done="created", url=url_of(client.create(f"/repos/{repository}/check-runs", check).body))

    return insistently(client, act)


def _annotations(report: Report) -> Iterator[dict[str, Any]]:
    """Yields the problems at lines of the suite, or at its first line. The summary has those without a file."""
    for problem in annotations_of(report):
        path, line = (problem.place.file, problem.place.line) if problem.place else (report.headline.file, 1)
        if path:
            yield {
                "path": path,
                "start_line": line,
                "end_line": line,
                "annotation_level": LEVELS[problem.level],
                "title": problem.title[:255],
                "message": plain(problem.message, 1100),
            }
