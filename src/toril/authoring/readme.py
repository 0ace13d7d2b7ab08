"""The README.md of an imported suite: what was done, what was not, and which variables to set."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from toril.authoring.correlation import Carried, Correlation
from toril.authoring.credentials import Credentials
from toril.authoring.draft import FILES, SuiteDraft
from toril.authoring.filters import READS
from toril.authoring.init import template
from toril.authoring.recorded import Recorded, RecordedExchange
from toril.text import plain, plural

MOST_NAMES = 5  # in a note
OF_SHELLS = re.compile(r"[^\w .…/:{}%,@+=-]")  # zsh executes a pasted comment


def readme_of(draft: SuiteDraft, recorded: Recorded, correlation: Correlation, credentials: Credentials) -> str:
    """Returns the text in Markdown."""
    labels = {request.recorded.number: request.recorded.name for request in draft.requests}
    rules = [rule for rule in correlation.rules if rule.source in labels]

    def into(rule: Carried) -> str:
        return ", ".join(dict.fromkeys(labels[number] for number, _ in rule.uses if number in labels))

    return template("README.md.jinja", _in_markdown).render(
        draft=draft,
        recorded=recorded,
        credentials=credentials,
        requests=plural(len(draft.requests), "request"),
        steps=len({request.recorded.step for request in draft.requests}) if recorded.kind != "access-log" else 0,
        writes=sum(request.recorded.method not in READS for request in draft.requests),
        labels=labels,
        into=into,
        applied=[rule for rule in rules if rule.applied],
        possible=[rule for rule in rules if not rule.applied],
        tables=[
            (path, draft.files[PurePosixPath(path)])
            for scenario in draft.scenarios.values()
            for path in scenario.get("data-sources", ())
        ],
        uploads=[path for path in draft.files if path.is_relative_to(FILES)],
        rows=lambda data: plural(len(data.splitlines()) - 1, "row"),
        fresh=correlation.typed.fresh,
        comment=lambda text: OF_SHELLS.sub("", text),
        notes=tuple(_notes(draft, recorded, correlation, credentials)),
    )


def _has_session(exchange: RecordedExchange) -> bool:
    named = {name.lower() for part in (exchange, *exchange.hops) for name, _ in (*part.headers, *part.response_headers)}
    return bool(named & {"authorization", "cookie", "set-cookie"})


def _in_markdown(text: object) -> str:
    """Returns a text of a stranger, which makes no cell, link or element of its own."""
    return plain(text).replace("|", "\\|").replace("](", "]\\(").replace("<", "&lt;")


def _notes(draft: SuiteDraft, recorded: Recorded, correlation: Correlation, credentials: Credentials) -> Iterator[str]:
    yield from (note.message for note in recorded.notes)
    bodies = [(exchange, exchange.body) for exchange in recorded.exchanges if exchange.body]
    if missing := [exchange.name for exchange, body in bodies if body.missing and not body.uploads]:
        yield f"The source lacks the bodies of {', '.join(missing)}. Add them."
    if lacking := [part.name for _, body in bodies for part in body.uploads if part.data is None]:
        yield f"The source lacks the content of {', '.join(dict.fromkeys(lacking))}. The suite sends 1 KiB instead."
    if credentials.cookies:
        names = listed(credentials.cookies)
        yield f"No response sets the cookies {names}, so no request has them. If one is needed, record the login."
    if recorded.kind == "har" and draft.credentials and not any(map(_has_session, recorded.exchanges)):
        yield "The source has neither cookies nor `Authorization`. For a session, export the HAR with sensitive data."
    if recorded.kind == "har" and credentials.repeated:
        keys = listed(credentials.repeated)
        yield f"Scripts of the page made these values, which each user sends as recorded: {keys}."
        yield "If the service refuses them the second time, write a Locust script, or record with `--playwright`."
    if correlation.unpaired:
        yield f"Only one of the two recordings has {credentials.hide(', '.join(correlation.unpaired))}."
    if recorded.kind == "har" and len(draft.requests) > 1:
        yield "A browser sends some requests at the same time. The suite sends them one after another."


def listed(names: Sequence[str]) -> str:
    """Returns the first names, and the number of the others."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
