"""Reads curl command lines, as people paste them from a terminal or a browser."""

import base64
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote_plus

from toril.authoring.readers import source
from toril.authoring.readers.source import Input, Skipped
from toril.authoring.recorded import MOST_ENTRIES, FilePart, Payload, Recorded, RecordedExchange

PIECES = re.compile(  # of the words of a shell
    r"""\$'(?P<escaped>(?:[^'\\]|\\.)*)'|'(?P<raw>[^']*)'|\$?"(?P<quoted>(?:[^"\\]|\\.)*)"
    |(?P<gap>(?:[ \t\r]|[\\`]\r?\n)+)|\\(?P<single>.)|(?P<end>[\n;&|])|(?P<redirect>\d?[<>]+&?)
    |(?P<comment>(?<=\s)\#[^\n]*)|(?P<plain>(?:[^\s\\'"`;|<>$]|\$(?!['"]))+|.)""",
    re.VERBOSE | re.DOTALL,
)
ESCAPES = re.compile(r"\\(u[0-9a-fA-F]{1,4}|x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}
IN_QUOTES = re.compile(r"""\\(["\\$`])|\\\r?\n|\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))""")  # escapes and variables
WINDOWS = re.compile(r"\^(?:\"|[ \t]*\r?$)", re.MULTILINE)
SHORT = {
    "X": "request", "H": "header", "d": "data", "F": "form", "u": "user", "b": "cookie", "A": "user-agent",
    "e": "referer", "G": "get", "I": "head", "T": "upload-file", "o": "output", "m": "max-time", "x": "proxy",
    "U": "proxy-user", "w": "write-out", "c": "cookie-jar", "E": "cert", "K": "config", "D": "dump-header",
    "C": "continue-at", "P": "ftp-port", "Q": "quote", "r": "range", "t": "telnet-option", "y": "speed-time",
    "Y": "speed-limit", "z": "time-cond", "h": "help",
}  # fmt: skip
LONG = (
    "data-ascii", "data-binary", "data-raw", "data-urlencode", "json", "form-string", "url", "url-query",
    "oauth2-bearer", "cacert", "capath", "cert-type", "ciphers", "connect-timeout", "connect-to", "dns-servers",
    "etag-compare", "etag-save", "interface", "keepalive-time", "key", "key-type", "limit-rate", "max-filesize",
    "max-redirs", "netrc-file", "noproxy", "output-dir", "pass", "proto", "proxy-cacert", "proxy-cert",
    "proxy-header", "proxy-key", "rate", "request-target", "resolve", "retry", "retry-delay", "retry-max-time",
    "stderr", "tls-max", "trace", "trace-ascii", "unix-socket",
    "aws-sigv4", "doh-url", "hostpubsha256", "login-options", "proxy-pass", "proxy-tlspassword", "proxy-tlsuser",
    "sasl-authzid", "service-name", "tlspassword", "tlsuser",
)  # fmt: skip
WITH_VALUE = {*SHORT.values(), *LONG} - {"get", "head", "help"}
DATA = ("data", "data-ascii", "data-binary", "data-raw", "data-urlencode", "json")
FOREIGN = ("cert", "key", "proxy", "config")  # options without a counterpart in a suite
OF_FORM = re.compile(  # a field or file of a form
    r"([^=]*)=([@<]?)(?:\"((?:[^\"\\]|\\.)*)\"|(.*?))((?:;\s*(?:type|filename|headers|encoder)=.*)?)", re.DOTALL
)
ADDRESS = re.compile(r"https?://\S|\$\{|localhost\b|[\w-]+(?:\.[\w-]+)+(?:[:/?]|$)|[\w.-]+[:/?]")


def read_curl(source: str, given: Input) -> Recorded:
    """Returns a request for each address of each command."""
    skipped = Skipped()
    exchanges: list[RecordedExchange] = []
    references = {"API_BASIC"}
    for words in _commands(source, references):
        for options in _parsed(words, skipped):
            exchanges += _exchanges(options, given, len(exchanges), skipped)
    return Recorded(
        exchanges=tuple(exchanges[:MOST_ENTRIES]),
        origin=given.name,
        kind="curl",
        left_out=skipped.left_out(),
        references="|".join(sorted(references)),
    )


def _commands(source: str, references: set[str]) -> Iterator[list[str]]:
    """Yields the words behind each `curl`, as curl gets them; variables of the shell become `references`."""
    if WINDOWS.search(source):  # copied for cmd, which escapes by ^ and writes an empty line for a line break
        source = re.sub(r"\^[ \t]*\r?\n([ \t]*\r?\n)?", lambda match: "\n" if match[1] else " ", source)
        source = re.sub(r"\^(.)", r"\1", source)
    words: list[str] = []
    word: str | None = None
    skips = False  # the word behind a redirection
    for match in PIECES.finditer(f"\n{source}\n"):
        kind = match.lastgroup or ""
        if kind in READ:
            word = (word or "") + READ[kind](match[kind])
            if READ[kind] is _expanded:
                references.update(ref[2] or ref[3] for ref in IN_QUOTES.finditer(match[kind]) if ref[2] or ref[3])
            continue
        words += [] if word is None or skips else [word]
        skips = kind == "redirect" or (kind == "gap" and skips and word is None)
        word = None
        if kind == "end":
            calls = (place for place, one in enumerate(words[:4], 1) if one.rpartition("/")[2] in ("curl", "curl.exe"))
            if (start := next(calls, None)) is not None:  # after a prompt, `time` or variables
                yield words[start:]
            words = []


def _expanded(text: str) -> str:
    return IN_QUOTES.sub(lambda name: f"${{{name[2] or name[3]}}}" if name[2] or name[3] else name[1] or "", text)


def _ansi(text: str) -> str:
    return ESCAPES.sub(_unescaped, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "ux" and len(code) > 1:
        return chr(int(code[1:], 16))
    return chr(int(code, 8)) if code[0] in "01234567" else ESCAPED.get(code, code)


READ: dict[str, Callable[[str], str]] = {  # pieces of words
    "escaped": _ansi,
    "raw": str,
    "quoted": _expanded,
    "plain": _expanded,
    "single": str,
}
Options = list[tuple[str, str]]  # names and values; addresses have the name `url`


def _parsed(words: list[str], skipped: Skipped) -> list[Options]:
    """Returns the options of each command of a line; `--next` separates commands."""
    commands: list[Options] = [[]]
    waiting = list(reversed(words))
    while waiting:
        word, names, attached = waiting.pop(), [], ""
        if word in ("--next", "-:"):
            commands.append([])
        elif word.startswith("--"):
            names = [word[2:]]
        elif word.startswith("-"):
            for index, letter in enumerate(word[1:], 2):
                names.append(SHORT.get(letter, ""))
                if names[-1] in WITH_VALUE:
                    attached = word[index:]
                    break
        elif ADDRESS.match(word):
            commands[-1].append(("url", word))
        else:
            skipped.add("words", "they are no addresses")  # without an example, which may be a password
        for name in names:
            value = "" if name not in WITH_VALUE else attached or (waiting.pop() if waiting else "")
            commands[-1].append((name, value))
            if name in FOREIGN or (name == "cookie" and "=" not in value):
                skipped.add("options of curl", "a suite has no such option", f"--{name}")
    return commands


def _exchanges(options: Options, given: Input, before: int, skipped: Skipped) -> Iterator[RecordedExchange]:
    last = dict(options)
    sent = _body(options, given, skipped)
    queries = [value for name, value in options if name == "url-query"]
    if "get" in last and sent is not None:
        queries, sent = [sent.text, *queries], None
    headers = list(_headers(options))
    if sent is not None and not source.value_of("content-type", headers):
        headers.append(("Content-Type", sent.type))
    elif sent is not None and sent.type != source.MULTIPART and not sent.uploads:
        sent = source.body(sent.data, source.value_of("content-type", headers))
    method = "HEAD" if "head" in last else "PUT" if "upload-file" in last else "POST" if sent is not None else "GET"
    method = last.get("request", "") if source.TOKEN.fullmatch(last.get("request", "")) else method
    for name, written in options:
        if name == "url":
            before += 1
            url = source.address(written if re.match(r"https?://|\$\{", written) else f"http://{written}")
            query = "&".join(filter(None, queries))
            url += ("&" if "?" in url else "?") + query if query else ""
            yield RecordedExchange(number=before, method=method.upper(), url=url, headers=tuple(headers), body=sent)


def _headers(options: Options) -> Iterator[tuple[str, str]]:
    for name, value in options:
        key, _, content = value.partition(":")
        if name == "header" and source.TOKEN.fullmatch(key.strip()) and content.strip():
            yield key.strip(), content.strip()
        elif name in ("user-agent", "referer"):
            yield name.title(), value
        elif name == "cookie" and "=" in value:
            yield "Cookie", value
        elif name == "oauth2-bearer":
            yield "Authorization", f"Bearer {value}"
        elif name == "user":
            encoded = base64.b64encode(f"{key}:{content}".encode()).decode()
            yield "Authorization", f"Basic {'${API_BASIC}' if '${' in value else encoded}"
        elif name == "json":
            yield "Accept", source.JSON


def _body(options: Options, given: Input, skipped: Skipped) -> Payload | None:
    parts, fields, uploads = [], [], []
    for name, value in options:
        if name == "upload-file":
            return source.raw_file(value.rpartition("/")[2] or "body.bin", source.BINARY, given.beside(value))
        if name in DATA:
            parts.append(_data(name, value, given, skipped))
        elif name == "form" and (match := OF_FORM.fullmatch(value)):
            key, mark, quoted, plain, more = match.groups()
            content = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            if mark == "@":
                about = dict(re.findall(r"(type|filename)=\"?([^;\"]+)", more))
                shown = about.get("filename") or content.rpartition("/")[2]
                uploads.append(FilePart(field=key, name=shown, type=about.get("type", ""), data=given.beside(content)))
            else:
                fields.append((key, _file(content, given, skipped) if mark else content))
        elif name == "form-string":
            key, _, content = value.partition("=")
            fields.append((key, content))
    if fields or uploads:
        return source.multipart(fields, uploads)
    of_json = any(name == "json" for name, _ in options)
    data = ("" if of_json else "&").join(parts).encode()
    return source.body(data, source.JSON if of_json else source.FORM) if parts else None


def _data(name: str, value: str, given: Input, skipped: Skipped) -> str:
    """Returns the part of a body that one option brings; `@` names a file."""
    key, mark, content = "", "", value
    if name == "data-urlencode" and (match := re.fullmatch(r"([^=@]*)([=@])(.*)", value, re.DOTALL)):
        key, mark, content = match.groups()
    elif name not in ("data-raw", "data-urlencode") and value.startswith("@"):
        mark, content = "@", value[1:]
    if mark == "@":
        content = _file(content, given, skipped)
        if name in ("data", "data-ascii"):
            content = content.replace("\r", "").replace("\n", "")
    if name != "data-urlencode":
        return content
    return (f"{key}=" if key else "") + quote_plus(content, safe="${}")


def _file(name: str, given: Input, skipped: Skipped) -> str:
    data = given.beside(name)
    if data is None:
        skipped.add("files of a body", "they are not beside the command", name)
    return (data or b"").decode("utf-8", "replace")
