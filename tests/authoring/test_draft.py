"""An imported suite is what a person would write, and `toril plan` accepts it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import yaml

from tests.authoring import recordings
from tests.authoring.suites import SHOP, body, exchange, files_of, form, recorded, requests, suite
from toril.authoring.options import read_limit
from toril.authoring.recorded import Expected, Extract, FilePart, LogRates, Payload
from toril.records.recording import Recording
from toril.suite import read_suite
from toril.suite.executions import FUNCTIONAL

GET = exchange(1, "/", kind="document")


def of_json(number, value, **more):
    return exchange(number, "/items", "POST", body=body(json.dumps(value)), **more)


@pytest.mark.parametrize("recording", [recordings.login, recordings.api])
def test_importing_twice_writes_the_same_bytes(tmp_path, recording):
    assert files_of(tmp_path, recording()) == files_of(tmp_path, recording())


def test_the_page_on_imports_shows_what_is_written(tmp_path):
    page = (Path(__file__).parents[2] / "docs/how-to/import.md").read_text()
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert shown in files_of(tmp_path, recordings.login())["suite.yml"].decode()


def test_every_character_of_a_suite_is_visible(tmp_path):
    hidden = "a\u202eb\u200b\U000e0041c\n\u2066d"
    text = files_of(tmp_path, recorded(exchange(1, "/", "POST", step=hidden, body=body(hidden, "text/plain"))))[
        "suite.yml"
    ]
    assert all(one == "\n" or one.isprintable() for one in text.decode())
    assert requests(yaml.safe_load(text))[0]["body"] == hidden


def test_a_journey_is_of_torils_engine_and_for_bzt_of_jmeters_with_new_cookies_in_each_iteration(tmp_path):
    document = suite(tmp_path, recordings.api())
    token, items, order, read = requests(document)
    assert document["execution"][0]["executor"] == "jmeter"
    assert [one["retrieve-resources"] for one in document["scenarios"].values()] == [False]
    assert document["toril"] == {"executor": "toril", "engine": {"fresh-cookies": True}, "require-values": True}
    assert token["extract-jsonpath"] == {"access_token": "$.access_token"}
    assert items["headers"]["Authorization"] == "Bearer ${access_token}"
    assert order["body"] == {"item": recordings.ITEM, "quantity": 2}
    assert (read["label"], read["url"]) == ("GET /orders/{id}", "/orders/${order_id}")


@pytest.mark.parametrize(("path", "cache"), [("/", False), ("/other", None)])
def test_users_send_each_request_that_the_browser_sent_whatever_a_cache_has(tmp_path, path, cache):
    document = suite(tmp_path, recorded(replace(GET, step="one"), exchange(2, path, kind="document", step="two")))
    assert len(requests(document)) == 2
    assert [one.get("store-cache") for one in document["scenarios"].values()] == [cache]


def test_requests_that_carry_nothing_are_for_bzt_apiritifs(tmp_path):
    document = suite(tmp_path, recorded(GET))
    assert document["execution"][0] == {
        "scenario": "shop",
        "executor": "apiritif",
        "concurrency": 10,
        "ramp-up": "5s",
        "hold-for": "25s",
    }
    assert document["toril"] == {"executor": "toril"}


def test_journeys_may_start_at_a_rate(tmp_path):
    document = suite(tmp_path, recordings.api(), arrivals="20/s")
    assert document["toril"] == {"executor": "toril", "arrivals": "20/s", "require-values": True}
    assert document["execution"][0].keys() == {"scenario", "executor", "ramp-up", "hold-for"}


def test_a_step_is_a_transaction_also_of_one_request_and_pauses_stand_between_steps(tmp_path):
    one = [
        exchange(number, f"/{step}/{number}", step=step, started_s=at_s, took_s=0.1)
        for number, (step, at_s) in enumerate([("find", 0), ("find", 2), ("buy", 6.5), ("read", 7), ("read", 30)])
    ]
    document = suite(tmp_path, recorded(*one))
    first, buy, last = document["scenarios"]["shop"]["requests"]
    assert [one["transaction"] for one in (first, buy, last)] == ["find", "buy", "read"]
    assert [inner.get("think-time") for inner in requests(document)] == [None, "5s", "500ms", None, None]


def test_recordings_without_times_have_inits_think_time(tmp_path):
    assert suite(tmp_path, recorded(GET))["scenarios"]["shop"]["think-time"] == "1s"


def test_one_host_is_the_default_address_and_can_be_replaced(tmp_path):
    files_of(tmp_path, recorded(GET))
    (folder,) = (path for path in (tmp_path / "0/loadtests").iterdir() if path.is_dir())  # beside the schema
    found = read_suite([folder], system={}, against="http://other:8080")
    assert found.common["scenarios"]["shop"]["default-address"] == "http://other:8080"


def test_several_hosts_have_a_variable_each(tmp_path):
    api = exchange(2, "https://api.example.com/items", "POST", headers=(("Origin", SHOP),), body=body("[]"))
    other = exchange(3, "https://www.shop.other.org/", kind="document")
    document = suite(tmp_path, recorded(GET, api, other), hosts=("www.shop.other.org",))
    scenario = document["scenarios"]["shop"]
    assert "default-address" not in scenario
    assert scenario["store-cookie"] is True
    assert [one["url"] for one in requests(document)] == ["${SHOP_URL}/", "${API_URL}/items", "${SHOP_URL_2}/"]
    assert requests(document)[1]["headers"]["Origin"] == "${SHOP_URL}"
    assert document["settings"]["env"]["SHOP_URL_2"] == "https://www.shop.other.org"


@pytest.mark.parametrize(("hosts", "address"), [((), "${BASE_URL}"), (("shop.example.com",), SHOP)])
def test_an_unknown_address_is_a_variable_to_set(tmp_path, hosts, address):
    recording = recorded(exchange(1, "${BASE_URL}/items"), kind="postman")
    document = suite(tmp_path, recording, hosts=hosts, name="shop")
    assert document["scenarios"]["shop"]["default-address"] == "${BASE_URL}"
    assert document["settings"]["env"] == {"BASE_URL": address}


def test_addresses_of_the_hosts_in_bodies_are_variables(tmp_path):
    document = suite(tmp_path, recorded(GET, of_json(2, {"back": f"{SHOP}/in", "other": f"{SHOP}.org/in"})))
    assert requests(document)[1]["body"] == {"back": "${SHOP_URL}/in", "other": f"{SHOP}.org/in"}


def test_headers_of_all_requests_are_the_scenarios(tmp_path):
    kind = (("X-Client", "web"),)
    some = [exchange(number, f"/{word}", headers=kind) for number, word in enumerate("abcd")]
    document = suite(tmp_path, recorded(*some))
    assert document["scenarios"]["shop"]["headers"] == {"X-Client": "web"}
    assert not any("headers" in one for one in requests(document))
    assert "headers" not in suite(tmp_path, recorded(*some, exchange(5, "/other")))["scenarios"]["shop"]


@pytest.mark.parametrize(
    ("sent", "written", "kind"),
    [
        (
            body('{"id": 7, "of": {"lamp": null}}', "application/json; charset=utf-8"),
            {"id": 7, "of": {"lamp": None}},
            "application/json",
        ),
        (body("[1]"), "[1]", "application/json"),
        (body('{"id": 7}', "application/vnd.api+json"), '{"id": 7}', "application/vnd.api+json"),
        (form(("q", "a b"), ("page", "2")), {"q": "a b", "page": "2"}, None),
        (form(("q", "a b"), ("q", "c&d")), "q=a+b&q=c%26d", "application/x-www-form-urlencoded"),
        (form(("q", "a b"), type="multipart/form-data"), {"q": "a b"}, "multipart/form-data"),
        (body("<a/>", "text/xml"), "<a/>", "text/xml"),
    ],
)
def test_bodies_are_mappings_where_engines_send_the_same_bytes(tmp_path, sent, written, kind):
    (found,) = requests(suite(tmp_path, recorded(exchange(1, "/", "POST", body=sent))))
    assert found["body"] == written
    assert found.get("headers", {}).get("Content-Type") == kind


def test_files_of_a_form_and_files_as_bodies_are_in_the_suite(tmp_path):
    parts = Payload(
        type="multipart/form-data",
        fields=(("title", "lamp"),),
        uploads=(FilePart(field="photo", name="../a b.png", type="image/png", data=b"\x89PNG"),),
    )
    whole = Payload(type="application/pdf", uploads=(FilePart(field="", name="terms.json", type="application/pdf"),))
    recording = recorded(exchange(1, "/photos", "POST", body=parts), exchange(2, "/terms", "PUT", body=whole))
    files = files_of(tmp_path, recording)
    first, second = requests(yaml.safe_load(files["suite.yml"]))
    assert first["upload-files"] == [{"param": "photo", "path": "files/a-b.png", "mime-type": "image/png"}]
    assert first["body"] == {"title": "lamp"}
    assert second["upload-files"][0]["param"] == ""
    assert "`files/a-b.png`: an uploaded file" in files["README.md"].decode()
    assert (files["files/a-b.png"], len(files["files/terms.json"])) == (b"\x89PNG", 1024)


def test_a_binary_body_is_a_file_of_the_suite(tmp_path):
    sent = body(b"\xff\x00", "application/x-protobuf")
    files = files_of(tmp_path, recorded(exchange(1, "/", "POST", body=sent)))
    (found,) = requests(yaml.safe_load(files["suite.yml"]))
    assert found["upload-files"] == [{"param": "", "path": "files/body.bin", "mime-type": "application/x-protobuf"}]
    assert files["files/body.bin"] == b"\xff\x00"


def test_a_long_text_that_is_no_document_is_a_file_of_the_suite(tmp_path):
    rows = "".join(f"{number},lamp\n" for number in range(500))
    table, words = exchange(1, "/rows", "PUT", body=body(rows, "text/csv")), body('{"a": [' + "1, " * 500 + "1]}")
    files = files_of(tmp_path, recorded(table, exchange(2, "/items", "POST", body=words)))
    first, second = requests(yaml.safe_load(files["suite.yml"]))
    assert first["upload-files"] == [{"param": "", "path": "files/body.bin", "mime-type": "text/csv"}]
    assert files["files/body.bin"].decode() == rows
    assert "upload-files" not in second


def test_the_pause_before_a_poll_is_not_shorter_than_the_recorded_one(tmp_path):
    polls = [exchange(number, "/job", started_s=number * 0.8, step="Send", kind="fetch") for number in (2, 3, 4)]
    recording = recorded(exchange(1, "/files", "POST", started_s=0.8, step="Send", kind="fetch"), *polls)
    assert requests(suite(tmp_path, recording))[0]["think-time"] == "3s"


def test_statuses_and_the_sources_own_checks_are_asserted(tmp_path):
    own = (Expected(subject="jsonpath", value="$.id"), Expected(subject="body", value="(lamp)"))
    (found,) = requests(suite(tmp_path, recorded(replace(GET, status=201, checks=own))))
    assert found["assert"] == [{"subject": "http-code", "contains": ["201"]}, {"contains": ["(lamp)"], "regexp": False}]
    assert found["assert-jsonpath"] == [{"jsonpath": "$.id"}]


def test_a_functional_suite_checks_the_structure_and_has_no_load(tmp_path):
    document = suite(tmp_path, recorded(of_json(1, {}, response=body('{"id": 7, "name": "lamp"}'))), functional=True)
    assert "toril" not in document
    assert document["settings"]["aggregator"] == FUNCTIONAL
    assert document["execution"] == [{"scenario": "shop", "executor": "apiritif"}]
    assert requests(document)[0]["assert-jsonpath"] == [{"jsonpath": "$.id"}, {"jsonpath": "$.name"}]
    assert "reporting" not in document


def test_extracts_of_the_source_are_written(tmp_path):
    one = replace(GET, extracts=(Extract(variable="pet_id", how="jsonpath", expression="$.id"),))
    first, second = requests(suite(tmp_path, recorded(one, exchange(2, "/pets/${pet_id}"), kind="postman")))
    assert first["extract-jsonpath"] == {"pet_id": "$.id"}
    assert second["url"] == "/pets/${pet_id}"


def test_requests_of_a_step_that_differ_in_ids_read_them_from_a_table(tmp_path):
    some = [exchange(number, f"/items/{17 + number}?q=a", step="look") for number in range(3)]
    files = files_of(tmp_path, recorded(*some, step_of_another := exchange(9, "/items/20?q=a", step="buy")))
    document = yaml.safe_load(files["suite.yml"])
    assert [one["url"] for one in requests(document)] == [
        "/items/${item_id}?q=a",
        urlsplit(step_of_another.url).path + "?q=a",
    ]
    assert document["scenarios"]["shop"]["data-sources"] == ["items.csv"]
    assert files["items.csv"] == b"item_id\n17\n18\n19\n"


def test_tables_share_no_variables(tmp_path):
    def looks(first, step, path):
        return [exchange(first + number, path.format(first + number), step=step) for number in range(3)]

    some = [*looks(1, "a", "/data/{}"), *looks(4, "b", "/data/{}"), *looks(7, "c", "/data/{}/more")]
    files = files_of(tmp_path, recorded(*some))
    names = [data.decode().split()[0] for name, data in files.items() if name.endswith(".csv")]
    assert names == ["data_id", "data_id_2", "data_id_3"]


def test_values_of_a_description_are_a_table(tmp_path):
    recording = recorded(exchange(1, "/pets/${pet_id}", status=None), kind="openapi", variables={"pet_id": "17"})
    assert files_of(tmp_path, recording)["data.csv"] == b"pet_id\n17\n"


def test_limits_follow_the_recording(tmp_path):
    slow = replace(GET, started_s=0.0, took_s=0.6)
    assert suite(tmp_path, recorded(slow))["reporting"][0]["criteria"] == ["p95>2s", "fail>1%"]
    own = (read_limit("p99>3s"), read_limit("throughput<4/s"))
    document = suite(tmp_path, recorded(slow), limits=own)
    assert (document["reporting"][0]["criteria"], document["toril"]["criteria"]) == (["p99>3s"], ["throughput<4/s"])


def test_the_load_is_long_enough_for_two_iterations(tmp_path):
    pauses = [exchange(number, f"/{word}", started_s=11.0 * number, took_s=1.0) for number, word in enumerate("abcde")]
    assert suite(tmp_path, recorded(*pauses))["execution"][0]["hold-for"] == "90s"


def test_a_log_is_a_mix_of_requests_at_its_rates(tmp_path):
    def seen(number, path, count, label, route):
        return exchange(number, path, status=None, step=label, name=label, route=route, count=count)

    items, other = "GET /items/{id}", "other"
    recording = recorded(
        seen(1, "/", 60, "GET /", "/"),
        seen(2, "/items/17", 20, items, "/items/{id}"),
        seen(3, "/items/18", 10, items, "/items/{id}"),
        seen(4, "/help", 5, other, "/help"),
        seen(5, "/terms", 5, other, "/terms"),
        kind="access-log",
        rates={
            "GET /": LogRates(step_s=60, counts=(40, 20)),
            items: LogRates(step_s=60, counts=(10, 20)),
            other: LogRates(step_s=60, counts=(5, 5)),
        },
    )
    files = files_of(tmp_path, recording, length="1m")
    document = yaml.safe_load(files["suite.yml"])
    assert document["execution"] == [{"scenario": one, "executor": "apiritif"} for one in ("home", "items", "other")]
    assert document["toril"]["executor"] == "toril"
    assert document["toril"]["curves"]["items"] == {"csv": {"file": "rates.csv", "count": "items", "speed": "2x"}}
    assert files["rates.csv"].decode().splitlines() == ["time,home,items,other", "0,40,10,5", "60,20,20,5"]
    assert document["scenarios"]["items"]["requests"] == [{"label": items, "url": "/items/${item_id}"}]
    rows = files["items.csv"].decode().split()
    assert (rows[0], rows.count("17"), rows.count("18")) == ("item_id", 20, 10)
    assert [one["url"] for one in document["scenarios"]["other"]["requests"]] == ["/help", "/terms"]


@pytest.mark.parametrize(("redirects", "criteria"), [(0.0, ["rc3??>5%"]), (0.12, ["rc3??>17%"]), (0.97, [])])
def test_more_redirects_than_in_the_log_are_a_breach(tmp_path, redirects, criteria):
    """A load without sessions may be led from each page to the log-in."""
    rates = {"GET /": LogRates(step_s=1, counts=(1,) * 100)}
    log = recorded(exchange(1, "/", step="GET /"), kind="access-log", rates=rates, redirects=redirects)
    document = yaml.safe_load(files_of(tmp_path, log)["suite.yml"])
    assert document["scenarios"]["home"]["follow-redirects"] is False
    (reporting,) = document["reporting"]
    assert [str(one) for one in reporting["criteria"] if "rc3" in str(one)] == criteria


def test_a_log_may_be_of_minutes_or_months(tmp_path):
    for step_s in (1, 86_400):
        rates = {"GET /": LogRates(step_s=step_s, counts=(1,) * 100)}
        log = recorded(exchange(1, "/", step="GET /"), kind="access-log", rates=rates)
        assert "rates.csv" in files_of(tmp_path, log)


def test_a_description_gives_the_suite_its_name(tmp_path):
    titled = recorded(GET, kind="openapi", title="Pet Store – OpenAPI 3.1")
    assert list(suite(tmp_path, titled)["scenarios"]) == ["pet-store-openapi-3-1"]
    assert list(suite(tmp_path, titled, name="pets")["scenarios"]) == ["pets"]


def test_the_address_to_return_to_is_that_of_the_host(tmp_path):
    login = exchange(1, f"/login?redirect_uri={quote(SHOP, safe='')}%2Fback&next={quote(SHOP, safe='')}.evil.example")
    assert requests(suite(tmp_path, recorded(login)))[0]["url"] == (
        "/login?redirect_uri=${SHOP_URL}%2Fback&next=https%3A%2F%2Fshop.example.com.evil.example"
    )


def test_the_record_of_a_recording_has_shapes_and_no_values(tmp_path):
    files = files_of(tmp_path, recordings.api())
    found = Recording.from_json(files["recording.json"], "recording.json")
    assert [(one.label, one.status, one.needs, one.gives) for one in found.steps] == [
        ("POST /token", 200, (), ("access_token",)),
        ("GET /items", 200, ("access_token",), ()),
        ("POST /orders", 201, ("access_token",), ("order_id",)),
        ("GET /orders/{id}", 200, ("order_id", "access_token"), ()),
    ]
    assert found.steps[1].shape and found.steps[1].shape.json_paths
    assert recordings.ITEM not in files["recording.json"].decode()
    assert "recording.json" not in files_of(tmp_path, recorded(replace(GET, status=None)))


def test_the_readme_names_what_to_set_and_what_was_left_out(tmp_path):
    noisy = replace(
        recordings.api(), exchanges=(*recordings.api().exchanges, exchange(9, f"{recordings.API}/a.js", kind="script"))
    )
    text = files_of(tmp_path, noisy)["README.md"].decode()
    assert "export API_PASSWORD=…" in text
    assert "static files" in text
    assert "| 1 | `access_token` |" in text


def test_a_har_without_sensitive_data_is_noted(tmp_path):
    complete = recordings.login()
    sanitised = replace(
        complete,
        exchanges=tuple(
            replace(one, headers=(), hops=(), response_headers=(("Content-Type", "text/html"),))
            for one in complete.exchanges
        ),
    )
    note = "export the HAR with sensitive data"
    assert note in files_of(tmp_path / "1", sanitised)["README.md"].decode()
    assert note not in files_of(tmp_path / "2", complete)["README.md"].decode()


def test_a_line_of_a_body_that_looks_like_a_setting_gets_no_comment(tmp_path):
    text = "default-address: http://a/\nthink-time: 5s\n"
    sent = exchange(1, "/", "POST", body=body(text, "text/yaml"))
    other = exchange(2, "https://api.shop.example.com/", kind="document")
    assert requests(suite(tmp_path, recorded(sent, other)))[0]["body"] == text
