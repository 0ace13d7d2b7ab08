"""Shared parts of the hub's and the regions' settings: forms of keys, ARNs and accounts, and the errors."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

import pulumi
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

ACCOUNT = r"[0-9]{12}"
PARTITION = r"aws(?:-us-gov|-cn|-iso|-iso-b)?"

Account = Annotated[str, Field(pattern=f"^{ACCOUNT}$")]
RegionName = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")]
KeyArn = Annotated[str, Field(pattern=rf"^arn:{PARTITION}:kms:[a-z0-9-]+:{ACCOUNT}:key/[A-Za-z0-9_-]+$")]
SecretArn = Annotated[
    str, Field(pattern=rf"^arn:{PARTITION}:secretsmanager:[a-z0-9-]+:{ACCOUNT}:secret:[A-Za-z0-9_/+=.@-]+$")
]
RoleArn = Annotated[str, Field(pattern=rf"^arn:{PARTITION}:iam::{ACCOUNT}:role/[A-Za-z0-9_+=,.@/-]+$")]
PolicyArn = Annotated[str, Field(pattern=rf"^arn:{PARTITION}:iam::(?:{ACCOUNT}|aws):policy/[A-Za-z0-9_+=,.@/-]+$")]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
BucketName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
Days = Annotated[int, Field(ge=1, le=3650)]
LogDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827]


def _check_tags(tags: dict[str, str]) -> dict[str, str]:
    """Returns tags that every service accepts, else raises ValueError.

    Source: AWS, "Tag naming limits and requirements".
    """
    if len(tags) > MOST_TAGS:
        raise ValueError(
            f"The stack has {len(tags)} tags. Use at most {MOST_TAGS}: S3 allows ten on an object, and toril sets two."
        )
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise ValueError(f"Tag `{_short(key)}`: A key has 1 to 128 characters, a value at most 256. Shorten it.")
        if key.lower().startswith(("aws:", "toril:")):
            raise ValueError(f"Tag `{_short(key)}`: The prefixes aws: and toril: are reserved. Choose another key.")
        if not all(character.isalnum() or character in " _.:/=+-@" for character in key + value):
            raise ValueError(f"Tag `{_short(key)}`: Use only letters, digits, blanks and _ . : / = + - @.")
    return tags


Tags = Annotated[dict[str, str], AfterValidator(_check_tags)]

# A message shows these words instead of the pattern.
WORDS = {
    rf"^{ACCOUNT}$": "a 12-digit account number",
    r"^[a-z]{2}(-[a-z]+)+-[0-9]$": "a region, as in eu-west-1",
    rf"^arn:{PARTITION}:kms:[a-z0-9-]+:{ACCOUNT}:key/[A-Za-z0-9_-]+$": "the ARN of a KMS key (not of an alias)",
    rf"^arn:{PARTITION}:secretsmanager:[a-z0-9-]+:{ACCOUNT}:secret:[A-Za-z0-9_/+=.@-]+$": "the ARN of a secret",
    rf"^arn:{PARTITION}:iam::{ACCOUNT}:role/[A-Za-z0-9_+=,.@/-]+$": "the ARN of a role",
    rf"^arn:{PARTITION}:iam::(?:{ACCOUNT}|aws):policy/[A-Za-z0-9_+=,.@/-]+$": "the ARN of a policy",
    r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$": "the name of a bucket",
    r"^[^@\s]+@[^@\s]+\.[^@\s]+$": "an email address",
    r"^sha256:[0-9a-f]{64}$": "a digest: sha256: and 64 hexadecimal digits",
    r"^vpc-[0-9a-f]{8,17}$": "a VPC's id, as in vpc-0123456789abcdef0",
    r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$": "a host name, as in load.example.com",
    r"^subnet-[0-9a-f]{8,17}$": "a subnet's id, as in subnet-0123456789abcdef0",
}
SHOWN = 20  # problems in one message
MOST_TAGS = 8  # S3 allows ten on an object; two are toril's own
_UNION = ("literal[", "constrained-", "function-", "nullable[")  # pydantic's names of a union's branches


class SettingError(pulumi.RunError):
    """A wrong setting: its key, the problem and the fix. Pulumi shows it without a traceback."""


class Setting(BaseModel):
    """An immutable group of settings. Keys are in camelCase; unknown keys are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        coerce_numbers_to_str=True,  # YAML reads an account or id as a number
    )

    @classmethod
    def read(cls, found: Mapping[str, Any], stack: str) -> Self:
        """Returns the settings of a stack. Raises one SettingError with all problems."""
        try:
            return cls.model_validate(dict(found))
        except ValidationError as error:
            problems = list(_problems(error.errors(include_url=False), cls))
            more = [f"  … and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
            raise SettingError("\n".join([f"Pulumi.{stack}.yaml:", *problems[:SHOWN], *more])) from error


def _problems(errors: Iterable[Any], model: type[BaseModel]) -> Iterable[str]:
    """Returns one line for each wrong setting, which lists all accepted kinds of value."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    for error in errors:
        path = error["loc"]
        branch = bool(path) and isinstance(path[-1], str) and path[-1].startswith(_UNION)
        found.setdefault(path[:-1] if branch else path, []).append(error)
    inner = {path[: len(path) - 1] for path in found}  # pydantic calls a list too short if its items are wrong
    return [
        _problem(path, same, model)
        for path, same in found.items()
        if not (path in inner and same[0]["type"] == "too_short")
    ]


def _problem(path: tuple[Any, ...], errors: list[Any], model: type[BaseModel]) -> str:
    where = "toril:" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    kind = errors[0]["type"]
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(str(path[-1]), _keys_beside(model, path), n=1)
        hint = f"Did you mean `{close[0]}`?" if close else "Remove it."
        return f"  {where}: Unknown setting. {hint}"
    if kind == "missing":
        return f"  {where}: The setting is required. See docs/reference/stacks.md."
    expected = " or ".join(dict.fromkeys(_expected(error) for error in errors))
    if not path and kind == "value_error":  # of the stack as a whole: the message begins with the key
        return f"  {where}{expected}"
    value = f"`{_short(errors[0]['input'])}`"
    if kind == "value_error":
        return f"  {where}: {expected} Got {value}."
    return f"  {where}: Expected {expected}, got {value}."


def _expected(error: Any) -> str:
    """Returns the accepted kind of value, or a validator's own sentences."""
    given = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(error["msg"]).removeprefix("Value error, ")
        case "literal_error":
            *others, last = str(given["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
            return f"{', '.join(others)} or {last}" if others else last
        case "string_pattern_mismatch":
            return WORDS.get(given["pattern"], f"text that matches {given['pattern']}")
        case "model_type" | "model_attributes_type" | "dict_type":
            return "an object with keys"
        case "tuple_type" | "list_type":
            return "a list"
        case "too_short":
            return f"at least {given['min_length']} items"
        case "string_too_short":
            return f"at least {given['min_length']} characters"
        case "string_too_long":
            return f"at most {given['max_length']} characters"
        case "bool_parsing":
            return "true or false"
        case "too_long":
            return f"at most {given['max_length']} items"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return "a number " + str(error["msg"]).removeprefix("Input should be ")
    return str(error["msg"]).removeprefix("Input should be ")


def _keys_beside(model: type[BaseModel], path: Iterable[Any]) -> list[str]:
    """Returns the valid keys at the place of an unknown one, or all keys of the stack if the place is unclear."""
    parts = [part for part in path if isinstance(part, str)][:-1]
    at: type[BaseModel] | None = model
    for part in parts:
        found = next((f for n, f in at.model_fields.items() if (f.alias or n) == part), None) if at else None
        at = _model_in(found.annotation) if found else at
    return [field.alias or name for name, field in (at or model).model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in getattr(annotation, "__args__", ()) if (found := _model_in(one))), None)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
