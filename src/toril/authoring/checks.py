"""Makes assertions of what a recording proves: a refused log-in, an ended session and a refused form answer 200, too.

An assertion holds for the recorded response. It has no value that differs between users, sessions or times.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from toril.authoring.filters import READS
from toril.authoring.pages import PASSWORD_FIELD, Page
from toril.authoring.recorded import Expected, Recorded, RecordedExchange, json_of, leaves

INVALID_FIELD = re.compile("(?i)aria-invalid=.?true")
TITLE = re.compile(r"(?i)<title[^<>]*>[^<>\n]{1,200}</title>")
KEY = re.compile(r"[A-Za-z_]\w*")
VARYING = re.compile(r"\d|\$\{")
SHORTEST = 3  # characters of a typed value that a title may have
MOST_KEYS = 8  # of the JSON of a response


def proven(recorded: Recorded, second: Recorded | None, *, functional: bool) -> Recorded:
    """Returns a recording with its own assertions; `second` is another recording of the same journey."""
    if recorded.kind != "har":
        return recorded
    pages = {
        one.number: one.response.text for one in recorded.exchanges if one.response and "html" in one.response.type
    }
    logs_in = any(map(PASSWORD_FIELD.search, pages.values()))
    hidden = {name for page in pages.values() for form in Page(page).forms for name, _ in form.hidden}
    typed = {value for one in recorded.exchanges for value in _typed(one) if len(value) >= SHORTEST}
    titles = None if second is None else {title for one in second.exchanges for title in _titles(one)}

    def of_page(one: RecordedExchange, page: str) -> Iterator[Expected]:
        if logs_in and not PASSWORD_FIELD.search(page):
            yield Expected(subject="absent", value=PASSWORD_FIELD.pattern)
        if one.method in READS or one.body is None:
            return
        before = [text for number, text in pages.items() if number < one.number]
        names = (re.escape(name) for name, _ in one.body.fields if name not in hidden and "${" not in name)
        for field in map(re.compile, (rf"name=.?{name}(?![\w-])" for name in names)):  # of the form, which would return
            if any(map(field.search, before)) and not field.search(page):
                yield Expected(subject="absent", value=field.pattern)
                return
        if not INVALID_FIELD.search(page):
            yield Expected(subject="absent", value=INVALID_FIELD.pattern)
        for title in _titles(one):
            constant = not VARYING.search(title) and not any(value in title for value in typed)
            if constant and (titles is None or title in titles):
                yield Expected(subject="body", value=title)

    def checked(one: RecordedExchange) -> Iterator[Expected]:
        if one.number in pages:
            yield from of_page(one, pages[one.number])
        elif one.response and (functional or one.method not in READS):
            yield from _of_json(json_of(one.response), functional=functional)

    succeeded = {one.number for one in recorded.exchanges if 200 <= (one.status or 0) < 300}
    exchanges = (
        replace(one, checks=(*one.checks, *checked(one))) if one.number in succeeded else one
        for one in recorded.exchanges
    )
    return replace(recorded, exchanges=tuple(exchanges))


def _of_json(document: object, *, functional: bool) -> Iterator[Expected]:
    keys = list(filter(KEY.fullmatch, document))[:MOST_KEYS] if isinstance(document, dict) else []
    for key in keys:
        yield (
            Expected(subject="jsonpath", value=f"$.{key}") if functional else Expected(subject="body", value=f'"{key}"')
        )
    if "data" in keys and "errors" not in keys:  # GraphQL
        yield Expected(subject="absent", value=r'"errors"\s*:')


def _titles(one: RecordedExchange) -> list[str]:
    """Returns the title of a page with its tags, as the response has it."""
    return TITLE.findall(one.response.text)[:1] if one.response else []


def _typed(one: RecordedExchange) -> Iterator[str]:
    if one.body is not None:
        yield from (value for _, value in (*one.body.fields, *leaves(json_of(one.body))))
