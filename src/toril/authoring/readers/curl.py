"""Reads curl command lines, as people paste them from a terminal or a browser."""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from toril.authoring.readers.source import (
    BINARY,
    FORM,
    JSON,
    MULTIPART,
    TOKEN,
    Input,
    Skipped,
    address,
    body,
    raw_file,
    value_of,
)
from toril.authoring.recorded import MOST_ENTRIES, FilePart, Payload, Recorded, RecordedExchange

TOKENS = re.compile(  # of a shell
    r"""(?P<gap>(?:[ \t\r]|[\\`]\r?\n)+)|(?P<end>\n|;|&&?|\|\|?)|(?P<comment>\#[^\n]*)|(?P<redirect>\d?[<>]+&?)
    |(?P<word>(?:\$'(?:[^'\\]|\\.)*'|\$?"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s\\'"`;&|<>]|[$`'"\\&])+)""",
    re.VERBOSE | re.DOTALL,
)
PIECES = re.compile(r"""(\$'(?:[^'\\]|\\.)*'|\$?"(?:[^"\\]|\\.)*"|'[^']*'|\\.)""", re.DOTALL)
ESCAPES = re.compile(r"\\(u[0-9a-fA-F]{1,4}|x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b"}
SHELL_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
WINDOWS = re.compile(r"\^(?:\"|\s*\r?$)", re.MULTILINE)
SHORT = {
    "X": "request", "H": "header", "d": "data", "F": "form", "u": "user", "b": "cookie", "A": "user-agent",
    "e": "referer", "G": "get", "I": "head", "T": "upload-file", "o": "output", "m": "max-time", "x": "proxy",
    "U": "proxy-user", "w": "write-out", "c": "cookie-jar", "E": "cert", "K": "config", "D": "dump-header",
    "C": "continue-at", "P": "ftp-port", "Q": "quote", "r": "range", "t": "telnet-option", "y": "speed-time",
    "Y": "speed-limit", "z": "time-cond", "h": "help",
}  # fmt: skip
DATA = ("data", "data-ascii", "data-binary", "data-raw", "data-urlencode", "json")
USED = {*DATA, "request", "header", "form", "form-string", "user", "cookie", "user-agent", "referer", "upload-file",
        "url", "url-query", "oauth2-bearer"}  # fmt: skip
OTHERS = """cacert capath cert-type ciphers connect-timeout connect-to dns-servers etag-compare etag-save interface
keepalive-time key key-type limit-rate max-filesize max-redirs netrc-file noproxy output-dir pass proto proxy-cacert
proxy-cert proxy-header proxy-key rate request-target resolve retry retry-delay retry-max-time stderr tls-max trace
trace-ascii unix-socket"""
WITH_VALUE = {*USED, *SHORT.values(), *OTHERS.split()} - {"get", "head", "help"}
ADDRESS = re.compile(r"https?://\S|\$\{|localhost\b|[\w-]+(?:\.[\w-]+)+(?:[:/?]|$)|[\w.-]+:\d")


def read_curl(source: str, given: Input) -> Recorded:
    """Returns a request for each address of each command."""
    skipped = Skipped()
    exchanges: list[RecordedExchange] = []
    for words in _commands(source):
        for command in _parsed(words, skipped):
            exchanges += command.exchanges(given, len(exchanges), skipped)
    return Recorded(
        exchanges=tuple(exchanges[:MOST_ENTRIES]), origin=given.name, kind="curl", left_out=skipped.left_out()
    )


def _commands(source: str) -> Iterator[list[str]]:
    """Yields the words behind each `curl`."""
    if WINDOWS.search(source):  # copied for cmd, which escapes by ^ and writes an empty line for a line break
        source = re.sub(r"\^\s*\r?\n(\s*\r?\n)?", lambda found: "\n" if found[1] else " ", source)
        source = re.sub(r"\^(.)", r"\1", source)
    words: list[str] = []
    skips = False
    for found in TOKENS.finditer(f"{source}\n"):
        if found.lastgroup == "end" and words:
            yield from _of_curl(words)
            words = []
        elif found.lastgroup == "redirect":
            skips = True
        elif found.lastgroup == "word":
            if not skips:
                words.append(_unquoted(found[0]))
            skips = False


def _of_curl(words: list[str]) -> Iterator[list[str]]:
    for index, word in enumerate(words[:4]):  # after a prompt, `time` or variables
        if word.rpartition("/")[2] in ("curl", "curl.exe"):
            yield words[index + 1 :]
            return


def _unquoted(word: str) -> str:
    """Returns a word as curl gets it; variables of the shell become references."""

    def piece(found: str) -> str:
        if found.startswith("$'"):
            return ESCAPES.sub(_unescaped, found[2:-1])
        if found.startswith("'"):
            return found[1:-1]
        if found.startswith("\\"):
            return found[1:] if found != "\\\n" else ""
        inner = found.removeprefix("$")
        if inner.startswith('"'):
            return SHELL_VARIABLE.sub(r"${\1\2}", re.sub(r"\\([\"\\$`])|\\\r?\n", r"\1", inner[1:-1]))
        return SHELL_VARIABLE.sub(r"${\1\2}", found)

    return "".join(map(piece, filter(None, PIECES.split(word))))


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] in "ux" and len(code) > 1:
        return chr(int(code[1:], 16))
    return chr(int(code, 8)) if code.isdecimal() and code[0] in "01234567" else ESCAPED.get(code, code)


