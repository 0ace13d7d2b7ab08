"""The editor of suites without a browser: form and YAML, checks, versions, files, and hostile input."""

import hashlib
import io
import json
import os
import re
import zipfile

import pytest

from tests.console import served
from tests.console.editing import Bucket, Console, console, fields
from tests.console.served import parsed
from tests.launchers.stage import deployment
from toril.authoring.form import FormExecution
from toril.console.planned import in_words
from toril.desk.starting import StartEstimate
from toril.errors import InfrastructureError
from toril.launchers.findings import Finding
from toril.records.agent import Announcement, RunningShare, announcement_key
from toril.records.schedule import SuiteSchedule
from toril.runs import suites

ADDRESS = "https://shop.example.com/search?q=lamp"


def first(one, **changes):
    """The fields of a new suite, as the page has them, with what a person types."""
    typed = {
        f"executions.0.{name}" if name in FormExecution.model_fields else name: own for name, own in changes.items()
    }
    return fields(one.client().get("/suites/new").text) | {"executions.0.address": ADDRESS} | typed


def made(one, name="shop"):
    answer = one.client().post("/suites/new", data=first(one, name=name, do="save"))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/suites/{name}")


def text_of(one, name="shop", number=None):
    return suites.read(one.store, name, number)[1]["suite.yml"].decode()


def test_an_address_is_enough_for_a_run(tmp_path):
    one = console(tmp_path)
    answer = one.client().post("/suites/new", data=first(one, do="start"))
    (request,) = one.starter.requests
    assert (request.suite, request.version, request.by, request.on) == ("shop", 1, "Ada", "local")
    assert answer.headers["location"] == f"/runs/{request.run_id}"
    assert "- /search?q=lamp" in text_of(one)
    assert "default-address: https://shop.example.com " in text_of(one)


def test_a_try_saves_first(tmp_path):
    one = console(tmp_path)
    one.client().post("/suites/new", data=first(one, do="try"))
    assert [(request.version, request.tried) for request in one.starter.requests] == [(1, True)]
    edited = fields(one.client().get("/suites/shop/edit").text)
    one.client().post("/suites/shop/edit", data=edited | {"do": "try"})
    assert one.starter.requests[1].version == 1  # nothing changed, so there is no second version


def test_form_and_yaml_are_the_same_suite(tmp_path):
    one = console(tmp_path)
    form = first(
        one, **{"executions.0.load": "rate", "executions.0.rate": "80", "tags": "team=shop", "criteria.0.label": "a: b"}
    )
    yaml = fields(one.client().post("/suites/new", data=form | {"do": "yaml"}).text)
    assert yaml["view"] == "yaml"
    again = fields(one.client().post("/suites/new", data=yaml | {"do": "form"}).text)
    there = fields(one.client().post("/suites/new", data=again | {"do": "yaml"}).text)
    assert there["text"] == yaml["text"]
    assert (again["executions.0.rate"], again["tags"], again["criteria.0.label"]) == ("80", "team=shop\n", "a: b")


def test_what_the_form_cannot_show_survives_its_edit_and_a_lost_comment_is_named(tmp_path):
    one = console(tmp_path)
    made(one)
    yaml = fields(one.client().get("/suites/shop/edit?view=yaml").text)
    kept = yaml | {"text": yaml["text"] + "\nmodules: {locust: {x: 1}}\n"}
    form = fields(one.client().post("/suites/shop/edit", data=kept | {"do": "form"}).text)
    assert form["view"] == "form"
    one.client().post("/suites/shop/edit", data=form | {"executions.0.users": "7", "do": "save"})
    assert "concurrency: 7" in text_of(one)
    assert "locust:\n    x: 1" in text_of(one)
    lost = yaml | {"text": yaml["text"] + "\n# mine\n", "do": "form"}
    page = one.client().post("/suites/shop/edit", data=lost)
    (notice,) = parsed(page.content).xpath("//*[contains(@class, 'banner')][not(@hidden)]")
    assert (fields(page.text)["view"], "# mine" in notice.text_content()) == ("form", True)


def test_rows_are_added_and_removed_without_losing_the_others(tmp_path):
    one = console(tmp_path)
    more = fields(one.client().post("/suites/new", data=first(one, do="add:criteria")).text)
    assert {"criteria.0.threshold", "criteria.1.threshold", "criteria.2.threshold"} < set(more)
    fewer = fields(one.client().post("/suites/new", data=more | {"do": "remove:criteria.0"}).text)
    assert (fewer["criteria.0.threshold"], fewer["criteria.0.unit"], fewer["criteria.1.threshold"]) == ("1", "%", "")
    assert fewer["executions.0.steps.0.url"] == "/search?q=lamp"


