"""Replaces credentials in texts for people with `***`. It recognises them by their shape.

This is the last line of defence, for undeclared credentials: passwords in addresses, headers that authenticate, query
values and fields with names such as token or password. The worker removes the values of declared secrets before.
Masking a masked text changes nothing.

The texts come from strangers, so no pattern may take quadratic time. Each repetition has a limit, or starts at a place
that a sequence of the same characters has only once.
"""

import codecs
import html
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, unquote_plus

HIDDEN = "***"
LONGEST_REMEMBERED = 500  # characters; the masked form of longer texts is not cached
ROUNDS = 5  # of masking, since the result of one may contain a new match
DEEPEST = 3  # levels of text that is encoded inside text

_PASSWORDS = (  # of lower-case letters and digits, as in all names here; `ñ` is no letter of ASCII
    "passw(?:or)?[dt]|passcode|pwd|passphrase|kennwort|motdepasse|contrase(?:ny?)?a|senha|wachtwoord|parola|heslo|haslo"
)
_SHORT_PASSWORD = re.compile("(?i)(?:^|[-_])(?:pass|mdp|pw|pin|tan|clave)$")  # with its case and marks
_NAME = re.compile(
    "(?:token|(?:" + _PASSWORDS + r")(?:\d|confirm(?:ation)?|repeat)?|userpass|secret(?:answer)?"
    "|(?:api|access|app|auth|licen[cs]e|secret|private|subscription|shared)key|accesskeyid|cardnumber|cv[vc]2?"
    "|signature|credentials?|sess(?:ion)?id|authorization|cookies?"
    "|(?:auth|authorization|mfa|otp|2fa|sms|security|verification)code|pw|saml(?:request|response))$"
    "|^(?:auth|pass|sid|sig|jwt|t?otp|mdp|clave|iban|ssn|[cx]srf|bearer)$"
)
_CODE = re.compile("^(?:user|card|login)?(?:pin|tan|pincode)$")
_ALSO_HARMLESS = ("key", "code")  # they are secret if their value is random, unlike `{"code": 404}`
_NOT_IN_NAMES = re.compile("[^a-z0-9]+")
_OWNERS = re.compile(r"\A.*[.\[](?=[^.\[]*[^.\[\]])", re.DOTALL)  # `user[` of `user[otp]`, `window.` of `window.csrf`
_WORDS = re.compile(
    "(?i:auth|cookie|key|token|secret|signature|credential|pass|pwd|sess|bearer|basic|negotiate|sid|sig|jwt|otp"
    "|kennwort|contrase|senha|wachtwoord|mdp|clave|cardnumber|card_number|cv[vc]|iban|pin|tan|code|[cx]srf"
    "|gh[oprsu]_|github_|glpat-|xox|npm_|pypi-|[rs]k[_-]|akia|asia|aiza)|eyJ"
)
_STILL = (  # excludes masked values, also shortened ones, and the gap in `export TOKEN=…`
    r"(?!\*{1,3}(?:…|[\s&#\"'<>@,;?){}\]\\]|$)|…(?:[\s`]|$))"
)
_UNMASKED = re.compile(_STILL)
_KEY = r"[\w%.\[\]$~-]"
_SCHEME = r"(?i:bearer|basic|digest|negotiate|token|apikey)"
_PAIR = re.compile(rf"(?<!{_KEY})({_KEY}+)=", re.ASCII)  # token=…
_PAIRED = re.compile(rf"{_STILL}((?:{_SCHEME}(?:\s+|%20|\+))?)([^\s&#\"'<>]+)")
_PAIRED_WORD = re.compile(rf"{_STILL}()([^\s&#\"'<>=]+={{0,2}})")
_RANDOM = re.compile(r"()((?=[A-Za-z_.~+-]*\d)(?=[\d_.~+-]*[A-Za-z])[\w.~+-]{16,}={0,2})(?![^\s&#\"'<>])", re.ASCII)
_ENCODED = re.compile(r"(?<![^\s&#\"'<>=?])(?=[^\s&#\"'<>=?%]*+%)[^\s&#\"'<>]++")  # a part of an address, or a form
_LITERAL = "/:,;=?@!$|(){}[]"  # not encoded by some browsers and libraries
_OPENED = r"\s*+(?P<list>\[\s*+)?[bu]?(?:(?P<quote>\\*+[\"'])(?:(?P=quote){2})?|(?P<number>(?=-?\d)))"
_FIELD = re.compile(  # "token": "…", token: "…", token = '…', also escaped inside strings, also shortened
    rf"(?:(?<!\\)(?P<quoted>\\*+[\"'])(?P<name>{_KEY}{{1,200}})(?P=quoted)\]?|(?<!{_KEY})(?P<bare>{_KEY}{{1,200}}))"
    rf"\s*+[:=]{_OPENED}"
)
_NAMED = re.compile(  # "name": "token", …, "value": "…"
    rf"(?<!\\)(?P<quoted>\\*+[\"'])(?i:name|key)(?P=quoted)\s*+:\s*+(?P=quoted)(?P<name>{_KEY}{{1,200}})(?P=quoted)\s*+,"
    r"(?:\s*+(?P=quoted)[^\"'\\]{1,60}(?P=quoted)\s*+:\s*+(?:(?P=quoted)[^\"'\\]{0,100}(?P=quoted)|[\w.-]{1,60})\s*+,)"
    rf"{{0,3}}\s*+(?P=quoted)(?i:value)(?P=quoted)\s*+:{_OPENED}"
)
_QUOTES = {quote: re.compile(rf"(?<!\\)\\*+{quote}") for quote in "\"'"}
_NEXT = re.compile(r"\\*[\"']\s*+,\s*+\\*[\"']")  # of a list
_NUMBER = re.compile(r"-?[\d.]+")
_TAG = re.compile(r"<(\\?/)?([A-Za-z_][\w:.-]{0,199})((?:\s[^<>]*+)?/?)(>|\Z)")
_NAME_OF = re.compile(r"(?i)\s(name|key|id|property|type)\s{0,20}=\s{0,20}[\\\"']{0,20}([^\\\"'\s>]{1,200})")
_VALUE_OF = re.compile(r"(?is)(\s(?:value|content)\s{0,20}=\s{0,20})(?:(\\{0,20}[\"'])(.*?)(?:\2|$)|([^\s\"'>]+))")
_WITHOUT_TEXT = re.compile("a|button|fieldset|form|iframe|img|input|link|map|meta|object|param|select")
_PROSE = r"(?!(?i:at least|cannot|does not|has to|is|may not|must|should|this field|too)\s)"  # password: must be …
_KEYS = "(?:access|api|app|application|consumer|functions|subscription)-?key"
_TOKENS = "(?:auth|access|csrf|xsrf|security|session)-?token"
_HEADER = re.compile(  # Authorization: … to the end of the line, since values may have spaces, quotes and commas
    rf"(?i)(?<![\w$-])((?:[\w-]{{0,100}}-)?(?:authorization|cookie|{_KEYS}|{_TOKENS}|(?:password|secret)(?=\s?:[ \t]*+"
    rf"{_PROSE}))\s?:[ \t]*+){_STILL}(?!\\*+[\"']|</|\$\w+\s*+[,)])(\S[^\r\n]*)"
)
_USER = re.compile(rf"(?i)((?<![a-z0-9+.-])(?:[a-z][a-z0-9+.-]*:)?//){_STILL}[^\s/?#@]*+(?:@[^\s/?#@]*+)*(?=@)")
_UNENCODED_USER = re.compile(  # a password with a slash or the like, not a port
    r"(?i)((?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://)(?!\*)[^\s/?#@:\[]*:(?!\d{0,5}(?:[/?#\s]|$)|\$\{)[^\s@]{0,2000}(?=@)"
)
_TOKEN = re.compile(r"\b((?i:bearer|basic|negotiate)(?:\s+|%20))(?=[\w.~+/=-]*?(?:[0-9=]|[a-z][A-Z]))[\w.~+/=-]{8,}")
_JWT = re.compile(r"(?:(?<![\w-])|(?<=\\[nrt]))()eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?")
_SHAPES = re.compile(  # tokens with a well-known beginning
    r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))()(?:gh[oprsu]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}"
    r"|[rs]k_(?:live|test)_(?=[A-Za-z]*\d)[A-Za-z0-9]{16,}|sk-(?:ant|proj)-[\w-]{20,}|xox[abeprs]-[\w-]{10,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])|AIza[\w-]{35}|npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{16,})",
    re.ASCII,
)
_PRIVATE_KEY = re.compile(  # the content of PEM, also with escaped line breaks, and if it is cut
    r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)(?:(?!-----END)[\w+/=\s:,.\\-])+", re.ASCII
)
_NOTHING, _NUMBERS, _ANYTHING = re.compile("(?!)"), re.compile(r"[\s\d.,:%+-]*"), re.compile("(?s:.*)")
_NO_CODE = re.compile(r"(?!\d{3,12}$)(?s:.*)")
_NOT_RANDOM = re.compile(  # a random text has digits after letters at three places
    r"(?!(?:\d/)?(?=[\w.~+%=-]{16,}\Z)(?:[^A-Za-z]*+(?:[A-Za-z]++[^A-Za-z\d]*+)++\d){3})(?s:.*)", re.ASCII
)


