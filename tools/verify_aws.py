"""Checks on your account what only AWS can tell: python -m tools.verify_aws [--email YOU@EXAMPLE.COM]

It makes a hub and two regions in an environment of their own, checks them, and destroys everything, also after a
failure or Ctrl-C. It needs `pulumi`, `skopeo`, `podman` and an administrator's credentials. The folder has Pulumi's
state until all is destroyed, and the report. docs/how-to/verify-on-your-account.md explains each check.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import yaml

from infra.names import Names, parse_stack
from tools.cache_repositories import repositories_below
from toril import __version__
from toril.aws.client import ClientSettings, clients
from toril.aws.registry import MANIFESTS
from toril.console.static import assets

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86-64"
MOST_USD, RUN_USD = 1, 0.25  # of all, and of each of the three runs, which toril enforces
ENDS_WITHIN_S = 300  # a command that Ctrl-C interrupts
COMMAND_S, UP_S, RUN_S = 600, 2400, 1200
STARTS_WITHIN_S, SWEPT_WITHIN_S, MAIL_WITHIN_S = 600, 600, 300
POLL_S = 3.0
CACHED = "docker/library/busybox:stable"  # in ECR Public
CROWDED = frozenset({"late-rate", "late-start", "saturated"})  # reasons of a worker with too little CPU
ROLES = ("deploy", "drift", "publish", "run")  # which the caller takes
LINES = 60  # of a failed command's output, in the report

Outcome = Literal["passed", "failed", "skipped"]
# Resource types with policies: the input, Access Analyzer's type of the policy, and its type of the resource.
POLICIES = {
    "aws:ecr/repositoryPolicy:RepositoryPolicy": ("policy", "RESOURCE_POLICY", ""),
    "aws:iam/policy:Policy": ("policy", "IDENTITY_POLICY", ""),
    "aws:iam/role:Role": ("assumeRolePolicy", "RESOURCE_POLICY", "AWS::IAM::AssumeRolePolicyDocument"),
    "aws:iam/rolePolicy:RolePolicy": ("policy", "IDENTITY_POLICY", ""),
    "aws:s3/bucketPolicy:BucketPolicy": ("policy", "RESOURCE_POLICY", "AWS::S3::Bucket"),
    "aws:sns/topic:Topic": ("policy", "RESOURCE_POLICY", ""),
    "aws:sqs/queue:Queue": ("policy", "RESOURCE_POLICY", ""),
}
SERIOUS = ("ERROR", "SECURITY_WARNING")
# AWS supports no condition on the source of EventBridge's messages to a topic, nor of Lambda's and ECR's roles.
EXPECTED = {(f"aws:{kind}", "RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL") for kind in ("sns/topic:Topic", "iam/role:Role")}


class Skipped(Exception):
    """A check that cannot be made here, with the reason."""


class Failed(Exception):
    """A check that failed, with what was seen; `output` is that of a command."""

    def __init__(self, reason: str, output: str = "") -> None:
        super().__init__(reason)
        self.output = output


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the report."""

    name: str
    outcome: Outcome
    detail: str
    output: str
    seconds: float