@pytest.mark.parametrize(
    ("change", "marked"),
    [
        ({"criteria.0.threshold": "30x"}, "criteria.0.threshold"),
        ({"executions.0.users": "many"}, "executions.0.users"),
        ({"executions.0.hold_for": "a while"}, "executions.0.hold_for"),
        ({"executions.0.load": "rate", "executions.0.rate": "-1"}, "executions.0.rate"),
        ({"executions.0.executor": "locust", "executions.0.most": "5"}, "executions.0.most"),
        ({"workers": "0"}, "workers"),
        ({"executions.0.locations.0.name": "a b"}, "executions.0.locations.0.name"),
        ({"executions.0.load": "stages", "executions.0.stages.1.lasts": "x"}, "executions.0.stages.1.to"),
        ({"criteria.0.subject": "p99.99"}, "criteria.0.threshold"),  # too few samples
        (
            {
                "executions.0.load": "rate",
                "executions.0.steps.0.carried.0.name": "token",
                "executions.0.steps.0.carried.0.expression": "$.token",
            },
            "executions.0.rate",
        ),
        (
            {
                "executions.0.address": "https://shop.example.com",
                "executions.0.steps.0.url": "/a",
                "executions.0.steps.1.url": "/b",
                "executions.0.steps.1.transaction": "pay",
                "executions.0.steps.1.think_time": "soon",
            },
            "executions.0.steps.1.think_time",
        ),
        ({"name": "taken"}, "name"),
        ({"name": "a b"}, "name"),
        ({"executions.0.address": "shop.example.com"}, "executions.0.address"),
        (
            {"executions.0.address": "https://shop.example.com/products", "executions.0.steps.0.url": "/search"},
            "executions.0.address",
        ),
    ],
)
def test_a_check_marks_the_field(tmp_path, change, marked):
    one = console(tmp_path)
    made(one, "taken")
    page = one.client().post("/suites/new/check", data=first(one) | change)
    assert f'"field":"{marked}"' in page.text


def test_a_saved_address_may_have_a_path_before_each_request(tmp_path):
    one = console(tmp_path)
    made(one)
    edited = fields(one.client().get("/suites/shop/edit").text) | {
        "executions.0.address": "https://shop.example.com/v1"
    }
    page = one.client().post("/suites/new/check", data=edited).text
    assert '"level":"warning","field":"executions.0.address"' in page
    assert '"level":"error"' not in page


def test_a_check_says_what_fields_without_a_unit_mean_and_the_most_that_users_send(tmp_path):
    one = console(tmp_path)
    page = one.client().post("/suites/new/check", data=first(one, hold_for="20", users="30", think_time="2"))
    (said,) = parsed(page.content).xpath("//script[@data-echoes]/text()")
    times = {"executions.0.hold_for": "20 s", "executions.0.think_time": "2 s, at most about 15/s"}
    assert json.loads(said) == {"name": "saved as shop", **times}


def test_a_limit_has_its_unit_in_a_field_of_its_own(tmp_path):
    one = console(tmp_path)
    shown = first(one)
    assert (shown["criteria.1.threshold"], shown["criteria.1.unit"]) == ("1", "%")
    typed = {"criteria.0.threshold": "2s500ms", "criteria.1.threshold": "5", "criteria.1.unit": ""}
    one.client().post("/suites/new", data=shown | typed | {"do": "save"})
    assert "- p95>2s500ms" in text_of(one)
    assert "- fail>5\n" in text_of(one)


def test_services_of_this_machine_are_named_by_their_path(tmp_path):
    one = console(tmp_path)
    for path, name in (("/products/all?x=1", "products-all"), ("/", "local")):
        answer = one.client().post("/suites/new", data=first(one, address=f"http://127.0.0.1:8000{path}", do="save"))
        assert answer.headers["location"] == f"/suites/{name}"


@pytest.mark.parametrize(("text", "warned"), [("self.client.get('/')", True), ("host = 'https://a.example'", False)])
def test_a_locustfile_without_a_host_has_a_warning(tmp_path, text, warned):
    one = console(tmp_path)
    script = f"from locust import HttpUser\n\n\nclass Visitor(HttpUser):\n    {text}\n"
    one.client().post("/suites/new/upload", data={"name": "mine"}, files={"file": ("load.py", script.encode())})
    page = one.client().get("/suites/mine/edit").text
    assert fields(page)["executions.0.locations.0.name"] == "local"
    assert ('"level":"warning","field":"executions.0.address"' in page) == warned


def test_a_check_draws_the_load_beside_a_wrong_criterion(tmp_path):
    one = console(tmp_path)
    page = one.client().post("/suites/new/check", data=first(one) | {"criteria.0.threshold": "30x"}).text
    assert "<svg" in page
    assert "10 users" in page


def test_a_check_reads_the_other_files_of_the_suite(tmp_path):
    one = console(tmp_path)
    one.client().post("/suites/new/upload", data={"name": "mine"}, files={"file": ("load.js", K6.encode())})
    edited = fields(one.client().get("/suites/mine/edit").text)
    assert '"level":"error"' not in one.client().post("/suites/new/check", data=edited).text