@lru_cache(maxsize=1 << 12)
def _harmless(name: str) -> re.Pattern[str]:
    """Returns which values of this name stay readable; a plural such as `tokens` may be a number, a `pin` a symbol."""
    plain = _plain(name)
    if _NAME.search(plain):
        return _NOTHING
    if _CODE.search(plain):
        return _NO_CODE
    if plain in _ALSO_HARMLESS:
        return _NOT_RANDOM
    if plain.endswith("s") and _NAME.search(plain[:-1]):
        return _NUMBERS
    inner = _OWNERS.sub("", name)
    return _harmless(inner) if inner != name else _ANYTHING


def _plain(name: str) -> str:
    return _NOT_IN_NAMES.sub("", unquote(name).lower())


@lru_cache(maxsize=1 << 12)
def names_a_password(name: str) -> bool:
    """Returns whether a field of this name asks for a password, or for a pin.

    >>> [names_a_password(n) for n in ("user[password_confirmation]", "Mot-de-passe", "contraseña", "db_pass", "spin")]
    [True, True, True, True, False]
    """
    return re.search(_PASSWORDS, _plain(name)) is not None or _SHORT_PASSWORD.search(name) is not None


def names_a_secret(name: str) -> bool:
    """Returns whether a header, parameter or key of this name holds a credential.

    >>> [names_a_secret(n) for n in ("X-Amz-Signature", "user[password]", "user[otp]", "pass%77ord", "max_tokens")]
    [True, True, True, True, False]
    """
    return _harmless(name) is _NOTHING


