"""What `toril try` prints of a request and its response."""

from io import StringIO

from rich.console import Console

from toril.records.evidence import Asserted, Content, Exchange
from toril.reports.exchange_text import ExchangePrinter, shown

ORDER = Exchange(
    why="tried",
    execution="shop",
    label="order",
    ok=False,
    rc="500",
    error="no stock",
    method="POST",
    url="http://shop/orders",
    response_us=12_000,
    request_headers=(("Content-Type", "application/json"),),
    request=Content(text='{"a":1}', bytes=7, type="application/json"),
    status=500,
    response=Content(bytes=2048, type="image/png", binary=True),
    asserted=(Asserted(name="body", ok=False, expected="with ok", message="no stock"),),
    variables=(("basket", "17"), ("page", "\x1b[2J")),
)


def test_an_exchange_shows_what_was_sent_received_checked_and_carried():
    (first, again) = shown([ORDER, ORDER])
    assert (first.label, first.head, first.answer) == ("order", "POST http://shop/orders", "500 in 12.0 ms")
    assert first.sent.splitlines() == ["Content-Type: application/json", "", "{", '  "a": 1', "}"]
    assert first.received.strip() == "(2 KiB of image/png)"
    assert (first.error, first.checks) == ("no stock", ((False, "body: with ok"),))
    assert (first.carried, again.carried) == ((("basket", "17"), ("page", "\\x1b[2J")), ())


def test_a_variable_is_printed_when_it_changes():
    file = StringIO()
    printer = ExchangePrinter(Console(file=file, width=100))
    printer.show(ORDER)
    printer.show(ORDER)
    assert file.getvalue().count("basket = 17") == 1


def test_a_cut_body_says_so():
    (one,) = shown([Exchange(why="tried", response=Content(text='{"a', bytes=9000, cut=True))])
    assert one.received.splitlines()[-1] == "… (only the beginning of 8.79 KiB)"