def test_a_check_of_yaml_marks_the_line(tmp_path):
    one = console(tmp_path)
    yaml = fields(one.client().post("/suites/new", data=first(one, do="yaml")).text)
    wrong = yaml["text"].replace("fail>1%", "fail>x")
    line = wrong[: wrong.index("fail>x")].count("\n") + 1
    page = one.client().post("/suites/new/check", data=yaml | {"text": wrong})
    assert f'"line":{line}' in page.text


def test_the_line_of_broken_yaml_and_a_missing_name_are_said_once(tmp_path):
    one = console(tmp_path)
    yaml = fields(one.client().post("/suites/new", data=first(one, do="yaml")).text)
    broken = one.client().post("/suites/new/check", data=yaml | {"text": yaml["text"] + "\n  - : ["}).text
    assert "not YAML" in broken
    assert not re.search(r"line \d+</small> line", broken)
    unnamed = one.client().post("/suites/new", data=yaml | {"name": "", "text": "scenarios: {}"})
    assert unnamed.status_code == 422
    (banner,) = parsed(unnamed.content).find_class("failed")
    assert "`" not in banner.text_content()


def test_a_run_of_a_wrong_suite_is_refused_and_keeps_the_input(tmp_path):
    one = console(tmp_path)
    page = one.client().post("/suites/new", data=first(one, users="many", comment="mine", do="start"))
    assert (page.status_code, one.starter.requests, suites.suite_names(one.store)) == (422, [], [])
    assert (fields(page.text)["executions.0.users"], fields(page.text)["comment"]) == ("many", "mine")


def test_the_first_wrong_field_has_the_focus_without_script(tmp_path):
    one = console(tmp_path)
    typed = first(one, load="rate", rate="many", **{"criteria.1.threshold": "mine", "do": "start"})
    page = one.client().post("/suites/new", data=typed)
    (focused,) = parsed(page.content).xpath("//form[@id='editor']//*[@autofocus]")
    assert (focused.get("name"), focused.get("aria-invalid")) == ("executions.0.rate", "true")
    assert (fields(page.text)["executions.0.rate"], fields(page.text)["criteria.1.threshold"]) == ("many", "mine")
    page = one.client().post("/suites/new", data=first(one, quorum="none", do="start"))
    (focused,) = parsed(page.content).xpath("//*[@autofocus]")
    assert (focused.get("name"), focused.xpath("ancestor::details/@open")) == ("quorum", [""])


def test_steps_and_a_highest_rate_are_taurus_keys(tmp_path):
    one = console(tmp_path)
    one.client().post("/suites/new", data=first(one, name="shop", steps_of_ramp="5", most="80", do="save"))
    assert "\n  throughput: 80" in text_of(one)
    assert "\n  steps: 5" in text_of(one)
    shown = fields(one.client().get("/suites/shop/edit").text)
    assert (shown["view"], shown["executions.0.steps_of_ramp"], shown["executions.0.most"]) == ("form", "5", "80")


def test_a_conflict_shows_both_and_loses_nothing(tmp_path):
    one = console(tmp_path)
    made(one)
    mine, theirs = (fields(one.client().get("/suites/shop/edit").text) for _ in range(2))
    one.client().post("/suites/shop/edit", data=theirs | {"executions.0.users": "11", "do": "save"})
    page = one.client().post("/suites/shop/edit", data=mine | {"executions.0.users": "22", "do": "save"})
    assert page.status_code == 409
    assert "-  concurrency: 11" in page.text
    assert "+  concurrency: 22" in page.text
    one.client().post("/suites/shop/edit", data=fields(page.text) | {"do": "save"})
    assert [version.number for version in suites.versions(one.store, "shop")] == [3, 2, 1]
    assert "concurrency: 22" in text_of(one)
    assert "concurrency: 11" in text_of(one, number=2)


def test_a_new_suite_replaces_no_other(tmp_path):
    one = console(tmp_path)
    made(one)
    page = one.client().post("/suites/new", data=first(one, name="shop", users="99", do="save"))
    assert page.status_code == 409
    assert fields(page.text)["executions.0.users"] == "99"
    assert len(suites.versions(one.store, "shop")) == 1
    assert one.client().post("/suites/new", data=first(one, do="save")).headers["location"] == "/suites/shop-2"


def test_versions_have_differences_and_come_back(tmp_path):
    one = console(tmp_path)
    made(one)
    edited = fields(one.client().get("/suites/shop/edit").text)
    one.client().post(
        "/suites/shop/edit", data=edited | {"executions.0.users": "77", "comment": "more <b>users</b>", "do": "save"}
    )
    page = one.client().get("/suites/shop/versions/2").text
    assert "+  concurrency: 77" in page
    assert "<b>users" not in page
    one.client().post("/suites/shop/versions/1")
    assert text_of(one) == text_of(one, number=1)
    assert suites.current(one.store, "shop").number == 3


