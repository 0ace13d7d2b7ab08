"""Typed access to an untyped document; every refusal says where, what and the fix."""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from fractions import Fraction
from typing import Any

from toril.criteria import duration_s, number
from toril.errors import SuiteError
from toril.masking import mask
from toril.suite.environment import REFERENCE, Environment

LONGEST_DURATION_S = 366 * 86400
PROPERTY = re.compile(r"\$\{__(?:P|property)\(([^,(){}]+)(?:,([^(){}]*))?\)\}")
MOST_COMPARED = 1000  # names; comparing takes half a millisecond each
MOST = 100_000_000  # virtual users, requests per second, iterations: beyond, it is a slip


def shown(value: object) -> str:
    """A value as a message quotes it, without credentials, and without what a terminal would take for a command."""
    text = "".join(char if char.isprintable() else "�" for char in " ".join(mask(str(value)).split()))
    return f"`{text if len(text) <= 60 else text[:59] + '…'}`"


def alike(word: str, known: Iterable[str]) -> str:
    """`did you mean …?`; empty when nothing known comes near."""
    names = sorted(known)
    compared = names if len(names) <= MOST_COMPARED else [name for name in names if name[:1] == word[:1]]
    found = difflib.get_close_matches(word[:60], compared[:MOST_COMPARED], n=1)
    return f"did you mean `{found[0]}`?" if found else ""


def nearest(word: str, known: Collection[str]) -> str:
    """`did you mean …?`, or the list of what is known; something is."""
    names = sorted(known)
    return alike(word, names) or f"known are {', '.join(names[:10])}{' …' if len(names) > 10 else ''}"


class Door:
    """Reads values of one merged suite, called `name` in messages."""

    def __init__(self, name: str, environment: Environment) -> None:
        self.name = name
        self.environment = environment
        self.properties: Mapping[str, Any] = {}  # modules.jmeter.properties
        self.warnings: list[str] = []

    def error(self, path: str, what: str, fix: str) -> SuiteError:
        return SuiteError(f"{self.name}: {path} is {what}; {fix}")

    def warn(self, path: str, text: str) -> None:
        self.warnings.append(f"{self.name}: {path} {text}")

    def mapping(self, value: object, path: str, example: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error(path, f"{shown(value)}, not a mapping", f"write it like `{example}`")
        return value

    def items(self, value: object, path: str, example: str) -> list[Any]:
        if not isinstance(value, list):
            raise self.error(path, f"{shown(value)}, not a list", f"write it like `{example}`")
        return value

    def resolved(self, value: Any, path: str, fix: str) -> Any:
        """A value without references; one that nobody knows is an error."""
        if not isinstance(value, str):
            return value
        text = PROPERTY.sub(self._property, self.environment.resolve(value))
        if unknown := REFERENCE.search(text):
            name = unknown[1]
            how = self.environment.fix_of(name) if name.isidentifier() else fix
            raise self.error(path, f"{shown(value)}, which refers to something that is not set", how)
        return text.strip()

    def _property(self, match: re.Match[str]) -> str:
        """JMeter's `${__P(users,10)}` as JMeter will see it: its property, or the default written there."""
        return str(self.properties.get(match[1].strip(), match[0] if match[2] is None else match[2]))

    def whole(self, value: object, path: str) -> int | None:
        """A whole number above 0; None for null and 0, which Taurus takes for *not given*."""
        found = self.number(value, path)
        if found is not None and found.denominator != 1:
            raise self.error(path, f"{shown(value)}, not a whole number", "write one")
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
                raise self.error(path, f"{shown(value)}, below 0", "write a number above 0") from None
            raise self.error(path, f"{shown(value)}, not a number", "write a number such as 10") from None
        if found > MOST:
            raise self.error(path, f"{shown(value)}, more than {MOST:,}", "write a smaller number")
        return found or None

    def seconds(self, value: object, path: str) -> float:
        """A duration; 0 when there is none."""
        value = self.resolved(value, path, "write a duration such as 1m30s")
        if value is None or value == "":
            return 0.0
        try:
            seconds = duration_s(value)
        except ValueError:
            raise self.error(path, f"{shown(value)}, not a duration", "write it like 30s, 1m30s or 500ms") from None
        if seconds > LONGEST_DURATION_S:
            raise self.error(path, f"{shown(value)}, longer than a year", "write a shorter duration")
        return float(seconds)