def hides(name: str, value: str) -> bool:
    """Returns whether a value of this name is a credential."""
    return _harmless(name).fullmatch(value) is None


def mask(text: str) -> str:
    """Returns the text with `***` instead of each credential.

    >>> mask("https://joe:hunter2@shop.example/cart?id=7&token=abc"), mask("Authorization: Bearer abc")
    ('https://***@shop.example/cart?id=7&token=***', 'Authorization: ***')
    """
    return _remembered(text) if len(text) <= LONGEST_REMEMBERED else _masked(text)


def mask_label(text: str) -> str:
    """Returns a label or a message masked, also without random parts of addresses, which may be tokens.

    Random means 20 characters or more that mix digits, small and capital letters, unlike words, UUIDs and digests.

    >>> mask_label("/reset/Zk39XbQ7mLp2RtVw8YcN"), mask_label("/items/507f1f77bcf86cd799439011/GetOrdersV2ByDate")
    ('/reset/***', '/items/507f1f77bcf86cd799439011/GetOrdersV2ByDate')
    """
    return _PART_OF_ADDRESS.sub(lambda match: HIDDEN if _is_mixed(match[0]) else match[0], mask(text))


_PART_OF_ADDRESS = re.compile(r"(?<=[/=])[\w.~%-]{20,}+={0,2}+(?![^\s/?#&:;,\"'<>)\]}])", re.ASCII)


