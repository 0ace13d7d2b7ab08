"""What hub and region settings share: the form of a key, of an ARN, of an account; and the errors."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

import pulumi
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

ACCOUNT = r"\d{12}"
PARTITION = r"aws(?:-us-gov|-cn|-iso|-iso-b)?"

Account = Annotated[str, Field(pattern=f"^{ACCOUNT}$")]
RegionName = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$")]
KeyArn = Annotated[str, Field(pattern=rf"^arn:{PARTITION}:kms:[a-z0-9-]+:{ACCOUNT}:key/[\w-]+$")]
SecretArn = Annotated[str, Field(pattern=rf"^arn:{PARTITION}:secretsmanager:[a-z0-9-]+:{ACCOUNT}:secret:[\w/+=.@-]+$")]
RoleArn = Annotated[str, Field(pattern=rf"^arn:{PARTITION}:iam::{ACCOUNT}:role/[\w+=,.@/-]+$")]
PolicyArn = Annotated[str, Field(pattern=rf"^arn:{PARTITION}:iam::(?:{ACCOUNT}|aws):policy/[\w+=,.@/-]+$")]
Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Days = Annotated[int, Field(ge=1, le=3650)]
LogDays = Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827]


class SettingError(pulumi.RunError):
    """A setting of a stack that is wrong: which one, what is wrong, the fix. Pulumi shows it without a traceback."""


class Setting(BaseModel):
    """A group of settings, immutable; keys in camelCase, unknown ones are errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        coerce_numbers_to_str=True,  # an account or id that YAML took for a number
    )

    @classmethod
    def read(cls, found: Mapping[str, Any], stack: str) -> Self:
        """The settings of a stack; SettingError with all that is wrong."""
        try:
            return cls.model_validate(dict(found))
        except ValidationError as error:
            problems = "\n".join(_problem(one, cls) for one in error.errors(include_url=False))
            raise SettingError(f"Pulumi.{stack}.yaml:\n{problems}") from error


def _problem(error: Any, model: type[BaseModel]) -> str:
    path = error["loc"]
    where = "toril:" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(path[-1]), _keys_beside(model, path), n=1)
        hint = f"did you mean {close[0]}?" if close else "remove it"
        return f"  {where}: no such setting; {hint}"
    if error["type"] == "missing":
        return f"  {where}: is missing; set it, as docs/operations.md shows"
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"  {where}: {message} (it is {_short(error['input'])})"


def _keys_beside(model: type[BaseModel], path: Iterable[Any]) -> list[str]:
    """The keys that may stand where an unknown one stood; all of the stack's if that is hard to tell."""
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
