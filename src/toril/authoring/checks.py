"""Makes assertions of what a recording proves: a refused log-in, an ended session and a refused form answer 200, too.

An assertion holds for the recorded response. It has no value that differs between users, sessions or times.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from toril.authoring.filters import READS
from toril.authoring.pages import PASSWORD_FIELD, HtmlPage
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
        call.number: call.response.text for call in recorded.exchanges if call.response and "html" in call.response.type
    }
    logs_in = any(map(PASSWORD_FIELD.search, pages.values()))
    hidden = {name for page in pages.values() for form in HtmlPage(page).forms for name, _ in form.hidden}
    bodies = [exchange.body for exchange in recorded.exchanges if exchange.body is not None]
    values = (value for body in bodies for _, value in (*body.fields, *leaves(json_of(body))))
    typed = {value for value in values if len(value) >= SHORTEST}
    titles = None if second is None else {title for exchange in second.exchanges for title in _titles(exchange)}

    def of_page(exchange: RecordedExchange, page: str) -> Iterator[Expected]:
        if logs_in and not PASSWORD_FIELD.search(page):
            yield Expected(subject="absent", value=PASSWORD_FIELD.pattern)
        if exchange.method in READS or exchange.body is None:
            return
        before = [text for number, text in pages.items() if number < exchange.number]
        names = (re.escape(name) for name, _ in exchange.body.fields if name not in hidden and "${" not in name)
        for field in map(re.compile, (rf"name=.?{name}(?![\w-])" for name in names)):  # of the form, which would return
            if any(map(field.search, before)) and not field.search(page):
                yield Expected(subject="absent", value=field.pattern)
                return
        if not INVALID_FIELD.search(page):
            yield Expected(subject="absent", value=INVALID_FIELD.pattern)
        for title in _titles(exchange):
            constant = not VARYING.search(title) and not any(value in title for value in typed)
            if constant and (titles is None or title in titles):
                yield Expected(subject="body", value=title)

    def checked(exchange: RecordedExchange) -> Iterator[Expected]:
        if exchange.number in pages:
            yield from of_page(exchange, pages[exchange.number])
        elif exchange.response and (functional or exchange.method not in READS):
            yield from _of_json(json_of(exchange.response), functional=functional)

    succeeded = {exchange.number for exchange in recorded.exchanges if 200 <= (exchange.status or 0) < 300}
    exchanges = (
        replace(exchange, checks=(*exchange.checks, *checked(exchange))) if exchange.number in succeeded else exchange
        for exchange in recorded.exchanges
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


def _titles(exchange: RecordedExchange) -> list[str]:
    """Returns the title of a page with its tags, as the response has it."""
    return TITLE.findall(exchange.response.text)[:1] if exchange.response else []