def _is_mixed(text: str) -> bool:
    kinds = [char.isdigit() + 2 * char.isupper() for char in text if char.isalnum()]
    changes = sum(kind != following for kind, following in pairwise(kinds))
    return len({*kinds}) == 3 and changes > 0.45 * len(text)


Note = Callable[[str, str], None]  # receives the name and the value of each credential


def _masked(text: str, note: Note = lambda name, value: None) -> str:
    for _ in range(ROUNDS):
        once = _once(text, note)
        if once == text:
            break
        text = once
    return text


_remembered = lru_cache(maxsize=1 << 13)(_masked)


def _once(text: str, note: Note, depth: int = 0) -> str:
    def hide(match: re.Match[str]) -> str:
        value = match[0].removeprefix(match[1])
        if match[1].endswith("//"):
            note("user of the address", unquote(value.partition(":")[2]))
        else:
            note(match[1].strip(": \t") or "token", scheme[2] if (scheme := _SCHEME_OF.fullmatch(value)) else value)
        return f"{match[1]}{HIDDEN}"

    has_words = _WORDS.search(text) is not None
    if has_words and ":" in text:
        text = _HEADER.sub(hide, text)
    if has_words and ('"' in text or "'" in text):
        text = _masked_fields(_FIELD, _masked_fields(_NAMED, text, note), note)
    if "<" in text and (has_words or text.rfind("<") > text.rfind(">")):
        text = _masked_markup(text, note)
    if "=" in text:
        text = _masked_values(text, note)
    if "@" in text and "//" in text:
        text = _UNENCODED_USER.sub(hide, _USER.sub(hide, text))
    if has_words:
        for pattern in (_JWT, _TOKEN, _SHAPES, _PRIVATE_KEY):
            text = pattern.sub(hide, text)
    if "%" in text and depth < DEEPEST:
        text = _ENCODED.sub(lambda match: _reencoded(match[0], lambda inner: _once(inner, note, depth + 1)), text)
    return text


def _masked_values(text: str, note: Note) -> str:
    """Masks `name=value`; the value of another name may contain such a pair."""
    pieces, at = [], 0
    for match in _PAIR.finditer(text):
        name = match[1][-200:]
        harmless = _harmless(name)
        credential = _PAIRED_WORD if harmless in (_NO_CODE, _NOT_RANDOM) else _PAIRED
        credential = _RANDOM if name.lower() == "key" else credential  # `key=` also sorts and selects
        if match.end() < at or harmless is _ANYTHING:
            continue
        if (value := credential.match(text, match.end())) and (credential is _RANDOM or hides(name, value[2])):
            pieces += [text[at : match.end()], HIDDEN]
            at = value.end()
            note(name, value[2])
            note(name, unquote_plus(value[2]))
    return "".join([*pieces, text[at:]])


def _reencoded(encoded: str, shown: Callable[[str], str]) -> str:
    """Masks text that is percent-encoded; it stays as it is if it contains no credential."""
    inner = unquote_plus(encoded)
    text = shown(inner)
    if inner == encoded:
        return text
    if text == inner:
        return encoded
    text = quote(text, safe="* " + "".join(mark for mark in _LITERAL if mark in encoded), errors="replace")
    return text.replace(" ", "+" if "+" in encoded else "%20")


def _masked_fields(pattern: re.Pattern[str], text: str, note: Note) -> str:
    """Masks the quoted value, or the number, after each key that names a secret."""
    pieces, at, searched = [], 0, 0
    while match := pattern.search(text, searched):
        start = searched = match.end()
        name, quote = match["name"] or match["bare"], match["quote"]
        if _harmless(name) is _ANYTHING or not (quote or match["name"]):
            continue
        while _UNMASKED.match(text, start):
            end = _end(text, start, quote)
            value = text[start:end]
            if not value or not hides(name, value) or (not match["name"] and end - start == 1 and end < len(text)):
                break  # such as "Unexpected token: '<'"
            pieces += [text[at:start], HIDDEN]
            at = searched = end
            for _ in range(len(quote or "").bit_length()):
                value = _unescaped(value)
            note(name, value)
            if not match["list"] or not (more := _NEXT.match(text, end)):
                break
            start = more.end()
    return "".join([*pieces, text[at:]])


