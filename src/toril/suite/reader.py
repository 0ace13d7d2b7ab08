"""Typed access to the untyped document of a suite. Each error has a code and says where, what and the fix."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from toril.criteria import duration_s, number
from toril.errors import Note, SuiteError, UserError
from toril.secrets.environment import is_withheld
from toril.secrets.masking import HIDDEN, mask, mask_label

REFERENCE = re.compile(r"\$\{(.{0,300}?)\}")  # bounded: a suite may hold a million `${`
SYSTEM_REFERENCE = re.compile(r"\$(?:\{([^}]{0,300})\}|([A-Za-z0-9_]+))")
JMETER_PROPERTY = re.compile(r"\$\{__(?:P|property)\(([^,(){}]+)(?:,([^(){}]*))?\)\}")
REFERENCE_ROUNDS = 2  # bzt resolves a resolved text once more
MAX_RESOLVED = 10_000  # characters
MAX_DURATION_S = 366 * 86400
MAX_NUMBER = 100_000_000  # virtual users, requests per second, iterations: a larger number is a typing error


def quoted(value: object) -> str:
    """Returns a value for messages: one line of at most 60 characters, without credentials and control characters."""
    text = "".join(char if char.isprintable() else "�" for char in " ".join(mask(str(value)).split()))
    return f"`{text if len(text) <= 60 else text[:59] + '…'}`"


def mapping_at(document: object, *path: str) -> dict[str, Any]:
    """Returns the mapping at this path of an unchecked document; empty if there is none."""
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


def list_at(document: object, *path: str) -> list[Any]:
    """Returns the list at this path of an unchecked document; empty if there is none."""
    written = mapping_at(document, *path[:-1]).get(path[-1])
    return written if isinstance(written, list) else []


class Environment:
    """Resolves `${NAME}` from `--env`, `settings.env` and the machine's environment, in that order.

    A reference to an unknown name stays, since JMeter's own references look the same.
    """

    def __init__(
        self,
        given: Mapping[str, str],
        settings: Mapping[str, Any],
        system: Mapping[str, str],
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        """`secrets` are variables that only workers know. Their values in this machine's environment are ignored."""
        self.secrets = secrets
        self.system = {name: value for name, value in system.items() if name not in secrets and not is_withheld(name)}
        texts = {name: "" if value is None else str(value) for name, value in settings.items()}
        written = {name: _replaced(SYSTEM_REFERENCE, text, self.system) for name, text in texts.items()}
        self.values = {**self.system, **written, **given}

    def resolve(self, text: str) -> str:
        """Returns `text` with every known reference replaced."""
        return _replaced(REFERENCE, text, self.values) if "${" in text else text

    def resolve_all(self, value: Any) -> Any:
        """Resolves every text in lists and in the values of mappings; keys are never references."""
        if isinstance(value, str):
            return self.resolve(value)
        if isinstance(value, list):
            return [self.resolve_all(item) for item in value]
        if isinstance(value, dict):
            return {key: self.resolve_all(item) for key, item in value.items()}
        return value

    def label(self, text: str) -> str:
        """Returns a label as workers record it: without credentials and secrets."""
        text = self.resolve(text)
        for name in self.secrets:
            text = text.replace(f"${{{name}}}", HIDDEN)
        return mask_label(text)

    def fix_of(self, name: str) -> str:
        """Returns the fix of a reference to an unknown name, as a sentence."""
        if name in self.secrets:
            return f"Write the value itself: only workers know the secret `{name}`."
        return f"Pass `--env {name}=…`, or set settings.env.{name}."


def _replaced(pattern: re.Pattern[str], text: str, values: Mapping[str, str]) -> str:
    """Returns `text` with the pattern's references replaced, also those that the first round brought."""
    for _ in range(REFERENCE_ROUNDS):
        text = pattern.sub(lambda match: values.get("".join(filter(None, match.groups())), match[0]), _limited(text))
    return _limited(text)


def _limited(text: str) -> str:
    if len(text) > MAX_RESOLVED:
        what = f"settings.env: `{text[:40]}…` becomes longer than {MAX_RESOLVED:,} characters"
        raise SuiteError(f"{what}. Shorten it, or the values that it refers to.", code="too-large")
    return text