class Trial:
    """The stacks of one environment: their project's copy, their state, and what was found."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.names = options, parse_names(options.name)
        self.folder: Path = options.folder.resolve()
        self.project, self.regions = self.folder / "project", tuple(options.regions)
        self.clients = clients(ClientSettings(attempts=5, mode="standard"))
        caller = self.clients("sts", self.regions[0]).get_caller_identity()
        self.account, self.caller = str(caller["Account"]), str(caller["Arn"])
        self.roles: dict[str, str] = {}  # ARNs of the hub's roles that the caller can take
        self.critical: list[str] = []  # findings of the image's scan
        self.lines: list[Line] = []

    @property
    def stacks(self) -> tuple[str, ...]:
        return (self.names.hub_stack, *(f"{self.names.environment}.{one}" for one in self.regions))

    @property
    def package(self) -> Path:
        """The zip of the console's function."""
        return Path(self.options.package or self.folder / "console.zip").resolve()

    @property
    def store(self) -> str:
        return f"s3://{self.bucket}"

    @property
    def bucket(self) -> str:
        return self.names.results_bucket(self.account, self.regions[0])

    # ── commands

    def run(self, *command: str | Path, limit_s: float = COMMAND_S, cwd: Path = ROOT, role: str = "") -> str:
        """Returns a command's output; Failed with it if the command fails or lasts too long."""
        process = self.start(*command, cwd=cwd, role=role)
        try:
            output, _ = process.communicate(timeout=limit_s)
        except BaseException as error:
            end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise Failed(f"`{command[0]} {command[1]}` took more than {limit_s:g} s") from None
            raise
        if process.returncode != 0:
            raise Failed(f"`{' '.join(map(str, command[:4]))}` ended with {process.returncode}", output)
        return str(output)

    def start(self, *command: str | Path, cwd: Path = ROOT, role: str = "") -> subprocess.Popen[str]:
        """Starts a command in a session of its own: Ctrl-C reaches this process only, which ends it in order."""
        return subprocess.Popen(
            [str(one) for one in command], cwd=cwd, env=self.environment(role), text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def environment(self, role: str) -> dict[str, str]:
        """Returns the environment of a command, with the caller's credentials if it cannot take the role."""
        own = self.credentials(role) if role in self.roles else {}
        left_out = {"PULUMI_CONFIG_PASSPHRASE", *(("AWS_PROFILE",) if own else ())}
        own |= {
            "AWS_REGION": self.regions[0],
            "NO_COLOR": "1",
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.folder / "passphrase"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "TORIL_STORE": self.store,
        }
        return {**{key: text for key, text in os.environ.items() if key not in left_out}, **own}

    def credentials(self, role: str) -> dict[str, str]:
        """Returns credentials of a hub's role, for an hour, as variables."""
        asked = {"RoleArn": self.roles[role], "RoleSessionName": self.names.base}
        found = self.clients("sts", self.regions[0]).assume_role(**asked)["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
            "AWS_SESSION_TOKEN": found["SessionToken"],
            "AWS_CREDENTIAL_EXPIRATION": found["Expiration"].isoformat(),
        }

    def pulumi(self, *words: str, limit_s: float = COMMAND_S, role: str = "") -> str:
        return self.run("pulumi", *words, "--non-interactive", limit_s=limit_s, cwd=self.project, role=role)

    def output(self, name: str) -> str:
        """Returns an output of the hub."""
        return self.pulumi("stack", "output", name, "--stack", self.names.hub_stack).strip()

    def side_by_side(self, stacks: tuple[str, ...], *words: str, role: str = "") -> None:
        """Runs a command of Pulumi on several stacks in parallel."""
        with ThreadPoolExecutor(len(stacks)) as pool:
            list(pool.map(lambda stack: self.pulumi(*words, "--stack", stack, limit_s=UP_S, role=role), stacks))

    def toril(self, *words: str) -> tuple[str | Path, ...]:
        return (sys.executable, "-m", "toril", *words)

    # ── the report

    def check(self, name: str, function: Callable[[], str]) -> bool:
        """Makes a check and prints its line. Returns whether it did not fail."""
        if sys.stdout.isatty():
            print(f"… {name}", end="\r", flush=True)
        began, outcome, output = time.monotonic(), "passed", ""
        try:
            detail = function()
        except Skipped as reason:
            outcome, detail = "skipped", str(reason)
        except Exception as error:  # a line of the report, and the rest goes on
            outcome, detail = "failed", f"{type(error).__name__}: {error}".removeprefix("Failed: ")
            output = getattr(error, "output", "")
        line = Line(
            name=name, outcome=outcome, detail=detail, output=output, seconds=time.monotonic() - began  # type: ignore[arg-type]
        )  # fmt: skip
        self.lines.append(line)
        mark = {"passed": "✔", "failed": "✖", "skipped": "–"}[outcome]
        print(f"{mark} {name}  {outcome}, {line.seconds:.0f} s{'  ' if detail else ''}{detail}", flush=True)
        return outcome != "failed"

    def report(self) -> str:
        """Returns the report as Markdown, without the account's number and the address."""
        engine = shutil.which("pulumi") or ""
        version = subprocess.run([engine, "version"], capture_output=True, text=True, check=False).stdout.strip()
        text = f"# toril {__version__} on AWS, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n"
        text += f"Regions {', '.join(self.regions)} · Python {platform.python_version()} · Pulumi {version} · "
        text += f"{platform.platform()}\n\n| check | outcome | seconds | detail |\n|---|---|---|---|\n"
        for line in self.lines:
            detail = " ".join(line.detail.split()).replace("|", "\\|")
            text += f"| {line.name} | {line.outcome} | {line.seconds:.0f} | {detail} |\n"
        for line in self.lines:
            if line.output:
                last = "\n".join(line.output.strip().splitlines()[-LINES:]).replace("```", "'''")
                text += f"\n## {line.name}\n\n```text\n{last}\n```\n"
        text = text.replace(self.account, "<account>")
        return text.replace(self.options.email, "<email>") if self.options.email else text

    # ── make and destroy

    def prepare(self) -> None:
        """Copies the project and makes the stacks, without resources."""
        self.project.mkdir(parents=True)
        (self.folder / "state").mkdir()
        passphrase = self.folder / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text(secrets.token_urlsafe(24))
        shutil.copy(ROOT / "Pulumi.yaml", self.project)
        shutil.copytree(ROOT / "infra", self.project / "infra", ignore=shutil.ignore_patterns("__pycache__"))
        (self.project / "src").symlink_to(ROOT / "src")
        (self.project / ".venv").symlink_to(ROOT / ".venv")
        iam = self.clients("iam", self.regions[0])
        stacks = settings_of(self.names, self.regions, self.options.email, self.package, principal_of(self.caller, iam))
        for stack, settings in stacks.items():
            config = {f"toril:{key}": value for key, value in settings.items()}
            (self.project / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": config}))
            self.pulumi("stack", "init", stack)

    def taken(self) -> str:
        """Returns the name of something of this environment that exists; "" if the environment is free."""
        if self.has_bucket():
            return f"the bucket {self.bucket}"
        iam = self.clients("iam", self.regions[0])
        pages = iam.get_paginator("list_roles").paginate(PathPrefix=self.names.iam_path)
        if any(page["Roles"] for page in pages):
            return f"roles below {self.names.iam_path}, such as {self.names.role('coordinator')}"
        for region in self.regions:
            if self.has_cluster(region):
                return f"the cluster {self.names.cluster()} in {region}"
        return ""

    def service_roles(self) -> None:
        """Makes the roles that ECS and ECR need once in an account."""
        iam = self.clients("iam", self.regions[0])
        exists = (iam.exceptions.InvalidInputException, iam.exceptions.EntityAlreadyExistsException)
        for service in ("ecs", "pullthroughcache.ecr"):
            with suppress(*exists):
                iam.create_service_linked_role(AWSServiceName=f"{service}.amazonaws.com")

    def up(self) -> str:
        self.service_roles()
        if self.options.email and not self.options.package:
            self.run(sys.executable, "-m", "tools.console_zip", "--architecture", ARCHITECTURE, "--out", self.package)
        for stacks in (self.stacks[:1], self.stacks[1:]):
            try:
                self.side_by_side(stacks, "up", "--yes", "--skip-preview")
            except Failed:  # new roles are not known everywhere for some seconds
                self.side_by_side(stacks, "up", "--yes", "--skip-preview")
        return ", ".join(self.stacks)

    def publish(self) -> str:
        """Publishes the worker's image to both regions, and sets its digest in their stacks."""
        archive = self.options.archive
        if archive is None:
            archive, image = self.folder / "slim.tar", "localhost/toril:verify"
            self.run(ROOT / "image/build", "slim", "--tag", image, "--with", "podman", limit_s=UP_S)
            self.run("podman", "save", "--format", "oci-archive", "--output", archive, image)
        out = self.folder / "digests.json"
        words = ("slim", archive, "--tag", f"slim-{__version__}", "--store", self.store, "--out", out, "--only-report")
        output = self.run(sys.executable, ROOT / "image/publish.py", *words, limit_s=RUN_S, role="publish")
        self.critical = sorted(
            {found for _, mark, found in (row.partition(": critical: ") for row in output.splitlines()) if mark}
        )
        digest = json.loads(out.read_text())["slim"]
        for stack in self.stacks[1:]:
            self.pulumi("config", "set", "--path", "toril:flavours.slim.digest", digest, "--stack", stack)
        return str(digest)

    def up_with_digest(self) -> str:
        self.side_by_side(self.stacks[1:], "up", "--yes", "--skip-preview", role="deploy")
        return ""

    def destroy(self) -> str:
        """Ends all tasks, and removes everything, with what no stack owns."""
        for region in self.regions:
            for arn in self.tasks(region):
                self.clients("ecs", region).stop_task(cluster=self.names.cluster(), task=arn)
            for name in self.cached(region):
                self.clients("ecr", region).delete_repository(repositoryName=name, force=True)
        existing = {one["name"] for one in json.loads(self.pulumi("stack", "ls", "--json"))}
        regions = tuple(stack for stack in self.stacks[1:] if stack in existing)
        for group in (regions, tuple(existing & {self.names.hub_stack})):
            for stack in group:  # after an interrupted command its lock remains
                self.pulumi("cancel", "--yes", "--stack", stack)
                self.pulumi("state", "unprotect", "--all", "--yes", "--stack", stack)
            if group:
                self.side_by_side(group, "destroy", "--yes", "--skip-preview", "--remove")
        self.delete_bucket()
        parameter = f"/toril/{self.names.environment}/console/session-key"
        ssm = self.clients("ssm", self.regions[0])
        ssm.delete_parameters(Names=[parameter])  # the console's function makes it at the first visit
        sqs = self.clients("sqs", self.regions[0])
        for url in sqs.list_queues(QueueNamePrefix=f"{self.names.base}-verify").get("QueueUrls", ()):
            sqs.delete_queue(QueueUrl=url)  # of an interrupted check
        shutil.rmtree(self.project)
        shutil.rmtree(self.folder / "state")
        (self.folder / "passphrase").unlink()
        return "but for the service-linked roles of ECS and ECR, nothing is left"

    def delete_bucket(self) -> None:
        """Deletes the results, which a hub keeps when its stack goes."""
        if not self.has_bucket():
            return
        s3 = self.clients("s3", self.regions[0])
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket):
            if keys := [{"Key": one["Key"]} for one in page.get("Contents", ())]:
                s3.delete_objects(Bucket=self.bucket, Delete={"Objects": keys})
        s3.delete_bucket(Bucket=self.bucket)

    def has_bucket(self) -> bool:
        listed = self.clients("s3", self.regions[0]).list_buckets()["Buckets"]
        return self.bucket in {one["Name"] for one in listed}

    def has_cluster(self, region: str) -> bool:
        found = self.clients("ecs", region).describe_clusters(clusters=[self.names.cluster()])["clusters"]
        return any(one["status"] == "ACTIVE" for one in found)

    def tasks(self, region: str) -> list[str]:
        """Returns the ARNs of tasks that should run; none without a cluster."""
        if not self.has_cluster(region):
            return []
        asked = {"cluster": self.names.cluster(), "desiredStatus": "RUNNING"}
        return list(self.clients("ecs", region).list_tasks(**asked)["taskArns"])

    def cached(self, region: str) -> list[str]:
        """Returns the repositories that the region's cache created."""
        return list(repositories_below(self.clients("ecr", region), (f"{self.names.environment}/ecr-public/",)))

    # ── checks

    def policies(self) -> str:
        """Access Analyzer finds neither errors nor security warnings in any policy of the stacks."""
        analyzer, bad, count = self.clients("accessanalyzer", self.regions[0]), [], 0
        for stack in self.stacks:
            for urn, request in policies_of(json.loads(self.pulumi("stack", "export", "--stack", stack))):
                count += 1
                for finding in analyzer.validate_policy(**request)["findings"]:
                    of_type = (urn.split("::")[2].rpartition("$")[2], finding["issueCode"])
                    if finding["findingType"] in SERIOUS and of_type not in EXPECTED:
                        bad.append(f"{urn.rpartition('::')[2]}: {finding['issueCode']}: {finding['findingDetails']}")
        if bad:
            raise Failed(f"{len(bad)} findings in {count} policies", "\n".join(bad))
        return f"{count} policies"

    def take_roles(self) -> str:
        """The caller may take the hub's roles, as people and CIs do."""
        if not principal_of(self.caller, self.clients("iam", self.regions[0])):
            raise Skipped("only a role or a user can take them: all goes on with your own credentials")
        place = f"arn:{self.caller.split(':')[1]}:iam::{self.account}:role{self.names.iam_path}"
        self.roles = {role: place + self.names.role(role) for role in ROLES}
        for role in ROLES:
            self.credentials(role)
        return ", ".join(ROLES)

    def scan(self) -> str:
        """Names the critical findings: whether they matter is a question to the image's base, not to AWS."""
        return "; ".join(self.critical) or "no critical finding"

    def unchanged(self) -> str:
        self.side_by_side(self.stacks, "up", "--yes", "--skip-preview", "--expect-no-changes", role="deploy")
        return ""

    def drift(self) -> str:
        self.side_by_side(self.stacks, "preview", "--refresh", "--expect-no-changes", role="drift")
        return ""

    def caches(self) -> str:
        """A first pull by tag fills each region's cache. Reports whether a first pull by digest fills one, too."""
        repository, _, tag = f"{self.names.environment}/ecr-public/{CACHED}".rpartition(":")
        digest, by_digest = "", "fills"
        for region in self.regions:
            granted = self.clients("ecr", region).get_authorization_token()["authorizationData"][0]
            asked = {"Authorization": f"Basic {granted['authorizationToken']}", "Accept": ", ".join(MANIFESTS)}

            def ask(reference: str, granted: Any = granted, asked: dict[str, str] = asked) -> str:
                url = f"{granted['proxyEndpoint']}/v2/{repository}/manifests/{reference}"
                with urllib.request.urlopen(urllib.request.Request(url, headers=asked), timeout=60) as answer:  # noqa: S310
                    return f"sha256:{hashlib.sha256(answer.read()).hexdigest()}"

            if digest:
                try:
                    ask(digest)
                except OSError as error:
                    by_digest = f"does not fill ({error})"
            try:
                digest = ask(tag)
                ask(digest)  # as a run's workers ask
            except OSError as error:
                raise Failed(f"{region}: {repository} at {digest or tag}: {error}") from error
            until(lambda region=region: repository in self.cached(region), 60, f"{region}: no repository {repository}")  # type: ignore[misc]
        return f"{repository} at {digest}; a first pull by digest {by_digest} a cache"

    def notices(self) -> str:
        """An event on the hub's bus reaches the topic's subscribers; a queue subscribes beside the person."""
        region, name = self.regions[0], f"{self.names.base}-verify"
        sns, sqs, events = (self.clients(service, region) for service in ("sns", "sqs", "events"))
        topic = self.output("alarm_topic")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        subscription = ""
        try:
            arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": queue_policy(arn, topic)})
            subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)[
                "SubscriptionArn"
            ]
            events.put_events(Entries=[test_event(self.names.notices())])
            asked = {"QueueUrl": url, "WaitTimeSeconds": 1}
            until(lambda: bool(sqs.receive_message(**asked).get("Messages")), 120, "no notice within 120 s")
        finally:
            if subscription:
                sns.unsubscribe(SubscriptionArn=subscription)
            sqs.delete_queue(QueueUrl=url)
        return ""

    def mail(self) -> str:
        """The person confirmed the subscription, and says that the mail of `notices` arrived."""
        if not self.options.email:
            raise Skipped("needs --email")
        sns = self.clients("sns", self.regions[0])
        topic = self.output("alarm_topic")

        def confirmed() -> bool:
            found = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
            return any(one["Protocol"] == "email" and one["SubscriptionArn"].startswith("arn:") for one in found)

        if not sys.stdin.isatty():
            raise Skipped("needs a terminal, to ask whether it arrived")
        print(
            f"  Confirm the mail “AWS Notification - Subscription Confirmation” to {self.options.email} …", flush=True
        )
        try:
            until(confirmed, MAIL_WITHIN_S, "")
        except Failed:
            raise Skipped(f"the subscription was not confirmed within {MAIL_WITHIN_S} s") from None
        self.clients("events", self.regions[0]).put_events(Entries=[test_event(self.names.notices())])
        if input("  Did a mail that begins with “toril: verify” arrive? [y/n] ").strip().lower() != "y":
            raise Failed("the mail did not arrive")
        return ""

    def sign_in(self) -> str:
        """The console leads a visitor without a session to the page where people sign in."""
        address = self.console()

        def answers() -> bool:
            with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - the hub's output, https
                self.found = f"{answer.status} {answer.url.partition('?')[0]}"
                return answer.status == 200 and "/login" in answer.url

        until(answers, STARTS_WITHIN_S, "no page to sign in")  # a new distribution takes minutes to be known everywhere
        return self.found

    def console(self) -> str:
        if not self.options.email:
            raise Skipped("needs --email, the console's first administrator")
        return self.output("console")

    def target(self) -> str:
        """Returns the address that runs load: --target, or a static file of the console."""
        if self.options.target:
            return str(self.options.target)
        style = next(one.path for one in assets().values() if one.media_type.startswith("text/css"))
        return f"{self.console()}/static/{style}"

    def command(self, hold: str) -> tuple[str | Path, ...]:
        """Writes a suite of this duration. Returns the command that runs it."""
        suite = self.folder / suite_name(hold) / "suite.yml"
        suite.parent.mkdir(exist_ok=True)
        suite.write_text(yaml.safe_dump(suite_of(self.regions, hold)))
        spent = ("--max-cost", str(RUN_USD), "--env", f"TARGET_URL={self.target()}", "--quiet")
        return self.toril("run", str(suite.parent), "--on", "fargate", *spent)

    def two_regions(self) -> str:
        """A run with a worker in each region passes, or is inconclusive for want of CPU alone."""
        report = self.folder / "run.json"
        process = self.start(*self.command("20s"), "--report", f"json={report}", role="run")
        try:
            output, _ = process.communicate(timeout=RUN_S)
        finally:
            end(process)
        verdict: dict[str, Any] = {"outcome": "not judged", "reasons": []}
        if report.exists():
            verdict = json.loads(report.read_text())["verdict"]
        reasons = sorted({one["code"] for one in verdict["reasons"]})
        if verdict["outcome"] != "passed" and not (reasons and CROWDED.issuperset(reasons)):
            raise Failed(f"the run did not pass: {verdict['outcome']} {', '.join(reasons)}", output)
        return f"{verdict['outcome']} {', '.join(reasons)}".strip()

    @contextmanager
    def loading(self) -> Iterator[subprocess.Popen[str]]:
        """Starts a run of five minutes. Yields its command when all its tasks run."""
        process = self.start(*self.command("5m"), role="run")

        def all_run() -> bool:
            if process.poll() is not None:
                raise Failed("the run ended before its tasks ran", process.communicate()[0])
            return all(self.described(region) for region in self.regions)

        try:
            until(all_run, STARTS_WITHIN_S, "no task runs")
            yield process
        finally:
            end(process)

    def described(self, region: str) -> list[Mapping[str, Any]]:
        """Returns the region's running tasks, with their tags."""
        ecs, arns = self.clients("ecs", region), self.tasks(region)
        asked = {"cluster": self.names.cluster(), "tasks": arns, "include": ["TAGS"]}
        return [one for one in ecs.describe_tasks(**asked)["tasks"] if one["lastStatus"] == "RUNNING"] if arns else []

    def stopped(self) -> str:
        """`toril stop` ends every task; each of them had the tag by which the budget counts."""
        with self.loading() as process:
            tags = [
                {tag["key"]: tag["value"] for tag in one["tags"]} for r in self.regions for one in self.described(r)
            ]
            self.run(*self.toril("stop", "latest"), role="run")
            output, _ = process.communicate(timeout=COMMAND_S)
        until(lambda: not any(map(self.tasks, self.regions)), STARTS_WITHIN_S, "tasks still run")
        if process.returncode not in (0, 3):
            raise Failed(f"the stopped run ended with {process.returncode}", output)
        if any(one.get("toril:environment") != self.names.environment for one in tags):
            raise Failed("tasks lack the tag toril:environment, so no budget counts them", json.dumps(tags, indent=1))
        return f"{len(tags)} tasks, all with the budget's tag"

    def swept(self) -> str:
        """A run whose command was killed is ended by its sweep, which is moved from the run's deadline to now."""
        region, group = self.regions[0], self.names.schedule_group()
        scheduler = self.clients("scheduler", region)
        with self.loading() as process:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            listed = scheduler.list_schedules(GroupName=group, NamePrefix="sweep-")["Schedules"]
            if not listed:
                raise Failed("the run has no planned sweep")
            found = scheduler.get_schedule(GroupName=group, Name=listed[0]["Name"])
            kept = ("GroupName", "Name", "FlexibleTimeWindow", "Target", "ActionAfterCompletion")
            when = datetime.now(UTC) + timedelta(seconds=90)
            scheduler.update_schedule(
                **{key: found[key] for key in kept},
                ScheduleExpression=f"at({when:%Y-%m-%dT%H:%M:00})",
                ScheduleExpressionTimezone="UTC",
            )

            def gone() -> bool:
                left = scheduler.list_schedules(GroupName=group, NamePrefix="sweep-")["Schedules"]
                return not left and not any(map(self.tasks, self.regions))

            until(gone, SWEPT_WITHIN_S, "tasks of the killed command still run")
        asked = self.toril("runs", "--suite", suite_name("5m"), "--limit", "1", "--format", "json")
        (run,), _ = json.JSONDecoder().raw_decode(self.run(*asked, role="run"))  # notes on standard error follow
        if run["state"] not in ("passed", "failed", "inconclusive"):  # workers end without a sweep, too, but unjudged
            raise Failed(f"the tasks ended, but no sweep judged {run['run_id']}", json.dumps(run, indent=1))
        return f"{listed[0]['Name']} judged the run: {run['state']}"