def _end(text: str, start: int, quote: str | None) -> int:
    """Returns the end of a value. Each level of JSON in JSON doubles the backslashes before a quote, and adds one."""
    if quote is None:
        return match.end() if (match := _NUMBER.match(text, start)) else start
    for match in _QUOTES[quote[-1]].finditer(text, start):
        if len(match[0]) < len(quote) or len(match[0]) // len(quote) % 2:
            return match.end() - min(len(match[0]), len(quote))
    return len(text)


def _masked_markup(text: str, note: Note) -> str:
    """Masks XML and HTML: the texts in elements that name a secret, or whose attribute or sibling `name` does."""
    pieces, at = [], 0
    secret, inside, depth, named = "", "", 0, ""  # the secret, its element, how often that is open; the sibling's name

    def texts(end: int) -> str:
        content = text[at:end]
        start = len(content) - len(content.lstrip())
        start += 9 if (cdata := content.startswith("<![CDATA[", start)) else 0
        core = content[start:].rstrip()
        core = core.removesuffix("]]>") if core != "]]>" else ""
        if not secret or not core or not _UNMASKED.match(text, at + start):
            return content
        note(secret, core if cdata else html.unescape(core))
        return content[:start] + HIDDEN + content[start + len(core) :]

    for tag in _TAG.finditer(text):
        pieces.append(texts(tag.start()))
        closing, element, attributes, end = tag.groups("")
        kind, single = element.rpartition(":")[2].lower(), attributes.endswith("/")
        attributed = (
            [match for match in _NAME_OF.finditer(attributes) if names_a_secret(match[2])] if "=" in attributes else []
        )
        if attributed or not end:  # the name may be in the part that was cut
            attributes = _masked_attributes(attributes, attributed[0][2] if attributed else "value", note)
        if secret:
            depth += 0 if element != inside or single else -1 if closing else 1
            secret = secret if depth else ""
        elif closing:
            sibling = text[at : tag.start()].strip()[:200] if kind in ("name", "key") else ""
            named = sibling if names_a_secret(sibling) else ""
        else:
            by_name = next((match[2] for match in attributed if match[1].lower() in ("name", "key")), "")
            secret = named or (element if hides(element, "text") else "" if _WITHOUT_TEXT.fullmatch(kind) else by_name)
            inside, depth, named = element, 1, ""
            secret = "" if single else secret
        pieces.append(f"<{closing}{element}{attributes}{end}")
        at = tag.end()
    return "".join([*pieces, texts(len(text))])


def _masked_attributes(attributes: str, name: str, note: Note) -> str:
    def attribute(match: re.Match[str]) -> str:
        value, quote = match[3] or match[4] or "", match[2] or '"'
        if not value or not _UNMASKED.match(value):
            return match[0]
        note(name, html.unescape(value))
        return f"{match[1]}{quote}{HIDDEN}{quote}"

    return _VALUE_OF.sub(attribute, attributes)


def masked(content: Any) -> Any:
    """Returns a document with every text masked, also its keys; keys that become equal get numbers.

    Parts of records become plain data. Their names are toril's own and stay.
    """
    if isinstance(content, str):
        return mask(content)
    if content is None or isinstance(content, (int, float)):
        return content
    if isinstance(content, dict):
        return _with_keys(content, lambda _, value: masked(value))
    if isinstance(content, (list, tuple)):
        return [masked(item) for item in content]
    members = getattr(content, "members", None) or getattr(content, "model_dump", None)
    return {name: masked(value) for name, value in members().items()} if members else content


def masked_settings(content: Any, secret: bool = False) -> Any:
    """Returns a user's settings with credentials masked; keys such as `headers: {Authorization: …}` name them.

    A value that only refers to the environment, such as `${TOKEN}`, stays. `secret`: the content is that of a key that
    names a secret; cookies are a list of mappings with a `value` each.
    """
    if isinstance(content, dict):
        return _with_keys(
            content,
            lambda key, value: masked_settings(value, names_a_secret(key) or (secret and key == "value")),
        )
    if isinstance(content, (list, tuple)):
        return [masked_settings(item, secret) for item in content]
    if not secret:
        return masked(content)
    stays = content is None or isinstance(content, bool) or content == "" or _REFERENCE.fullmatch(str(content))
    return content if stays else HIDDEN