def packed(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return data.getvalue()


K6 = "export default function () {}\nexport const options = {vus: 1, duration: '5s'}\n"


@pytest.mark.parametrize(
    ("name", "data", "executor", "load"),
    [
        ("load.js", K6.encode(), "k6", "script"),
        ("locustfile.py", b"import locust\n", "locust", "users"),
        ("shop.zip", packed({"shop/lib/a.js": K6, "shop/data.csv": "a\n1\n"}), "k6", "script"),
    ],
    ids=["k6", "locust", "zip"],
)
def test_a_script_or_zip_becomes_a_suite(tmp_path, name, data, executor, load):
    one = console(tmp_path)
    answer = one.client().post("/suites/new/upload", data={"name": "mine"}, files={"file": (name, data)})
    assert answer.headers["location"] == "/suites/mine/edit"
    page = one.client().get("/suites/mine/edit")
    assert (fields(page.text)["executions.0.executor"], fields(page.text)["executions.0.load"]) == (executor, load)


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.zip", packed({"../../evil.js": K6}), 422),
        ("a.zip", packed({"/etc/evil.js": K6}), 422),
        ("a.zip", packed({"a.js": "0" * 60_000_000}), 422),
        ("a.zip", b"PK no zip", 422),
        ("a.exe", b"MZ", 422),
        ("..", b"x", 422),
        ("<img src=x onerror=alert(1)>.js", K6.encode(), 303),
    ],
    ids=["above", "absolute", "bomb", "damaged", "unknown", "dots", "markup"],
)
def test_a_hostile_upload_is_refused_or_harmless(tmp_path, name, data, code):
    one = console(tmp_path)
    answer = one.client().post("/suites/new/upload", files={"file": (name, data)})
    assert answer.status_code == code
    assert "<img src=x" not in answer.text
    if code == 303:
        assert "<img src=x" not in one.client().get(answer.headers["location"]).text
    else:
        assert suites.suite_names(one.store) == []
    assert not (tmp_path / "evil.js").exists()


def test_files_are_edited_renamed_and_removed_as_versions(tmp_path):
    one = console(tmp_path)
    made(one)
    client, address = one.client(), "/suites/shop/files"
    client.post(address, data={"do": "upload", "folder": "data"}, files={"file": ("users.csv", b"user\nada\n")})
    assert "ada" in client.get(f"{address}?path=data/users.csv").text
    client.post(address, data={"do": "save", "path": "data/users.csv", "text": "user\r\nbob\r\n"})
    assert suites.read(one.store, "shop")[1]["data/users.csv"] == b"user\nbob\n"
    client.post(address, data={"do": "rename", "path": "data/users.csv", "to": "people.csv"})
    assert set(suites.read(one.store, "shop")[1]) == {"suite.yml", "people.csv"}
    moves = [{"do": "rename", "path": "people.csv", "to": to} for to in ("../people.csv", "", "suite.yml")]
    for wrong in (*moves, {"do": "remove", "path": "suite.yml"}):
        assert client.post(address, data=wrong).status_code == 422
    client.post(address, data={"do": "remove", "path": "people.csv"})
    assert set(suites.read(one.store, "shop")[1]) == {"suite.yml"}
    assert suites.current(one.store, "shop").number == 5


def test_a_conflict_of_a_file_keeps_the_typed_text(tmp_path):
    one = console(tmp_path)
    made(one)
    client, address = one.client(), "/suites/shop/files"
    client.post(address, data={"do": "upload"}, files={"file": ("a.txt", b"theirs")})
    page = client.post(address, data={"do": "save", "path": "a.txt", "text": "mine", "version": "1"})
    assert page.status_code == 409
    assert "+mine" in page.text
    assert 'name="version" value="2"' in page.text


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)
)


@pytest.mark.parametrize(
    "text", [BOMB, "[" * 5_000, "a: !!python/object/apply:os.system [id]", "x: " + "1" * 100_000], ids=range(4)
)
def test_hostile_yaml_is_a_message(tmp_path, text):
    one = console(tmp_path)
    data = {"view": "yaml", "version": "", "name": "shop", "text": text}
    assert '"level":"error"' in one.client().post("/suites/new/check", data=data).text
    assert one.client().post("/suites/new", data=data | {"do": "form"}).status_code == 200
    assert one.client().post("/suites/new", data=data | {"do": "start"}).status_code == 422
    assert one.starter.requests == []


@pytest.mark.parametrize(
    "hostile",
    [
        {"executions.0.kept": "[" * 100_000},
        {"executions.0.kept": "[1]"},
        {"executions.0.steps.0.kept": '{"a":' * 900 + "1" + "}" * 900},
        {"executions.0.steps.0.carried.0.how": "eval"},
        {"executions.0.whole": "1"},
        {"executions": "x", "executions.0": "y", "executions.x.y": "z"},
        {"criteria.0.threshold.0.x": "1", "executions.0.locations.0.weight.0.x": "1"},
        {"do": "up:executions.0.steps.0.checks.7"},
        {"do": "remove:executions.9.steps.9"},
        {"do": "add:executions.0.kept"},
        {"do": "send:executions.7.steps.0"},
    ],
)
def test_hostile_fields_are_refused_or_harmless(tmp_path, hostile):
    one = console(tmp_path)
    assert one.client().post("/suites/new", data=first(one) | {"do": "yaml"} | hostile).status_code in (200, 422)
    assert one.starter.requests == []


