"""The embedded cloud: an emulation of AWS on loopback, in its own process.

    with embedded_cloud(auth=True) as cloud:
        cloud.client("ecr", "eu-west-1").create_repository(repositoryName="worker")
        subprocess.run([…], env=cloud.environment(AWS_DEFAULT_REGION="eu-west-1"))

tests/README.md describes its scope, its differences from MiniStack, and its limits.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from tests.cloud.faults import Faults

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".tools/cloud/bin/python"
ACCOUNT = "123456789012"
ROOT_KEY = "test"  # MiniStack's key of the account's root, which may do everything
HOME_REGION = "us-east-1"  # for global resources
GITHUB = "https://token.actions.githubusercontent.com"
STARTS_WITHIN_S = 30
ENDS_WITHIN_S = 5
CLEANS_UP_WITHIN_S = 120
CONTAINERS_NEED = ("podman", "runc")
TASKS_IN_CONTAINERS = {
    "TASKS": "containers",
    **{k: os.environ[k] for k in ("HOME", "XDG_RUNTIME_DIR") if k in os.environ},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Credentials of a client."""

    access_key: str
    secret_key: str
    token: str | None = None

    def environment(self) -> dict[str, str]:
        """Returns the environment of a process with these credentials."""
        found = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        return {**found, **({"AWS_SESSION_TOKEN": self.token} if self.token else {})}


ROOT_CREDENTIALS = Credentials(access_key=ROOT_KEY, secret_key=ROOT_KEY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision of IAM, and the Sids of all statements that allowed it."""

    principal: str
    action: str
    resource: str
    allowed: bool
    statements: frozenset[str]

    @property
    def role(self) -> str:
        """The name of the requesting role."""
        return self.principal.split("/")[1] if ":assumed-role/" in self.principal else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud(Faults):
    """A running embedded cloud."""

    url: str
    account: str = ACCOUNT
    _clients: dict[tuple[str, str, Credentials], Any] = field(default_factory=dict, repr=False, compare=False)

    def environment(self, **more: str) -> dict[str, str]:
        """Returns the environment of a process that uses this cloud as the account's root, without real settings."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.url,
            "NO_PROXY": "127.0.0.1,localhost",
            **ROOT_CREDENTIALS.environment(),
            **more,
        }

    def client(self, service: str, region: str = HOME_REGION, credentials: Credentials | None = None) -> Any:
        """Returns a boto3 client without retries, for the account's root or for `credentials`."""
        key = (service, region, credentials or ROOT_CREDENTIALS)
        if key not in self._clients:
            self._clients[key] = _session().client(
                service,  # type: ignore[call-overload]
                region_name=region,
                endpoint_url=self.url,
                aws_access_key_id=key[2].access_key,
                aws_secret_access_key=key[2].secret_key,
                aws_session_token=key[2].token,
                config=Config(retries={"total_max_attempts": 1}, proxies={}, s3={"addressing_style": "path"}),
            )
        return self._clients[key]

    def assume(self, role_arn: str, session_name: str = "test") -> Credentials:
        """Returns credentials of a role that trusts the account."""
        return _credentials(self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=session_name))

    def assume_with_github(self, role_arn: str, **claims: str) -> Credentials:
        """Returns credentials of a role that trusts a GitHub token with these claims, as `sub` and `repository_id`."""
        return self.assume_with_token(role_arn, iss=GITHUB, **{"aud": "sts.amazonaws.com", **claims})

    def assume_with_token(self, role_arn: str, **claims: str) -> Credentials:
        """Returns credentials of a role that trusts a token with these claims: `iss`, `aud`, `sub`."""
        token = web_identity_token(**claims)
        sts = self.client("sts")
        return _credentials(
            sts.assume_role_with_web_identity(RoleArn=role_arn, RoleSessionName="job", WebIdentityToken=token)
        )

    def set_quota(self, region: str, code: str, value: float) -> None:
        """Sets a Fargate quota in one region."""
        self.control("quota", account=self.account, region=region, code=code, value=value)

    def set_image(
        self,
        name: str,
        entrypoint: Sequence[str],
        *,
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        workdir: str | None = None,
    ) -> None:
        """Sets the command of an image for tasks as processes of this machine.

        `name` is the complete reference, or the repository without registry, tag and digest.
        """
        more = {"command": list(command), "environment": dict(environment or {}), "workdir": workdir}
        self.control("image", name=name, entrypoint=list(entrypoint), **more)

    def set_findings(self, *findings: tuple[str, str, str]) -> None:
        """Sets the findings of all image scans: id, severity, and `fixAvailable` of enhanced scanning."""
        named = [{"id": name, "severity": severity, "fix": fix, "package": "zlib"} for name, severity, fix in findings]
        self.control("findings", findings=named)

    def registry(self, region: str = HOME_REGION, account: str | None = None) -> str:
        """Returns the address of a region's private registry for docker, podman and skopeo, over plain HTTP."""
        return self.upstream(f"{account or self.account}.dkr.ecr.{region}.amazonaws.com")

    def upstream(self, host: str) -> str:
        """Returns the address where a test fills an upstream registry of cache rules, such as public.ecr.aws."""
        return f"{self.url.partition('://')[2]}/{host}"

    def set_upstream(self, host: str, *, up: bool = True, login: tuple[str, str] | None = None) -> None:
        """Sets whether an upstream registry answers, and whether it requires a user and token."""
        self.control("upstream", host=host, up=up, login=login)

    def registry_login(self, region: str = HOME_REGION, credentials: Credentials | None = None) -> str:
        """Returns `USER:PASSWORD` for a registry, as ECR issues it to the root or a role."""
        answer = self.client("ecr", region, credentials).get_authorization_token()
        return base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()

    def invocations(self, region: str) -> list[dict[str, Any]]:
        """Returns the invocations of a region's schedules: the ARNs of their `tasks`, or their `error`."""
        found: list[dict[str, Any]] = self.control("invocations", account=self.account, region=region)["invocations"]
        return found

    def set_functions(self, **environment: str) -> None:
        """Adds variables to the environments of all Lambda functions, in place of those of the last call."""
        self.control("functions", **environment)

    def mails(self, region: str) -> list[dict[str, Any]]:
        """Returns the mails that a region's user pools sent, such as invitations: `to`, `subject` and `text`."""
        found: list[dict[str, Any]] = self.control("mails", account=self.account, region=region)["mails"]
        return found

    def function_failures(self) -> list[str]:
        """Returns the failures of Lambda functions, with their traces."""
        found: list[str] = self.control("function-failures")["failures"]
        return found

    def stopped_requests(self) -> list[dict[str, str]]:
        """Returns the requests of tasks that did not leave their VPC: `task`, `host` and `problem`."""
        found: list[dict[str, str]] = self.control("stopped")["requests"]
        return found

    def decisions(self) -> list[Decision]:
        """Returns IAM's distinct decisions on roles. Only with `auth`."""
        found = self.control("decisions")["decisions"]
        return [Decision(**{**one, "statements": frozenset(one["statements"])}) for one in found]

    def reset(self) -> None:
        """Removes all resources and settings."""
        self.control("reset")

    def mend(self) -> None:
        """Ends all faults, restores the quotas and removes IAM's recorded decisions. Resources and images stay."""
        self.control("mend")

    def control(self, command: str, /, **asked: Any) -> Any:
        """Sends a command that is not part of AWS to the cloud (`tests/cloud/server/control.py`)."""
        request = urllib.request.Request(f"{self.url}/_embedded/{command}", json.dumps(asked).encode(), method="POST")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.loads(answer.read())


