"""A stack's configuration as one frozen, validated value. Only this module reads `pulumi.Config`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from infra.names import MAIN, Names, StackName, parse_stack
from infra.settings.caches import UPSTREAMS, CacheSettings, in_environment, usual_prefix
from infra.settings.common import Setting, SettingError
from infra.settings.hub import HubSettings
from infra.settings.region import RegionSettings

__all__ = ["CacheSettings", "HubSettings", "RegionSettings", "Setting", "SettingError", "Stack", "parse", "read_stack"]

CREDENTIALS = "credentials"  # the only secret: {"<prefix>": {"username": …, "accessToken": …}}
LOGIN_KEYS = {"username", "accessToken"}
RESERVED = ("amazon", "aws", "cognito")  # in the prefix of a user pool's domain; Amazon Cognito developer guide


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """One stack and its settings. `credentials` are in plain text: pass them on only as `pulumi.Output.secret`."""

    name: StackName
    settings: HubSettings | RegionSettings
    credentials: Mapping[str, Mapping[str, str]] = field(repr=False)

    @property
    def names(self) -> Names:
        return Names(self.name.environment)

    @property
    def region(self) -> str:
        """The region of the stack's resources."""
        return self.settings.region if isinstance(self.settings, HubSettings) else str(self.name.region)


def read_stack() -> Stack:
    """Returns the running program's stack. Raises SettingError with each wrong setting and its fix."""
    project = pulumi.get_project() + ":"
    found = {**get_config_env(), **CONFIG.get()}
    own = {key.removeprefix(project): value for key, value in found.items() if key.startswith(project)}
    secret = {key for key in own if pulumi.runtime.is_config_secret(project + key)}
    return parse(pulumi.get_stack(), own, secret)


def parse(stack: str, found: Mapping[str, str], secret: set[str] | frozenset[str] = frozenset()) -> Stack:
    """Returns the validated settings of `found`: texts from Pulumi, with lists and objects as JSON.

    `secret` names the encrypted keys. Pulumi gives every stack all declared keys, with defaults for those that the
    stack does not set. So two values count as not set: an empty text, list or object, and the default value of a key
    that only the other kind of stack has.
    """
    try:
        name = parse_stack(stack)
    except ValueError as error:
        raise SettingError(str(error)) from error
    values = {key: _value(text) for key, text in found.items()}
    given = {key: value for key, value in values.items() if value not in ("", [], {})}
    credentials = given.pop(CREDENTIALS, {})
    if exposed := sorted(secret & given.keys()):
        raise SettingError(
            f"Pulumi.{stack}.yaml: toril:{exposed[0]}: This setting is not a secret. Set it without `--secret`."
        )
    if credentials and CREDENTIALS not in secret:
        raise SettingError(
            f"Pulumi.{stack}.yaml: toril:credentials: The credentials are in plain text. Replace them at the registry, "
            "and set the new ones with `pulumi config set --secret`."
        )
    model: type[HubSettings | RegionSettings] = HubSettings if name.region is None else RegionSettings
    other: type[BaseModel] = RegionSettings if model is HubSettings else HubSettings
    foreign = _keys(other).keys() - _keys(model).keys()
    given = {key: value for key, value in given.items() if not (key in foreign and _is_default(other, key, value))}
    if misplaced := sorted(foreign & given.keys()):
        kind = "region stacks" if model is HubSettings else "the hub"
        raise SettingError(f"Pulumi.{stack}.yaml: toril:{misplaced[0]}: Only {kind} can have it. Remove it here.")
    if name.environment != MAIN and "caches" in given:
        given["caches"] = in_environment(given["caches"], name.environment)
    settings = model.read(given, stack)
    _check_login_domain(stack, name.environment, settings)
    credentials = _by_prefix(settings, credentials)
    _check_credentials(stack, settings, credentials)
    return Stack(name=name, settings=settings, credentials=credentials)


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _is_default(model: type[BaseModel], key: str, value: Any) -> bool:
    """Whether a value, or Pulumi's text of it, equals the model's default."""
    default = _keys(model)[key].get_default()
    if isinstance(default, bool):
        return value in (default, str(default).lower())
    return bool(value == (list(default) if isinstance(default, tuple) else default))


def _value(text: Any) -> Any:
    if not isinstance(text, str) or text[:1] not in ("{", "["):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _by_prefix(settings: HubSettings | RegionSettings, credentials: Any) -> Any:
    """Returns the logins by the prefix of their cache. The user may have written the upstream's usual prefix."""
    caches = settings.caches if isinstance(settings, RegionSettings) else ()
    if not isinstance(credentials, dict):
        return credentials
    usual = {name: cache.prefix for cache in caches if (name := usual_prefix(cache))}
    return {usual.get(name, name): login for name, login in credentials.items()}


def _check_credentials(stack: str, settings: HubSettings | RegionSettings, credentials: Any) -> None:
    """Checks that logins and caches that need one match. Raises SettingError, which never shows a value."""
    where = f"Pulumi.{stack}.yaml: toril:credentials"
    if not isinstance(credentials, dict):
        raise SettingError(
            f"{where}: Expected an object of logins by cache prefix, for example "
            '{"docker-hub": {"username": "…", "accessToken": "…"}}.'
        )
    caches = settings.caches if isinstance(settings, RegionSettings) else ()
    wanted = {cache.prefix: cache for cache in caches if cache.keyed and cache.secret is None}
    for prefix, login in credentials.items():
        if prefix not in wanted:
            raise SettingError(
                f"{where}.{prefix}: No cache with this prefix needs a login from the stack's settings. Remove it."
            )
        if not (isinstance(login, dict) and set(login) == LOGIN_KEYS and all(map(_is_text, login.values()))):
            raise SettingError(f"{where}.{prefix}: Expected exactly two texts, `username` and `accessToken`.")
    for prefix, cache in wanted.items():
        if prefix not in credentials:
            raise SettingError(
                f"{where}.{prefix}: {UPSTREAMS[cache.upstream].url or cache.registry} requires a login. Set it with "
                f"`pulumi config set --secret --path 'toril:credentials.{prefix}.username' …`, or set the cache's "
                "`secret` to an existing secret or to `later`."
            )


def _check_login_domain(stack: str, environment: str, settings: HubSettings | RegionSettings) -> None:
    """Checks that the name of the login pages has no word that Cognito reserves. Raises SettingError."""
    console = settings.console if isinstance(settings, HubSettings) else None
    word = next((one for one in RESERVED if one in environment), None)
    if console and console.issuer is None and word:
        raise SettingError(
            f"Pulumi.{stack}.yaml: toril:console: Cognito reserves `{word}`, which is part of the environment's name. "
            "Choose another environment, or set `console.issuer`."
        )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
