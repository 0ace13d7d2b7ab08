"""Which pull request a commit belongs to, as GitHub says: never as a file says that came with the commit."""

from toril.github.client import Client


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
