"""A HAR becomes exchanges in the order of their times, each with its body, response, kind and step."""

from typing import Any

from tests.authoring.readers.reading import left_out, recorded, refusal, requests
from toril.authoring.recorded import FilePart

SHOP = "https://shop.example.com"
FORM = "application/x-www-form-urlencoded"


def named(**values: str) -> list[dict[str, str]]:
    return [{"name": name.replace("_", "-"), "value": value} for name, value in values.items()]


def entry(method: str, path: str, status: int | None = 200, second: float = 0, **more: Any) -> dict[str, Any]:
    """Returns an entry; `sent` and `answered` are headers, `post` is `postData`, `content` the response's."""
    url = path if "://" in path else SHOP + path
    request = {"method": method, "url": url, "headers": more.pop("sent", [])}
    if "post" in more:
        request["postData"] = more.pop("post")
    content, answered = more.pop("content", {}), more.pop("answered", [])
    response = {} if status is None else {"status": status, "headers": answered, "content": content}
    start = f"2026-01-31T12:00:{second:06.3f}Z"
    return {"startedDateTime": start, "time": 100, "request": request, "response": response, **more}


def har(*entries: Any, **more: Any) -> dict[str, Any]:
    return {"log": {"version": "1.2", "entries": list(entries), **more}}


def test_entries_are_sorted_by_time_and_keep_page_and_browser():
    found = recorded(
        har(
            entry("GET", "/second", second=2.5, pageref="p2"),
            entry("GET", "/first", second=1, pageref="p1"),
            browser={"name": "Chrome", "version": "139"},
            pages=[{"id": "p1", "title": f"{SHOP}/start?x=1"}, {"id": "p2", "title": "Second  page"}],
        )
    )
    assert [(one.number, one.url, one.started_s, one.step) for one in found.exchanges] == [
        (1, f"{SHOP}/first", 0, "/start"),
        (2, f"{SHOP}/second", 1.5, "Second page"),
    ]
    assert [one.took_s for one in found.exchanges] == [0.1, 0.1]
    assert (found.kind, found.origin) == ("har", "sample (Chrome 139)")


def test_without_times_and_responses_entries_keep_their_order():
    first, second = entry("GET", "/first", None), entry("POST", "/second", None)
    del second["startedDateTime"]
    assert [(one.url, one.status, one.started_s) for one in requests(har(first, second))] == [
        (f"{SHOP}/first", None, None),
        (f"{SHOP}/second", None, None),
    ]


def test_a_field_for_a_file_that_nobody_chose_is_no_file():
    """Browsers send it with an empty name; a service would refuse an empty file."""
    parts = (
        '--x\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
        '--x\r\nContent-Disposition: form-data; name="file"; filename=""\r\n'
        "Content-Type: application/octet-stream\r\n\r\n\r\n--x--\r\n"
    )
    (found,) = requests(har(entry("POST", "/", post={"mimeType": "multipart/form-data; boundary=x", "text": parts})))
    assert found.body and (found.body.fields, found.body.uploads) == ((("note", "hello"),), ())


OWN_FILE = f"resources/{'0a' * 20}.json"  # as Playwright names them


