"""Attacks on sign-in, sessions, tokens and the guard: each one is refused."""

import hmac
import json
import re
from base64 import urlsafe_b64encode
from dataclasses import replace

import pytest
from fastapi.routing import iter_route_contexts
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.console.issuers import ADDRESS, CLIENT, ISSUER, OTHER, RSA, Console, csrf_of
from tests.tiers import examples
from toril.console.app import create_app
from toril.console.guard import MOST_BYTES
from toril.console.identity import ROLES, Loopback
from toril.console.oidc import Oidc
from toril.console.web import local_path
from toril.errors import StoreError
from toril.store import FolderStore

# The role that each change needs. A new route has to be listed here.
CHANGES = {
    "DELETE /api/v1/runs/{run_id}": "admin",
    "DELETE /api/v1/schedules/{name}": "operator",
    "DELETE /api/v1/suites/{name}": "operator",
    "DELETE /api/v1/suites/{name}/baseline": "operator",
    "POST /api/v1/people/end-sessions": "admin",
    "POST /api/v1/runs": "operator",
    "POST /api/v1/runs/{run_id}/notes": "operator",
    "POST /api/v1/runs/{run_id}/rates": "operator",
    "POST /api/v1/runs/{run_id}/stop": "operator",
    "POST /api/v1/schedules": "operator",
    "POST /api/v1/suites/check": "viewer",
    "POST /api/v1/suites/{name}/versions": "operator",
    "POST /api/v1/uploads": "operator",
    "POST /logout": "viewer",
    "POST /logout/everywhere": "viewer",
    "POST /mcp": "token",
    "POST /people/end-sessions": "admin",
    "POST /runs": "admin",
    "POST /runs/baseline": "operator",
    "POST /runs/{run_id}/baseline": "operator",
    "POST /suites/{name}/baseline/clear": "operator",
    "POST /suites/{name}/baseline/undo": "operator",
    "POST /runs/{run_id}/judge": "operator",
    "POST /runs/{run_id}/delete": "admin",
    "POST /runs/{run_id}/notes": "operator",
    "POST /runs/{run_id}/rate": "operator",
    "POST /runs/{run_id}/rerun": "operator",
    "POST /runs/{run_id}/share": "operator",
    "POST /runs/{run_id}/share/allow": "admin",
    "POST /runs/{run_id}/share/revoke": "operator",
    "POST /runs/{run_id}/stop": "operator",
    "POST /runs/{run_id}/take-over": "operator",
    "POST /schedules": "operator",
    "POST /schedules/{name}/{change}": "operator",
    "POST /suites/new": "operator",
    "POST /suites/new/check": "operator",
    "POST /suites/new/upload": "operator",
    "POST /suites/{name}/copy": "operator",
    "POST /suites/{name}/delete": "operator",
    "POST /suites/{name}/edit": "operator",
    "POST /suites/{name}/files": "operator",
    "POST /suites/{name}/start": "operator",
    "POST /suites/{name}/versions/{number}": "operator",
    "PUT /api/v1/runs/{run_id}/baseline": "operator",
    "PUT /api/v1/schedules/{name}": "operator",
    "PUT /api/v1/uploads/{sha256}": "operator",
}
# Pages that not every viewer may see.
VIEWS = {
    "GET /audit": "admin",
    "GET /runs/{run_id}/delete": "admin",
    "GET /runs/{run_id}/rerun": "operator",
    "GET /runs/{run_id}/share": "operator",
    "GET /runs/{run_id}/stop": "operator",
    "GET /suites/new": "operator",
    "GET /suites/{name}/edit": "operator",
    "GET /suites/{name}/files": "operator",
    "GET /suites/{name}/start": "operator",
}
PUBLIC = {
    "GET /api/v1/login",
    "GET /api/v1/openapi.json",
    "GET /auth/callback",
    "GET /login",
    "GET /shared/{run_id}/{token}",
    "GET /signed-out",
    "GET /static/{path:path}",
}


