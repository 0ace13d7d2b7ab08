"""Typed access to the untyped document of a suite: each refusal has a code and says where, what and the fix."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from toril.criteria import duration_s, number
from toril.errors import SuiteError, UserError
from toril.masking import HIDDEN, mask

REFERENCE = re.compile(r"\$\{(.{0,300}?)\}")  # bounded: a suite may hold a million `${`
SYSTEM_REFERENCE = re.compile(r"\$(?:\{([^}]{0,300})\}|([A-Za-z0-9_]+))")
JMETER_PROPERTY = re.compile(r"\$\{__(?:P|property)\(([^,(){}]+)(?:,([^(){}]*))?\)\}")
REFERENCE_ROUNDS = 2  # how often bzt resolves the result again
MAX_RESOLVED = 10_000  # characters
# Variables with which a process acts for the GitHub job it runs in: its identity, its token, its later steps.
OF_THE_JOB = re.compile(
    r"ACTIONS_.*|GITHUB_(ENV|OUTPUT|PATH|STATE|STEP_SUMMARY)|(GITHUB|GH)_(ENTERPRISE_)?TOKEN"
).fullmatch
# The command's own credentials: a plan is read by workers, and so by suite code.
CREDENTIALS = re.compile(r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|S(ESSION|ECURITY)_TOKEN|CONTAINER_.*)").fullmatch

MAX_DURATION_S = 366 * 86400
MAX_NUMBER = 100_000_000  # virtual users, requests per second, iterations: a larger number is a slip


@dataclass(frozen=True, slots=True)
class Note:
    """A warning about a suite or its plan; `code` names the cause and never changes."""

    code: str
    message: str


def quoted(value: object) -> str:
    """A value as messages quote it: one line of at most 60 characters, without credentials and control characters."""
    text = "".join(char if char.isprintable() else "�" for char in " ".join(mask(str(value)).split()))
    return f"`{text if len(text) <= 60 else text[:59] + '…'}`"


def mapping_at(document: object, *path: str) -> dict[str, Any]:
    """The mapping at this path of an unchecked document; empty where there is none."""
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, dict) else {}


class Environment:
    """Resolves `${NAME}` from `--env`, `settings.env` and the machine's environment, in that order.

    An unknown name stays: JMeter's own references look the same.
    """

    def __init__(
        self,
        given: Mapping[str, str],
        settings: Mapping[str, Any],
        system: Mapping[str, str],
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        """`secrets` are variables that only workers know; this machine's environment is ignored for them."""
        self.secrets = secrets
        hidden = (OF_THE_JOB, CREDENTIALS)
        self.system = system = {
            name: value
            for name, value in system.items()
            if name not in secrets and not any(one(name) for one in hidden)
        }
        written = {name: "" if value is None else self._expanded(str(value)) for name, value in settings.items()}
        self.values = {**system, **written, **given}

    def resolve(self, text: str) -> str:
        """`text` with every known reference replaced."""
        for _ in range(REFERENCE_ROUNDS):
            if "${" not in text:
                break
            text = self._limited(REFERENCE.sub(lambda match: self.values.get(match[1], match[0]), self._limited(text)))
        return text

    def resolve_all(self, value: Any) -> Any:
        """`resolve` for every text in lists and mappings (their values; keys are never references)."""
        if isinstance(value, str):
            return self.resolve(value)
        if isinstance(value, list):
            return [self.resolve_all(item) for item in value]
        if isinstance(value, dict):
            return {key: self.resolve_all(item) for key, item in value.items()}
        return value

    def label(self, text: str) -> str:
        """A label as workers will record it: without credentials and secrets."""
        text = self.resolve(text)
        for name in self.secrets:
            text = text.replace(f"${{{name}}}", HIDDEN)
        return mask(text)

    def fix_of(self, name: str) -> str:
        """What to do about a reference to an unknown name."""
        if name in self.secrets:
            return f"{name} is a secret, and known to the workers only: write the value itself here"
        return f"pass --env {name}=… or set settings.env.{name}"

    def _expanded(self, text: str) -> str:
        for _ in range(REFERENCE_ROUNDS):
            text = self._limited(
                SYSTEM_REFERENCE.sub(
                    lambda match: self.system.get(match[1] or match[2] or "", match[0]), self._limited(text)
                )
            )
        return text

    def _limited(self, text: str) -> str:
        if len(text) > MAX_RESOLVED:
            what = f"settings.env: `{text[:40]}…` grows beyond {MAX_RESOLVED:,} characters"
            raise SuiteError(f"{what}; shorten it, or what it refers to", code="too-large")
        return text


