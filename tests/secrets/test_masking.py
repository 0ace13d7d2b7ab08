"""The masking of credentials in texts, and the readability of the rest."""

import base64
import json
import re
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.growth import is_linear
from tests.tiers import by_day
from toril.secrets.masking import (
    HIDDEN,
    hides,
    mask,
    mask_label,
    masked,
    masked_body,
    masked_settings,
    masked_url,
    names_a_secret,
)

SECRET = "hunTer2-s3cr3t"
HOSTILE = [
    "https://joe:{}@shop.example/cart",
    "https://{}@shop.example",
    "HTTPS://joe:p@{}@shop.example/",
    "https://joe:p/{}@shop.example/",
    "postgresql+psycopg://joe:{}@db:5432/shop",
    "//joe:{}@shop.example/x",
    "cannot GET 'https://joe:{}@shop.example/': 401",
    "/login?next=https%3A%2F%2Fjoe%3A{}%40shop.example%2F",
    "/login?next=%2Fcart%3Ftoken%3D{}%26page%3D2",
    "/cart?token={}",
    "/cart?a=1&access_token={}&b=2",
    "/cart?a=1&amp;api_key={}",
    "/cart;jsessionid={}?a=1",
    "/cart#id_token={}",
    "GET /cart?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={}",
    "/cart?X%2DAmz%2DSignature={}",
    "/login?user[password]={}",
    "/login?user%5Bpassword%5D={}",
    "/login?pass%77ord={}",
    "/login?PASSWORD={}",
    "db password={} is wrong",
    "?auth=Bearer {}",
    "?authorization=Basic%20{}",
    "Authorization: Bearer {}",
    "authorization:{}",
    "Proxy-Authorization: Basic {}",
    'Authorization: Digest username="joe", response="{}"',
    "Cookie: a=b; session={}",
    "Set-Cookie: id={}; HttpOnly",
    "X-Api-Key: {}",
    "x-auth-token: {}\r\nAccept: */*",
    "{{'Authorization': 'Bearer {}', 'Accept': '*/*'}}",
    '{{"password": "{}", "user": "joe"}}',
    "/register?password2={}",
    '{{"user": {{"password_confirmation": "{}"}}}}',
    '{{"password":"a\\"{}"}}',
    '{{"body": "{{\\"password\\": \\"{}\\"}}"}}',
    '{{"client_secret" : ["{}"]}}',
    "{{'api_key': b'{}'}}",
    'the answer was {{"refresh_token": "{}',
    "<password>{}</password>",
    '<ns:Password type="x">{}</ns:Password>',
    "refused: Bearer {}",
    'login(password: "{}") {{ id }}',
    'login(\\"a\\", password: \\"{}\\") {{ id }}',
    'window.csrfToken = "{}"',
    "<user token='{}'/>",
    "<password><![CDATA[{}]]></password>",
    "<password><value>{}</value></password>",
    "<password><value>a</value><value>{}",
    "<name>password</name><value><string>{}</string></value>",
    '<property value="{}" name="token"/>',
    "<textarea name=token>{}</textarea>",
    '{{"name": "password", "type": "x", "value": "{}"}}',
    '{{"tokens": ["a", "{}"]}}',
    '{{"a": "{{\\"b\\": \\"{{\\\\\\"token\\\\\\": \\\\\\"{}\\\\\\"}}\\"}}"}}',
    "/cart?variables=%7B%22password%22%3A+%22{}%22%7D",
    "/cart?variables={{%22password%22:%22{}%22}}",
    "https://shop.example/cart%23id_token%3D{}",
    "/cart?next=/login?token={}",
    "/cart?a=1;token={}",
    "/maps?key=AIza{}",
    "/cart?data={{%22password%22:%22a=b/c?{}%22}}",
    "X-Functions-Key: {}",
    'token = """{}"""',
    '<input type="password" value="{}">',
    "/login?_csrf={}",
    "_csrf={}&user=joe",
    '{{"bearer": "{}"}}',
]
RANDOM = "Zk39XbQ7mLp2RtVw8YcN4hJd6FsA1gTe5uKi"
DIGEST = "3f2a1b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\n{RANDOM}/{RANDOM}+{RANDOM}==\n-----END RSA PRIVATE KEY-----\n"
SHAPES = [
    *(f"{one}_{RANDOM}" for one in ("ghp", "gho", "ghu", "ghs", "ghr", "github_pat", "sk_live", "rk_live", "sk_test")),
    *(f"glpat-{RANDOM[:20]}", f"xoxb-17-{RANDOM}", "AKIAIOSFODNN7EXAMPLE", f"AIza{RANDOM[:35]}", f"npm_{RANDOM}"),
    *(f"pypi-AgEIcHlwaS5vcmc{RANDOM}", f"eyJhbGciOiJIUzI1NiJ9.{RANDOM}.{RANDOM}", PEM, json.dumps(PEM), PEM[:80]),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_credential_is_masked(text):
    shown = mask(text.format(SECRET))
    assert SECRET not in shown
    assert HIDDEN in shown
    assert mask(shown) == shown


@pytest.mark.parametrize("around", ["{}", "/items/{}/more", 'said "{}".', "\\n{}", '{{"a": "{}"}}', "?a={}&b=1"])
@pytest.mark.parametrize("token", SHAPES)
def test_a_token_with_a_well_known_beginning_is_masked_anywhere(token, around):
    text = around.format(token)
    for shown in (mask(text), mask(quote(text)), masked_body(text.encode(), "")[0] or ""):
        assert not [part for part in (RANDOM[:12], RANDOM[-12:], "IOSFODNN") if part in shown]
        assert HIDDEN in shown


@pytest.mark.parametrize("name", ["key", "code"])
@pytest.mark.parametrize("value", [DIGEST, RANDOM, "4/0AX4XfWhQ9rT2bN7kLm3"])
def test_a_random_key_or_code_is_masked(name, value):
    for text in (json.dumps({name: value}), f"/callback?{name}={quote(value, safe='')}", f"a=1&{name}={value}"):
        if not (name == "key" and "/" in value):
            assert value not in unquote(mask(text))
            assert value not in unquote(masked_body(text.encode(), "")[0] or value)


@pytest.mark.parametrize(
    "text",
    [
        '{"code": 404, "key": {"code": "ERR_TOO_LONG_2024", "a": "b"}}',
        "/cart?code=SUMMER&code=SUMMER-SALE-2024&pin=map",
        "code=404&message=none",
        "csrf verification failed; the bearer of this",
        "ghp_short npm_config_registry_of_the_company_and_more task_test_checkout2024scenario sk_test_of_things",
        "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----",
        "expected '-----BEGIN PRIVATE KEY-----' at the beginning",
        "pypi-some-package-of-ours-2024 AKIA AIza",
        "/search?q=lamp&page=2",
        "https://shop.example:8080/mail/joe@example.com",
        "http://[::1]:8080/users/a@b",
        "joe@example.com",
        "/product/17?max_tokens=5&bypass=yes",
        "p95 of token exchange>300ms for 10s",
        "Basic authentication is required",
        "HTTP 401: bearer token is missing",
        "GET /api/keys",
        "the basic cart",
        "/cart?token=",
        "x = 5, y == 6",
        "a=b=c",
        "/product?sort=asc&key=price&tokens=17",
        '{"tokens": 5, "max_tokens": "7", "key": "name-of-a-thing-2024"}',
        "password: must be at least 8 characters",
        "query($password: String!) { login(password: $password) { id } }",
        "Unexpected token: '<'",
        "<label>Password:</label><p>Text</p>",
        'a[name="token"], input[type=password] { content: "x" }',
        '<form name="token"><label for="password">Password</label></form>',
        "/a%20b?q=50%25&next=%2Fcart%3Fpage%3D2",
        "",
    ],
)
def test_a_text_without_credentials_stays_unchanged(text):
    assert mask(text) == text


def test_the_text_around_a_credential_stays_unchanged():
    assert mask("GET https://joe:pw@shop.example/a?id=7&token=abc&page=2#x") == (
        "GET https://***@shop.example/a?id=7&token=***&page=2#x"
    )
    assert mask('{"user": "joe", "password": "x", "n": 1}') == '{"user": "joe", "password": "***", "n": 1}'
    assert mask("X-Api-Key: abc\nAccept: */*") == "X-Api-Key: ***\nAccept: */*"


TOKENS = st.text("abcXYZ019-_.~!$*+", min_size=6, max_size=40).filter(lambda text: not text.startswith("*"))
NAMES = st.sampled_from(["token", "password", "X-Amz-Signature", "access_key", "client-secret", "sessionId", "sig"])


@given(NAMES, TOKENS, st.text(max_size=30), st.text(max_size=30))
def test_a_credential_in_a_query_is_masked_in_any_context(name, token, before, after):
    shown = mask(f"{before} /a?{name}={token}&b=1 {after}")
    assert f"{name}={token}" not in shown


@given(st.text())
@example("Authorization: ***…0123456789abcdef")
@example("?token=***…0123456789abcdef")
@example("?token=*…0123456789abcdef")
@example("//@//@token=@")
def test_masking_again_changes_nothing(text):
    assert mask(mask(text)) == mask(text)


PIECES = st.sampled_from(
    re.findall(
        r"\S+|\s+",
        "token password = & : // @ http:// \" ' \\ Authorization Bearer *** %3A%2F%2F %40 %3D %26 %3Ftoken <password> "
        "< x1 eyJhbGciOi.eyJzdWIiOiIx [ … \n %22 %7B %25 tokens 5 key= a1b2c3d4e5f6g7h8 , </password> "
        '<![CDATA[ ]]> / + <a name=token value="x"> <name>token</name> <b> "token":" \\"token\\":\\" '
        '"name":"token","value":',
    )
)


@given(st.lists(PIECES, max_size=14).map("".join))
def test_masking_random_texts_again_changes_nothing(text):
    assert mask(mask(text)) == mask(text)


BEGINNINGS = ("", "token eyJ : = % @ // < \" ' ", '"token": "', '\\"token\\": \\"', "<token>", "http://a:", "Cookie: ")
PIECES_OF_LONG = (
    *(
        "a",
        "=",
        "token=",
        "//",
        "@",
        "//@",
        '"',
        "\\",
        "'\\\"",
        "<a ",
        "Cookie-",
        "%3F",
        "Bearer ",
        "http://:",
        "a://a:",
    ),
    *(
        '"token":',
        '\\"token\\":',
        "<token ",
        "<token>",
        "eyJaaaaaaaa.",
        " ",
        "\t",
        "token=bearer ",
        "%26a",
        "a-",
        "basic a",
        *("token:'", '"token":"5\\"', '"tokens":[', '"tokens":["5",', '"name":"token",', '"name":"token","a":"b",'),
        *("<a name=token>", "<a name=token value=", "<token><b>", "<name>token</name>", "<token><![CDATA[", "</token>"),
        *("code=", "pin=", '"code":', '"key":"', "code:'a1", "ghp_", "sk_live_", "xoxb-", "github_pat_", "AKIA"),
        *("-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----a", "-----BEGIN ", "code=a1a1a1a1a1a1a1a1a1"),
        *("%22", "%25", "%22token%22%3A", "key=", "key=a1", "tokens=1;", "password: ", "<a\\", '\\\\"', "x%"),
    ),
)


@pytest.mark.parametrize("piece", by_day(PIECES_OF_LONG, each=6))
def test_the_time_of_masking_is_linear_in_the_length(piece):
    assert [beginning for beginning in BEGINNINGS if not is_linear(mask, piece, beginning)] == []


@pytest.mark.parametrize(
    "piece", ['"', '"token":', '{"a":"', '\\"', "a=", "&token=", "<input name=token ", "; name=", "\n\n"]
)
@pytest.mark.parametrize("kind", by_day(["application/json", "", "multipart/form-data; boundary=x"], each=3))
def test_the_time_of_masking_a_body_is_linear_in_its_length(piece, kind):
    assert is_linear(lambda text: masked_body(text.encode(), kind), piece, "")
    assert is_linear(masked_url, piece, "//")


@pytest.mark.parametrize("piece", ["/", "/a", "=", "a=", "/aA1", "aA1", "%"])
def test_the_time_of_masking_a_label_is_linear_in_its_length(piece):
    assert is_linear(mask_label, piece, "/")


@pytest.mark.parametrize(
    "label", ["/again/{}", "GET https://shop/reset/{}/now", "/a?t={}&page=2", "no /a/{}: 404", "/a/{}==", "/a;v={}#b"]
)
def test_a_random_part_of_an_address_in_a_label_is_masked(label):
    for token in (RANDOM, RANDOM[:22], RANDOM.replace("b", "-"), f"ghp_{RANDOM}"):
        assert mask_label(label.format(token)).removesuffix("==") == label.format(HIDDEN).removesuffix("==")


@pytest.mark.parametrize(
    "label",
    [
        "/items/507f1f77bcf86cd799439011",
        "/items/550e8400-e29b-41d4-a716-446655440000/more",
        f"/static/main.{DIGEST}.js",
        "/api/GetCustomerOrdersV2ByDate2024",
        "tests/test_shop.py::test_checkout_with_2_Items_And_4Coupons",
        "com.example.Shop/testCheckoutV2With3ItemsAnd4Coupons",
        "/Produkte/Übersicht-der-Angebote-2024-Teil-17",
        f"checkout {RANDOM}",
    ],
)
def test_a_label_of_words_and_ids_stays_unchanged(label):
    assert mask_label(label) == label


def test_texts_of_a_document_are_masked_and_numbers_stay():
    found = masked({"labels": {"/a?token=1": 5, "/a?token=2": 6}, "many": [[1, 2], [3, 4]], "why": ["token=x", None]})
    assert found == {
        "labels": {"/a?token=***": 5, "/a?token=*** (#2)": 6},
        "many": [[1, 2], [3, 4]],
        "why": ["token=***", None],
    }


def test_settings_are_masked_by_their_keys():
    found = masked_settings(
        {
            "headers": {"Authorization": "Bearer abc", "Accept": "text/html", "X-Api-Key": 12345},
            "cookies": [{"name": "id", "value": "abc", "domain": "shop"}],
            "store-cookie": True,
            "authorization": {"name": "joe", "password": "abc"},
            "variables": {"token": "${TOKEN}"},
            "requests": [{"url": "https://joe:abc@shop/?sig=1", "body": {"password": "abc"}}],
        }
    )
    assert found == {
        "headers": {"Authorization": "***", "Accept": "text/html", "X-Api-Key": "***"},
        "cookies": [{"name": "id", "value": "***", "domain": "shop"}],
        "store-cookie": True,
        "authorization": {"name": "joe", "password": "***"},
        "variables": {"token": "${TOKEN}"},
        "requests": [{"url": "https://***@shop/?sig=***", "body": {"password": "***"}}],
    }


@pytest.mark.parametrize(
    "name",
    ["token", "Csrf-Token", "AWSAccessKeyId", "x-api-key", "pwd", "JSESSIONID", "Set-Cookie", "contraseña", "cvv"],
)
def test_a_name_of_a_secret_is_recognised(name):
    assert names_a_secret(name)


def test_a_basic_credential_without_a_header_is_masked():
    encoded = base64.b64encode(b"joe:hunter2").decode()
    assert encoded not in mask(f"sent Basic {encoded} to the shop")
    assert "hunter2" not in mask(json.dumps({"a": json.dumps({"password": "hunter2"})}))


def test_a_pin_is_a_credential_if_it_has_digits_alone():
    assert [hides("pin", value) for value in ("4711", "map-pin", "7")] == [True, False, False]


def test_a_gap_for_a_value_stays_readable():
    text = "Run `export SHOP_PASSWORD=…` or pass `--env SHOP_PASSWORD=…`."
    assert mask(text) == text


def test_words_of_a_description_are_hidden_at_their_place_alone():
    described = {"apiToken": {"kind": "content-api", "column": "document_id", "via": "manyToOne", "value": SECRET}}
    shown, found = masked_body(json.dumps(described).encode(), "application/json")
    assert (shown, [one.value for one in found]) == ('{"apiToken": "***"}', [SECRET])
    assert [one.value for one in masked_body(b'{"password": "content-api"}', "application/json")[1]] == ["content-api"]