_REFERENCE = re.compile(r"(?:(?i:bearer|basic|token)\s+)?\$\{[^{}]*\}")


def _with_keys(content: dict[Any, Any], value_of: Callable[[str, Any], Any]) -> dict[Any, Any]:
    by_key: dict[Any, Any] = {}
    for key, value in content.items():
        name = wanted = mask(key) if isinstance(key, str) else key
        number = 1
        while name in by_key:
            number += 1
            name = f"{wanted} (#{number})"
        by_key[name] = value_of(str(key), value)
    return by_key


class Hidden(NamedTuple):
    """A value that was masked at its place, such as `header Authorization`. It must be hidden elsewhere, too."""

    place: str
    value: str


_SECRET_HEADER = re.compile(
    r"(?:^|-)(?:auth|[cx]srf|jwt|sid|sig|otp|pass|pin|session)(?:-|$)|(?:^|-)authentication$|-key$", re.IGNORECASE
)
_CREDENTIALS = ("authorization", "proxy-authorization")
_CHALLENGES = ("www-authenticate", "proxy-authenticate", "authentication-info", "proxy-authentication-info")
_SCHEME_OF = re.compile(r"(?i)(bearer|basic|digest|negotiate|ntlm|token|apikey|hawk|oauth|dpop|aws4-[\w-]+)\s+(.+)")
_CHALLENGE = re.compile(
    r"(?i)(\b(?:c?nonce|nextnonce|opaque|rspauth|response)=|^(?:negotiate|ntlm)\s+)(\"[^\"]*\"|[^\s,]+)"
)
_ADDRESSES = (":path", "content-location", "location", "origin", "referer")
_USER_INFO = re.compile(r"^([^/?#]*//)([^/?#]*)@")
_IN_PATH = re.compile(r"(;([^=;/?#]*)=)([^;/?#]*)")
_IN_QUERY = re.compile(r"((?:^|[?&#])([^=&#?]*)=)([^&#]*)")
_IN_FORM = re.compile(r"((?:^|&)([^=&]*)=)([^&]*)")
_FORM = re.compile(r"[^\s=&<>{}\"/:?]{1,200}=[^\s&<>]*(?:&[^\s=&<>]*(?:=[^\s&<>]*)?)*")
_WITH_PARTS = re.compile(r"[=:<%\\]")
_STRING = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)(?:"(\s*:\s*)?|\\?\Z)', re.DOTALL)
_BINARY = re.compile(
    r"^(?:image/(?!svg)|audio/|video/|font/)|zip|octet-stream|pdf|protobuf|grpc|wasm|msgpack|cbor|x-tar"
)
_CHARSET = re.compile(r"charset=\"?((?:utf|iso-8859|latin|windows|koi8|gb|big5|shift|euc|us-ascii)[\w-]*)")
_BOUNDARY = re.compile(r"(?i)boundary=\"?([^\";,\s]{1,200})")
_PART = re.compile(r"(?i)\bname=\"?([^\";\r\n]*)")
_GAP = re.compile(rb"\r?\n\r?\n")


def masked_headers(headers: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[Hidden]]:
    """Returns header fields without credentials, and what was hidden.

    >>> masked_headers([("Authorization", "Bearer abc"), ("Cookie", "a=1; b=2"), ("Accept", "*/*")])[0]
    [('Authorization', 'Bearer ***'), ('Cookie', 'a=***; b=***'), ('Accept', '*/*')]
    """
    shown, hidden = [], list[Hidden]()
    for name, value in headers:
        text, values = _masked_header(name.lower(), value)
        shown.append((name, text))
        hidden += [Hidden(f"header {name}", text) for text in values if text]
    return shown, hidden


def _masked_header(name: str, value: str) -> tuple[str, list[str]]:
    if name in ("cookie", "set-cookie", "set-cookie2"):
        parts = value.split(";")
        cookies = len(parts) if name == "cookie" else 1  # attributes follow
        pairs = [part.partition("=") if "=" in part else ("", "", part) for part in parts[:cookies]]
        text = ";".join([*(f"{key}{equals}{value and HIDDEN}" for key, equals, value in pairs), *parts[cookies:]])
        return text, [part for _, _, word in pairs for part in (word.strip(' "'), unquote(word.strip(' "')))]
    if name in _CREDENTIALS and (match := _SCHEME_OF.fullmatch(value.strip())):
        return f"{match[1]} {HIDDEN}", [match[2], *_password_in(match[1], match[2])]
    if name in _CHALLENGES:
        return _CHALLENGE.sub(rf"\1{HIDDEN}", value), [match[2].strip('"') for match in _CHALLENGE.finditer(value)]
    if value and (names_a_secret(name) or _SECRET_HEADER.search(name)):
        return HIDDEN, [value, unquote(value)]
    if name in _ADDRESSES:
        text, hidden = masked_url(value)
        return text, [secret.value for secret in hidden]
    if mask(value) == value:
        return value, []
    hidden = list[Hidden]()
    return _masked(value, _noting("", hidden)), [secret.value for secret in hidden]


def _password_in(scheme: str, credentials: str) -> Iterator[str]:
    """Returns the password of basic authentication; nothing if it is damaged."""
    if scheme.lower() == "basic":
        try:
            yield codecs.decode(credentials.encode(), "base64").decode().partition(":")[2]
        except ValueError:
            return


def masked_url(url: str) -> tuple[str, list[Hidden]]:
    """Returns an address without credentials, and what was hidden.

    >>> masked_url("https://joe:hunter2@shop.example/cart;jsessionid=9?id=7&token=abc")[0]
    'https://***@shop.example/cart;jsessionid=***?id=7&token=***'
    """
    hidden: list[Hidden] = []
    if match := _USER_INFO.match(url):
        hidden.append(Hidden("user of the address", unquote(match[2].partition(":")[2])))
        url = f"{match[1]}{HIDDEN}@{url[match.end() :]}"
    path, mark, query = url.partition("?") if "?" in url else url.partition("#")
    path = _masked_pairs(_IN_PATH, path, _noting("path", hidden))
    query = _masked_pairs(_IN_QUERY, query, _noting("query", hidden))
    return _masked(path + mark + query, _noting("address", hidden)), hidden


def _noting(where: str, hidden: list[Hidden]) -> Note:
    return lambda name, value: hidden.append(Hidden(f"{where} {unquote_plus(name)}", value))


def _masked_pairs(pattern: re.Pattern[str], text: str, note: Note, depth: int = 0) -> str:
    def pair(match: re.Match[str]) -> str:
        value = unquote_plus(match[3])
        if value and (hides(match[2][-200:], value) or (match[2].lower() == "key" and _RANDOM.fullmatch(value))):
            note(match[2], match[3])
            note(match[2], value)
            return f"{match[1]}{HIDDEN}"
        if depth < DEEPEST and value.lstrip()[:1] in ("{", "[") and _WORDS.search(value):
            return match[1] + _reencoded(match[3], lambda inner: _structured(inner, "", note, depth + 1))
        return match[0]

    return pattern.sub(pair, text)


def masked_body(data: bytes, content_type: str) -> tuple[str | None, list[Hidden]]:
    """Returns the text of a body, or of its beginning, without credentials, and what was hidden; None if it is binary.

    >>> masked_body(b'{"user": "joe", "password": "hunter2"}', "application/json")[0]
    '{"user": "joe", "password": "***"}'
    """
    kind, hidden = content_type.lower(), list[Hidden]()
    if kind.startswith("multipart/") and (boundary := _BOUNDARY.search(content_type)):
        return _masked_parts(data, boundary[1].encode("latin-1", "replace"), hidden), hidden
    text = _text_of(data, kind)
    if text is None:
        return None, hidden
    return _structured(text, kind, _noting("body", hidden)), hidden


def _structured(text: str, kind: str, note: Note, depth: int = 0) -> str:
    """Masks JSON, forms and other text, also where one of them is encoded inside another."""
    if "json" in kind or "event-stream" in kind or text.lstrip()[:1] in ("{", "["):
        text = _masked_json(text, note, depth)
    elif "x-www-form-urlencoded" in kind or _FORM.fullmatch(text):
        text = _masked_pairs(_IN_FORM, text, note, depth)
    return _masked(text, note)


def _text_of(data: bytes, kind: str) -> str | None:
    """Returns the body as text, without an incomplete last character; None if it is binary."""
    charset = _CHARSET.search(kind)
    if _BINARY.search(kind) or (b"\0" in data[:1024] and not charset):
        return None
    try:
        return codecs.getincrementaldecoder(charset[1] if charset else "utf-8")().decode(data)
    except (LookupError, UnicodeError):
        return None


_IDENTIFIER = re.compile("[A-Za-z][a-z]{1,11}(?:(?:[-_:. ]+[A-Za-z]|[A-Z])[a-z]{1,11}){0,4}")


def _masked_json(text: str, note: Note, depth: int) -> str:
    """Masks each value of a key that names a secret in place, also in JSON that is cut, and the text in strings."""
    pieces, at, decoder = [], 0, json.JSONDecoder()
    while match := _STRING.search(text, at):
        start, end = match.span(1)
        key = _unescaped(match[1][:200])
        harmless = _ANYTHING if match[2] is None else _harmless(key)
        if harmless is _ANYTHING or (harmless is _NOT_RANDOM and not text.startswith('"', match.end())):
            string = match[1] if match[2] or depth == DEEPEST else _masked_string(match[1], note, depth)
            pieces += [text[at:start], string, text[end : match.end()]]
            at = match.end()
            continue
        end, inside = match.end(), text.startswith(("{", "["), match.end())
        try:
            value, last = decoder.raw_decode(text, end)
            leaves = [leaf for leaf in _leaves(value) if leaf]
        except (ValueError, RecursionError):  # cut: the rest is its value
            leaves, last = [text[end:].strip('" ')], len(text)
        hidden = any(hides(key, leaf) for leaf in leaves)
        for leaf in leaves if hidden else ():
            if not (inside and _IDENTIFIER.fullmatch(leaf)):  # of a description: {"apiToken": {"kind": "read-only"}}
                note(key, leaf)
        pieces += [text[at:end], f'"{HIDDEN}"' if hidden else text[end:last]]
        at = last
    return "".join([*pieces, text[at:]])


def _masked_string(escaped: str, note: Note, depth: int) -> str:
    if not _WITH_PARTS.search(escaped) or not _WORDS.search(escaped):
        return escaped
    inner = _unescaped(escaped)
    shown = _structured(inner, "", note, depth + 1)
    return escaped if shown == inner else json.dumps(shown, ensure_ascii=escaped.isascii())[1:-1]


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False)) if "\\" in text else text
    except ValueError:
        return text