class SuiteReader:
    """Reads values of one merged suite and collects warnings. `name` is the suite's name in messages."""

    def __init__(
        self,
        name: str,
        environment: Environment,
        jmeter_properties: Mapping[str, Any] | None = None,
        *,
        refusal: type[UserError] = SuiteError,
    ) -> None:
        self.name, self.refusal = name, refusal
        self.environment = environment
        self.jmeter_properties = jmeter_properties or {}  # modules.jmeter.properties
        self.warnings: list[Note] = []

    def error(self, code: str, path: str, text: str) -> UserError:
        """Returns the error for the value at `path`. The text says what is wrong, then the fix, in sentences."""
        return self.refusal(f"{self.name}: {path}: {text}", code=code)

    def warn(self, code: str, path: str, text: str) -> None:
        """Collects a warning about the value at `path`; the text is one or two sentences."""
        self.warnings.append(Note(code, f"{self.name}: {path}: {text}"))

    def mapping(self, value: object, path: str, example: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error("not-a-mapping", path, f"{quoted(value)} is not a mapping. Write it like `{example}`.")
        return value

    def items(self, value: object, path: str, example: str) -> list[Any]:
        if not isinstance(value, list):
            raise self.error("not-a-list", path, f"{quoted(value)} is not a list. Write it like `{example}`.")
        return value

    def resolved(self, value: Any, path: str, fix: str) -> Any:
        """Returns a value without references. Raises SuiteError with `fix` for a reference to an unknown name."""
        if not isinstance(value, str):
            return value
        text = JMETER_PROPERTY.sub(self._property, self.environment.resolve(value))
        if unknown := REFERENCE.search(text):
            name = unknown[1]
            raise self.unset(value, path, self.environment.fix_of(name) if name.isidentifier() else fix)
        return text.strip()

    def resolved_all(self, value: Any, path: str) -> Any:
        """Calls `resolved` for every text in lists and mappings."""
        if isinstance(value, list):
            return [self.resolved_all(item, f"{path}[{index}]") for index, item in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.resolved_all(item, f"{path}.{key[:60]}") for key, item in value.items()}
        return self.resolved(value, path, "Write the value itself.")

    def unset(self, value: str, path: str, fix: str) -> UserError:
        """Returns the error for a value with a reference to an unknown name."""
        return self.error("unset-reference", path, f"{quoted(value)} refers to a variable that is not set. {fix}")

    def _property(self, match: re.Match[str]) -> str:
        """Returns the value that JMeter gives to `${__P(users,10)}`: the property, or the default in the reference."""
        return str(self.jmeter_properties.get(match[1].strip(), match[0] if match[2] is None else match[2]))

    def whole(self, value: object, path: str) -> int | None:
        """Returns a whole number above 0; None for null and 0, which Taurus treats as *not given*."""
        number = self.number(value, path)
        if number is not None and number.denominator != 1:
            raise self.error("not-a-number", path, f"{quoted(value)} is not a whole number. Write one such as 10.")
        return None if number is None else int(number)

    def number(self, value: object, path: str) -> Fraction | None:
        """Returns a number above 0; None for null and 0, which Taurus treats as *not given*."""
        value = self.resolved(value, path, "Write a number, which toril can divide between workers.")
        if value is None or value == "":
            return None
        try:
            fraction = number(value)
        except ValueError:
            if str(value).startswith("-"):
                raise self.error("out-of-range", path, f"{quoted(value)} is below 0. Write a number above 0.") from None
            raise self.error("not-a-number", path, f"{quoted(value)} is not a number. Write one such as 10.") from None
        if fraction > MAX_NUMBER:
            text = f"{quoted(value)} is above {MAX_NUMBER:,}. Write a smaller number."
            raise self.error("out-of-range", path, text)
        return fraction or None

    def seconds(self, value: object, path: str) -> float:
        """Returns a duration; 0 if there is none."""
        value = self.resolved(value, path, "Write a duration such as 1m30s.")
        if value is None or value == "":
            return 0.0
        try:
            seconds = duration_s(value)
        except ValueError:
            text = f"{quoted(value)} is not a duration. Write it like 30s or 1m30s."
            raise self.error("not-a-duration", path, text) from None
        if seconds > MAX_DURATION_S:
            text = f"{quoted(value)} is longer than a year. Write a shorter duration."
            raise self.error("out-of-range", path, text)
        return float(seconds)

    def boolean(self, value: object, path: str) -> bool:
        if not isinstance(value, bool):
            raise self.error("not-a-boolean", path, f"{quoted(value)} is not a boolean. Write true or false.")
        return value
