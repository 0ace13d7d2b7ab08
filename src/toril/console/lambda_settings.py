"""The settings of the console's Lambda function: environment variables that the hub's stack writes.

| variable | value |
|---|---|
| `TORIL_CONSOLE_ADDRESS` | the console's own address, such as `https://load.example.com` |
| `TORIL_CONSOLE_STORE` | the results bucket, as `s3://…` |
| `TORIL_CONSOLE_UPLOADS` | origin of the bucket's presigned requests |
| `TORIL_CONSOLE_ISSUER`, `…_CLIENT_ID` | the OpenID Connect issuer and the client's id there |
| `TORIL_CONSOLE_CLIENT_SECRET_PARAMETER` | name of the SSM parameter with the client's secret; empty: a public client |
| `TORIL_CONSOLE_LOGIN_CLIENT_ID` | the public client of `toril login`; empty: the same client |
| `TORIL_CONSOLE_AUDIENCE` | the audience of bearer tokens; empty: the console's address |
| `TORIL_CONSOLE_GROUPS_CLAIM` | the claim with a person's groups |
| `TORIL_CONSOLE_ROLES` | JSON: the role of each group |
| `TORIL_CONSOLE_MACHINES` | JSON: GitHub's jobs that may use the API |
| `TORIL_CONSOLE_MAX_COST` | JSON: US dollars a run for operators, or null |
| `TORIL_CONSOLE_SESSION_KEY_PARAMETER` | name of the SSM parameter with the session key, which the function makes |
| `TORIL_CONSOLE_ORIGIN_DIGEST` | SHA-256 of CloudFront's secret header, see `guard` |
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from toril.errors import OptionError
from toril.records.console import LOGIN_CALLBACK, LOGIN_PORTS

PREFIX = "TORIL_CONSOLE_"
SIGNED_IN = "/auth/callback"  # receives the authorisation code
SIGNED_OUT = "/"

Role = Literal["viewer", "operator", "admin"]


class Machine(BaseModel):
    """Jobs of a GitHub repository that may use the API: those of one environment, one ref, or both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repository_id: str
    environment: str | None = None
    ref: str | None = None
    role: Role

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.repository_id or not (self.environment or self.ref):
            text = "A machine needs the repository's id, and an environment or a ref."
            raise OptionError(text, code="bad-machine")
        return self

    def matches(self, claims: Mapping[str, Any]) -> bool:
        return (
            claims.get("repository_id") == self.repository_id
            and self.environment in (None, claims.get("environment"))
            and self.ref in (None, claims.get("ref"))
        )


class LambdaSettings(BaseModel):
    """Each field is one variable: its name in capitals after `TORIL_CONSOLE_`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    store: str
    uploads: str
    issuer: str
    client_id: str
    client_secret_parameter: str = ""
    login_client_id: str = ""
    audience: str = ""
    groups_claim: str
    roles: dict[str, Role]
    machines: tuple[Machine, ...] = ()
    max_cost: float | None = None
    session_key_parameter: str
    origin_digest: str


VARIABLES = {name: PREFIX + name.upper() for name in LambdaSettings.model_fields}
_JSON = frozenset({"machines", "max_cost", "roles"})


def encoded(name: str, value: Any) -> str:
    """Returns the text of a field's variable: JSON for lists, objects and numbers."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")) if name in _JSON else str(value)


def environment_of(settings: LambdaSettings) -> dict[str, str]:
    """Returns the variables of the settings. Those with a default value are left out."""
    values = settings.model_dump(mode="json", exclude_defaults=True)
    return {VARIABLES[name]: encoded(name, value) for name, value in values.items()}


def settings_of(environ: Mapping[str, str]) -> LambdaSettings:
    """Returns the settings in the variables. Raises ValueError that names what is missing or wrong."""
    settings = {name: environ[variable] for name, variable in VARIABLES.items() if variable in environ}
    values = {name: json.loads(text) if name in _JSON else text for name, text in settings.items()}
    return LambdaSettings.model_validate(values)


def origin_digest(secret: str) -> str:
    """Returns the digest of CloudFront's secret header. Who may read variables cannot send the header."""
    return hashlib.sha256(secret.encode()).hexdigest()


def callbacks(address: str) -> list[str]:
    """Returns all addresses to which an issuer may send a code, for the console at `address`."""
    return [f"{address}{SIGNED_IN}", *(LOGIN_CALLBACK.format(port=port) for port in LOGIN_PORTS)]
