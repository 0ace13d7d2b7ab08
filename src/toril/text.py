"""Texts and numbers for reports: shortens long texts, suggests spellings, and formats numbers with units.

Only this module formats µs, bytes and shares.
"""

import difflib
import hashlib
import math
import struct
import unicodedata
from collections.abc import Callable, Iterable

from toril.secrets.masking import mask

MINUS = "−"
MOST_COMPARED = 1_000  # known words; each comparison takes half a millisecond
MOST_LETTERS = 60  # of a compared word
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # controls, bidirectional overrides, lone surrogates, unassigned
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # invisible letters and marks
MOST_MARKS = 4  # combining marks on one character; more would cover other lines


def close_matches(word: object, known: Iterable[str], *, most: int = 3, cutoff: float = 0.6) -> list[str]:
    """Returns the known words that resemble the word, ignoring case; most similar first.

    >>> close_matches("concurency", ["concurrency", "Currency", "hold-for"])
    ['concurrency', 'Currency']
    """
    written = str(word)[:MOST_LETTERS].casefold()
    names: dict[str, list[str]] = {}
    for name in sorted(known):
        names.setdefault(name.casefold(), []).append(name)
    compared = list(names) if len(names) <= MOST_COMPARED else [name for name in names if name[:1] == written[:1]]
    matches = difflib.get_close_matches(written, compared[:MOST_COMPARED], n=most, cutoff=cutoff)
    return [name for match in matches for name in names[match]][:most]


