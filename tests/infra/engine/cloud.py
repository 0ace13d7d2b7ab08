"""The provider's access to the emulated AWS: address, credentials and a record of calls."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any

import boto3
from botocore.config import Config

from tests.infra.engine.shapes import session

HOME = "us-east-1"  # region of global services


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """AWS's address, and a provider's credentials."""

    url: str | None  # None: AWS's own host names
    key: str = "test"
    secret: str = "test"
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Called:
    """One call that reached the service."""

    service: str
    operation: str
    region: str


class Refused(Exception):
    """The service reported success, but rejected a part of the request."""


_making = threading.Lock()  # clients are thread-safe, but their creation is not


@cache
def _clients() -> boto3.session.Session:
    """Returns the only boto3 session: each one would add its S3 methods to the shared botocore session again."""
    return boto3.session.Session(botocore_session=session())


@cache
def _boto3() -> boto3.session.Session:
    """Makes the boto3 session over the shared botocore session, which allows only one."""
    return boto3.session.Session(botocore_session=session())


@lru_cache(maxsize=256)
def _client(access: Access, service: str, region: str) -> Any:
    with _making:
        config = Config(
            retries={"total_max_attempts": 1}, max_pool_connections=32, proxies={}, s3={"addressing_style": "path"}
        )
        return _boto3().client(
            service,  # type: ignore[call-overload]
            region_name=region,
            endpoint_url=access.url,
            aws_access_key_id=access.key,
            aws_secret_access_key=access.secret,
            aws_session_token=access.token,
            config=config,
        )


@dataclass(slots=True)
class Account:
    """Calls AWS with one identity, and records it."""

    access: Access
    log: list[Called] = field(default_factory=list)

    def call(self, service: str, operation: str, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the answer. Raises Refused if the service accepted only a part of the request."""
        self.log.append(Called(service, operation, region))
        client = _client(self.access, service, region)
        answer = client._make_api_call(operation, dict(request))  # by the operation's name in the model
        failed = answer.get("FailedEntries") if answer.get("FailedEntryCount") else None
        if failed:
            raise Refused(f"{service}:{operation}: {failed}")
        answer.pop("ResponseMetadata", None)
        return dict(answer)

    def client(self, service: str, region: str) -> Any:
        return _client(self.access, service, region)

    def number(self) -> str:
        return str(self.call("sts", "GetCallerIdentity", HOME, {})["Account"])

    def assuming(self, role: str, session_name: str) -> "Account":
        """Returns an account of the same cloud with the credentials of a role."""
        request = {"RoleArn": role, "RoleSessionName": session_name}
        granted = self.call("sts", "AssumeRole", HOME, request)["Credentials"]
        access = replace(
            self.access,
            key=granted["AccessKeyId"],
            secret=granted["SecretAccessKey"],
            token=granted["SessionToken"],
        )
        return Account(access, self.log)
