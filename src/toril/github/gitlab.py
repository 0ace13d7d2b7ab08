"""Comments on a merge request of GitLab: one per suite, updated by later runs."""

import re
from urllib.parse import quote

from toril.github.client import Client, GithubReply
from toril.github.comments import Posted, insistently, marker

QUICK_ACTION = re.compile(r"(?m)^(\s*)/")  # such as `/close`, which GitLab would carry out


class GitlabClient(Client):
    """A client of GitLab's API with one access token."""

    service, accept = "GitLab", "application/json"

    def refusal(self, answer: GithubReply) -> str:
        fix = "Check --project, --merge-request, and that GITLAB_TOKEN has the scope `api` and may comment."
        return f"{answer.status} {answer.message}. {fix}"


def post_note(client: GitlabClient, project: str, request: int, suite: str, text: str) -> Posted:
    """Creates or updates the comment of that suite on that merge request, if the token's owner wrote it."""
    path = f"/projects/{quote(project, safe='')}/merge_requests/{request}/notes"
    shown = QUICK_ACTION.sub(r"\1&#47;", text).rstrip()
    body, ending, owner = f"{shown}\n\n{marker(suite)}", marker(suite), dict(client.get("/user").body or {})

    def act() -> Posted:
        notes = client.pages(path, sort="asc")
        own = (note for note in notes if dict(note.get("author") or {}).get("id") == owner.get("id"))
        old = next((note for note in own if str(note.get("body")).rstrip().endswith(ending)), None)
        if old is None:
            client.create(path, {"body": body})
        elif str(old["body"]).rstrip() != body:
            client.patch(f"{path}/{int(old['id'])}", {"body": body}, method="PUT")
        else:
            return Posted(done="unchanged", url="")
        return Posted(done="updated" if old else "created", url="")

    return insistently(client, act)
