"""GitHub Actions reads commands out of what a step prints. Ours are written here, and no others get through.

A line is a command when it begins, after blanks, with `::name …::`; the older form `##[name …]` works anywhere in it.
"""

import re

SAFE_IN_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
SAFE_IN_PROPERTY = {**SAFE_IN_DATA, ":": "%3A", ",": "%2C"}
# The runner compares as a culture does, to which some characters are none: whatever is not plain ASCII may be between.
ENDS = "\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
COMMANDS = re.compile(
    rf"(?:(?<![^{ENDS}])[^\x21-\x7e{ENDS}]*:[^\x20-\x7e{ENDS}]*(?=:))|(?:#[^\x20-\x7e{ENDS}]*#[^\x20-\x7e{ENDS}]*(?=\[))"
)


def command(name: str, data: str, **properties: str) -> str:
    """The line that has the runner do something.

    >>> command("error", "100 %: a\\nb", file="a,b:c.yml", line="3")
    '::error file=a%2Cb%3Ac.yml,line=3::100 %25: a%0Ab'
    """
    written = ",".join(f"{key}={_replaced(value, SAFE_IN_PROPERTY)}" for key, value in properties.items())
    return f"::{name}{' ' if written else ''}{written}::{_replaced(data, SAFE_IN_DATA)}"


def harmless(text: str, begun: str = "") -> str:
    """The text without commands in it, for it has a blank where they would begin. `begun`: of its first line, so far.

    >>> harmless("a\\n  ::add-mask::e\\n##[group]b ::c::"), harmless(":error::x", ":"), harmless("12::30")
    ('a\\n  : :add-mask::e\\n## [group]b ::c::', ' :error::x', '12::30')
    """
    return COMMANDS.sub(r"\g<0> ", begun + text)[len(begun) :]


def _replaced(text: str, safe: dict[str, str]) -> str:
    return "".join(safe.get(character, character) for character in text)