def parse_names(name: str) -> Names:
    environment = parse_stack(f"{name}.hub").environment
    if environment == "main":
        raise SystemExit("--name main: Choose a name that no environment of yours has.")
    return Names(environment)


def principal_of(caller: str, iam: Any) -> str:
    """Returns the ARN by which a trust policy names a caller of AWS; "" for the root and federated users."""
    kind, _, name = caller.split(":", 5)[5].partition("/")
    if kind == "assumed-role":  # its ARN lacks the path
        return str(iam.get_role(RoleName=name.partition("/")[0])["Role"]["Arn"])
    return caller if kind == "user" else ""


def settings_of(
    names: Names, regions: tuple[str, ...], email: str, package: Path, principal: str
) -> dict[str, dict[str, Any]]:
    """Returns the settings of each stack: as small as the checks allow, and nothing that is the whole registry's."""
    hub: dict[str, Any] = {"region": regions[0], "notices": {"runs": ["schedule-failed"]}}
    if principal:
        hub |= {"access": [{"roles": list(ROLES), "principals": [principal]}]}
    if email:
        hub |= {"emails": [email], "console": {"admin": email, "architecture": ARCHITECTURE, "package": str(package)}}
    region = {"architectures": [ARCHITECTURE], "caches": ["ecr-public"], "flavours": {"slim": {}}}
    region |= {"limits": {"vcpus": 4, "costUsd": MOST_USD}}
    stacks = {f"{names.environment}.{one}": {**region, "home": one == regions[0]} for one in regions}
    return {names.hub_stack: hub, **stacks}


