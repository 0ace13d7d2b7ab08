"""Commands for pull requests: select the suites that a change must pass, and comment on their runs."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from toril.cli.options import Environment, IgnoreMissing, On, Stage, TextOrJson, read_pairs, wrong_value
from toril.cli.streams import echo
from toril.clock import SystemClock
from toril.errors import OptionError, StoreError
from toril.github import Client, api_url, comments, gates, is_at, post, pulls_of, reports_of
from toril.github.checks import post_check
from toril.github.gitlab import GitlabClient, post_note
from toril.github.strangers import read_runs
from toril.reports import Bundle
from toril.reports.markdown import Links, is_address
from toril.text import plain

OUTPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def gates_command(
    folder: Annotated[Path, typer.Argument(help="Folder with one folder per suite.")] = Path("loadtests"),
    changed_since: Annotated[
        str | None,
        typer.Option(
            "--changed-since", help="Commit: select suites changed since then, and gates unless only texts changed."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Select all suites, even unchanged ones.")] = False,
    on: On = "local",
    env: Environment = None,
    stage: Stage = None,
    format: TextOrJson = "text",
    output_name: Annotated[
        str | None, typer.Option("--output-name", help="Print NAME=JSON, for a job's outputs on GitHub.")
    ] = None,
) -> None:
    """List the suites that a change must pass.

    These are the changed suites, and suites with `toril.gate: true`.
    With --on local, suites that need AWS are skipped unless they are gates.
    With --on fargate, only suites whose locations are regions are listed.

    Examples:
      toril github gates loadtests --changed-since origin/main
      toril github gates loadtests --all --on fargate --output-name suites
    """
    if output_name is not None and not OUTPUT_NAME.fullmatch(output_name):
        raise wrong_value("--output-name", output_name, "use letters, digits, `_` and `-`, and no digit first.")
    if every and changed_since is not None:
        raise OptionError(
            "--all and --changed-since exclude each other. Remove one of them.", code="conflicting-options"
        )
    changed = None if changed_since is None else gates.changed_since(changed_since, folder)
    environment = read_pairs("--env", env or ())
    chosen = gates.choose(folder, changed=changed, on=on, every=every, environment=environment, stage=stage)
    if output_name is not None and len(chosen) > gates.MOST:
        raise OptionError(
            f"{len(chosen)} suites must run, but a job matrix on GitHub has at most {gates.MOST}. Split FOLDER.",
            code="too-many-suites",
        )
    as_json = output_name is not None or format == "json"
    if as_json:
        prefix = f"{output_name}=" if output_name is not None else ""
        echo(prefix + json.dumps([suite.name for suite in chosen]))
    for suite in chosen:
        echo(f"{suite.name}: {suite.why}", err=as_json)
    if not chosen:
        echo("no suite must run", err=True)


REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/(?!\.{1,2}$)[A-Za-z0-9_.-]+")
HEAD = re.compile(r"[^:\s]+:\S+")
MOST_FROM_FORK = 50  # comments at once: each sends mail to all followers of the pull request
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


Runs = Annotated[list[Path], typer.Argument(help="Folders of runs, or folders that contain runs, e.g. an artifact.")]
ReportUrl = Annotated[str | None, typer.Option("--report-url", help="Address of the full report.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the comments without sending them.")]


def comment(
    runs: Runs,
    repository: Annotated[
        str, typer.Option("--repository", envvar="GITHUB_REPOSITORY", help="OWNER/NAME of the repository.")
    ] = "",
    pull_request: Annotated[
        int | None, typer.Option("--pull-request", min=1, help="Number of the pull request.")
    ] = None,
    head: Annotated[
        str | None, typer.Option("--branch", help="OWNER:BRANCH in place of the number; requires --sha.")
    ] = None,
    sha: Annotated[
        str | None,
        typer.Option("--sha", help="Tested commit. Skip the comment if the pull request has newer commits."),
    ] = None,
    report_url: ReportUrl = None,
    run_url: Annotated[str | None, typer.Option("--run-url", help="Address of the workflow run.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Create check runs of the commit, too; without a pull request only these.")
    ] = False,
    ignore_missing: IgnoreMissing = False,
    dry_run: DryRun = False,
) -> None:
    """Comment on a pull request: one comment per suite, updated by later runs.

    A run and a duet of the same suite share one comment. GITHUB_TOKEN holds the
    token, which needs `pull-requests: write`, and `checks: write` for --check.
    The folders may be untrusted, such as the artifact of a fork's workflow. Take
    the number of the pull request from a trusted source only.

    A check run has the verdict of a suite: success, failure, or neutral if it is
    inconclusive, with annotations at the criteria. It needs trusted folders.

    Examples:
      toril github comment artifact/ --pull-request 7 --repository octocat/shop
      toril github comment artifact/ --check --sha 4f2a9c1d8b7e6f5a4c3b2a1908f7e6d5c4b3a291
      toril github comment artifact/ --branch octocat:faster --sha 4f2a9c1d8b7e6f5a4c3b2a1908f7e6d5c4b3a291
    """
    links = Links(report=_url("--report-url", report_url), run=_url("--run-url", run_url), commit=sha, branch=head)
    bundles, problems = _read(runs, ignore_missing=ignore_missing)
    texts = comments(bundles, links)
    if head is not None and len(texts) > MOST_FROM_FORK:
        raise StoreError(
            f"RUNS has {len(texts)} suites; --branch allows {MOST_FROM_FORK}. Pass fewer, or use --pull-request.",
            code="too-many-suites",
        )
    if dry_run:
        for text in texts.values():
            echo(text)
    else:
        client = client_of_job()
        pulls = _pulls(client, repository, pull_request, head, sha, check=check)
        for suite, report in reports_of(bundles).items() if check else ():
            posted = post_check(client, repository, sha or "", suite, report, links)
            echo(f"{plain(suite)}: check run {posted.done} {posted.url}".rstrip(), err=True)
        for pull in pulls:
            for suite, text in texts.items():
                posted = post(client, repository, pull, suite, text)
                echo(f"{plain(suite)}: comment on #{pull} {posted.done} {posted.url}".rstrip(), err=True)
    _fail_for(problems)


def note(
    runs: Runs,
    project: Annotated[str, typer.Option("--project", envvar="CI_PROJECT_ID", help="Id or path of the project.")] = "",
    merge_request: Annotated[
        int | None,
        typer.Option("--merge-request", envvar="CI_MERGE_REQUEST_IID", min=1, help="Number of the merge request."),
    ] = None,
    report_url: ReportUrl = None,
    ignore_missing: IgnoreMissing = False,
    dry_run: DryRun = False,
) -> None:
    """Comment on a merge request of GitLab: one comment per suite, updated by later runs.

    GITLAB_TOKEN holds an access token with the scope `api`: the token of a job,
    CI_JOB_TOKEN, cannot comment. CI_API_V4_URL is the address of the API.

    Examples:
      toril gitlab comment .toril/runs --report-url "$CI_JOB_URL"
      toril gitlab comment .toril/runs --project acme/shop --merge-request 7
    """
    bundles, problems = _read(runs, ignore_missing=ignore_missing)
    texts = comments(bundles, Links(report=_url("--report-url", report_url)))
    if dry_run:
        for text in texts.values():
            echo(text)
    elif merge_request is None or not project:
        raise OptionError("No merge request named. Pass --project and --merge-request.", code="no-pull-request")
    else:
        url = api_url(os.environ.get("CI_API_V4_URL") or "https://gitlab.com/api/v4", "CI_API_V4_URL")
        client = GitlabClient(url, _token("GITLAB_TOKEN", "Add it to the variables of the project."), SystemClock())
        for suite, text in texts.items():
            posted = post_note(client, project, merge_request, suite, text)
            echo(f"{plain(suite)}: comment on !{merge_request} {posted.done}", err=True)
    _fail_for(problems)


def _url(option: str, url: str | None) -> str | None:
    if url is not None and not is_address(url):
        raise wrong_value(option, url, "expected a percent-encoded http or https address.")
    return url


def _read(runs: list[Path], *, ignore_missing: bool) -> tuple[list[Bundle], list[str]]:
    """Returns the runs in folders, and what is wrong with others; ends the command if there is nothing to report."""
    if ignore_missing and not (runs := [path for path in runs if path.is_dir()]):
        echo("The folders do not exist. No comment posted.", err=True)
        raise typer.Exit(0)
    bundles, problems = read_runs(runs)
    if not bundles:
        raise StoreError("; ".join(problems), code="unreadable-runs")
    return bundles, problems


def _fail_for(problems: Sequence[str]) -> None:
    for problem in problems:
        echo(f"error: {problem}", err=True)
    if problems:
        raise typer.Exit(StoreError.exit_code)


def client_of_job() -> Client:
    """Returns a client of GitHub's API with the token in GITHUB_TOKEN."""
    token = _token("GITHUB_TOKEN", "In a workflow, add `env: {GITHUB_TOKEN: ${{ github.token }}}`.")
    return Client(api_url(os.environ.get("GITHUB_API_URL") or "https://api.github.com"), token, SystemClock())


