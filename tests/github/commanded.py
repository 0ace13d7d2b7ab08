"""Folders of runs as in artifacts, and calls of `toril github comment`."""

import sys
from pathlib import Path

import pytest

from tests.github.fake_api import TOKEN, GitHub
from toril import cli
from toril.records.document import document
from toril.reports import Bundle


def write_run(folder: Path, bundle: Bundle) -> Path:
    """Writes only the files of a run that `toril github comment` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.json").write_bytes(bundle.plan.to_json())
    (folder / "summary.json").write_bytes(document(bundle.summary.to_dict()))
    (folder / "verdict.json").write_bytes(bundle.verdict.to_json())
    return folder


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object, github: GitHub | None = None) -> int:
    """Returns the exit code of the command; without `github` there is no token."""
    monkeypatch.setattr(sys, "argv", ["toril", "github", "comment", *map(str, arguments)])
    for name in ("GITHUB_TOKEN", "GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_ACTIONS", "TORIL_STORE"):
        monkeypatch.delenv(name, raising=False)
    if github is not None:
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        monkeypatch.setenv("GITHUB_API_URL", github.url)
        monkeypatch.setenv("GITHUB_REPOSITORY", github.repository)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)
