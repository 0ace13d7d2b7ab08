"""Reads the command line's `key=value` options and names; every bad one is an OptionError with its fix."""

import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from toril.errors import OptionError

OUTCOMES = ("failed", "inconclusive")
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
RUN_ADDRESS = re.compile(r"(?P<store>s3://.+)/runs/(?P<run>[^/]+)/?")
SHARE = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,6})?")
WEIGHT = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
AGE = re.compile(r"([0-9]+)([dhm])")
AGE_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def pairs(option: str, values: Iterable[str]) -> dict[str, str]:
    """`["a=1", "b=2"]` as a mapping."""
    found = {}
    for value in values:
        name, equals, rest = value.partition("=")
        if not equals or not name:
            raise OptionError(f"{option} {value}: expected name=value")
        found[name] = rest
    return found


def locations(text: str) -> dict[str, str]:
    """`us-east-1=2,eu-west-1`: the weight of each location, 1 where none is said."""
    found = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, weight = part.partition("=")
        if name in found or not WEIGHT.fullmatch(weight or "1"):
            raise OptionError(
                f"--locations {text}: expected names with weights, each once, as in us-east-1=2,eu-west-1"
            )
        found[name] = weight or "1"
    if not found:
        raise OptionError("--locations names none; write it like us-east-1=2,eu-west-1, or leave it out")
    return found


def fail_on(text: str) -> frozenset[str]:
    """The outcomes that make the exit code non-zero: `failed,inconclusive`, a part of it, or `none`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in (*OUTCOMES, "none")]
    if unknown or not names or ("none" in names and len(names) > 1):
        raise OptionError(f"--fail-on {text}: expected failed, inconclusive, both with a comma, or none")
    return frozenset(names) - {"none"}


def report_targets(values: Iterable[str]) -> list[tuple[str, Path | None]]:
    """`["junit=out.xml", "json"]` as (format, path); without a path the report goes into the run's folder."""
    found = []
    for value in values:
        name, equals, path = value.partition("=")
        if equals and not path:
            raise OptionError(f"--report {value}: without a path; write one, or only --report {name}")
        found.append((name, Path(path) if path else None))
    return found


def check_writable(targets: Iterable[tuple[str, Path | None]]) -> None:
    """OptionError unless each of those reports can be written; its folder is made, and a file that is there kept."""
    for name, path in targets:
        if path is None:
            continue
        try:
            if path.is_dir():
                raise OptionError(f"--report {name}={path}: this is a folder; name a file in it")
            if path.exists() and not path.is_file():
                continue  # a pipe or device is opened once, when it is time
            path.parent.mkdir(parents=True, exist_ok=True)
            file, new = path.resolve(), not path.exists()
            file.open("ab").close()
            if new:
                file.unlink()
        except OSError as error:
            why = f"{path} cannot be written: {error.strerror}"
            raise OptionError(f"--report {name}={path}: {why}; choose another path") from error


def checked_run_id(text: str) -> str:
    """A run id that is safe as one part of a key."""
    if not RUN_ID.fullmatch(text):
        raise OptionError(f"--run-id {text!r}: use letters, digits and . _ - (at most 128)")
    return text


def age(text: str) -> timedelta:
    """`30d`, `12h` or `90m`."""
    match = AGE.fullmatch(text.strip())
    if not match:
        raise OptionError(f"--prune {text}: expected an age such as 30d, 12h or 90m")
    try:
        return timedelta(**{AGE_UNITS[match[2]]: int(match[1])})
    except (OverflowError, ValueError) as error:  # ValueError: thousands of digits
        raise OptionError(f"--prune {text}: longer than there is time; choose a shorter age") from error


def margin(text: str | None) -> float | None:
    """`3%` as 0.03."""
    if text is None:
        return None
    number = text.strip().removesuffix("%").strip()
    if not text.strip().endswith("%") or not SHARE.fullmatch(number) or not 0 < float(number) <= 100:
        raise OptionError(f"--margin {text}: expected a percentage above 0% and up to 100%, such as 3%")
    return float(number) / 100
