"""The values of a suite's secrets: read by the worker itself, with its own credentials, as the last step before bzt.

They are kept in memory and in the environment of the engines, and nowhere else.
"""

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from toril.errors import InfrastructureError
from toril.records import SecretReference, secret_reference

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

CONNECT_TIMEOUT_S, READ_TIMEOUT_S, ATTEMPTS = 5, 10, 5
SHORTEST = 4  # characters: what is shorter stands everywhere, and taking it out would spoil every text
PERMISSION = "secretsmanager:GetSecretValue"


def read_secrets(secrets: Mapping[str, str]) -> dict[str, str]:
    """Variable → value. InfrastructureError, which names the variable and its secret but no value."""
    if not secrets:
        return {}
    references = {variable: secret_reference(text) for variable, text in secrets.items()}
    vault = _Vault()
    return {variable: _value(variable, one, vault.read(variable, one)) for variable, one in references.items()}


def _value(variable: str, reference: SecretReference, text: str) -> str:
    where = f"toril.secrets.{variable}: {reference.secret}"
    if reference.key is not None:
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise InfrastructureError(f"{where} holds no JSON object, so no key {reference.key!r}; leave the key out")
        if reference.key not in found:
            raise InfrastructureError(f"{where} has no key {reference.key!r}; correct it")
        value = found[reference.key]
        text = value if isinstance(value, str) else json.dumps(value)
        where += f", key {reference.key!r},"
    if len(text.strip()) < SHORTEST:
        raise InfrastructureError(
            f"{where} is shorter than {SHORTEST} characters: it could not be kept out of reports; use a longer one"
        )
    if "\0" in text:
        raise InfrastructureError(f"{where} holds a NUL character, which no environment variable can; remove it")
    return text


class _Vault:
    """Secrets Manager in as many regions as are asked for; each secret is read once."""

    def __init__(self) -> None:
        try:
            from boto3.session import Session  # takes long to import, and most suites have no secrets
        except ImportError as error:
            raise InfrastructureError(
                f"toril.secrets needs boto3, which cannot be imported: {error}; install toril again"
            ) from error
        self._session: Session = Session()
        self._clients: dict[str | None, SecretsManagerClient] = {}
        self._texts: dict[tuple[str, str | None, str | None], str] = {}

    def read(self, variable: str, reference: SecretReference) -> str:
        key = (reference.secret, reference.stage, reference.version)
        if key not in self._texts:
            self._texts[key] = self._asked(variable, reference)
        return self._texts[key]

    def _asked(self, variable: str, reference: SecretReference) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        where = f"toril.secrets.{variable}: {reference.secret}"
        request = {"SecretId": reference.secret, "VersionStage": reference.stage, "VersionId": reference.version}
        try:
            client = self._client(reference.region)
            answer = client.get_secret_value(**{key: text for key, text in request.items() if text})
        except ClientError as error:
            found = error.response.get("Error", {})
            code, said = found.get("Code", ""), " ".join(found.get("Message", "").split())[:300]
            fix = _FIXES.get(code, "check it in Secrets Manager")
            raise InfrastructureError(f"{where} could not be read: {code} ({said}); {fix}") from None
        except (BotoCoreError, OSError, ValueError) as error:
            said = " ".join(str(error).split())[:300]
            fix = "check the AWS credentials, the region and the network of the worker"
            raise InfrastructureError(f"{where} could not be read: {said}; {fix}") from None
        if "SecretString" not in answer:
            raise InfrastructureError(f"{where} is binary, and an environment variable is a text; store it as one")
        return answer["SecretString"]

    def _client(self, region: str | None) -> "SecretsManagerClient":
        from botocore.config import Config

        if region not in self._clients:
            config = Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                user_agent_extra="toril",
            )
            # boto3 itself knows AWS_DEFAULT_REGION only; containers have AWS_REGION
            where = region or os.environ.get("AWS_REGION")
            self._clients[region] = self._session.client("secretsmanager", region_name=where, config=config)
        return self._clients[region]


_DENIED = f"allow the worker {PERMISSION} on it (a region's stack does for those in its `secrets`), and its key in KMS"
_FIXES = {
    "AccessDeniedException": _DENIED,
    "AccessDenied": _DENIED,
    "DecryptionFailure": _DENIED,
    "ResourceNotFoundException": "correct its name, region, stage or version",
    "ExpiredTokenException": "renew the AWS credentials",
    "UnrecognizedClientException": "correct the AWS credentials",
}
