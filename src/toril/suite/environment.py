"""`${NAME}` in a suite: what `--env`, `settings.env` and the machine's environment say, in that order."""

import re
from collections.abc import Mapping
from typing import Any

from toril.errors import SuiteError
from toril.masking import HIDDEN, mask

REFERENCE = re.compile(r"\$\{(.{0,300}?)\}")  # bounded: a suite may hold a million `${`
SYSTEM_REFERENCE = re.compile(r"\$(?:\{([^}]{0,300})\}|([A-Za-z0-9_]+))")
ROUNDS = 2  # how often bzt looks again at what came out
LONGEST = 10_000  # characters
# Variables with which a process acts for the GitHub job it runs in: its identity, its token, its later steps.
OF_THE_JOB = re.compile(
    r"ACTIONS_.*|GITHUB_(ENV|OUTPUT|PATH|STATE|STEP_SUMMARY)|(GITHUB|GH)_(ENTERPRISE_)?TOKEN"
).fullmatch
# The command's own credentials: a plan is read by workers, and so by suite code.
CREDENTIALS = re.compile(r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|S(ESSION|ECURITY)_TOKEN|CONTAINER_.*)").fullmatch


class Environment:
    """Resolves references in a text; a name that nobody knows is left as it stands (JMeter's own look the same)."""

    def __init__(
        self,
        given: Mapping[str, str],
        settings: Mapping[str, Any],
        system: Mapping[str, str],
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        """`secrets` are variables that only workers know, whatever this machine's environment says."""
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
        for _ in range(ROUNDS):
            if "${" not in text:
                break
            text = self._limited(REFERENCE.sub(lambda match: self.values.get(match[1], match[0]), self._limited(text)))
        return text

    def label(self, text: str) -> str:
        """A label as workers will record it: without credentials, and with secrets taken out."""
        text = self.resolve(text)
        for name in self.secrets:
            text = text.replace(f"${{{name}}}", HIDDEN)
        return mask(text)

    def fix_of(self, name: str) -> str:
        """What to do about a reference to a name that nobody knows here."""
        if name in self.secrets:
            return f"{name} is a secret, and known to the workers only: write the value itself here"
        return f"pass --env {name}=… or set settings.env.{name}"

    def resolve_all(self, value: Any) -> Any:
        """`resolve` for every text in lists and mappings (their values; keys are never references)."""
        if isinstance(value, str):
            return self.resolve(value)
        if isinstance(value, list):
            return [self.resolve_all(item) for item in value]
        if isinstance(value, dict):
            return {key: self.resolve_all(item) for key, item in value.items()}
        return value

    def _expanded(self, text: str) -> str:
        for _ in range(ROUNDS):
            text = self._limited(
                SYSTEM_REFERENCE.sub(
                    lambda match: self.system.get(match[1] or match[2] or "", match[0]), self._limited(text)
                )
            )
        return text

    def _limited(self, text: str) -> str:
        if len(text) > LONGEST:
            raise SuiteError(
                f"settings.env: `{text[:40]}…` grows beyond {LONGEST:,} characters; shorten it, or what it refers to"
            )
        return text