def test_bodies_are_read_as_text_base64_parameters_and_files(tmp_path):
    (tmp_path / "resources").mkdir()
    for name in (OWN_FILE, "body.bin"):
        (tmp_path / name).write_bytes(b'{"a": 1}')
    multipart = '--x\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n--x\r\n'
    multipart += (
        'Content-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\nPNG\r\n--x--'
    )
    params = [*named(user="ada"), {"name": "photo", "fileName": "b.txt", "value": "data:text/plain;base64,aGk="}]
    found = requests(
        har(
            entry("POST", "/json", post={"mimeType": "application/json", "text": "{}"}),
            entry("POST", "/form", post={"mimeType": FORM, "text": "a=1&b=%20"}),
            entry("POST", "/params", post={"mimeType": FORM, "params": named(a="1", b="&")}),
            entry("POST", "/parts", post={"mimeType": "multipart/form-data; boundary=x", "text": multipart}),
            entry("POST", "/files", post={"mimeType": "multipart/form-data", "params": params}),
            entry("PUT", "/beside", post={"mimeType": "application/json", "_file": OWN_FILE}),
            entry("PUT", "/another", post={"mimeType": "application/json", "_file": "body.bin"}),
            entry("GET", "/image", content={"encoding": "base64", "text": "AAEC", "mimeType": "image/png"}),
        ),
        tmp_path,
    )
    bodies = [one.body for one in found]
    assert bodies[0] and bodies[0].data == b"{}"
    assert bodies[1] and bodies[1].fields == (("a", "1"), ("b", " "))
    assert bodies[2] and bodies[2].data == b"a=1&b=%26"
    assert bodies[3] and bodies[3].fields == (("note", "hello"),)
    assert bodies[3].uploads == (FilePart(field="file", name="a.png", type="image/png", data=b"PNG"),)
    assert bodies[4] and bodies[4].uploads == (FilePart(field="photo", name="b.txt", data=b"hi"),)
    assert bodies[5] and bodies[5].data == b'{"a": 1}'
    assert bodies[6] is None
    assert found[7].response and found[7].response.data == b"\x00\x01\x02"


def test_a_missing_body_is_rebuilt_from_its_form_or_marked():
    page = '<form action="/upload"><input type="hidden" name="csrf" value="1"><input type="file" name="photo"></form>'
    page += '<input name="search">'
    sent = named(Content_Type="multipart/form-data; boundary=x")
    bare = entry("POST", "/bare", sent=named(Content_Type=FORM))
    bare["request"]["bodySize"] = 0  # HTTP/2 has no Content-Length
    found = recorded(
        har(
            entry("GET", "/", content={"text": page, "mimeType": "text/html"}),
            entry("POST", "/upload?x=1", sent=sent),
            entry("POST", "/other", sent=sent),
            entry("POST", "/empty", sent=[*sent, *named(Content_Length="0")]),
            bare,
        )
    )
    _, rebuilt, missing, *empty = (one.body for one in found.exchanges)
    assert rebuilt and rebuilt.fields == (("csrf", "1"),)
    assert [one.field for one in rebuilt.uploads] == ["photo"]
    assert missing and missing.missing
    assert empty == [None, None]
    assert left_out(found) == {"bodies rebuilt from a form": 1}


def test_more_than_toril_reads_is_noted(monkeypatch):
    monkeypatch.setattr("toril.authoring.readers.har.MOST_ENTRIES", 1)
    found = recorded(har(entry("GET", "/", content={"text": "a" * (1 << 20) + "b"}), entry("GET", "/second")))
    (one,) = found.exchanges
    assert one.response and one.response.text == "a" * (1 << 20)
    assert [note.code for note in found.notes] == ["recording-cut"]
    assert left_out(found) == {"ends of responses": 1}


def test_a_chain_of_redirects_is_one_exchange_with_its_hops():
    found = requests(
        har(
            entry(
                "POST", "/login", 302, 1, answered=named(Location="/account#top"), post={"text": "a", "mimeType": "x/y"}
            ),
            entry("GET", "/poll", second=1.1),
            entry("GET", "/account", 303, 1.2, answered=named(location=f"{SHOP}/home")),
            entry("GET", "/home", 200, 1.3, content={"text": "hello"}),
            entry("GET", "/old", 301, 2, answered=named(Location="/never")),
        )
    )
    assert [(one.number, one.method, one.url, one.status) for one in found] == [
        (1, "POST", f"{SHOP}/login", 200),
        (2, "GET", f"{SHOP}/poll", 200),
        (5, "GET", f"{SHOP}/old", 301),
    ]
    assert [(hop.number, hop.url, hop.status) for hop in found[0].hops] == [
        (1, f"{SHOP}/login", 302),
        (3, f"{SHOP}/account", 303),
    ]
    assert found[0].response and found[0].response.text == "hello"