def suite_name(hold: str) -> str:
    return f"verify-{hold}"


def suite_of(regions: tuple[str, ...], hold: str) -> dict[str, Any]:
    """Returns a suite with one user in each region, about one request a second."""
    request = {"label": "target", "url": "${TARGET_URL}"}
    return {
        "execution": [
            {
                "scenario": "target",
                "executor": "apiritif",
                "concurrency": len(regions),
                "hold-for": hold,
                "locations": dict.fromkeys(regions, 1),
            }
        ],
        "scenarios": {"target": {"think-time": "1s", "requests": [request]}},
        "reporting": [{"module": "passfail", "criteria": ["fail>50%"]}],
        "toril": {"worker": {"cpu": 512, "memory": 1024, "arch": ARCHITECTURE.replace("-", "_")}},
    }


def policies_of(exported: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Returns the URN of each resource with a policy, and the request that validates it."""
    for resource in exported["deployment"].get("resources", []):
        name, kind, of = POLICIES.get(resource["type"], ("", "", ""))
        text = resource.get("inputs", {}).get(name)
        if isinstance(text, str):
            more = {"validatePolicyResourceType": of} if of else {}
            yield resource["urn"], {"policyDocument": text, "policyType": kind, **more}


def queue_policy(queue: str, topic: str) -> str:
    """Returns the policy by which one topic may send to one queue."""
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [allowed]})


def test_event(bus: str) -> dict[str, Any]:
    """Returns an event as of a run that could not start."""
    links = {"store": "s3://verify", "report": "", "run": ""}
    detail = {"suite": "verify", "schedule": "", "headline": "a test of notices", "run_id": "verify", "links": links}
    return {"EventBusName": bus, "Source": "toril", "DetailType": "schedule-failed", "Detail": json.dumps(detail)}


def until(condition: Callable[[], bool], limit_s: float, problem: str) -> None:
    """Waits until the condition holds; Failed with the problem, or the last error, after the limit."""
    give_up = time.monotonic() + limit_s
    while True:
        last = ""
        try:
            if condition():
                return
        except OSError as error:  # an address that does not answer yet
            last = f": {error}"
        if time.monotonic() > give_up:
            raise Failed(f"{problem}{last}")
        time.sleep(POLL_S)


def end(process: subprocess.Popen[str]) -> None:
    """Ends a command and its children as Ctrl-C would, then by force."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.communicate(timeout=ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def make_and_check(trial: Trial) -> None:
    """Makes the stacks, then all checks that do not need what failed before."""
    trial.prepare()
    if not trial.check("up of a hub and two regions", trial.up):
        return
    trial.check("policies, by Access Analyzer", trial.policies)
    trial.check("the hub's roles can be taken", trial.take_roles)
    published = trial.check("image in both registries (role publish)", trial.publish)
    if published:
        trial.check("scan of the image", trial.scan)
        trial.check("up with the image's digest (role deploy)", trial.up_with_digest)
    trial.check("a second up changes nothing (role deploy)", trial.unchanged)
    trial.check("no drift (role drift)", trial.drift)
    trial.check("caches fill", trial.caches)
    trial.check("notices reach the topic", trial.notices)
    trial.check("mail", trial.mail)
    trial.check("the console's sign-in page", trial.sign_in)
    if published:
        trial.check("a run in two regions (role run)", trial.two_regions)
        trial.check("a run is stopped (role run)", trial.stopped)
        trial.check("a killed command's tasks are swept (role run)", trial.swept)


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def agreed(trial: Trial) -> bool:
    """Shows what will be made and what it can cost, and asks."""
    print(f"Account {trial.account}. It gets, for about an hour, with names that begin with {trial.names.base}:")
    print(f"- a hub in {trial.regions[0]}: a bucket, a bus and a topic for notices, roles", end="")
    print("; a console (CloudFront, Lambda, Cognito)" if trial.options.email else "; no console, without --email")
    for region in trial.regions:
        print(f"- in {region}: a VPC with public subnets, a repository, a cache of ECR Public, a cluster, alarms")
    print(f"- three runs of two tasks each, at most ${RUN_USD} each; toril refuses more")
    print("The credentials have to last for two hours.")
    print(f"Everything together costs at most ${MOST_USD}. At the end all is destroyed.")
    return bool(trial.options.yes) or input("Go on? [yes/no] ").strip().lower() == "yes"


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if no check failed, else 1; 2 if nothing was tried."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--email", default="", help="Gets notices and is the console's administrator; else no console.")
    parser.add_argument("--regions", nargs=2, default=["us-east-1", "eu-west-1"], metavar="REGION", help="Home first.")
    parser.add_argument("--name", default="verify", help="Name of the environment. Default: verify.")
    parser.add_argument("--target", help="Address that the runs load. Default: a file of the console.")
    parser.add_argument(
        "--archive", type=Path, help="Image (OCI archive) of the worker. Default: built by image/build."
    )
    parser.add_argument("--package", type=Path, help="Zip of the console. Default: built by tools.console_zip.")
    parser.add_argument("--folder", type=Path, default=ROOT / ".toril/verify", help="State until the end, and report.")
    parser.add_argument("--yes", action="store_true", help="Do not ask.")
    parser.add_argument("--destroy", action="store_true", help="Only remove what an earlier call could not.")
    trial = Trial(parser.parse_args(arguments))
    left = trial.project.exists()
    if left != trial.options.destroy:
        way = "first remove them: --destroy" if left else "there is nothing to destroy"
        print(f"{trial.folder}: {'Stacks of an earlier call are left; ' if left else ''}{way}.", file=sys.stderr)
        return 2
    if not trial.options.destroy and (name := trial.taken()):
        print(
            f"--name {trial.options.name}: {name} exists. Choose a free name; its stacks would be destroyed.",
            file=sys.stderr,
        )
        return 2
    if not agreed(trial):
        return 2
    signal.signal(signal.SIGTERM, interrupted)
    try:
        if not trial.options.destroy:
            make_and_check(trial)
    except KeyboardInterrupt:
        print("\nInterrupted. Everything is destroyed now; a second Ctrl-C leaves it.", flush=True)
        trial.lines.append(Line(name="interrupted", outcome="failed", detail="", output="", seconds=0))
    finally:
        destroyed = trial.check("everything is destroyed", trial.destroy)
        report = trial.folder / "report.md"
        report.write_text(trial.report())
        print(f"Report: {report}")
        if not destroyed:
            print("Stacks are left. Remove them: make verify-aws DESTROY=1", file=sys.stderr)
    return 1 if any(line.outcome == "failed" for line in trial.lines) else 0


if __name__ == "__main__":
    sys.exit(main())
