"""A repository with a pull request, made from the files of this project.

made = project(folder)                       # main is the working tree
made.change({"loadtests/shop/service.py": slower})   # the head commit, and the merge that GitHub tests
"""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
NUMBER = 7
Files = Mapping[str, str | None]  # None deletes a file
USED = re.compile(r"^(?P<name>[^./@][^/@]*/[^/@]+)(?:/[^@]*)?@(?P<ref>.+)$")


@dataclass(slots=True, kw_only=True)
class Repository:
    """A repository whose work tree is at the commit that a workflow runs on."""

    folder: Path
    name: str = "acme/shop"
    branch: str = "faster"
    fork: str | None = None  # the owner of the fork; None for a branch of the repository
    base: str = ""
    head: str = ""

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", "-C", self.folder, *who, *words], capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.strip()

    def begin(self) -> None:
        """Commits the files in the folder as the first commit."""
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "What there is")
        self.base = self.git("rev-parse", "HEAD")

    def change(self, files: Files) -> None:
        """Creates a pull request with these files; None deletes a file."""
        self.git("checkout", "--quiet", "-B", self.branch, self.base)
        self._push(files)

    def amend(self, files: Files) -> None:
        """Adds a commit to the pull request."""
        self.git("checkout", "--quiet", self.branch)
        self._push(files)

    def _push(self, files: Files) -> None:
        """Sets the work tree to the merge commit, which GitHub tests."""
        self._commit(files, "A change")
        self.head = self.git("rev-parse", "HEAD")
        self.git("update-ref", f"refs/pull/{NUMBER}/head", self.head)
        self.git("checkout", "--quiet", "--detach", self.base)
        self.git("merge", "--quiet", "--no-ff", "--message", "The merge that is tested", self.head)
        self.git("update-ref", f"refs/pull/{NUMBER}/merge", "HEAD")

    def settle(self, files: Files) -> None:
        """Adds these files to main before the pull request."""
        self._commit(files, "What there is, too")
        self.base = self.git("rev-parse", "HEAD")

    def on_main(self) -> None:
        self.git("checkout", "--quiet", "main")

    def _commit(self, files: Files, message: str) -> None:
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).unlink(missing_ok=True)
            if text is not None:
                (self.folder / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def used_actions(self, workflow: str) -> set[tuple[str, str]]:
        """Returns action and commit of all external actions in a workflow and in workflows that it calls."""
        return used_elsewhere(self.folder, f".github/workflows/{workflow}")

    def pull_request(self) -> dict[str, Any]:
        """Returns GitHub's event for the pull request."""
        owner, _, name = (self.fork or self.name).partition("/")
        own_owner, _, own_name = self.name.partition("/")
        base_repository = {"id": 22, "full_name": self.name, "name": own_name, "fork": False, "default_branch": "main"}
        head_repository = {"id": 33, "full_name": self.fork or self.name, "name": name, "fork": self.fork is not None}
        return {
            "action": "synchronize",
            "number": NUMBER,
            "pull_request": {
                "number": NUMBER,
                "title": "A change",
                "draft": False,
                "html_url": f"https://github.com/{self.name}/pull/{NUMBER}",
                "labels": [],
                "user": {"login": owner},
                "head": {
                    "ref": self.branch,
                    "label": f"{owner}:{self.branch}",
                    "sha": self.head,
                    "repo": {**head_repository, "owner": {"login": owner}},
                },
                "base": {
                    "ref": "main",
                    "label": f"{own_owner}:main",
                    "sha": self.base,
                    "repo": {**base_repository, "owner": {"login": own_owner}},
                },
            },
            "repository": {**base_repository, "owner": {"login": own_owner}, "private": False},
            "sender": {"login": owner},
        }

    def workflow_run(self, run_id: str, workflow: str, conclusion: str) -> dict[str, Any]:
        """Returns GitHub's event after a workflow of the pull request; it does not name pull requests of forks."""
        owner, _, name = (self.fork or self.name).partition("/")
        of_request = self.pull_request()
        return {
            "action": "completed",
            "workflow": {"name": workflow},
            "workflow_run": {
                "id": int(run_id),
                "name": workflow,
                "event": "pull_request",
                "status": "completed",
                "conclusion": conclusion,
                "run_attempt": 1,
                "head_branch": self.branch,
                "head_sha": self.head,
                "html_url": f"https://github.com/{self.name}/actions/runs/{run_id}",
                "head_repository": {"full_name": self.fork or self.name, "name": name, "owner": {"login": owner}},
                "repository": {"full_name": self.name},
                "pull_requests": [] if self.fork else [{"number": NUMBER}],
            },
            "repository": of_request["repository"],
            "sender": {"login": owner},
        }


def project(folder: Path, **more: Any) -> Repository:
    """Returns a new repository with all files that git tracks here, including changes."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return begun(folder, **more)


def begun(folder: Path, files: Mapping[str, str] | None = None, **more: Any) -> Repository:
    """Returns a repository with the files in a folder, and these."""
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    made = Repository(folder=folder, **more)
    made.begin()
    return made


def used_elsewhere(folder: Path, file: str) -> set[tuple[str, str]]:
    """Returns the external actions that the file of a workflow or action uses."""
    found: set[tuple[str, str]] = set()
    for used in _uses(yaml.safe_load((folder / file).read_text())):
        if used.startswith("./"):
            found |= used_elsewhere(folder, used.removeprefix("./"))
        elif match := USED.match(used):
            found.add((match["name"], match["ref"]))
    return found


def _uses(content: Any) -> list[str]:
    """Yields each `uses:` of a workflow or an action."""
    if isinstance(content, dict):
        own = [content["uses"]] if isinstance(content.get("uses"), str) else []
        return own + [used for value in content.values() for used in _uses(value)]
    return [used for value in content for used in _uses(value)] if isinstance(content, list) else []
