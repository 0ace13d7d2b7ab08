"""`toril console` refuses options with which others could get in."""

from typing import Any

import pytest

from toril.cli.console import console
from toril.errors import OptionError

ISSUER = {"issuer": "https://issuer.example.com", "client_id": "console"}
PUBLIC: dict[str, Any] = {**ISSUER, "public_address": "https://load.example.com"}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"host": "0.0.0.0"}, "no-issuer"),  # noqa: S104
        ({"host": "::"}, "no-issuer"),
        ({"host": "load.example.com"}, "no-issuer"),
        ({"public_address": "https://load.example.com"}, "no-issuer"),
        ({"issuer": "https://issuer.example.com"}, "no-client-id"),
        ({**ISSUER, "issuer": "http://issuer.example.com"}, "insecure-issuer"),
        ({**ISSUER, "host": "0.0.0.0"}, "bad-public-address"),  # noqa: S104
        ({**ISSUER, "public_address": "http://load.example.com"}, "bad-public-address"),
        ({**ISSUER, "public_address": "https://load.example.com/toril"}, "bad-public-address"),
        ({**PUBLIC, "machines": ["operator=123"]}, "option-value"),
        ({**PUBLIC, "machines": ["operator=acme/environment/load-test"]}, "option-value"),
        ({**PUBLIC, "machines": ["owner=123/ref/refs/heads/main"]}, "option-value"),
        ({**PUBLIC, "groups": ["staff"]}, "option-value"),
        ({**PUBLIC, "groups": ["staff=owner"]}, "option-value"),
    ],
    ids=str,
)
def test_a_console_that_others_can_reach_needs_an_issuer_and_tls(options, code):
    with pytest.raises(OptionError) as caught:
        console(port=0, browser=False, **options)
    assert caught.value.code == code


@pytest.mark.parametrize("key", ["0" * 62, "x" * 64])
def test_a_weak_session_key_is_refused(monkeypatch, key):
    monkeypatch.setenv("TORIL_CONSOLE_SESSION_KEY", key)
    with pytest.raises(OptionError) as caught:
        console(port=0, browser=False, **PUBLIC)
    assert caught.value.code == "bad-session-key"
