"""Commands for pull requests: the suites that a change has to pass, and the comment on its runs."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from toril.cli.options import Environment, On, read_pairs
from toril.clock import SystemClock
from toril.errors import OptionError, StoreError
from toril.github import Client, api_url, gates, is_at, post, pulls_of
from toril.github.strangers import read_runs
from toril.reports.comments import comments
from toril.reports.markdown import Links, is_address
from toril.text import plain

OUTPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def gates_command(
    folder: Annotated[Path, typer.Argument(help="The folder that holds the suites' folders.")] = Path("loadtests"),
    changed_since: Annotated[
        str | None,
        typer.Option("--changed-since", help="A commit: suites touched since then, and gates unless only texts were."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All suites, whatever has changed.")] = False,
    on: On = "local",
    env: Environment = None,
    format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
    output_name: Annotated[
        str | None, typer.Option("--output-name", help="Print NAME=JSON, for a job's outputs on GitHub.")
    ] = None,
) -> None:
    """Name the suites that a change has to pass: those it touches, and those with `gate: true`.

    For this machine a suite that needs AWS is left out unless it is a gate;
    with --on fargate those are named whose locations are regions.

    Example: toril gates loadtests --changed-since origin/main
    """
    if format not in ("text", "json"):
        raise OptionError(f"--format {format}: text or json", code="option-value")
    if output_name is not None and not OUTPUT_NAME.fullmatch(output_name):
        raise OptionError(
            f"--output-name {output_name!r}: letters, digits, _ and -, and no digit first", code="option-value"
        )
    if every and changed_since is not None:
        raise OptionError("--all and --changed-since: choose one of them", code="conflicting-options")
    changed = None if changed_since is None else gates.changed_since(changed_since, folder)
    environment = read_pairs("--env", env or ())
    chosen = gates.choose(folder, changed=changed, on=on, every=every, environment=environment)
    if output_name is not None and len(chosen) > gates.MOST:
        raise OptionError(
            f"{len(chosen)} suites have to run, and a job's matrix on GitHub has at most {gates.MOST}",
            code="too-many-suites",
        )
    if output_name is not None or format == "json":
        prefix = f"{output_name}=" if output_name is not None else ""
        typer.echo(prefix + json.dumps([suite.name for suite in chosen]))
    for suite in chosen:
        typer.echo(f"{suite.name}: {suite.why}", err=output_name is not None or format == "json")
    if not chosen:
        typer.echo("no suite has to run", err=True)


REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/(?!\.{1,2}$)[A-Za-z0-9_.-]+")
HEAD = re.compile(r"[^:\s]+:\S+")
MOST_OF_A_STRANGER = 50  # comments at once: each mails everybody who follows the pull request
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def comment(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs, or folders that hold some, such as an artifact.")
    ],
    repository: Annotated[str, typer.Option("--repository", envvar="GITHUB_REPOSITORY", help="OWNER/NAME.")] = "",
    pull_request: Annotated[int | None, typer.Option("--pull-request", min=1, help="Its number.")] = None,
    head: Annotated[str | None, typer.Option("--head", help="OWNER:BRANCH instead of the number, with --sha.")] = None,
    sha: Annotated[
        str | None,
        typer.Option(
            "--sha", help="The commit that was tested. Skip the comment if the pull request has newer commits."
        ),
    ] = None,
    report_url: Annotated[str | None, typer.Option("--report-url", help="Where the whole report is.")] = None,
    run_url: Annotated[str | None, typer.Option("--run-url", help="Where the workflow's run is.")] = None,
    if_there: Annotated[
        bool, typer.Option("--if-there", help="No error if these folders are not there: for a job that ran no suite.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the comments; send nothing to GitHub.")] = False,
) -> None:
    """Tell a pull request about RUNS: one comment per suite, which later runs update.

    A run and a duet of the same suite share one comment. The token comes from
    GITHUB_TOKEN and needs `pull-requests: write`. The folders may come from a
    stranger, such as the artifact of a fork's workflow; the number of the pull
    request must not.

    Example: toril comment artifact/ --head octocat:faster --sha $COMMIT
    """
    for option, url in (("--report-url", report_url), ("--run-url", run_url)):
        if url is not None and not is_address(url):
            raise OptionError(
                f"{option} {url}: expected an http or https address, percent-encoded", code="option-value"
            )
    if if_there and not (runs := [path for path in runs if path.is_dir()]):
        typer.echo("there are no runs: nobody is told", err=True)
        return
    bundles, problems = read_runs(runs)
    if not bundles:
        raise StoreError("; ".join(problems), code="unreadable-runs")
    texts = comments(bundles, Links(report=report_url, run=run_url, commit=sha, branch=head))
    if head is not None and len(texts) > MOST_OF_A_STRANGER:
        raise StoreError(
            f"{len(texts)} suites, more than the {MOST_OF_A_STRANGER} that --head has comments for",
            code="too-many-suites",
        )
    if dry_run:
        for text in texts.values():
            typer.echo(text)
    else:
        _tell(texts, repository, pull_request, head, sha)
    for problem in problems:
        typer.echo(f"error: {problem}", err=True)
    if problems:
        raise typer.Exit(StoreError.exit_code)


def _tell(
    texts: Mapping[str, str], repository: str, pull_request: int | None, head: str | None, sha: str | None
) -> None:
    client = Client(api_url(os.environ.get("GITHUB_API_URL") or "https://api.github.com"), _token(), SystemClock())
    for pull in _pulls(client, _checked(repository), pull_request, head, sha):
        for suite, text in texts.items():
            posted = post(client, repository, pull, suite, text)
            typer.echo(f"{plain(suite)}: comment on #{pull} {posted.done} {posted.url}".rstrip(), err=True)


def _token() -> str:
    token = os.environ.get("GITHUB_TOKEN", "").strip()
    if not token:
        raise OptionError(
            "GITHUB_TOKEN is not set; in a workflow: `env: {GITHUB_TOKEN: ${{ github.token }}}`", code="no-token"
        )
    if not token.isascii() or not token.isprintable():
        raise OptionError("GITHUB_TOKEN is no token: it has characters that no header takes", code="bad-token")
    return token


def _checked(repository: str) -> str:
    if not REPOSITORY.fullmatch(repository):
        raise OptionError(f"--repository {repository!r}: expected OWNER/NAME", code="option-value")
    return repository


def _pulls(client: Client, repository: str, number: int | None, head: str | None, sha: str | None) -> list[int]:
    """The pull requests that are told."""
    if (number is None) == (head is None):
        raise OptionError(
            "name the pull request: either --pull-request NUMBER, or --head OWNER:BRANCH with --sha COMMIT",
            code="no-pull-request",
        )
    if sha is not None and not COMMIT.fullmatch(sha):
        raise OptionError(f"--sha {sha}: expected the whole commit", code="option-value")
    if number is not None:
        found = [number] if sha is None or is_at(client, repository, number, sha) else []
    elif head is None or not HEAD.fullmatch(head) or sha is None:
        raise OptionError(f"--head {head}: expected OWNER:BRANCH, and the whole commit in --sha", code="option-value")
    else:
        found = pulls_of(client, repository, head, sha)
    if not found:
        asked = f"#{number} is no longer" if number is not None else f"no open pull request of {head} is"
        typer.echo(f"{asked} at {sha}: nobody is told", err=True)
    return found
