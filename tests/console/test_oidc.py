"""People sign in at an issuer, and keep sessions; programs bring tokens."""

import subprocess
import sys
import time

import pytest

from tests.console.issuers import ADDRESS, EC, ISSUER, RSA, Console, csrf_of
from tests.refusals import refused
from toril.console.oidc import Oidc
from toril.console.sessions import ABSOLUTE_S, FRESH_S, IDLE_S
from toril.console.web import local_path
from toril.errors import OptionError


@pytest.fixture
def console(tmp_path):
    return Console(tmp_path)


def test_a_person_signs_in_and_returns_to_the_wanted_page(console):
    browser = console.browser()
    login = browser.get("/me?a=1").headers["location"]
    assert login == "/login?next=%2Fme%3Fa%3D1"
    there = browser.get(login).headers["location"]
    back = browser.get(console.issuer.sign_in(there, name="Ann", groups=["staff", "toril-operator"]))
    assert back.headers["location"] == "/me?a=1"
    assert browser.get("/api/v1/me").json() == {"subject": "ann", "name": "Ann", "role": "operator", "on": "local"}


def test_the_cookie_is_host_only_and_sealed_and_holds_subject_role_and_times(console):
    browser = console.browser()
    back = browser.get(console.issuer.sign_in(browser.get("/login").headers["location"], name="Ann"))
    session = back.headers.get_list("set-cookie")[0]
    name, _, rest = session.partition("=")
    value, _, attributes = rest.partition("; ")
    assert name == "__Host-toril" and len(session) < 1_000
    assert set(attributes.split("; ")) == {"Path=/", "Max-Age=3600", "HttpOnly", "SameSite=Lax", "Secure"}
    now = console.clock.now()
    assert console.identity._sessions.open(value) == ["ann", "viewer", now, now]
    assert console.identity._logins.open(value) is None


def test_the_highest_role_of_a_persons_groups_counts(console):
    browser = console.browser()
    there = browser.get("/login").headers["location"]
    browser.get(console.issuer.sign_in(there, groups=["toril-viewer", "toril-admin", "toril-operator"]))
    assert browser.get("/api/v1/me").json()["role"] == "admin"


@pytest.mark.parametrize("groups", [[], ["admin"], "toril", None, {"toril-admin": True}, [["toril-admin"]]])
def test_a_person_without_a_known_group_is_refused(console, groups):
    browser = console.browser()
    there = browser.get("/login").headers["location"]
    refused = browser.get(console.issuer.sign_in(there, groups=groups))
    assert refused.status_code == 403 and "no-role" in refused.text
    assert "__Host-toril" not in browser.cookies


def test_a_session_ends_after_an_hour_without_requests(console):
    browser = console.signed_in()
    for _ in range(3):
        console.clock.sleep(IDLE_S - 1)
        assert browser.get("/api/v1/me").status_code == 200
    console.clock.sleep(IDLE_S)
    assert browser.get("/api/v1/me").status_code == 401


def test_a_session_ends_after_twelve_hours_of_requests(console):
    browser = console.signed_in()
    for _ in range(int(ABSOLUTE_S / 1800) - 1):
        console.clock.sleep(1800)
        assert browser.get("/api/v1/me").status_code == 200
    console.clock.sleep(1800)
    assert browser.get("/api/v1/me").status_code == 401


def test_signing_out_removes_the_session_and_continues_at_the_issuer(console):
    browser = console.signed_in()
    token = csrf_of(browser.get("/me"))
    console.clock.sleep(IDLE_S / 2)  # this request would also renew the session
    assert browser.post("/logout", data={"csrf": token}).headers["location"] == "/signed-out"
    assert "__Host-toril" not in browser.cookies
    refresh = browser.get("/signed-out").headers["refresh"]
    assert refresh.startswith(f"0; url={ISSUER}/end?client_id=console&post_logout_redirect_uri=")
    assert browser.get("/me").headers["location"] == "/login?next=%2Fme"


def test_signing_out_everywhere_ends_all_sessions_and_tokens_of_that_person_only(console):
    browser, elsewhere, other = console.signed_in(), console.signed_in(), console.signed_in(subject="bob")
    old = console.issuer.access_token()
    token = csrf_of(browser.get("/me"))
    console.clock.sleep(5)
    assert browser.post("/logout/everywhere", data={"csrf": token}).status_code == 303
    assert elsewhere.get("/api/v1/me").status_code == 401
    assert console.asked(old) == (401, "bad-token")
    assert other.get("/api/v1/me").status_code == 200
    console.clock.sleep(1)
    assert console.signed_in().get("/api/v1/me").status_code == 200
    assert console.asked(console.issuer.access_token())[0] == 200


def test_an_administrator_ends_the_sessions_and_tokens_of_another_person(console):
    admin, elsewhere, other = console.signed_in("admin", "bob"), console.signed_in(), console.signed_in(subject="eve")
    token = csrf_of(admin.get("/audit"))
    for change in (
        lambda: admin.post("/people/end-sessions", data={"csrf": token, "subject": "ann"}),
        lambda: admin.post("/api/v1/people/end-sessions", json={"subject": "ann"}, headers={"x-csrf-token": token}),
    ):
        old = console.issuer.access_token()
        console.clock.sleep(1)
        assert change().status_code in (200, 303)
        assert console.audit()[-1]["what"] == "person.end-sessions"
        assert (console.audit()[-1]["who"], console.audit()[-1]["target"]) == ("bob", "ann")
        assert elsewhere.get("/api/v1/me").status_code == 401
        assert console.asked(old) == (401, "bad-token")
        assert admin.get("/api/v1/me").status_code == other.get("/api/v1/me").status_code == 200
        console.clock.sleep(1)
        elsewhere = console.signed_in()