def _token(variable: str, fix: str) -> str:
    token = os.environ.get(variable, "").strip()
    if not token:
        raise OptionError(f"{variable} is not set. {fix}", code="no-token")
    if not token.isascii() or not token.isprintable():
        raise OptionError(f"{variable} has characters that are invalid in a header. Set it again.", code="bad-token")
    return token


def _pulls(
    client: Client, repository: str, number: int | None, head: str | None, sha: str | None, *, check: bool
) -> list[int]:
    """Returns the numbers of the pull requests to comment on; with `check` there may be none."""
    if not REPOSITORY.fullmatch(repository):
        raise wrong_value("--repository", repository, "expected OWNER/NAME.")
    if check and head is not None:
        text = "--check and --branch exclude each other: a check run must not rest on the files of a fork."
        raise OptionError(text, code="conflicting-options")
    if (number is None) == (head is None) and not (check and number is None):
        raise OptionError(
            "No pull request named. Pass either --pull-request NUMBER, or --branch OWNER:BRANCH with --sha COMMIT.",
            code="no-pull-request",
        )
    if not COMMIT.fullmatch(sha or "") and (check or sha is not None):
        raise wrong_value("--sha", sha, "expected the full commit hash.")
    if number is None and head is None:
        return []
    if number is not None:
        pulls = [number] if sha is None or is_at(client, repository, number, sha) else []
    elif head is None or not HEAD.fullmatch(head) or sha is None:
        raise wrong_value("--branch", head, "expected OWNER:BRANCH, with the full commit hash in --sha.")
    else:
        pulls = pulls_of(client, repository, head, sha)
    if not pulls:
        reason = f"#{number} has newer commits than" if number is not None else f"No open pull request of {head} is at"
        echo(f"{reason} {sha}. No comment posted.", err=True)
    return pulls
