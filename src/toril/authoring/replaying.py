"""`--replay`: sends the requests of a recording once, which is a second observation of the same journey."""

import re
from collections.abc import Mapping
from dataclasses import replace
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import unquote, urlencode
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, Request, build_opener

from urllib3 import encode_multipart_formdata

from toril import __version__
from toril.authoring.correlation import REPLAY, Correlation
from toril.authoring.correlation.extractors import taken
from toril.authoring.correlation.rules import chain_of, chains_of
from toril.authoring.readers.source import BINARY
from toril.authoring.recorded import MOST_BYTES_OF_BODY, Payload, Recorded, RecordedExchange, host_of
from toril.authoring.references import carried
from toril.errors import OptionError
from toril.secrets.environment import is_withheld
from toril.secrets.masking import mask, names_a_secret

TIMEOUT_S = 30.0
MOST_REDIRECTS = 10
REDIRECTS = (301, 302, 303, 307, 308)
OF_THE_CONNECTION = ("accept-encoding", "connection", "content-length", "cookie", "host", "transfer-encoding")


def replayed(recorded: Recorded, correlation: Correlation, environment: Mapping[str, str]) -> Recorded:
    """Returns the recording as the hosts of its requests answer now, with the applied rules.

    References in addresses, such as `${BASE_URL}`, come from the environment if the author of the source wrote them,
    and never name credentials. Other hosts are not asked.
    """
    secret = {
        name for name, text in environment.items() if is_withheld(name) or names_a_secret(name) or mask(text) != text
    }
    known = {name: text for name, text in environment.items() if name not in secret}
    session = _Session(recorded, correlation, {**recorded.variables, **known})
    return replace(recorded, exchanges=tuple(map(session.again, recorded.exchanges)), origin=REPLAY)


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


class _Session:
    """The cookies, and the values of the rules so far."""

    def __init__(self, recorded: Recorded, correlation: Correlation, environment: Mapping[str, str]) -> None:
        self._correlation, self._environment = correlation, environment
        self._reference = re.compile(rf"\$\{{({recorded.references})\}}")
        self._opener = build_opener(HTTPCookieProcessor(), _NoRedirects)
        chains = zip(recorded.exchanges, chains_of(recorded), strict=True)
        self._chains = {exchange.number: chain for exchange, chain in chains}
        self._values: dict[int, str] = {}  # by number of the rule
        self._hosts = {host_of(self._address(exchange)) for exchange in recorded.exchanges}

    def again(self, exchange: RecordedExchange) -> RecordedExchange:
        """Sends the request with the values so far, and follows redirects as the suite does."""
        if exchange.number in self._correlation.redirects:
            *hops, last = (self._answered(self._with_values(part)) for part in self._chains[exchange.number])
        else:
            hops, last = [], self._answered(self._with_values(exchange))
            while last.status in REDIRECTS and len(hops) < MOST_REDIRECTS:
                following = replace(chain_of(replace(last, hops=(last,)))[-1], number=exchange.number)
                if host_of(following.url) not in self._hosts:
                    break
                hops.append(last)
                last = self._answered(following)
        first = hops[0] if hops else last
        return replace(
            first, status=last.status, response_headers=last.response_headers, response=last.response, hops=tuple(hops)
        )

    def _with_values(self, exchange: RecordedExchange) -> RecordedExchange:
        return carried(exchange, self._correlation, lambda rule, _: self._values.get(rule.number, rule.value))

    def _answered(self, exchange: RecordedExchange) -> RecordedExchange:
        """Returns the exchange with its response of now, and takes the values of the rules out of that."""
        url = self._address(exchange)
        own = {name: value for name, value in exchange.headers if name.lower() not in OF_THE_CONNECTION}
        headers = {"User-Agent": f"toril/{__version__}", **own}
        body = exchange.body.data if exchange.body is not None else None
        if exchange.body is not None and not body and (exchange.body.fields or exchange.body.uploads):
            body, kind = _encoded(exchange.body)
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
            headers["Content-Type"] = kind
        if not host_of(url).startswith(("http://", "https://")):
            raise OptionError(f"--replay: `{url[:100]}` is not an address of HTTP", code="not-an-address")
        try:
            request = Request(url, data=body, headers=headers, method=exchange.method)  # noqa: S310 - http or https
            try:
                got = self._opener.open(request, timeout=TIMEOUT_S)
            except HTTPError as error:  # each status of 300 and more
                got = error
            with got:
                data, answered = got.read(MOST_BYTES_OF_BODY), tuple(got.headers.items())
        except (OSError, HTTPException, ValueError) as error:
            raise OptionError(f"--replay: {host_of(url)} does not answer: {error}", code="no-answer") from error
        reply = replace(
            exchange,
            url=url,
            status=got.status,
            response_headers=answered,
            response=Payload(data=data, type=got.headers.get("Content-Type", "")),
            hops=(),
        )
        for rule in self._correlation.rules:
            if rule.applied and rule.source == exchange.number and (text := taken(rule.extract, reply)) is not None:
                self._values[rule.number] = unquote(text) if rule.encoded else text
        return reply

    def _address(self, exchange: RecordedExchange) -> str:
        known = self._environment
        if missing := [name for name in self._reference.findall(exchange.url) if name not in known]:
            text = f"--replay: `{missing[0]}` is not set. Run `export {missing[0]}=…`; addresses hold no credentials."
            raise OptionError(text, code="unset-reference")
        return self._reference.sub(lambda match: known[match[1]], exchange.url)


def _encoded(body: Payload) -> tuple[bytes, str]:
    """Returns a body of which the recording has only the parts, and its Content-Type."""
    if "multipart" in body.type:
        files = [(one.field, (one.name, one.data or b"", one.type or BINARY)) for one in body.uploads]
        return encode_multipart_formdata([*body.fields, *files])
    if body.uploads:
        return body.uploads[0].data or b"", body.type or body.uploads[0].type
    return urlencode(body.fields).encode(), body.type