def test_another_process_refuses_the_sessions_within_half_a_minute(console):
    browser = console.signed_in()
    twin = Oidc(console.identity.settings, address=ADDRESS, store=console.store, clock=console.clock)
    twin._people.get("ann")
    twin._people.end_sessions("bob")
    console.identity._people.end_sessions("ann")
    console.clock.sleep(FRESH_S)
    assert twin._people.get("ann").not_before > 0
    assert browser.get("/api/v1/me").status_code == 401


def test_access_tokens_of_the_issuer_have_the_role_of_their_groups(console):
    me = {"subject": "ann", "name": "ann", "role": "operator", "on": "local"}
    for key in (RSA, EC):
        assert console.asked(console.issuer.access_token(key=key, groups=["toril-operator"])) == (200, me)


def test_access_tokens_of_cognito_have_a_client_instead_of_an_audience(tmp_path):
    console = Console(tmp_path, groups_claim="cognito:groups")
    claims = {"cognito:groups": ["toril-admin"], "username": "Ann", "client_id": "console"}
    issuer = console.issuer
    assert console.asked(issuer.access_token(aud=None, token_use="access", **claims))[1]["role"] == "admin"
    assert console.asked(issuer.access_token(aud=None, token_use="id", **claims)) == (401, "bad-token")
    claims["client_id"] = "other"
    assert console.asked(issuer.access_token(aud=None, token_use="access", **claims)) == (401, "bad-token")


def test_a_job_on_github_has_the_role_of_its_environment_or_ref(console):
    found = console.asked(console.issuer.job_token(environment="load-test"))
    assert found[1]["role"] == "operator" and found[1]["name"] == "acme/shop load-test"
    assert console.asked(console.issuer.job_token(ref="refs/heads/main"))[1]["role"] == "viewer"


def test_the_tokens_of_a_job_from_before_its_sessions_ended_are_refused(console):
    old = console.issuer.job_token(environment="load-test")
    console.clock.sleep(1)
    console.identity.end_sessions("repo:acme/shop")
    assert console.asked(old) == (401, "bad-token")
    console.clock.sleep(1)
    assert console.asked(console.issuer.job_token(environment="load-test"))[0] == 200


def test_new_keys_of_the_issuer_are_fetched_once_for_an_unknown_name(console):
    console.issuer.keys = [RSA]
    assert console.asked(console.issuer.access_token())[0] == 200
    token = console.issuer.access_token(key=EC)
    assert console.asked(token) == (401, "bad-token")  # not asked again within a minute
    console.issuer.keys = [RSA, EC]
    console.clock.sleep(61)
    assert console.asked(token)[0] == 200
    assert console.issuer.requests.count("/keys") == 2


def test_programs_learn_where_to_sign_in(console):
    about = console.browser().get("/api/v1/login").json()
    assert about == {"issuer": ISSUER, "client_id": "console", "scope": "openid profile email"}


def test_an_issuer_may_name_another_audience_and_have_another_client_for_programs(tmp_path):
    console = Console(tmp_path, audience="load-tests", login_client_id="cli")
    assert console.browser().get("/api/v1/login").json()["client_id"] == "cli"
    token = console.issuer.access_token
    assert console.asked(token(aud="load-tests"))[0] == console.asked(token(aud=["x", "load-tests"]))[0] == 200
    for audience in (ADDRESS, "cli", "console", "load-tests2", ["load-tests "], None, "", True):
        assert console.asked(token(aud=audience)) == (401, "bad-token"), audience
    assert console.signed_in().get("/api/v1/me").status_code == 200  # with the first client, as before


@pytest.mark.parametrize("audience", ["console", "cli"])
def test_the_id_of_a_client_is_no_audience_because_identity_tokens_have_it(tmp_path, audience):
    with refused("audience-of-client", error=OptionError):
        Console(tmp_path, audience=audience, login_client_id="cli")


@pytest.mark.parametrize("path", ["/", "/runs?a=b&c=%2F", "/suites/a.b/edit"])
def test_local_paths_are_kept(path):
    assert local_path(path) == path


def test_a_page_with_a_session_needs_no_client_of_the_issuer():
    program = """if True:
        import sys
        import toril.console.app, toril.console.oidc
        print(sorted({"authlib", "httpx", "httpx2", "joserfc"} & set(sys.modules)))
    """
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.solo
def test_checking_a_session_takes_less_than_a_millisecond(console):
    from starlette.requests import Request

    browser = console.signed_in()
    cookie = f"__Host-toril={browser.cookies['__Host-toril']}".encode()
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"cookie", cookie)]}
    began = time.perf_counter()
    for _ in range(500):
        assert console.identity.person(Request({**scope, "state": {}}))
    assert (time.perf_counter() - began) / 500 < 0.001
