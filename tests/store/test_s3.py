"""A bucket that answers late, never, or with an error."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.refusals import refused
from tests.store.scripted import (
    BROKEN,
    CONFLICT,
    DROP,
    MISSING,
    SLOW_DOWN,
    STORED,
    TAKEN,
    Answer,
    Asked,
    Clock,
    Script,
    refusal,
    scripted_server,
)
from toril.errors import ExpiredCredentialsError, StoreError
from toril.store.s3 import MARK, S3Store
from toril.store.s3_requests import make_client

TRANSIENT = [BROKEN, SLOW_DOWN, CONFLICT, DROP, refusal(400, "RequestTimeout"), refusal(503, "Busy"), Answer(429)]
LOST = [BROKEN, DROP]
MARK_HEADER = f"x-amz-meta-{MARK}"
OTHERS = Answer(200, headers={"ETag": '"other"', MARK_HEADER: "another"})
UNMARKED = Answer(200, headers={"ETag": '"other"'})


@pytest.fixture(scope="module")
def server() -> Iterator[Script]:
    with scripted_server() as script:
        yield script


@pytest.fixture(scope="module")
def client(server: Script) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "AKIA",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "NO_PROXY": "127.0.0.1",
        }.items():
            patch.setenv(name, value)
        yield make_client("results")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(client: Any, clock: Clock) -> S3Store:
    return S3Store("results", "", client, clock=clock)


def written_by_the_first(asked: list[Asked]) -> Answer:
    """The answer to HEAD for an object that the first request wrote."""
    return Answer(200, headers={"ETag": '"own"', MARK_HEADER: asked[0].headers[MARK_HEADER]})


@pytest.mark.parametrize("trouble", TRANSIENT, ids=lambda one: f"{one.status}-{one.body[13:30].decode()}")
def test_temporary_errors_are_retried(server: Script, store: S3Store, clock: Clock, trouble: Answer) -> None:
    server.will_answer(trouble, trouble, trouble, Answer(200, b"data", {"ETag": '"1"'}))
    assert store.find("runs/r/plan.json") == b"data"
    assert len(server.asked) == 4
    assert len(clock.slept) == 3
    server.will_answer(trouble, STORED)
    assert store.put_once("runs/r/plan.json", b"data")
    server.will_answer(trouble, STORED)
    store.put("runs/r/plan.json", b"data")
    assert [one.body for one in server.asked] == [b"data"] * 2


def test_an_incomplete_answer_is_requested_again(server: Script, store: S3Store) -> None:
    server.will_answer(Answer(200, b"da", {"Content-Length": "4"}), Answer(200, b"data", {"ETag": '"1"'}))
    assert store.find("runs/r/plan.json") == b"data"


def test_retries_last_a_minute_with_growing_waits(server: Script, store: S3Store, clock: Clock) -> None:
    server.will_answer(SLOW_DOWN)
    with refused("busy", "s3://results/a", "SlowDown", error=StoreError) as caught:
        store.find("a")
    assert f" {clock.at:.0f} s" in str(caught.value)
    assert 45 < clock.at <= 60
    assert clock.slept[0] < 0.5
    assert max(clock.slept) <= 8
    assert 8 < len(server.asked) < 40


def test_an_address_without_any_answer_is_retried_for_a_shorter_time(
    server: Script, store: S3Store, clock: Clock
) -> None:
    server.will_answer(DROP)
    with refused("unreachable", "s3://results/a", server.url, error=StoreError):
        store.find("a")
    assert clock.at <= 15
    server.will_answer(MISSING)
    assert store.find("a") is None
    server.will_answer(DROP)
    before = clock.at
    with refused("unreachable", error=StoreError):
        store.find("a")
    assert clock.at - before > 45


@pytest.mark.parametrize("lost", LOST, ids=["500", "dropped"])
def test_a_write_whose_answer_was_lost_is_recognised_by_its_mark(server: Script, store: S3Store, lost: Answer) -> None:
    server.will_answer(lost, TAKEN, written_by_the_first)
    assert store.put_once("start", b"1")
    assert [one.method for one in server.asked] == ["PUT", "PUT", "HEAD"]
    server.will_answer(lost, TAKEN, written_by_the_first)
    assert store.swap("lease", b"1", None) == '"own"'
    server.will_answer(lost, TAKEN, written_by_the_first)
    assert store.swap("lease", b"1", '"old"') == '"own"'
    assert server.asked[0].headers["If-Match"] == '"old"'


@pytest.mark.parametrize("there", [OTHERS, UNMARKED, Answer(404)], ids=["others", "unmarked", "gone"])
@pytest.mark.parametrize("lost", LOST, ids=["500", "dropped"])
def test_another_writers_value_is_not_mistaken_for_ones_own(
    server: Script, store: S3Store, lost: Answer, there: Answer
) -> None:
    for write in (
        lambda: store.put_once("start", b"1"),
        lambda: store.swap("lease", b"1", None),
        lambda: store.swap("lease", b"1", '"old"'),
    ):
        server.will_answer(lost, TAKEN, there)
        assert not write()


def test_writes_are_conditional(server: Script, store: S3Store) -> None:
    server.will_answer(STORED)
    assert store.put_once("a", b"1")
    assert store.swap("a", b"1", None) == '"new"'
    assert store.swap("a", b"2", '"new"') == '"new"'
    store.put("a", b"3")
    conditions = [(one.headers["If-None-Match"], one.headers["If-Match"]) for one in server.asked]
    assert conditions == [("*", None), ("*", None), (None, '"new"'), (None, None)]


def test_a_deleted_value_is_not_swapped(server: Script, store: S3Store) -> None:
    server.will_answer(MISSING, Answer(404))
    assert store.swap("lease", b"2", '"old"') is None


def test_a_failed_put_once_can_be_repeated(server: Script, store: S3Store) -> None:
    first: list[Asked] = []
    server.will_answer(BROKEN)
    with refused("busy", "InternalError", error=StoreError):
        store.put_once("intervals-000001", b"1")
    first.extend(server.asked)
    for _ in range(2):  # the second try finds its own value, and the third is a new write
        server.will_answer(TAKEN, lambda _: written_by_the_first(first))
        assert store.put_once("intervals-000001", b"1") == (_ == 0)
    server.will_answer(BROKEN)
    with refused("busy", "InternalError", error=StoreError):
        store.put_once("intervals-000002", b"1")
    first[:] = server.asked
    server.will_answer(TAKEN, lambda _: written_by_the_first(first))
    assert not store.put_once("intervals-000002", b"of another content")


def test_a_failed_swap_can_be_repeated_with_another_value(server: Script, store: S3Store) -> None:
    server.will_answer(BROKEN)
    with refused("busy", "InternalError", error=StoreError):
        store.swap("lease", b"renewed at 1", '"old"')
    first = list(server.asked)
    server.will_answer(TAKEN, lambda _: written_by_the_first(first), STORED)
    assert store.swap("lease", b"renewed at 2", '"old"') == '"new"'
    assert server.asked[-1].headers["If-Match"] == '"own"'
    assert server.asked[-1].body == b"renewed at 2"
    server.will_answer(BROKEN)
    with refused("busy", "InternalError", error=StoreError):
        store.swap("lease", b"renewed at 3", '"new"')
    server.will_answer(TAKEN, OTHERS)
    assert store.swap("lease", b"renewed at 4", '"new"') is None


def test_a_missing_permission_is_named_without_retries(server: Script, store: S3Store, clock: Clock) -> None:
    denied = refusal(403, "AccessDenied", "User: arn:aws:sts::1:assumed-role/worker/x is not authorized")
    server.will_answer(denied)
    with refused("access-denied", "s3://results/runs/r/plan.json", "s3:GetObject", "s3:ListBucket", error=StoreError):
        store.find("runs/r/plan.json")
    with refused("access-denied", "s3:PutObject", "assumed-role/worker", error=StoreError):
        store.put("a", b"")
    with refused("access-denied", "s3:ListBucket", error=StoreError):
        list(store.keys("runs/"))
    with refused("access-denied", "s3:GetObject", error=StoreError):
        store.find_many(["a", "b"])
    assert clock.slept == []


@pytest.mark.parametrize(
    ("answer", "code", "names"),
    [
        (refusal(403, "AccessDenied", "not authorized to perform: kms:Decrypt on"), "access-denied", ["kms:Decrypt"]),
        (refusal(404, "NoSuchBucket"), "no-such-bucket", ["--store"]),
        (refusal(403, "InvalidAccessKeyId"), "rejected-credentials", ["InvalidAccessKeyId"]),
        (refusal(403, "RequestTimeTooSkewed"), "clock-skew", []),
        (
            refusal(301, "PermanentRedirect", x_amz_bucket_region="us-east-2"),
            "wrong-region",
            ["AWS_REGION", "us-east-2"],
        ),
        (refusal(501, "NotImplemented"), "refused", ["NotImplemented", "--store"]),
        (refusal(400, "KeyTooLongError", "a\nb" * 500), "refused", ["KeyTooLongError", "a ba b"]),
    ],
)
def test_each_refusal_names_the_place_the_problem_and_the_fix(
    server: Script, store: S3Store, answer: Answer, code: str, names: list[str]
) -> None:
    server.will_answer(answer)
    with refused(code, "s3://results/a: ", *names, error=StoreError):
        store.find("a")


def test_an_archived_file_of_a_worker_is_damaged_and_hides_no_other_one(server: Script, store: S3Store) -> None:
    archived, there = refusal(403, "InvalidObjectState"), Answer(200, b"{}", {"ETag": '"1"'})
    server.will_answer(lambda asked: archived if asked[-1].path.endswith("/a") else there)
    assert store.find_many(["a", "b"], 10) == {"a": b"", "b": b"{}"}


def test_expired_credentials_have_their_own_error(server: Script, store: S3Store) -> None:
    server.will_answer(refusal(400, "ExpiredToken", "The provided token has expired."))
    for use in (lambda: store.find("a"), lambda: store.put_once("a", b""), lambda: list(store.keys("a"))):
        with refused("expired-credentials", error=ExpiredCredentialsError):
            use()


def test_an_object_that_cannot_be_deleted_is_named(server: Script, store: S3Store) -> None:
    listed = b"<ListBucketResult><Contents><Key>runs/r/a</Key></Contents></ListBucketResult>"
    error = b"<Error><Key>runs/r/a</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
    server.will_answer(Answer(200, listed), Answer(200, b"<DeleteResult>" + error + b"</DeleteResult>"))
    with refused("not-deleted", "s3://results/runs/r/a", "AccessDenied", "s3:DeleteObject", error=StoreError):
        store.delete("runs/r/")


def test_objects_with_invalid_keys_are_deleted_but_not_listed(server: Script, store: S3Store) -> None:
    names = ["runs/", "runs/r/../../etc/passwd", "runs/r//a", "runs/r/a", "runs/r/b%0A"]
    contents = "".join(f"<Contents><Key>{name}</Key></Contents>" for name in names)
    listed = f"<ListBucketResult><EncodingType>url</EncodingType>{contents}</ListBucketResult>".encode()
    server.will_answer(Answer(200, listed))
    assert list(store.keys("runs/")) == ["runs/r/a"]
    server.will_answer(Answer(200, listed), Answer(200, b"<DeleteResult/>"))
    store.delete("runs/")
    assert server.asked[1].body.count(b"<Key>") == len(names)


def test_a_listing_reads_all_pages_despite_temporary_errors(server: Script, store: S3Store) -> None:
    def page(key: str, more: str = "") -> Answer:
        following = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{more}</NextContinuationToken>"
        return Answer(200, f"<X><Contents><Key>{key}</Key></Contents>{following if more else ''}</X>".encode())

    server.will_answer(page("a", "t1"), SLOW_DOWN, page("b", "t2"), DROP, page("c"))
    assert list(store.keys("")) == ["a", "b", "c"]
    assert ["t1" in one.path for one in server.asked] == [False, True, True, False, False]


def test_objects_have_a_content_type(server: Script, store: S3Store) -> None:
    server.will_answer(STORED)
    for name in ("report.html", "verdict.json", "report.xml", "bzt.log", "intervals-000001"):
        store.put(f"runs/r.1/{name}", b"")
    assert [one.headers["Content-Type"] for one in server.asked] == [
        "text/html; charset=utf-8",
        "application/json",
        "application/xml",
        "text/plain; charset=utf-8",
        "application/octet-stream",
    ]
