"""The hosts of requests to a bucket."""

from typing import Any

import pytest

from tests.refusals import refused
from tests.store.scripted import Answer, refusal, scripted_server
from toril.errors import StoreError
from toril.store.s3 import S3Store
from toril.store.s3_requests import make_client


class Sent(Exception):
    """Raised instead of sending a request."""


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("ENDPOINT_URL", "ENDPOINT_URL_S3", "REGION", "DEFAULT_REGION", "PROFILE"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    monkeypatch.delenv("TORIL_STORE_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return monkeypatch


def host_of(bucket: str = "results") -> str:
    """Returns the URL of a request, without sending it."""
    client, hosts = make_client(bucket), list[str]()

    def note(request: Any, **_: Any) -> None:
        hosts.append(request.url)
        raise Sent

    client.meta.events.register_last("before-send.s3", note)
    with pytest.raises(Sent):
        client.get_object(Bucket=bucket, Key="a")
    return hosts[0]


def test_requests_go_to_the_region_of_the_environment(settings: pytest.MonkeyPatch) -> None:
    assert host_of() == "https://results.s3.amazonaws.com/a"
    settings.setenv("AWS_REGION", "eu-central-1")
    assert host_of() == "https://results.s3.eu-central-1.amazonaws.com/a"


@pytest.mark.parametrize(("region", "fips"), [("us-east-1", ""), ("us-east-1", "-fips"), ("eu-west-1", "")])
def test_the_first_request_goes_to_the_stores_own_region(settings: pytest.MonkeyPatch, region: str, fips: str) -> None:
    settings.setenv("AWS_REGION", "us-west-2")
    settings.setenv("TORIL_STORE_REGION", region)
    settings.setenv("AWS_USE_FIPS_ENDPOINT", "true" if fips else "false")
    assert host_of() == f"https://results.s3{fips}.{region}.amazonaws.com/a"


def test_with_another_endpoint_the_bucket_is_part_of_the_path(settings: pytest.MonkeyPatch) -> None:
    for address in ("http://127.0.0.1:9", "http://localhost:9"):
        settings.setenv("AWS_ENDPOINT_URL", address)
        assert host_of() == f"{address}/results/a"


@pytest.mark.parametrize("region", ["", "us-east-1", "us-west-2", "ca-west-1", "us-gov-west-1"])
def test_with_fips_requests_go_to_fips_hosts(settings: pytest.MonkeyPatch, region: str) -> None:
    settings.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    settings.setenv("AWS_REGION", region) if region else None
    assert f".s3-fips.{region or 'us-east-1'}.amazonaws.com/" in host_of()
    assert f"//s3-fips.{region or 'us-east-1'}.amazonaws.com/" in host_of("with.dots")


@pytest.mark.parametrize(
    ("name", "value"), [("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", "https://s3.us-east-1.amazonaws.com")]
)
def test_with_fips_other_hosts_are_refused(settings: pytest.MonkeyPatch, name: str, value: str) -> None:
    settings.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    settings.setenv(name, value)
    with refused("not-fips", "TORIL_STORE_REGION", error=StoreError):
        S3Store("results", "", make_client("results")).find("a")


def test_a_bucket_of_another_region_is_found(settings: pytest.MonkeyPatch) -> None:
    client = make_client("results")
    hosts: list[str] = []
    with scripted_server() as server:

        def divert(request: Any, **_: Any) -> None:
            hosts.append(request.url)
            request.url = server.url

        client.meta.events.register("before-send.s3", divert)
        moved = refusal(301, "PermanentRedirect", x_amz_bucket_region="eu-west-1")
        server.will_answer(moved, Answer(200, b"data", {"ETag": '"1"'}))
        store = S3Store("results", "", client)
        assert store.find("a") == b"data"
        assert store.find("a") == b"data"
    assert hosts == ["https://results.s3.amazonaws.com/a"] + ["https://results.s3.eu-west-1.amazonaws.com/a"] * 2


def test_missing_credentials_are_an_error(settings: pytest.MonkeyPatch) -> None:
    settings.delenv("AWS_ACCESS_KEY_ID")
    settings.delenv("AWS_SECRET_ACCESS_KEY")
    with refused("no-credentials", "s3://results/a", "AWS_PROFILE", error=StoreError):
        S3Store("results", "", make_client("results")).find("a")


def test_a_missing_profile_is_named(settings: pytest.MonkeyPatch) -> None:
    settings.setenv("AWS_PROFILE", "nobody")
    with refused("invalid-settings", "s3://results", "nobody", error=StoreError):
        make_client("results")