def _leaves(value: Any) -> Iterator[str]:
    """Returns the texts and numbers in a JSON value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _masked_parts(data: bytes, boundary: bytes, hidden: list[Hidden]) -> str:
    """Returns a multipart body with files as their size."""
    shown = []
    for part in data.split(b"--" + boundary):
        match = _GAP.search(part)
        head, gap, body = (part[: match.start()], match[0], part[match.end() :]) if match else (part, b"", b"")
        text, name = head.decode("utf-8", "replace"), _PART.search(head.decode("utf-8", "replace"))
        inner = body.removesuffix(b"\n").removesuffix(b"\r")
        kind = next((line[13:].strip() for line in text.splitlines() if line.lower().startswith("content-type:")), "")
        if not gap:
            content: str | None = ""
        elif "filename=" in text.lower():
            content = None
        elif name is not None and names_a_secret(name[1]):
            hidden.append(Hidden(f"body {name[1]}", inner.decode("utf-8", "replace")))
            content = HIDDEN
        else:
            content, more = masked_body(inner, kind)
            hidden += more
        content = f"<{len(inner)} bytes of {kind or 'an unknown type'}>" if content is None else content
        shown.append(mask(text) + gap.decode() + content + body[len(inner) :].decode())
    return f"--{boundary.decode('latin-1')}".join(shown)