def test_many_steps_fit_into_a_form(tmp_path):
    one = console(tmp_path)
    steps = {f"executions.0.steps.{number}.url": f"/{number}" for number in range(200)}
    checks = {f"executions.0.steps.{number}.checks.{row}.value": "200" for number in range(200) for row in range(4)}
    answer = one.client().post("/suites/new", data=first(one, name="shop", do="save", **steps, **checks))
    assert answer.status_code == 303
    assert len(fields(one.client().get("/suites/shop/edit").text)) > 3_000


def test_huge_numbers_are_refused(tmp_path):
    one = console(tmp_path)
    made(one)
    huge = "9" * 5_000
    assert one.client().post("/suites/new", data=first(one, do=f"remove:criteria.{huge}")).status_code == 200
    assert one.client().post("/suites/shop/start", data={"workers": huge}).status_code == 422
    assert one.client().get(f"/suites/shop/versions/{huge}").status_code == 422
    assert one.client().get("/suites/shop/versions/99").status_code == 404
    version = first(one, version=huge, name="shop", do="save")
    assert one.client().post("/suites/new", data=version).status_code == 409


@pytest.mark.parametrize("name", ["new", "../up", "a/b", "<script>", "x" * 41, "a\nb", "."])
def test_a_hostile_name_is_refused_and_kept(tmp_path, name):
    one = console(tmp_path)
    page = one.client().post("/suites/new", data=first(one, name=name, do="save"))
    assert page.status_code == 422
    assert "<script>&" not in page.text
    assert suites.suite_names(one.store) == []


def test_a_text_too_long_for_its_field_is_refused(tmp_path):
    one = console(tmp_path)
    assert one.client().post("/suites/new/check", data=first(one, address="x" * 3_000)).status_code == 422


def test_viewers_see_suites_without_buttons(tmp_path):
    one = console(tmp_path)
    made(one)
    one.role = "viewer"
    page = one.client().get("/suites/shop")
    assert page.status_code == 200
    assert 'method="post"' not in page.text
    assert one.client().get("/suites").status_code == 200
    assert one.client().get("/suites/shop/edit").status_code == 403


def test_the_list_is_searched_sorted_and_paged(tmp_path):
    one = console(tmp_path)
    for name, words in (("shop", "the checkout"), ("api", ""), ("search", "")):
        tags = "team=lamps" if name == "search" else ""
        more = {"name": name, "description": words, "tags": tags, "quorum": "90%", "do": "save"}
        one.client().post("/suites/new", data=first(one, **more))
    assert "quorum: 90%" in text_of(one)

    def listed(query):
        return re.findall(r'data-row href="/suites/(\w+)"', one.client().get(f"/suites?{query}").text)

    assert listed("") == ["api", "search", "shop"]
    assert listed("q=CHECK") == ["shop"]
    assert listed("q=team%3Dlamps") == ["search"]
    assert listed("size=20&start=2") == ["shop"]
    assert listed("q=none") == []
    page = one.client().get("/suites?columns=tags").text
    assert "team=lamps" in page
    assert "Last run</th>" not in page


def test_a_suite_is_downloaded_as_a_zip(tmp_path):
    one = console(tmp_path)
    made(one)
    with zipfile.ZipFile(io.BytesIO(one.client().get("/suites/shop/download").content)) as archive:
        assert archive.namelist() == ["shop/suite.yml"]


def test_a_start_shows_its_workers(tmp_path):
    one = console(tmp_path)
    made(one)
    page = one.client().get("/suites/shop/start?workers=3&locations.0.name=madrid&locations.0.weight=2")
    assert "Start: 10 users, 1 min 10 s, 3 workers on this machine" in page.text
    assert one.client().post("/suites/shop/start", data={"workers": "no"}).status_code == 422


def test_a_start_changes_load_and_length_in_place_and_says_what_differs(tmp_path):
    one = console(tmp_path)
    made(one)
    client = one.client()
    shown = parsed(client.get("/suites/shop/start").content)
    typed = {name: shown.get_element_by_id(name).get("value") for name in ("load.0.users", "load.0.hold_for")}
    assert typed == {"load.0.users": "10", "load.0.hold_for": "1m"}
    typed |= {"load.0.users": "20", "load.0.hold_for": "2m", "against": "http://127.0.0.1:2"}
    page = client.get("/suites/shop/start", params=typed)
    differs = "20 users instead of 10, 2 min instead of 1 min, http://127.0.0.1:2 instead of https://shop.example.com"
    assert f"Differs from version 1: {differs}" in parsed(page.content).text_content()
    assert "Start: 20 users, 2 min 10 s, 1 worker on this machine" in page.text

    client.post("/suites/shop/start", data=typed)
    (request,) = one.starter.requests
    assert request.overrides == ("execution.0.concurrency=20", "execution.0.hold-for=2m")
    assert request.tags["differs"] == differs


