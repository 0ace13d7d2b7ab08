"""Reads the values of a suite's secrets from Secrets Manager, with the worker's credentials.

The values are kept only in memory and in the environment of the engines.
"""

import json
from collections.abc import Mapping
from dataclasses import replace

from toril.aws.client import Clients, ClientSettings, call, clients
from toril.aws.errors import AwsError
from toril.errors import InfrastructureError
from toril.records import SecretReference, secret_reference

SETTINGS = ClientSettings(read_timeout_s=10, attempts=5)
SHORTEST = 4  # characters; masking shorter values would damage too many texts
RIGHT = "secretsmanager:GetSecretValue"
FIXES = {
    "access-denied": f"add the secret to the stack's `secrets`, or allow the worker {RIGHT} and the use of its KMS key",
    "refused": "check it in Secrets Manager",
}


def read_secrets(secrets: Mapping[str, str]) -> dict[str, str]:
    """Returns each variable's value; each secret is requested once.

    InfrastructureError names the variable and its secret, but no value.
    """
    if not secrets:
        return {}
    make, texts, values = clients(SETTINGS), dict[SecretReference, str](), dict[str, str]()
    for variable, text in secrets.items():
        reference = secret_reference(text)
        whole = replace(reference, key=None)
        if whole not in texts:
            texts[whole] = _read(variable, whole, make)
        values[variable] = _value(variable, reference, texts[whole])
    return values


def _read(variable: str, reference: SecretReference, make: Clients) -> str:
    where = f"toril.secrets.{variable}: {reference.secret}"
    asked = {"SecretId": reference.secret, "VersionStage": reference.stage, "VersionId": reference.version}
    wanted = {key: text for key, text in asked.items() if text}
    try:
        answer = call(lambda: make("secretsmanager", reference.region or "").get_secret_value(**wanted), RIGHT)
    except AwsError as error:
        fix = FIXES.get(error.fault.code, error.fault.fix)
        raise AwsError(replace(error.fault, where=f"{where} could not be read", fix=fix)) from None
    if "SecretString" not in answer:
        text = f"{where} is binary, and environment variables need text; store the secret as text"
        raise InfrastructureError(text, code="binary-secret")
    return str(answer["SecretString"])


def _value(variable: str, reference: SecretReference, text: str) -> str:
    where = f"toril.secrets.{variable}: {reference.secret}"
    if reference.key is not None:
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            problem = f"{where} is not a JSON object, so it has no key `{reference.key}`; remove the key"
            raise InfrastructureError(problem, code="secret-not-json")
        if reference.key not in document:
            text = f"{where} has no key `{reference.key}`; correct the key"
            raise InfrastructureError(text, code="no-such-secret-key")
        value = document[reference.key]
        text = value if isinstance(value, str) else json.dumps(value)
        where += f", key `{reference.key}`,"
    if len(text.strip()) < SHORTEST:
        problem = f"shorter than {SHORTEST} characters, so reports cannot mask it; use a longer secret"
        raise InfrastructureError(f"{where} is {problem}", code="short-secret")
    if "\0" in text:
        problem = "contains a NUL character, which environment variables cannot contain; remove it"
        raise InfrastructureError(f"{where} {problem}", code="nul-in-secret")
    return text