@pytest.fixture
def console(tmp_path):
    return Console(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A console for requests that change nothing: making one takes a third of a second."""
    return Console(tmp_path_factory.mktemp("shared"))


def routes(console):
    """Returns method and path of each route."""
    found = set()
    for context in iter_route_contexts(console.app.app.routes):
        for method in (context.methods or set()) - {"HEAD", "OPTIONS"}:
            found.add(f"{method} {context.path}")
    return found


def send(browser, route, **options):
    method, path = route.split(" ")
    return browser.request(method, re.sub(r"{[^}]*}", "x", path), **options)


# Roles


def test_every_change_is_listed_with_its_role(shared):
    assert {route for route in routes(shared) if not route.startswith("GET ")} == set(CHANGES)


def test_only_the_public_addresses_answer_without_a_session(shared):
    browser = shared.browser()
    for route in routes(shared) - PUBLIC:
        answer = send(browser, route)
        assert answer.status_code == 401 or answer.headers.get("location", "").startswith("/login?next="), route


@pytest.mark.parametrize("role", ROLES)
def test_people_and_programs_do_only_what_their_role_allows(console, role):
    browser, program = console.signed_in(role), console.browser()
    forms = {"data": {"csrf": csrf_of(browser.get("/me"))}}
    bearer = {"headers": {"authorization": f"Bearer {console.issuer.access_token(groups=[f'toril-{role}'])}"}}
    for route, needed in {**CHANGES, **VIEWS}.items():
        if "/logout" in route:
            continue  # other tests sign out
        refused = (
            "token-only" if needed == "token" else "role-too-low" if needed in ROLES[ROLES.index(role) + 1 :] else ""
        )
        answers = [send(browser, route, **({} if route.startswith("GET ") else forms))]
        if " /api/" in route:
            answers.append(send(program, route, **bearer))
        for answer in answers:
            if refused:
                assert answer.status_code == 403 and refused in answer.text, route
            else:
                assert answer.status_code not in (401, 403), route


def test_no_person_changes_anything_without_the_token_of_the_form(shared):
    browser = shared.signed_in("admin")
    for route in CHANGES:
        answer = send(browser, route)
        assert answer.status_code == 403 and "csrf" in answer.text, route


# CSRF


@pytest.mark.parametrize("forged", ["", "0" * 64, "é", "other"])
def test_a_change_with_a_forged_token_is_refused(console, forged):
    browser = console.signed_in()
    console.clock.sleep(1)
    token = csrf_of(console.signed_in().get("/me")) if forged == "other" else forged
    assert token != csrf_of(browser.get("/me"))
    for request in ({"data": {"csrf": token}}, {"headers": {"x-csrf-token": token.encode()}}):
        answer = browser.post("/logout", **request)
        assert answer.status_code == 403 and "csrf" in answer.text


def test_a_change_from_another_site_is_refused_with_the_right_token(shared):
    browser = shared.signed_in()
    token = csrf_of(browser.get("/me"))
    for origin in ("https://evil.example", "null", ADDRESS.replace("https", "http"), f"{ADDRESS}.evil.example"):
        answer = browser.post("/logout", data={"csrf": token}, headers={"origin": origin})
        assert (answer.status_code, answer.json()["code"]) == (403, "other-origin")


# Sign-in


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "javascript:alert(1)", "evil",
     "/\t/evil.example", "/\n/evil.example", "/\x00", "", "/ä", "/login", "/login?next=/login", "/auth/callback?code=a",
     "/" + "a" * 2_000, " /me", "/me\r\nset-cookie: a=b"],
)  # fmt: skip
def test_a_sign_in_never_leaves_the_console(shared, address):
    assert local_path(address) == "/"
    browser = shared.browser()
    there = browser.get("/login", params={"next": address}).headers["location"]
    assert browser.get(shared.issuer.sign_in(there)).headers["location"] == "/"


@examples(200)
@given(st.text() | st.from_regex(r"\A[/\\]{1,3}[^\x00]{0,20}\Z"))
def test_a_local_path_has_no_host(address):
    found = local_path(address)
    assert re.fullmatch(r"/([^/\\].*)?", found) and not re.search(r"[\x00-\x20\\\x7f]", found)


@pytest.mark.parametrize(
    ("path", "leads_back"),
    [("/runs?suite=shop", True), ("//evil.example/x", False), ("/\\evil.example", False), ("/login?next=/", False)],
)
def test_the_page_of_an_error_leads_back_inside_the_console_alone(shared, path, leads_back):
    browser = shared.signed_in()
    found = browser.get("/no-such-page", headers={"referer": ADDRESS + path}).text
    assert (f'href="{path}"' in found) == leads_back
    assert "evil.example" not in found


def test_a_sign_in_of_another_browser_is_refused(console):
    attacker, victim = console.browser(), console.browser()
    back = console.issuer.sign_in(attacker.get("/login").headers["location"], subject="mallory")
    victim.get("/login")
    for browser in (victim, console.browser()):
        answer = browser.get(back)
        assert answer.status_code == 403 and "sign-in-expired" in answer.text
        assert "__Host-toril" not in browser.cookies


def test_an_answer_of_the_issuer_works_once(console):
    browser = console.browser()
    back = console.issuer.sign_in(browser.get("/login").headers["location"])
    kept = browser.cookies["__Host-toril-login"]
    assert browser.get(back).status_code == 303
    assert browser.get(back).status_code == 403  # the cookie is gone
    replayed = console.browser().get(back, headers={"cookie": f"__Host-toril-login={kept}"})
    assert replayed.status_code == 403 and "sign-in-refused" in replayed.text  # the issuer's code is used


def test_a_sign_in_is_refused_after_ten_minutes(console):
    browser = console.browser()
    back = console.issuer.sign_in(browser.get("/login").headers["location"])
    console.clock.sleep(600)
    assert browser.get(back).status_code == 403


@pytest.mark.parametrize(
    "claims",
    [{"nonce": "other"}, {"nonce": ""}, {"aud": "other"}, {"aud": ["other", CLIENT]}, {"aud": []}, {"iss": "https://x"},
     {"exp": 1}, {"sub": ""}, {"sub": 1}],
    ids=str,
)  # fmt: skip
def test_an_identity_token_of_another_sign_in_or_client_is_refused(shared, claims):
    browser = shared.browser()
    answer = browser.get(shared.issuer.sign_in(browser.get("/login").headers["location"], **claims))
    assert answer.status_code == 401 and "bad-token" in answer.text
    assert "__Host-toril" not in browser.cookies


def test_a_planted_session_is_replaced_at_the_sign_in(console):
    planted = console.signed_in(subject="mallory").cookies["__Host-toril"]
    browser = console.browser()
    browser.cookies.set("__Host-toril", planted, domain="load.example.com")
    there = browser.get("/login").headers["location"]
    browser.get(console.issuer.sign_in(there))
    assert browser.get("/api/v1/me").json()["subject"] == "ann"
    assert planted not in browser.cookies.values()


def test_a_cookie_of_another_console_or_kind_is_no_session(console):
    browser = console.signed_in()
    session = browser.cookies["__Host-toril"]
    settings, parts = console.identity.settings, {"store": console.store, "clock": console.clock}
    stranger = Oidc(settings, address="https://other.example", **parts)
    forged = stranger._sessions.seal(["ann", "admin", console.clock.now(), console.clock.now()])
    login = console.identity._logins.seal(["ann", "admin", console.clock.now(), console.clock.now()])
    for cookie in (forged, login, session[:-2] + "AA", session[4:], session[:8], "a.b.c.d.e", "AAAA", "", "é"):
        answer = console.browser().get("/api/v1/me", headers={"cookie": f"__Host-toril={cookie}".encode()})
        assert answer.status_code == 401, cookie


def test_the_issuers_words_are_not_shown_as_text(shared):
    browser = shared.browser()
    state = browser.get("/login").headers["location"].split("state=")[1].split("&")[0]
    answer = browser.get("/auth/callback", params={"state": state, "error": "<b>call 555</b>"})
    assert answer.status_code == 403 and "555" not in answer.text


def test_a_persons_name_with_markup_is_shown_as_text(console):
    name = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    browser = console.signed_in("admin", name=name)
    for path in ("/me", "/audit"):
        page = browser.get(path)
        assert page.status_code == 200 and "<script>alert" not in page.text and "<img src=x" not in page.text
        assert "&lt;script&gt;alert" in page.text


# Bearer tokens


def tampered(token):
    head, body, signature = token.split(".")
    return f"{head}.{body}.{signature[:-4]}AAAA"


def encoded(data):
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(claims, header):
    return ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))


def with_public_key_as_secret(issuer):
    """Returns a token signed by HS256 with the public key that the issuer publishes."""
    text = unsigned(issuer.claims(aud=ADDRESS, groups=["toril-admin"]), {"alg": "HS256", "kid": "one"})
    digest = hmac.digest(RSA.as_pem(private=False), text.encode(), "sha256")
    return f"{text}.{encoded(digest)}"


FORGED = {
    "another audience": lambda issuer: issuer.access_token(aud="https://other.example"),
    "a longer audience": lambda issuer: issuer.access_token(aud=f"{ADDRESS}.evil.example"),
    "no audience": lambda issuer: issuer.access_token(aud=None),
    "no audience, the console's client": lambda issuer: issuer.access_token(aud=None, client_id=CLIENT),
    "an identity token": lambda issuer: issuer.access_token(aud=CLIENT),
    "an identity token of Cognito": lambda issuer: issuer.access_token(token_use="id"),
    "another issuer": lambda issuer: issuer.access_token(iss="https://evil.example"),
    "another spelling of the issuer": lambda issuer: issuer.access_token(iss=f"{ISSUER}/"),
    "no issuer": lambda issuer: issuer.access_token(iss=None),
    "expired": lambda issuer: issuer.access_token(exp=int(issuer.clock.now()) - 60),
    "no expiry": lambda issuer: issuer.access_token(exp=None),
    "an expiry that is no number": lambda issuer: issuer.access_token(exp="9999999999"),
    "not yet valid": lambda issuer: issuer.access_token(nbf=int(issuer.clock.now()) + 61),
    "issued in the future": lambda issuer: issuer.access_token(iat=int(issuer.clock.now()) + 61),
    "no time of issue": lambda issuer: issuer.access_token(iat=None),
    "no subject": lambda issuer: issuer.access_token(sub=None),
    "deeply nested": lambda issuer: ".".join((*issuer.access_token().split(".")[:1], encoded(b"[" * 5_000), "AAAA")),
    "no signature": lambda issuer: unsigned(issuer.claims(aud=ADDRESS), {"alg": "none"}) + ".",
    "no signature, with a key": lambda issuer: (
        unsigned(issuer.claims(aud=ADDRESS), {"alg": "none", "kid": "one"}) + "."
    ),
    "HS256 with the public key": with_public_key_as_secret,
    "another algorithm": lambda issuer: issuer.access_token(header={"alg": "RS512", "kid": "one"}),
    "another key of the same name": lambda issuer: issuer.access_token(
        key=type(RSA).generate_key(2048, {"kid": "one"})
    ),
    "unknown key": lambda issuer: issuer.access_token(header={"alg": "RS256", "kid": "three"}),
    "no key": lambda issuer: issuer.access_token(header={"alg": "RS256"}),
    "a key of the other kind": lambda issuer: issuer.access_token(header={"alg": "RS256", "kid": "two"}),
    "a key of another issuer": lambda issuer: issuer.access_token(key=OTHER),
    "a key in the token": lambda issuer: issuer.access_token(
        key=OTHER, header={"alg": "RS256", "kid": "one", "jwk": OTHER.as_dict(private=False)}
    ),
    "an address of a key": lambda issuer: issuer.access_token(
        key=OTHER, header={"alg": "RS256", "kid": "x", "jku": "https://evil.example/keys"}
    ),
    "a changed signature": lambda issuer: tampered(issuer.access_token()),
    "GitHub's token by this issuer's key": lambda issuer: issuer.job_token(environment="load-test", key=RSA),
    "GitHub's token of another audience": lambda issuer: issuer.job_token(environment="load-test", aud="sts"),
    "GitHub's token of two audiences": lambda issuer: issuer.job_token(environment="load-test", aud=[ADDRESS, "sts"]),
    "nothing": lambda issuer: "",
    "no token": lambda issuer: "abc",
    "an encrypted token": lambda issuer: "a.b.c.d.e",
    "odd headers": lambda issuer: unsigned([], []) + ".",
    "four parts": lambda issuer: issuer.access_token() + ".",
    "a list as header": lambda issuer: unsigned({"iss": ISSUER}, ["alg"]) + ".AAAA",
    "a text as header": lambda issuer: unsigned({"iss": ISSUER}, "xalgx") + ".AAAA",
    "a list as algorithm": lambda issuer: unsigned({"iss": ISSUER}, {"alg": ["RS256"]}) + ".AAAA",
    "a list as key name": lambda issuer: unsigned({"iss": ISSUER}, {"alg": "RS256", "kid": [1]}) + ".AAAA",
    "unknown critical headers": lambda issuer: unsigned({"iss": ISSUER}, {"alg": "RS256", "crit": ["x"]}) + ".AAAA",
    "a long token": lambda issuer: issuer.access_token(more="a" * 200_000),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_refused(shared, forge):
    assert shared.asked(forge(shared.issuer)) == (401, "bad-token")


def test_the_genuine_token_is_accepted(shared):
    assert shared.asked(shared.issuer.access_token())[0] == 200
    now = int(shared.clock.now())
    assert shared.asked(shared.issuer.access_token(exp=now - 50, nbf=now + 50, iat=now + 50))[0] == 200


@pytest.mark.parametrize(
    "claims",
    [{}, {"ref": "refs/heads/main2"}, {"ref": "refs/tags/main"}, {"environment": "Load-Test"}, {"environment": ""},
     {"environment": ["load-test"]}, {"environment": "load-test", "repository_id": "2"},
     {"ref": "refs/heads/main", "repository_id": 1}, {"ref": "refs/heads/main", "repository_id": None}],
    ids=str,
)  # fmt: skip
def test_a_job_of_another_repository_or_ref_is_refused(shared, claims):
    assert shared.asked(shared.issuer.job_token(**claims)) == (403, "no-role")


def test_a_job_is_refused_where_no_machine_is_listed(console):
    object.__setattr__(console.identity.settings, "machines", ())
    assert console.asked(console.issuer.job_token(environment="load-test")) == (401, "bad-token")
    assert "/keys" not in console.issuer.requests


def test_strangers_cannot_make_the_console_ask_the_issuer_often(console):
    for number in range(20):
        console.asked(console.issuer.access_token(header={"alg": "RS256", "kid": str(number)}))
        console.asked(console.issuer.access_token(iss=f"https://{number}.evil.example"))
    assert console.issuer.requests == ["/.well-known/openid-configuration", "/keys"]


def test_a_token_opens_no_page(shared):
    token = shared.issuer.access_token(groups=["toril-admin"])
    for path in ("/", "/me", "/audit"):
        answer = shared.browser().get(path, headers={"authorization": f"Bearer {token}"})
        assert answer.headers["location"].startswith("/login")


def test_a_bad_token_is_refused_beside_a_good_session(shared):
    answer = shared.signed_in("admin").get("/api/v1/me", headers={"authorization": "Bearer abc"})
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
    answer = shared.signed_in("admin").get(
        "/api/v1/me", headers={"authorization": f"bearer {shared.issuer.access_token()}"}
    )
    assert answer.json()["role"] == "viewer"


# The guard


@pytest.mark.parametrize("host", ["evil.example", "load.example.com.evil.example", "load.example.com:8443", "", "a, b"])
def test_another_host_is_refused(shared, host):
    answer = shared.signed_in().get("/me", headers={"host": host})
    assert (answer.status_code, answer.json()["code"]) == (421, "other-host")


def test_a_request_that_bypasses_cloudfront_is_refused(tmp_path):
    console = Console(tmp_path, origin_secret="s" * 32)
    for headers in ({}, {"x-toril-origin": ""}, {"x-toril-origin": "s" * 31}, {"x-toril-origin": "é"}):
        encoded = {name: value.encode() for name, value in headers.items()}
        answer = console.browser().get(
            "/static/x", headers={"host": "abc.execute-api.eu-west-1.amazonaws.com", **encoded}
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "not-through-cloudfront")
    passed = {"host": "abc.execute-api.eu-west-1.amazonaws.com", "x-toril-origin": "s" * 32}
    assert console.browser().get("/signed-out", headers=passed).status_code == 200


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"]
)
def test_a_body_above_the_limit_is_refused(shared, kind):
    browser = shared.signed_in()

    def chunks():
        for _ in range(MOST_BYTES // 65_536 + 2):
            yield b"a" * 65_536

    for body, length in ((b"", str(MOST_BYTES + 1)), (b"", "-1"), (b"", "1e3"), (b"", "9" * 5_000), (chunks(), None)):
        headers = {"content-type": kind, **({"content-length": length} if length else {})}
        answer = browser.post("/logout", content=body, headers=headers)
        if length is None and kind == "application/json":
            assert answer.status_code == 403  # refused before the body is read
        else:
            assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")


# The audit


def test_each_change_leaves_a_line_and_refused_or_reading_requests_leave_none(console):
    browser = console.signed_in(name="Ann")
    token = csrf_of(browser.get("/me"))
    browser.post("/logout", data={"csrf": "wrong"})
    assert [line["what"] for line in console.audit()] == ["sign-in"]
    console.clock.sleep(1)
    browser.post("/logout/everywhere", data={"csrf": token}, headers={"x-forwarded-for": "203.0.113.9"})
    line = console.audit()[1]
    about = {"who": "ann", "name": "Ann", "role": "viewer", "where": "testclient", "at": console.clock.now()}
    assert about.items() <= line.items() and "everywhere" in line["what"] and line["request_id"]


def test_behind_cloudfront_the_browsers_address_is_recorded_and_cannot_be_made_up(tmp_path):
    console = Console(tmp_path, origin_secret="s")
    browser = console.browser()
    browser.headers.update({"x-toril-origin": "s", "x-forwarded-for": "198.51.100.1, 203.0.113.9, 130.176.0.1"})
    browser.get(console.issuer.sign_in(browser.get("/login").headers["location"]))
    assert console.audit()[0]["where"] == "203.0.113.9"


class FullStore(FolderStore):
    def put_once(self, key, data):
        if key.startswith("audit/") and "logout" in data.decode():
            raise StoreError("full", code="store-failed")
        return super().put_once(key, data)


def test_a_change_whose_line_cannot_be_stored_is_reported(tmp_path):
    browser = Console(tmp_path, store=FullStore).signed_in()
    answer = browser.post("/logout", data={"csrf": csrf_of(browser.get("/me"))})
    assert (answer.status_code, answer.json()["code"]) == (503, "not-audited")


# This machine


def test_the_address_of_a_local_console_works_once(tmp_path):
    identity, address = Loopback(), "http://toril-0.localhost:8080"
    app = create_app(replace(Console(tmp_path).setup, identity=identity, address=address))
    first, second = (TestClient(app, base_url=address, follow_redirects=False) for _ in range(2))
    entrance = identity.entrance
    assert second.get("/enter?token=x").status_code == 401
    entered = first.get(entrance)
    assert (
        entered.headers["refresh"] == "0; url=/"
        and "HttpOnly; Path=/; SameSite=strict" in entered.headers["set-cookie"]
    )
    assert second.get(entrance).status_code == 401
    assert (first.get("/me").status_code, second.get("/me").status_code) == (200, 401)


def test_a_process_of_another_user_cannot_use_the_address(tmp_path):
    identity, address = Loopback(), "http://toril-0.localhost:8080"
    app = create_app(replace(Console(tmp_path).setup, identity=identity, address=address))
    stranger = TestClient(app, base_url=address, client=("127.0.0.1", 1))  # a socket that this user does not have
    answer = stranger.get(identity.entrance, headers={"x-forwarded-for": "203.0.113.9"})
    assert answer.status_code == 403 and "other-user" in answer.text
    assert TestClient(app, base_url=address).get(identity.entrance).status_code == 200