def test_a_run_again_shows_its_options_and_changes_only_what_was_typed(tmp_path):
    one = console(tmp_path)
    made(one)
    client = one.client()
    data = {"load.0.users": "20", "environment": "PASSWORD=lamp", "tags": "team=shop"}
    client.post("/suites/shop/start", data=data)
    address = f"/runs/{one.starter.requests[0].run_id}/rerun"
    page = client.get(address)
    shown = parsed(page.content)
    assert shown.get_element_by_id("load.0.users").get("value") == "20"
    assert (shown.get_element_by_id("start-tags").text, "lamp" in page.text.replace("q=lamp", "")) == (
        "team=shop\n",
        False,
    )
    client.post(address, data={"overrides": "", "load.0.users": "30", "tags": "team=shop"})
    again = one.starter.requests[1]
    assert (again.overrides, again.environment) == (("execution.0.concurrency=30",), {"PASSWORD": "lamp"})
    assert again.tags["differs"] == "30 users instead of 10"


def test_a_step_is_tried_with_those_before_it_as_a_version_of_the_draft(tmp_path):
    one = console(tmp_path)
    steps = {"executions.0.steps.0.url": "/login", "executions.0.steps.1.url": "/account"}
    more = {"executions.0.steps.2.url": "/never", "executions.0.users": "many"}
    values = {"executions.0.steps.0.carried.0.name": "token", "executions.0.steps.0.carried.0.expression": "$.token"}
    typed = first(one, name="shop", address="https://shop.example.com", **steps, **values, **more)
    page = one.client().post("/suites/new", data=typed | {"do": "send:executions.0.steps.1"})
    (request,) = one.starter.requests
    assert (request.suite, request.tried) == ("shop-draft", True)
    text = suites.read(one.store, "shop-draft")[1]["suite.yml"].decode()
    assert ("/account" in text, "/never" in text, "concurrency: 1\n" in text, "passfail" in text) == (
        True,
        False,
        True,
        False,
    )
    assert "executor: jmeter" in text  # bzt's script for Apiritif carries no values
    assert "executor: toril" in text
    panel = parsed(page.content).get_element_by_id("tried-0-2")
    assert panel.xpath(".//*[@hx-get]/@hx-get") == [f"/runs/{request.run_id}/exchanges"]
    assert fields(page.text)["executions.0.steps.2.url"] == "/never"

    wrong = one.client().post("/suites/new", data=typed | {"name": "a b", "do": "send:executions.0.steps.0"})
    assert parsed(wrong.content).get_element_by_id("tried-0-1").xpath(".//*[@role='alert']")
    one.role = "viewer"
    assert one.client().post("/suites/new", data=typed | {"do": "send:executions.0.steps.1"}).status_code == 403
    assert len(one.starter.requests) == 1


def test_executions_are_added_with_a_journey_of_their_own(tmp_path):
    one = console(tmp_path)
    two = fields(one.client().post("/suites/new", data=first(one, name="shop", do="add:executions")).text)
    assert two["executions.1.address"] == "https://shop.example.com"
    typed = two | {"executions.1.scenario": "buy", "executions.1.steps.0.url": "/buy", "do": "save"}
    one.client().post("/suites/new", data=typed)
    shown = fields(one.client().get("/suites/shop/edit").text)
    assert (shown["executions.0.scenario"], shown["executions.1.scenario"]) == ("shop", "buy")
    fewer = fields(one.client().post("/suites/shop/edit", data=shown | {"do": "remove:executions.0"}).text)
    assert (fewer["executions.0.scenario"], "executions.1.scenario" in fewer) == ("buy", False)


def test_steps_move_without_script(tmp_path):
    one = console(tmp_path)
    typed = first(one, **{"executions.0.steps.1.url": "/b", "executions.0.steps.1.kept": '{"retry": 3}'})
    moved = one.client().post("/suites/new", data=typed | {"do": "up:executions.0.steps.1"})
    shown = fields(moved.text)
    assert (shown["executions.0.steps.0.url"], shown["executions.0.steps.0.kept"]) == ("/b", '{"retry":3}')
    (focused,) = parsed(moved.content).xpath("//*[@autofocus]")
    assert (focused.get("value"), focused.get("aria-label")) == ("up:executions.0.steps.0", "Move step 1 up")
    there = one.client().post("/suites/new", data=shown | {"do": "down:executions.0.steps.1"})  # the last one stays
    assert fields(there.text)["executions.0.steps.0.url"] == "/b"


