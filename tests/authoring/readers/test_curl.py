"""Command lines of curl become requests, as shells and browsers write them."""

import pytest

from tests.authoring.readers.reading import left_out, lines, recorded, requests
from toril.authoring.recorded import FilePart

FORM = ("Content-Type", "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("curl example.com/a", "GET http://example.com/a"),
        ("curl -s 2>/dev/null https://a.example/ > out", "GET https://a.example/"),
        ("sudo curl -sS api/health", "GET http://api/health"),
        ("$ curl -sSL 'https://a.example/?q=1#top'", "GET https://a.example/?q=1"),
        ("curl -I https://a.example/", "HEAD https://a.example/"),
        ("curl -XDELETE https://a.example/1 -o out.json", "DELETE https://a.example/1"),
        ("curl -G -d a=1 --data-urlencode 'b=x y' https://a.example/s?z", "GET https://a.example/s?z&a=1&b=x+y"),
        ("curl -T file.bin https://a.example/up", "PUT https://a.example/up"),
        ("TOKEN=1 curl --url https://a.example/$USER_ID", "GET https://a.example/${USER_ID}"),
    ],
)
def test_method_and_address(command, expected):
    assert lines(command) == [expected]


def test_several_commands_and_addresses_are_several_requests():
    text = "# a comment\ncurl https://a.example/1 \\\n  https://a.example/2 --next -d x https://a.example/3 | jq .\n\n"
    text += "time curl https://a.example/4 > out && echo done; curl https://a.example/5"
    assert [line.rpartition("/")[2] for line in lines(text)] == ["1", "2", "3", "4", "5"]
    assert [one.method for one in requests(text)] == ["GET", "GET", "POST", "GET", "GET"]


def test_headers_and_credentials():
    text = """curl https://a.example -H 'X-A: 1' -H 'X-Empty:' --header "Authorization: Bearer $TOKEN" \\
      -b 'a=b; c' -A agent -e https://b.example -u ada:x"""
    assert requests(text)[0].headers == (
        ("X-A", "1"), ("Authorization", "Bearer ${TOKEN}"), ("Cookie", "a=b; c"), ("User-Agent", "agent"),
        ("Referer", "https://b.example"), ("Authorization", "Basic YWRhOng="),
    )  # fmt: skip
    assert requests('curl a.example -H "A: \\$x \\"$Y\\""')[0].headers == (("A", '$x "${Y}"'),)
    assert requests('curl a.example -u "$U:$P"')[0].headers == (("Authorization", "Basic ${API_BASIC}"),)


def test_bodies(tmp_path):
    (tmp_path / "a.json").write_text('{"a":\n1}')
    found = requests(
        """
curl a.example -d a=1 -d 'b=%20'
curl a.example --json '{"a": 1}'
curl a.example -H 'Content-Type: application/json' -d @a.json
curl a.example --data-binary @a.json
curl a.example -F 'note="hello";type=text/plain' -F 'file=@a.json;type=application/json' -F other=@missing
curl a.example --data-raw $'it\\'s \\u00e9\\n'
curl a.example -d @../outside
curl a.example -H 'Content-Type: multipart/form-data' -F name=ada
""",
        tmp_path,
    )
    bodies = [one.body for one in found]
    assert bodies[0] and (bodies[0].data, bodies[0].fields) == (b"a=1&b=%20", (("a", "1"), ("b", " ")))
    assert found[1].headers == (("Accept", "application/json"), ("Content-Type", "application/json"))
    assert bodies[2] and (bodies[2].data, bodies[2].type) == (b'{"a":1}', "application/json")
    assert bodies[3] and bodies[3].data == b'{"a":\n1}'
    assert bodies[4] and bodies[4].fields == (("note", "hello"),)
    assert bodies[4].uploads == (
        FilePart(field="file", name="a.json", type="application/json", data=b'{"a":\n1}'),
        FilePart(field="other", name="missing"),
    )
    assert bodies[5] and bodies[5].text == "it's é\n"
    assert bodies[6] and bodies[6].data == b""
    assert bodies[7] and bodies[7].fields == (("name", "ada"),)
    assert {one.method for one in found} == {"POST"}


@pytest.mark.parametrize(
    "text",
    [
        "curl 'https://a.example/x?a=1&b=2' \\\n  -H 'accept: */*' \\\n  --data-raw '{\"a\":\"b c\"}' --compressed",
        'curl "https://a.example/x?a=1&b=2" ^\r\n  -H "accept: */*" ^\r\n  --data-raw "{\\"a\\":\\"b c\\"}"',
        'curl ^"https://a.example/x?a=1^&b=2^" ^\r\n  -H ^"accept: */*^" --data-raw ^"^{^\\^"a^\\^":^\\^"b c^\\^"^}^"',
        "curl 'https://a.example/x?a=1&b=2' `\n  -H 'accept: */*' `\n  --data-raw '{\"a\":\"b c\"}'",
    ],
    ids=["bash", "cmd", "cmd of Chrome", "PowerShell"],
)
def test_what_browsers_copy(text):
    (found,) = requests(text)
    assert (found.method, found.url) == ("POST", "https://a.example/x?a=1&b=2")
    assert found.headers[0] == ("accept", "*/*")
    assert found.body and (found.body.data, found.body.fields) == (b'{"a":"b c"}', ())


def test_an_empty_line_of_cmd_is_a_line_break():
    (found,) = requests('curl ^"https://a.example^" ^\r\n  --data-raw ^"a^\r\n\r\nb^"')
    assert found.body and found.body.data == b"a\nb"


def test_what_curl_has_and_a_suite_has_not_is_listed():
    found = recorded(
        "curl -k --cert client.pem -x http://proxy:3128 -b cookies.txt https://a.example -d @missing stray"
    )
    assert [one.url for one in found.exchanges] == ["https://a.example/"]
    assert left_out(found) == {"options of curl": 3, "files of a body": 1, "words": 1}


def test_words_that_may_be_passwords_are_counted_and_not_shown():
    found = recorded("curl https://api.example.com/ --tlspassword swordfish hunter2", folder=None)
    assert not [one for one in found.left_out if {"swordfish", "hunter2"} & {*one.examples}]
