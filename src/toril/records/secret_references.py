"""Where a suite's secrets are kept: a name or an ARN in Secrets Manager, in the syntax of ECS' task definitions.

`name` · `arn:aws:secretsmanager:eu-west-1:123456789012:secret:name-AbCdEf`, and behind an ARN `:key:stage:version`, of
which each part may be empty: `…:secret:name-AbCdEf:password::` is the value of `password` in a secret that is JSON.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SUFFIX_CHARS = 6  # that Secrets Manager adds to a name, behind a hyphen, to have an ARN that comes only once
_NAME = r"[A-Za-z0-9/_+=.@-]{1,512}"
_ARN = re.compile(
    rf"(?P<arn>arn:aws[a-z-]*:secretsmanager:(?P<region>[a-z0-9-]{{1,40}}):[0-9]{{12}}:secret:(?P<name>{_NAME}))"
    r"(?::(?P<key>[^:]*):(?P<stage>[^:]*):(?P<version>[^:]*))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretReference:
    """One value in Secrets Manager."""

    secret: str  # name or ARN, as it is asked for
    name: str  # without what stands before it in an ARN
    region: str | None = None  # None: the worker's own
    key: str | None = None  # of the JSON that the secret holds; None: all of it
    stage: str | None = None
    version: str | None = None


def secret_reference(text: str) -> SecretReference:
    """What `text` refers to; ValueError when it is no reference."""
    if found := _ARN.fullmatch(text):
        parts = {name: found[name] or None for name in ("key", "stage", "version")}
        return SecretReference(secret=found["arn"], name=found["name"], region=found["region"], **parts)
    if not text.startswith("arn:") and re.fullmatch(_NAME, text):
        return SecretReference(secret=text, name=text)
    raise ValueError("no name and no ARN of a secret in Secrets Manager")


def secrets_outside(secrets: Mapping[str, str], allowed: Iterable[str], region: str | None = None) -> list[str]:
    """The variables whose secret is none of those ARNs, so that a worker there could not read it.

    A name stands for the secret of that name in the worker's region (with `region`: only there). What is no reference
    is outside, too.
    """
    known = [secret_reference(arn) for arn in allowed]
    return [variable for variable, text in secrets.items() if not any(_is(text, one, region) for one in known)]


def _is(text: str, allowed: SecretReference, region: str | None) -> bool:
    try:
        wanted = secret_reference(text)
    except ValueError:
        return False
    if wanted.secret == allowed.secret:
        return True
    if wanted.region is not None:  # an ARN without the suffix is one, too
        return bool(re.fullmatch(re.escape(wanted.secret) + _SUFFIX, allowed.secret))
    named = wanted.name == allowed.name or re.fullmatch(re.escape(wanted.name) + _SUFFIX, allowed.name)
    return bool(named) and region in (None, allowed.region)


_SUFFIX = rf"-[A-Za-z0-9]{{{SUFFIX_CHARS}}}"