def test_a_start_elsewhere_has_its_price_and_limits(tmp_path):
    one = Console(Bucket(tmp_path))
    one.store.put("deployments/us-east-1.json", deployment("us-east-1").to_json())
    page = one.client().post("/suites/new/check", data=first(one))
    assert "1 worker, 1 region, about " in page.text
    assert "to start, $0." in page.text
    assert "2 of 64 vCPU" in page.text
    elsewhere = first(one) | {"executions.0.locations.0.name": "mars-1"}
    assert "not deployed" in one.client().post("/suites/new/check", data=elsewhere).text
    assert one.client().post("/suites/new", data=elsewhere | {"do": "start"}).status_code == 422
    one.store.put("deployments/eu-west-1.json", deployment("eu-west-1", workers=()).to_json())
    here = {"executions.0.locations.0.name": "us-east-1"}
    checked = one.client().post("/suites/new/check", data=first(one) | here).text
    assert "cannot run this: eu-west-1 has no workers" in checked
    one.more["max_cost_usd"] = 0.5
    one.role = "operator"
    one.client().post("/suites/new", data=first(one, do="start") | here)
    (request,) = one.starter.requests
    assert (request.on, request.max_cost_usd) == ("fargate", 0.5)


def test_a_private_location_needs_a_live_agent_and_is_offered(tmp_path):
    one = Console(Bucket(tmp_path))
    there = first(one) | {"executions.0.locations.0.name": "office"}
    assert "toril agent office" in one.client().post("/suites/new/check", data=there).text
    announced = Announcement(
        location="office", agent="desk", instance="1", at=0.0, slots=4, free=3, toril_version="1.2.3",
        running=(RunningShare(run_id="20261124T150405Z-x-0001", worker="office-1", attempt="a"),),
    )  # fmt: skip
    one.store.put(announcement_key("office", "desk"), announced.to_json())
    one.store.put(announcement_key("office", "shelf"), b"{")
    os.utime(one.store.path(announcement_key("office", "desk")), (served.NOW, served.NOW))
    page = one.client().post("/suites/new/check", data=there).text
    assert "1 worker at private locations" in page
    assert '<option value="office">' in one.client().get("/suites/new").text
    shown = one.client().get("/locations").text
    assert "desk" in shown
    assert "3 of 4" in shown
    assert "/runs/20261124T150405Z-x-0001" in shown
    (location,) = one.client().get("/api/v1/locations").json()
    assert (location["region"], location["agents"][0]["agent"], location["agents"][0]["free"]) == ("office", "desk", 3)


def test_private_locations_do_not_count_as_regions():
    start = StartEstimate(workers={"eu-west-1": 4, "office": 1, "lab": 1}, start_s=120.0, usd=0.04)
    assert in_words(start).startswith("6 workers, 1 region, 2 private locations, about ")


def test_locations_show_the_quota_in_use_or_why_it_is_unknown_beside_the_limit_of_the_stack(tmp_path):
    found = [
        Finding(state="ok", name="on-demand vCPU", detail="12 of 500 in use", region="us-east-1"),
        Finding(state="warning", name="quotas", detail="no right: `a:B`", region="eu-west-1"),
    ]
    one = Console(Bucket(tmp_path), more={"quotas": lambda _: found})
    for region in ("eu-west-1", "us-east-1"):
        one.store.put(f"deployments/{region}.json", deployment(region).to_json())
    (part,) = parsed(one.client().get("/suites/new").content).xpath("//*[@id='quotas']")
    assert part.get("hx-get") == "/locations/quotas"
    assert part.text_content().count("64 vCPU a run") == 2
    answer = one.client().get("/locations/quotas", headers={"hx-request": "true"})
    assert parsed(answer.content).xpath("//td[1]/text()") == ["eu-west-1", "us-east-1"]
    assert answer.headers["cache-control"] == "private, max-age=300"
    assert parsed(answer.content).xpath("//code/text()") == ["a:B"]
    assert "12 of 500 in use" in answer.text


def test_a_large_upload_goes_past_the_console(tmp_path):
    one = Console(Bucket(tmp_path))
    data = K6.encode()
    sha256 = hashlib.sha256(data).hexdigest()
    one.store.put(f"uploads/{sha256}", data)
    answer = one.client().post("/suites/new/upload", data={"uploaded": f"{sha256}/load.js", "name": "mine"})
    assert answer.headers["location"] == "/suites/mine/edit"
    assert suites.read(one.store, "mine")[1]["load.js"] == data
    for wrong in (f"{'0' * 64}/load.js", "../../runs/x/load.js", "load.js"):
        answer = one.client().post("/suites/new/upload", data={"uploaded": wrong, "name": "other"})
        assert answer.status_code in (404, 422)