def nearest(word: object, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Returns the known word that the user probably meant; None if no word resembles it.

    >>> nearest("Througput", ["throughput", "hold-for"]), nearest("x", ["throughput"])
    ('throughput', None)
    """
    return next(iter(close_matches(word, known, most=1, cutoff=cutoff)), None)


def suggestion(word: object, known: Iterable[str]) -> str:
    """Returns a sentence that corrects an unknown word: the nearest known word, or the first ten of them.

    >>> suggestion("Througput", ["throughput", "hold-for"]), suggestion("x", ["throughput", "hold-for"])
    ('Did you mean `throughput`?', 'Known names: hold-for, throughput.')
    """
    names = sorted(known)
    if meant := nearest(word, names):
        return f"Did you mean `{meant}`?"
    return f"Known names: {', '.join(names[:10])}{', …' if len(names) > 10 else '.'}"


def one_line(text: object, longest: int) -> str:
    """Returns a text as one line of at most `longest` characters.

    >>> one_line(" a long\\n  name ", 20)
    'a long name'
    """
    return shortened(" ".join(str(text).split()), longest)


def plain(text: object, longest: int = 300) -> str:
    """Returns an untrusted string in a harmless form: escapes invisible characters and masks credentials.

    A longer text loses its middle, as in `shortened`.

    >>> plain("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    short = shortened(mask(str(text)), longest)
    if short.isascii() and short.isprintable():
        return short
    shown, marks = [], 0
    for character in short:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if character in "\t\n\r":
            shown.append(" ")
        elif category in HIDDEN or character in BLANK or marks > MOST_MARKS:
            shown.append(character.encode("unicode_escape", "backslashreplace").decode("ascii"))
        else:
            shown.append(character)
    return "".join(shown)


def visible(text: str) -> str:
    """Returns a text of several lines for a terminal, with JSON's escapes of its invisible characters.

    >>> visible("a\\x1b[31mb\\n")
    'a\\\\u001b[31mb\\n'
    """
    return "".join(one if one in "\t\n" or unicodedata.category(one) not in HIDDEN else escaped(one) for one in text)


def escaped(text: str) -> str:
    """Returns each UTF-16 unit of a text as `\\uXXXX`, which JSON, JavaScript, Java and Scala read."""
    units = struct.iter_unpack(">H", text.encode("utf-16-be", "surrogatepass"))
    return "".join(f"\\u{unit:04x}" for (unit,) in units)


def shortened(text: str, longest: int) -> str:
    """Returns a text of at most `longest` characters: its beginning, a checksum of the whole text, and its end.

    Different texts stay different.

    >>> shortened("abc" * 20, 20), shortened("abc" * 20 + "!", 20)
    ('abcabcab…ca22c3…cabc', 'abcabcab…c4bd93…abc!')
    """
    if len(text) <= longest:
        return text
    checksum = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
    room = max(2, longest - len(checksum) - 2)
    return f"{text[: room - room // 3]}…{checksum}…{text[len(text) - room // 3 :]}"


def time(value_us: float | None, resolution_us: float = 1) -> str:
    """Returns a response time with three digits, but no finer than the resolution of the record.

    >>> [time(v) for v in (None, 87, 4210, 41_234, 412_345, 1_204_000, 12_340_000)]
    ['–', '0.087 ms', '4.21 ms', '41.2 ms', '412 ms', '1,204 ms', '12.3 s']
    >>> [time(v) for v in (99_960, 9_996, 999.6)]
    ['100 ms', '10.0 ms', '1.00 ms']
    >>> [time(v, 1000) for v in (400, 4000, 41_000)]
    ['< 1 ms', '4 ms', '41 ms']
    """
    if value_us is None:
        return "–"
    if value_us == 0 and resolution_us <= 1:
        return "0 ms"
    if value_us < 0:
        return MINUS + time(-value_us, resolution_us)
    if 0 <= value_us < resolution_us and resolution_us > 1:
        return f"< {number(resolution_us / 1000)} ms"
    value_ms = value_us / 1000
    if value_ms >= 10_000:
        return f"{value_ms / 1000:,.1f} s"
    if value_ms >= 99.95 or resolution_us >= 1000:
        digits = 0
    else:
        digits = 1 if value_ms >= 9.995 else 2 if value_ms >= 0.9995 else 3
    return f"{value_ms:,.{digits}f} ms"


def number(value: float) -> str:
    """Returns a count or rate with significant digits only; a value above 0 is never shown as 0.

    >>> [number(v) for v in (3, 1234567, 0.5, 41.25, 3412.7)]
    ['3', '1,234,567', '0.5', '41.2', '3,413']
    >>> [number(v) for v in (5.001, 9.996, 99.96, 0.0167, 0.001, 0.00004)]
    ['5', '10', '100', '0.017', '0.001', '< 0.001']
    """
    if float(value).is_integer():
        return f"{int(value):,}"
    if 0 < value < 0.001:
        return "< 0.001"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    shown = f"{value:,.{digits}f}"
    return shown.rstrip("0").rstrip(".") if digits else shown


def share(part: float, whole: float) -> str:
    """Returns a part in per cent; a value above 0 is never shown as 0.

    >>> [share(p, 1000) for p in (0, 4, 1000, 0.001, 999.99)]
    ['0 %', '0.4 %', '100 %', '< 0.01 %', '> 99.99 %']
    """
    return percent(100 * part / whole) if whole else "–"


def percent(value: float) -> str:
    """Returns at most two digits after the point; 0 and 100 appear only if exact."""
    if 0 < value < 0.01:
        return "< 0.01 %"
    if 99.995 <= value < 100:
        return "> 99.99 %"
    return f"{value:,.2f}".rstrip("0").rstrip(".") + " %"


def size(value: float) -> str:
    """Returns a number of bytes with its unit.

    >>> [size(v) for v in (12, 2048, 3_500_000)]
    ['12 B', '2 KiB', '3.34 MiB']
    """
    units = ["GiB", "MiB", "KiB", "B"]
    while abs(value) >= 1024 and len(units) > 1:
        value /= 1024
        units.pop()
    return f"{number(round(value, 2))} {units[-1]}"


def span(seconds: float) -> str:
    """Returns a planned or elapsed time.

    >>> [span(s) for s in (0.04, 0.4, 30, 95, 3600, 7260)]
    ['0.04 s', '0.4 s', '30 s', '1 min 35 s', '1 h', '2 h 1 min']
    """
    if seconds < 60:
        return f"{number(round(seconds, 1) if seconds >= 0.1 else seconds)} s"
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (rest_s if not hours else 0, "s"))
    return " ".join(f"{value} {unit}" for value, unit in parts if value)


def age(seconds: float) -> str:
    """Returns how long ago something was, in one unit.

    >>> age(30), age(3_700), age(12 * 86_400 + 5)
    ('just now', '1 hour ago', '12 days ago')
    """
    for length_s, noun in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= length_s:
            return f"{plural(int(seconds // length_s), noun)} ago"
    return "just now"


def quantity(value: float | None, unit: str, resolution_us: float = 1) -> str:
    """Returns an observed value or limit in the unit of its criterion."""
    if value is None:
        return "–"
    if math.isinf(value):
        return "∞"
    if unit == "us":
        return time(value, resolution_us)
    if unit == "%":
        return percent(value)
    if unit == "share":
        return percent(100 * value)
    if unit == "bytes":
        return size(value)
    if unit == "s":
        return span(value)
    if unit == "usd":
        return dollars(value)
    return f"{number(value)}{unit}" if unit.startswith("/") else f"{number(value)} {unit}".strip()


def limit(value: float | None, unit: str) -> str:
    """Returns a limit in the unit of its criterion, with all its digits.

    >>> [limit(v, "us") for v in (250_000, 10_000, 1_500_000, 500)], limit(450, "/s"), limit(None, "us")
    (['250 ms', '10 ms', '1.5 s', '0.5 ms'], '450/s', '–')
    >>> limit(0.005, "%"), limit(99.999, "%")
    ('0.005 %', '99.999 %')
    """
    if value is None:
        return "–"
    if unit == "us":
        return exact(value / 1e6, "s") if abs(value) >= 1e6 else exact(value / 1000, "ms")
    if unit == "usd":
        return f"${exact(value)}"
    return quantity(value, unit) if unit in ("bytes", "s") else exact(value, unit)


def observed(value: float, threshold: float, unit: str, resolution_us: float = 1) -> str:
    """Returns an observed value in the unit of its criterion, with enough digits to differ from another limit.

    >>> observed(412_345, 300_000, "us"), observed(250_300, 250_000, "us"), observed(250_000, 250_000, "us")
    ('412 ms', '250.3 ms', '250 ms')
    """
    shown = quantity(value, unit, resolution_us)
    if value != threshold and shown in (limit(threshold, unit), quantity(threshold, unit)):
        return limit(value, unit)
    return shown


def exact(value: float, unit: str = "") -> str:
    """Returns a value from a user with all its digits.

    >>> [exact(450, "/s"), exact(1234.5678), exact(95, "s"), exact(12_345_678_901)]
    ['450/s', '1,234.5678', '95 s', '12,345,678,901']
    """
    digits = f"{int(value):,}" if float(value).is_integer() else f"{value:,.10g}"
    return f"{digits}{unit}" if unit.startswith("/") else f"{digits} {unit}".strip()


def interval(ends: tuple[float | None, float | None], value: str, in_words: Callable[[float | None], str]) -> str:
    """Returns a 95 % interval without the unit of its value; None is an unbounded end.

    >>> interval((36_900, None), "41.2 ms", time), interval((9_900_000, 11e6), "10.1 s", time)
    ('36.9 … ∞', '9,900 ms … 11.0 s')
    """
    if ends == (None, None):
        return "too few"
    unit = " " + value.rpartition(" ")[2] if " " in value else "/" + value.partition("/")[2]
    low, high = (in_words(end) for end in ends)
    words = ("0" if ends[0] is None else low, "∞" if ends[1] is None else high)
    if not all(word in "0∞" or word.endswith(unit) for word in words):
        return " … ".join(words)
    return " … ".join(word.removesuffix(unit).replace("< ", "<") for word in words)


def difference(value: float | None, unit: str, resolution_us: float = 1) -> str:
    """Returns a signed difference; shares differ in points, times at the resolution of the record.

    >>> [difference(v, "us") for v in (3200, -41_234, 0, None)]
    ['+3.20 ms', '−41.2 ms', '±0', '–']
    >>> [difference(0.5, "%"), difference(-1, "%"), difference(-12, "/s")]
    ['+0.5 points', '−1 point', '−12/s']
    >>> [difference(v, "us", 1000) for v in (-13_240, 400)]
    ['−13 ms', '< +1 ms']
    >>> difference(-0.004, "%")
    '> −0.01 points'
    """
    if value is None:
        return "–"
    if value == 0:
        return "±0"
    shown = time(abs(value), resolution_us) if unit == "us" else quantity(abs(value), unit)
    if unit == "%":
        shown = shown.replace(" %", " point" if shown == "1 %" else " points")
    return _signed(value, shown)


def signed_percent(value: float) -> str:
    """Returns a relative change; a change is never shown as 0.

    >>> [signed_percent(v) for v in (12.34, -0.04, 0, 0.001, 1234.5)]
    ['+12.3 %', '−0.04 %', '±0 %', '< +0.01 %', '+1,234 %']
    """
    shown = abs(value)
    if shown >= 0.01:
        shown = round(shown, 0 if shown >= 100 else 1 if shown >= 1 else 2)
    return _signed(value, percent(shown))


def change(value: float | None, unit: str) -> str:
    """Returns a relative change of a figure in this unit; shares differ in points.

    >>> change(0.041, "us"), change(-0.012, "share"), change(None, "us")
    ('+4.1 %', '−1.2 points', '–')
    """
    if value is None:
        return "–"
    return difference(100 * value, "%") if unit == "share" else signed_percent(100 * value)


def extent(value: float | None, unit: str) -> str:
    """Returns a change as `change` does, but without a plus sign.

    >>> extent(0.041, "us"), extent(-0.012, "us"), extent(0, "share")
    ('4.1 %', '−1.2 %', '0 points')
    """
    return "0 points" if value == 0 and unit == "share" else change(value, unit).translate(str.maketrans("", "", "+±"))


def _signed(value: float, shown: str) -> str:
    """Returns the absolute value's text with the sign of the value; a bound such as `< 1 ms` stays a bound."""
    if value < 0:
        shown = shown.translate({ord("<"): ">", ord(">"): "<"})
    sign = "+" if value > 0 else MINUS if value < 0 else "±"
    return f"{shown[:2]}{sign}{shown[2:]}" if shown[:1] in "<>" else sign + shown


def figure(metric: str, label: str, location: str = "") -> str:
    """Returns the name of a figure.

    >>> figure("p95", "checkout"), figure("failures", "", "eu-west-1")
    ('p95 of checkout', 'failures of all requests at eu-west-1')
    """
    return f"{plain(metric)} of {plain(label) or 'all requests'}{f' at {plain(location)}' if location else ''}"


def sentence(words: str) -> str:
    """Returns the words with a capital first letter; names such as `p95` stay as they are.

    >>> sentence("late sends, p99"), sentence("p95"), sentence("95 % interval")
    ('Late sends, p99', 'p95', '95 % interval')
    """
    return words if words[1:2].isdigit() else words[:1].upper() + words[1:]


def dollars(usd: float | None) -> str:
    """Returns an amount in US dollars, with two or three decimals; an amount above 0 is never shown as 0.

    >>> [dollars(v) for v in (None, 0, 0.0001, 0.0412, 1234.5)]
    ['–', '$0.000', '<$0.001', '$0.041', '$1,234.50']
    """
    if usd is None:
        return "–"
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.3f}" if usd >= 0.0005 or usd == 0 else "<$0.001"


def error(code: str, message: str) -> str:
    """Returns an error in one line, without repeating a response code that its message begins with.

    >>> error("500", "500 Internal Server Error"), error("200", "no basket"), error("", "ConnectionRefusedError")
    ('500 Internal Server Error', '200 no basket', 'ConnectionRefusedError')
    """
    return message if message.startswith(code) else f"{code} {message}".strip()


def plural(count: int, noun: str) -> str:
    """Returns a count with its noun.

    >>> [plural(1, "worker"), plural(2, "worker"), plural(0, "criterion")]
    ['1 worker', '2 workers', '0 criteria']
    """
    many = noun.removesuffix("criterion") + "criteria" if noun.endswith("criterion") else noun + "s"
    return f"{number(count)} {noun if count == 1 else many}"