@contextmanager
def embedded_cloud(
    *, auth: bool = False, containers: bool = False, environment: Mapping[str, str] | None = None
) -> Iterator[Cloud]:
    """Starts a cloud on a free port. With `auth`, IAM decides on every request.

    Tasks are processes or, with `containers`, containers of the images in its registry. The server ends with the block
    or with this process.
    """
    if containers and not all(map(shutil.which, CONTAINERS_NEED)):
        raise RuntimeError(f"Containers need {' and '.join(CONTAINERS_NEED)}: tools/system-packages installs them")
    more = {**(TASKS_IN_CONTAINERS if containers else {}), **(environment or {})}
    with tempfile.TemporaryDirectory(prefix="toril-cloud-") as folder:
        log = Path(folder, "log")
        server, port = _started(folder, log, auth, more)
        try:
            cloud = Cloud(url=f"http://127.0.0.1:{port}")
            _wait(cloud, server, log)
            yield cloud
        finally:
            _end(server, CLEANS_UP_WITHIN_S if containers else ENDS_WITHIN_S)


def _started(folder: str, log: Path, auth: bool, more: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """Starts the server. Returns it and its port, on which connections wait until it answers."""
    with socket.socket() as listening, log.open("wb") as output:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        port = listening.getsockname()[1]
        server = subprocess.Popen(
            [PYTHON, "-m", "tests.cloud.server", str(listening.fileno())],
            cwd=ROOT,
            env={**_server_environment(port, folder, auth), **more},
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
        )
    return server, port


@cache
def _session() -> boto3.session.Session:
    """Returns a session for all clients, without real settings. It caches the models, which are slow to read."""
    nothing = (None, None, None, None)
    files = {name: (None, None, os.devnull, None) for name in ("config_file", "credentials_file")}
    return boto3.session.Session(botocore_session=botocore.session.Session({"profile": nothing, **files}))


def web_identity_token(**claims: str) -> str:
    """Returns an unsigned token. The embedded cloud reads its claims and checks no signature."""
    parts = [{"alg": "none", "typ": "JWT"}, {"exp": int(time.time()) + 300, **claims}]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "unsigned"])


def _credentials(answer: Mapping[str, Any]) -> Credentials:
    found = answer["Credentials"]
    return Credentials(
        access_key=found["AccessKeyId"], secret_key=found["SecretAccessKey"], token=found["SessionToken"]
    )


def _server_environment(port: int, folder: str, auth: bool) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "TMPDIR": folder,
        "STATE_DIR": folder,  # of Cognito's keys
        "AUTH": str(auth).lower(),
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": HOME_REGION,
        "LOG_LEVEL": "WARNING",
        "IOT_MTLS_ENABLED": "0",  # otherwise it listens on all addresses
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{folder}/no-docker",
    }


def _wait(cloud: Cloud, server: subprocess.Popen[bytes], log: Path) -> None:
    """Waits for the first answer. Connections wait in the socket until then."""
    give_up = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < give_up:
        if server.poll() is not None:
            break
        try:
            cloud.control("ready")
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.05)
        else:
            return
    output = log.read_text(errors="replace")
    raise RuntimeError(f"The embedded cloud did not start (exit code {server.poll()}):\n{output}")


def _end(server: subprocess.Popen[bytes], within_s: float) -> None:
    assert server.stdin is not None
    server.stdin.close()
    try:
        server.wait(within_s)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