class SuiteReader:
    """Reads values of one merged suite, which messages call `name`, and collects warnings about it."""

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
        """The refusal of the value at `path`; the text completes `<path> is …`, with the fix after a semicolon."""
        return self.refusal(f"{self.name}: {path} is {text}", code=code)

    def warn(self, code: str, path: str, text: str) -> None:
        self.warnings.append(Note(code, f"{self.name}: {path} {text}"))

    def mapping(self, value: object, path: str, example: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error("not-a-mapping", path, f"{quoted(value)}, not a mapping; write it like `{example}`")
        return value

    def items(self, value: object, path: str, example: str) -> list[Any]:
        if not isinstance(value, list):
            raise self.error("not-a-list", path, f"{quoted(value)}, not a list; write it like `{example}`")
        return value

    def resolved(self, value: Any, path: str, fix: str) -> Any:
        """A value without references; SuiteError for a reference to an unknown name."""
        if not isinstance(value, str):
            return value
        text = JMETER_PROPERTY.sub(self._property, self.environment.resolve(value))
        if unknown := REFERENCE.search(text):
            name = unknown[1]
            raise self.unset(value, path, self.environment.fix_of(name) if name.isidentifier() else fix)
        return text.strip()

    def resolved_all(self, value: Any, path: str) -> Any:
        """`resolved` for every text in lists and mappings."""
        if isinstance(value, list):
            return [self.resolved_all(one, f"{path}[{index}]") for index, one in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.resolved_all(one, f"{path}.{key[:60]}") for key, one in value.items()}
        return self.resolved(value, path, "write the value itself")

    def unset(self, value: str, path: str, fix: str) -> UserError:
        """The refusal of a value with a reference to an unknown name."""
        return self.error("unset-reference", path, f"{quoted(value)}, which refers to something that is not set; {fix}")

    def _property(self, match: re.Match[str]) -> str:
        """JMeter's `${__P(users,10)}` as JMeter will see it: its property, or the default written there."""
        return str(self.jmeter_properties.get(match[1].strip(), match[0] if match[2] is None else match[2]))

    def whole(self, value: object, path: str) -> int | None:
        """A whole number above 0; None for null and 0, which Taurus takes for *not given*."""
        found = self.number(value, path)
        if found is not None and found.denominator != 1:
            raise self.error("not-a-number", path, f"{quoted(value)}, not a whole number; write one")
        return None if found is None else int(found)

    def number(self, value: object, path: str) -> Fraction | None:
        """A number above 0; None for null and 0, which Taurus takes for *not given*."""
        value = self.resolved(value, path, "toril divides it between workers: write a number")
        if value is None or value == "":
            return None
        try:
            found = number(value)
        except ValueError:
            if str(value).startswith("-"):
                raise self.error("out-of-range", path, f"{quoted(value)}, below 0; write a number above 0") from None
            raise self.error("not-a-number", path, f"{quoted(value)}, not a number; write one such as 10") from None
        if found > MAX_NUMBER:
            raise self.error("out-of-range", path, f"{quoted(value)}, more than {MAX_NUMBER:,}; write a smaller number")
        return found or None

    def seconds(self, value: object, path: str) -> float:
        """A duration; 0 when there is none."""
        value = self.resolved(value, path, "write a duration such as 1m30s")
        if value is None or value == "":
            return 0.0
        try:
            seconds = duration_s(value)
        except ValueError:
            text = f"{quoted(value)}, not a duration; write it like 30s or 1m30s"
            raise self.error("not-a-duration", path, text) from None
        if seconds > MAX_DURATION_S:
            raise self.error("out-of-range", path, f"{quoted(value)}, longer than a year; write a shorter duration")
        return float(seconds)

    def boolean(self, value: object, path: str) -> bool:
        if not isinstance(value, bool):
            raise self.error("not-a-boolean", path, f"{quoted(value)}; write true or false")
        return value
