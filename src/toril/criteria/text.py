"""The string form of a criterion, taken apart into the keys of the full form."""

import re
from typing import Any

from toril.criteria.subjects import SUBJECTS
from toril.criteria.wrong import Wrong, short

LOGICS = ("for", "within", "over")
LONGEST = 1000  # characters of a criterion

LAST_OPERATOR = re.compile(r"(?P<head>.*?)\s*(?P<operator>[<>=!]+)\s*(?P<tail>[^<>=!]*)")
LABELLED = re.compile(r"\S+\s+of\s")
ACTION = re.compile(r"(stop|continue)(?:\s+as\s+(failed|non-failed))?")


def fields_of(source: str) -> dict[str, Any]:
    """The string form as the full form."""
    if len(source) > LONGEST:
        raise Wrong(f"{len(source):,} characters long", f"a criterion has at most {LONGEST:,}")
    message, colon, text = source.partition(":")
    if not colon:
        return _unnamed(source)
    if LABELLED.match(message.strip()) and not (text[:1].isspace() or text[:1].isalpha()):
        fix = "a label with a colon needs the full form: `{subject: …, label: …}`"
        raise Wrong("which ends its message at the `:`", fix)
    return _unnamed(text) | {"message": message.strip()}


def _unnamed(source: str) -> dict[str, Any]:
    """The string form without a message."""
    text, comma, action = (part.strip() for part in source.partition(","))
    match = LAST_OPERATOR.fullmatch(text)
    if not match:
        if comma and LABELLED.match(text):
            raise Wrong("cut at the comma", "a label with a comma needs the full form: `{subject: …, label: …}`")
        raise Wrong("no comparison", "write it like `p95 of checkout>300ms for 10s`")
    fields = _measured(match["head"].strip()) | _limited(match["tail"]) | {"condition": match["operator"]}
    return fields | _acted(action) if comma else fields


def _measured(head: str) -> dict[str, Any]:
    """`subject [of label]`."""
    subject, _, rest = head.partition(" ")
    rest = rest.strip()
    if not rest:
        if not subject:
            raise Wrong("without a subject", f"begin with one of {', '.join(SUBJECTS)}")
        return {"subject": subject}
    word, _, label = rest.partition(" ")
    if word != "of" and re.search(r"[<>=]", subject):
        raise Wrong("more than one comparison", "write one criterion for each")
    if word == "of" and label.strip():
        return {"subject": subject, "label": label.strip()}
    if word == "of":
        raise Wrong("without a label after `of`", f"name one, or write `{subject}` alone for all requests")
    if word == "for":
        raise Wrong("which has `for` where the label is named", f"write `{subject} of {label.strip() or 'label'}`")
    raise Wrong(
        f"which has `{short(rest)}` after `{short(subject)}`",
        f"name a label with `of`: `{short(subject)} of {short(rest)}`",
    )


def _limited(tail: str) -> dict[str, Any]:
    """`threshold [logic timeframe] [in location]`."""
    words = tail.split()
    if not words:
        raise Wrong("without a threshold", "write one after the operator, like `300ms`")
    fields: dict[str, Any] = {"threshold": words.pop(0)}
    if words and words[0] == "%":
        raise Wrong(
            "with a space before `%`", f"write `{fields['threshold']}%` (bzt would read {fields['threshold']} failures)"
        )
    if words and words[0].startswith("/"):
        raise Wrong(f"with a space before `{short(words[0])}`", f"write `{fields['threshold']}{short(words[0])}`")
    if words and words[0] in LOGICS:
        if len(words) < 2:
            raise Wrong(f"without a timeframe after `{words[0]}`", f"write it like `{words[0]} 10s`")
        fields |= {"logic": words[0], "timeframe": words[1]}
        if words[1].startswith("-"):
            raise Wrong(f"with the timeframe `{short(words[1])}`", "write one like `10s` or `1m`")
        words = words[2:]
    if len(words) >= 2 and words[0] == "in":
        fields["location"] = words[1]
        words = words[2:]
    if words:
        raise Wrong(
            f"which goes on with `{short(' '.join(words))}`",
            "after the threshold follow `for|within|over 10s`, `in <location>`, `, stop|continue as failed|non-failed`",
        )
    return fields


def _acted(action: str) -> dict[str, Any]:
    match = ACTION.fullmatch(action)
    if not match:
        raise Wrong(
            f"which has `{short(action)}` after the comma",
            "write `stop` or `continue` [`as failed|non-failed`]; a label with a comma needs the full form",
        )
    return {"stop": match[1] == "stop", "fail": match[2] != "non-failed"}