def test_what_a_suite_cannot_repeat_is_left_out_with_its_reason():
    found = recorded(
        har(
            entry("GET", "/kept", 304),
            entry("GET", "data:text/plain,x"),
            entry("GET", "chrome-extension://x/y"),
            entry("GET", "/aborted", 0),
            entry("GET", "/cached", _fromCache="disk"),
            entry("GET", "wss://shop.example.com/socket", 101),
            entry("GET", "/events", content={"mimeType": "text/event-stream"}),
            entry("POST", "/grpc", sent=named(Content_Type="application/grpc+proto")),
        )
    )
    assert [(one.url, one.status) for one in found.exchanges] == [(f"{SHOP}/kept", 200)]
    assert left_out(found) == {
        "addresses of the browser": 2,
        "aborted requests": 1,
        "cached responses": 1,
        "streams": 3,
    }


def test_kinds_come_from_the_browser_before_the_type():
    page = {"mimeType": "text/html"}
    found = requests(
        har(
            entry("GET", "/1", _resourceType="XHR", content=page),
            entry("GET", "/2", sent=named(Sec_Fetch_Dest="empty"), content=page),
            entry("GET", "/3", content=page),
            entry("GET", "/4", content={"mimeType": "application/json"}),
        )
    )
    assert [one.kind for one in found] == ["xhr", "fetch", "document", "xhr"]


def test_damaged_parts_are_tolerated_and_odd_headers_dropped():
    odd = entry("GET", "/odd", sent=[{"name": ":authority", "value": "x"}, {"name": 3, "value": None}, "text"])
    odd["response"]["headers"] = [{"name": "Set-Cookie", "value": "a=1\nb=2"}]
    odd["time"] = "soon"
    document = har(odd, None, "text", {"request": []}, pages="none")
    (found,) = recorded(document).exchanges
    assert found.url == f"{SHOP}/odd"
    assert found.headers == (("3", ""),)
    assert found.response_headers == (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
    assert refusal({"log": {"version": "1.1"}}) == "no-requests"


def test_a_byte_order_mark_is_no_part_of_the_text():
    data = str(har(entry("GET", "/"))).replace("'", '"')
    assert requests(b"\xef\xbb\xbf" + data.encode()) == requests(data.encode("utf-16"))


def test_a_page_without_content_is_listed():
    page = entry("GET", "/", _resourceType="document")
    assert left_out(recorded(har(page))) == {"contents of pages": 1}


def test_a_page_with_several_documents_is_a_step_for_each_of_them():
    """Playwright names a window by its last title, which is that of the log-out."""

    def opened(path: str, title: str, second: float) -> dict[str, Any]:
        content = {"mimeType": "text/html", "text": f"<title>{title}</title>"}
        return entry("GET", path, second=second, pageref="p1", content=content, _resourceType="document")

    page = {"id": "p1", "title": "Logged out", "startedDateTime": "2026-01-31T12:00:00.000Z"}
    sent = opened("/login", "Log in", 1), entry("GET", "/a", second=2, pageref="p1"), opened("/bye", "Logged out", 3)
    assert [one.step for one in requests(har(*sent, pages=[page]))] == ["Log in", "Log in", "Logged out"]
    named = {**page, "startedDateTime": ""}  # of `toril record`, which knows the steps
    assert {one.step for one in requests(har(*sent, pages=[named]))} == {"Logged out"}


def test_an_aborted_request_that_may_have_changed_data_has_a_note():
    found = recorded(har(entry("GET", "/"), entry("GET", "/a", -1), entry("POST", "/autosave", -1)))
    assert left_out(found) == {"aborted requests": 1, "aborted requests that may change data": 1}
    assert [note.code for note in found.notes] == ["aborted-writes"]