def test_a_changed_schedule_stays_paused(tmp_path):
    one = Console(Bucket(tmp_path))
    made(one)
    client = one.client()
    data = {"suite": "shop", "preset": "nightly", "timezone": "Europe/Madrid", "name": "nightly", "expires": ""}
    assert client.post("/schedules", data=data).headers["location"] == "/schedules"
    assert one.scheduler.found["nightly"].when == "cron(17 2 * * ? *)"
    assert "Every night at 02:17" in client.get("/schedules").text
    client.post("/schedules/nightly/pause")
    client.post("/schedules", data=data | {"editing": "nightly", "preset": "once", "at": "2027-01-31T02:00"})
    assert (one.scheduler.found["nightly"].when, one.scheduler.found["nightly"].paused) == (
        "at(2027-01-31T02:00:00)",
        True,
    )
    assert client.post("/suites/shop/delete").status_code == 422  # the schedule uses it
    assert client.post("/schedules/nightly/explode").status_code == 422


def test_a_deleted_schedule_comes_back_with_all_its_options(tmp_path):
    one = Console(Bucket(tmp_path))
    made(one)
    when, options = "cron(17 2 * * ? *)", {"workers": 3, "environment": {"LOGIN": "ada"}, "paused": True}
    kept = SuiteSchedule.model_validate({"name": "nightly", "suite": "shop", "when": when, **options})
    one.scheduler.found["nightly"] = kept
    page = parsed(one.client().post("/schedules/nightly/delete").content)
    assert one.scheduler.found == {}
    (form,) = page.xpath("//*[@role='status']//form")
    fields = {field.get("name"): field.get("value") for field in form.xpath(".//input")}
    assert one.client().post(form.get("action"), data=fields).status_code == 303
    assert one.scheduler.found == {"nightly": kept}
    assert one.client().post("/schedules", data={"deleted": "{}"}).status_code == 422


@pytest.mark.parametrize(
    "wrong",
    [
        {"preset": "custom", "when": "cron(* * * * *)"},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"preset": "once", "at": "tomorrow"},
        {"expires": "never"},
        {"suite": "missing"},
        {"name": "<b>"},
        {"name": "sweep-all"},
    ],
)
def test_a_wrong_schedule_is_refused_and_kept(tmp_path, wrong):
    one = Console(Bucket(tmp_path))
    made(one)
    data = {"suite": "shop", "preset": "nightly", "timezone": "UTC", "name": "mine", "expires": ""} | wrong
    page = one.client().post("/schedules", data=data)
    assert page.status_code in (404, 422)
    assert one.scheduler.found == {}
    assert "<b>" not in page.text.partition('class="card"')[2]


def test_suites_are_shown_although_schedules_cannot_be_read(tmp_path):
    one = Console(Bucket(tmp_path))
    made(one)
    for code, shown in (("not-deployed", False), ("aws-denied", True)):
        one.scheduler.trouble = InfrastructureError("AWS says no", code=code)
        for address in ("/suites", "/suites/shop", "/schedules"):
            page = one.client().get(address)
            assert page.status_code == 200
            assert ("AWS says no" in page.text) == shown
    assert one.client().post("/suites/shop/delete").status_code == 503  # a schedule may use it


def test_schedules_of_stacks_cannot_be_changed(tmp_path):
    stack = SuiteSchedule(name="stack", suite="shop", when="rate(1 day)", source="stack")
    one = Console(Bucket(tmp_path))
    one.scheduler.found["stack"] = stack
    made(one)
    assert "/schedules/stack/" not in one.client().get("/schedules").text
    assert one.client().post("/schedules/stack/delete").status_code == 422
    assert set(one.scheduler.found) == {"stack"}


def test_a_folder_has_lines_for_other_schedulers(tmp_path):
    one = console(tmp_path)
    made(one)
    page = one.client().get("/schedules?suite=shop&preset=weekly").text
    assert re.search(r"17 2 \* \* 0 /\S+ (-m toril )?run", page)
    assert one.client().post("/schedules", data={"suite": "shop"}).status_code == 422


def test_an_empty_time_is_no_error_before_somebody_saves(tmp_path):
    one = Console(Bucket(tmp_path))
    made(one)
    shown = parsed(one.client().get("/schedules?suite=shop&preset=once").content)
    assert shown.xpath("//*[@class='error' or @role='alert']") == []
    assert one.client().post("/schedules", data={"suite": "shop", "preset": "once"}).status_code == 422
    wrong = one.client().get("/schedules?suite=shop&preset=custom&when=cron(x)")
    assert "Value error" not in wrong.text
    assert parsed(wrong.content).xpath("//*[@role='alert']") != []


def test_a_body_above_the_limit_is_refused_except_of_uploads(tmp_path):
    one = console(tmp_path)
    data = b"x" * (11 << 20)
    assert one.client().post("/suites/new", files={"file": ("a.js", data)}).status_code == 413
    assert one.client().post("/suites/new/upload", files={"file": ("a.js", data)}).status_code == 303
    assert one.client().post("/suites/new/upload", files={"file": ("b.js", b"x" * (52 << 20))}).status_code == 413
