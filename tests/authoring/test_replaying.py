"""`--replay` against a service on loopback: one session, in order, as a second observation."""

import json
import socket
from threading import Thread

import pytest

from tests.applications import serving
from tests.authoring import visits
from tests.raw_target import raw_target
from toril.authoring.correlation import Correlation, correlated
from toril.authoring.correlation.rules import RuleReason
from toril.authoring.options import ImportOptions
from toril.authoring.readers import Input, read
from toril.authoring.recorded import Recorded, RecordedExchange
from toril.authoring.replaying import replayed
from toril.errors import OptionError

pytestmark = pytest.mark.live


def test_a_replay_carries_values_keeps_cookies_and_is_a_second_observation():
    with serving("shop") as service:
        recorded = visits.shop(service)
        second = replayed(recorded, correlated(recorded), {})
        assert service.refused == []
    assert [one.status for one in second.exchanges] == [one.status for one in recorded.exchanges]
    assert [one.number for one in second.exchanges] == [one.number for one in recorded.exchanges]
    assert second.exchanges[-1].url != recorded.exchanges[-1].url  # another order
    found = correlated(recorded, second)
    applied = {rule.extract.variable for rule in found.rules if RuleReason.DIFFERS in rule.reasons}
    assert applied == {"csrf", "xsrf_token", "order_id"}
    assert all(rule.applied for rule in found.rules if rule.extract.variable in applied)


ENVIRONMENT = {
    "SHOP": "shop", "SITE_URL": "https://elsewhere", "NPM_TOKEN": "npm-secret", "AWS_ACCESS_KEY_ID": "AKIA",
    "DATABASE_URL": "postgres://ada:swordfish@db.example/shop",
}  # fmt: skip


def sent_by(source):
    with raw_target() as service:
        given = Input(data=source.replace("HOST", service.url).encode(), name="a")
        replayed(read(given, ImportOptions()), Correlation(), ENVIRONMENT)
    return [one.path for one in service.requests]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ('curl "HOST/?a=${SHOP}"', "/?a=shop"),
        ("curl HOST/?a=$SHOP", "/?a=shop"),
        ("curl 'HOST/?a=${SHOP}'", "/?a=${SHOP}"),
        (r"curl HOST/?a=$'\x24{SHOP}'", "/?a=${SHOP}"),
        (r'curl "HOST/?a=\${SHOP}"', "/?a=${SHOP}"),
        (json.dumps({"item": [{"request": "HOST/?a={{shop}}"}]}), "/?a=shop"),
        (json.dumps({"log": {"entries": [{"request": {"method": "GET", "url": "HOST/?a=${SHOP}"}}]}}), "/?a=${SHOP}"),
    ],
)
def test_only_an_author_s_reference_comes_from_the_environment(source, path):
    assert sent_by(source) == [path]


@pytest.mark.parametrize("name", ["NPM_TOKEN", "AWS_ACCESS_KEY_ID", "DATABASE_URL"])
def test_no_address_of_a_replay_has_a_credential_of_the_environment(name):
    with pytest.raises(OptionError) as raised:
        sent_by(f"curl HOST/?a=${name}")
    assert raised.value.code == "unset-reference"


def test_a_host_that_does_not_answer_is_an_error_of_the_user():
    with serving("shop") as service:
        recorded = visits.shop(service)
    with pytest.raises(OptionError) as raised:
        replayed(recorded, correlated(recorded), {})
    assert raised.value.code == "no-answer"


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n", "/"),
        (b"no HTTP\r\n", "/"),
        (b"", "/"),
        (b"", "/with a space"),
    ],
)
def test_an_answer_that_breaks_off_is_an_error_of_the_user(answer, path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        address = f"http://127.0.0.1:{server.getsockname()[1]}{path}"
        Thread(target=_answers_once, args=(server, answer), daemon=True).start()
        exchange = RecordedExchange(number=1, method="GET", url=address, status=200)
        with pytest.raises(OptionError) as raised:
            replayed(Recorded(exchanges=(exchange,), origin="test.har", kind="har"), Correlation(), {})
    assert raised.value.code == "no-answer"


def _answers_once(server, answer):
    try:
        connection, _ = server.accept()
    except OSError:  # no one connects
        return
    with connection:
        connection.recv(1 << 16)
        connection.sendall(answer)