@dataclass(slots=True, kw_only=True)
class _Command:
    """The options of one command, until `--next`."""

    urls: list[str] = field(default_factory=list)
    options: list[tuple[str, str]] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)

    def exchanges(self, given: Input, before: int, skipped: Skipped) -> Iterator[RecordedExchange]:
        headers = list(self._headers())
        queries, sent = [value for name, value in self.options if name == "url-query"], self._body(given, skipped)
        if "get" in self.flags and sent is not None:
            queries, sent = [sent.text, *queries], None
        if sent is not None and not value_of("content-type", headers):
            headers.append(("Content-Type", sent.type))
        elif sent is not None and not sent.uploads:
            sent = body(sent.data, value_of("content-type", headers))
        method = next((value.upper() for name, value in reversed(self.options) if name == "request"), "")
        if not TOKEN.fullmatch(method):
            uploads = any(name == "upload-file" for name, _ in self.options)
            method = "HEAD" if "head" in self.flags else "PUT" if uploads else "POST" if sent is not None else "GET"
        for number, written in enumerate(self.urls, before + 1):
            url = address(written if re.match(r"https?://|\$\{", written) else f"http://{written}")
            for query in filter(None, queries):
                url += ("&" if "?" in url else "?") + query
            yield RecordedExchange(number=number, method=method, url=url, headers=tuple(headers), body=sent)

    def _headers(self) -> Iterator[tuple[str, str]]:
        names = {"user-agent": "User-Agent", "referer": "Referer"}
        for name, value in self.options:
            if name == "header":
                key, colon, content = value.partition(":")
                if TOKEN.fullmatch(key.strip()) and (content.strip() or not colon):
                    yield key.strip(), content.strip()
            elif name in names:
                yield names[name], value
            elif name == "cookie" and "=" in value:
                yield "Cookie", value
            elif name == "oauth2-bearer":
                yield "Authorization", f"Bearer {value}"
            elif name == "user":
                pair = value if ":" in value else f"{value}:"
                encoded = base64.b64encode(pair.encode("utf-8", "replace")).decode()
                yield "Authorization", f"Basic {'${API_BASIC}' if '${' in pair else encoded}"
            elif name == "json" and not any(
                key == "header" and other.lower().startswith("accept:") for key, other in self.options
            ):
                yield "Accept", JSON

    def _body(self, given: Input, skipped: Skipped) -> Payload | None:
        parts, kind, fields, uploads = [], FORM, [], []
        for name, value in self.options:
            if name == "upload-file":
                return raw_file(value.rpartition("/")[2] or "body.bin", BINARY, given.beside(value))
            if name in DATA:
                kind = JSON if name == "json" else kind
                parts.append(self._data(name, value, given, skipped))
            elif name in ("form", "form-string"):
                key, _, content = value.partition("=")
                file, _, more = (
                    content[1:].partition(";") if name == "form" and content[:1] in ("@", "<") else ("", "", "")
                )
                if not file:
                    fields.append((key, content))
                elif content.startswith("<"):
                    fields.append((key, (given.beside(file) or b"").decode("utf-8", "replace")))
                else:
                    about = dict(re.findall(r"(type|filename)=\"?([^;\"]+)", more))
                    file = file.strip('"')
                    shown = about.get("filename") or file.rpartition("/")[2]
                    part = FilePart(field=key, name=shown, type=about.get("type", ""), data=given.beside(file))
                    uploads.append(part)
        if fields or uploads:
            return Payload(type=MULTIPART, fields=tuple(fields), uploads=tuple(uploads))
        return body(("" if kind == JSON else "&").join(parts).encode("utf-8", "replace"), kind) if parts else None

    def _data(self, name: str, value: str, given: Input, skipped: Skipped) -> str:
        key, mark, content = "", "", value
        if name == "data-urlencode":
            key, mark, content = re.fullmatch(r"([^=@]*)([=@]?)(.*)", value, re.DOTALL).groups()  # type: ignore[union-attr]
            key, content = ("", key) if not mark else (key, content)
        elif name != "data-raw" and value.startswith("@"):
            mark, content = "@", value[1:]
        if mark == "@":
            data = given.beside(content)
            if data is None:
                skipped.add("files of a body", "they are not beside the command", content)
            content = (data or b"").decode("utf-8", "replace")
            if name in ("data", "data-ascii"):
                content = content.replace("\r", "").replace("\n", "")
        if name != "data-urlencode":
            return content
        return (f"{key}=" if key else "") + quote_plus(content, safe="${}")


def _parsed(words: list[str], skipped: Skipped) -> Iterator[_Command]:
    """Yields the commands of one line; `--next` separates them."""
    command, waiting = _Command(), list(reversed(words))
    while waiting:
        word = waiting.pop()
        if word in ("--next", "-:"):
            yield command
            command = _Command()
        elif word.startswith("--") and len(word) > 2:
            _take(command, word[2:], waiting, skipped)
        elif word.startswith("-") and len(word) > 1:
            for index, letter in enumerate(word[1:], 2):
                name = SHORT.get(letter, "")
                if name in WITH_VALUE:
                    waiting += [word[index:]] if word[index:] else []
                    _take(command, name, waiting, skipped)
                    break
                command.flags.add(name)
        elif ADDRESS.match(word):
            command.urls.append(word)
        else:
            skipped.add("words", "they are no addresses", word)
    yield command


def _take(command: _Command, name: str, waiting: list[str], skipped: Skipped) -> None:
    if name not in WITH_VALUE:
        command.flags.add(name)
        return
    value = waiting.pop() if waiting else ""
    if name == "url":
        command.urls.append(value)
    elif name in USED:
        command.options.append((name, value))
    if name in ("cert", "key", "proxy", "config") or (name == "cookie" and "=" not in value):
        skipped.add("options of curl", "toril has nothing like them", f"--{name}")
