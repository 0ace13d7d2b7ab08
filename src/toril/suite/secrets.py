"""`toril.secrets`: names of variables, and where workers find their values. No value is ever known here."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from toril.errors import SuiteError
from toril.records import secret_reference

MOST = 50  # each is a call to Secrets Manager, by each worker
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What toril, bzt, the engines, Python, Java, the linker and AWS' libraries read, and what a worker sets for itself
RESERVED = re.compile(
    r"(?i)(?:TORIL|TAURUS|AWS|AMAZON|ECS|LD|DYLD|PYTHON|JAVA|JDK|JVM|LOCUST|JMETER|BZT|GIT|MALLOC|XDG|LC)_.*|PYTHON.*"
    r"|(?:HTTPS?|NO|ALL|FTP)_PROXY|PATH|HOME|USER|LOGNAME|SHELL|PWD|OLDPWD|TMP|TEMP|TMPDIR|LANG|TERM|TZ|IFS|ENV|BASH_ENV"
    r"|GRACEFUL|WORKERS_LDJSON|JTL|HOSTNAME|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|SSL_CERT_(?:FILE|DIR)|GEVENT_.*|_"
)
NAME_OR_ARN = "write a secret's name, its ARN, or `<ARN>:<key>::` for one key of its JSON"


def declared(merged: Mapping[str, Any]) -> frozenset[str]:
    """The variables that hold secrets, before anything else of the suite is read: no reference to them is resolved."""
    ours = merged.get("toril")
    found = ours.get("secrets") if isinstance(ours, dict) else None
    return frozenset(map(str, found)) if isinstance(found, dict) else frozenset()


def check_secrets(secrets: Mapping[str, str], merged: Mapping[str, Any], given: Iterable[str], source: str) -> None:
    """SuiteError for a name that is taken, or a reference that is none; its text is not repeated: it may be a value."""
    if len(secrets) > MOST:
        raise SuiteError(
            f"{source}: toril.secrets has {len(secrets)} entries, more than {MOST}; use keys of one secret"
        )
    settings = merged.get("settings")
    written = settings.get("env") if isinstance(settings, dict) else None
    for variable, reference in secrets.items():
        where = f"{source}: toril.secrets.{variable[:60]}"
        if not VARIABLE.fullmatch(variable):
            raise SuiteError(f"{where} is no name of an environment variable; use letters, digits and _")
        if RESERVED.fullmatch(variable):
            raise SuiteError(f"{where} is a name that workers or their tools need for themselves; choose another")
        if variable in given:
            raise SuiteError(f"{where} is given with --env as well; leave one of them out")
        if isinstance(written, dict) and variable in written:
            raise SuiteError(f"{where} is in settings.env as well; leave one of them out")
        try:
            secret_reference(reference)
        except ValueError as error:
            raise SuiteError(f"{where} is {error}; {NAME_OR_ARN}") from None
    for path in _command_lines(merged.get("modules"), secrets, "modules"):
        raise SuiteError(
            f"{source}: {path} refers to a secret, and anybody can read command lines; hand it over in another way"
        )


def _command_lines(place: Any, secrets: Mapping[str, str], path: str) -> Iterator[str]:
    """Where a secret would be put onto a command line."""
    if not isinstance(place, dict):
        return
    for key, value in place.items():
        if key == "cmdline" and any(f"${{{name}}}" in str(value) for name in secrets):
            yield f"{path}.cmdline"
        yield from _command_lines(value, secrets, f"{path}.{key}")
