"""Cognito's user pools, through their login pages, as an application and its users meet them."""

import base64
import hashlib
import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from tests.cloud.refused import refused
from tests.cloud.web import fields, submit, web

pytestmark = pytest.mark.live
REGION = "eu-west-1"
CALLBACK = "https://console.example.org/callback"
HOME = "https://console.example.org/"
VERIFIER = "a" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
INVITED, CHOSEN = "Invited-1-by-mail", "Chosen-2-by-the-user"


class Pool:
    """A user pool with a domain, an administrator and a client."""

    def __init__(self, cloud, *, branded=True, secret=False):
        self.aws = cloud.client("cognito-idp", REGION)
        self.id = self.aws.create_user_pool(
            PoolName="console",
            UsernameAttributes=["email"],
            AutoVerifiedAttributes=["email"],
            AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
        )["UserPool"]["Id"]
        self.aws.create_user_pool_domain(Domain="toril-1", UserPoolId=self.id, ManagedLoginVersion=2)
        client = self.aws.create_user_pool_client(
            UserPoolId=self.id,
            ClientName="console",
            GenerateSecret=secret,
            AllowedOAuthFlows=["code"],
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthScopes=["openid", "email"],
            CallbackURLs=[CALLBACK],
            LogoutURLs=[HOME],
            SupportedIdentityProviders=["COGNITO"],
        )["UserPoolClient"]
        self.client, self.secret = client["ClientId"], client.get("ClientSecret")
        if branded:
            self.aws.create_managed_login_branding(
                UserPoolId=self.id, ClientId=self.client, UseCognitoProvidedValues=True
            )
        self.aws.admin_create_user(
            UserPoolId=self.id,
            Username="ada@example.org",
            TemporaryPassword=INVITED,
            UserAttributes=[{"Name": "email", "Value": "ada@example.org"}, {"Name": "email_verified", "Value": "true"}],
        )
        self.aws.create_group(UserPoolId=self.id, GroupName="admin")
        self.aws.admin_add_user_to_group(UserPoolId=self.id, Username="ada@example.org", GroupName="admin")

    @property
    def issuer(self):
        return f"https://cognito-idp.{REGION}.amazonaws.com/{self.id}"

    def asking(self, **more):
        asked = {
            "client_id": self.client,
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid email",
            "state": "st4te",
            "nonce": "n0nce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return urlencode({**asked, **more})

    def token(self, browser, address, code, **more):
        asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        login = (self.client, self.secret) if self.secret else None
        form = {"client_id": self.client, "code_verifier": VERIFIER, **asked, **more}
        return browser.post(address, data=form, auth=login)


def code_of(answer):
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(CALLBACK)
    found = parse_qs(urlsplit(answer.headers["location"]).query)
    assert found["state"] == ["st4te"]
    return found["code"][0]


@pytest.mark.parametrize("secret", [False, True], ids=["public client", "client with a secret"])
def test_an_invited_user_chooses_a_password_and_gets_tokens_with_groups(cloud, secret):
    pool = Pool(cloud, secret=secret)
    with web(cloud, follow_redirects=False) as browser:
        found = browser.get(f"{pool.issuer}/.well-known/openid-configuration").json()
        assert found["issuer"] == pool.issuer
        assert found["authorization_endpoint"] == f"https://toril-1.auth.{REGION}.amazoncognito.com/oauth2/authorize"
        page = browser.get(f"{found['authorization_endpoint']}?{pool.asking()}", follow_redirects=True)
        assert page.url.path == "/login"
        wrong = submit(browser, page, username="ada@example.org", password="wrong")
        assert "Incorrect username or password" in wrong.text
        page = submit(browser, wrong, username="ada@example.org", password=INVITED)
        answer = submit(browser, page, new_password=CHOSEN, confirm_password=CHOSEN)
        tokens = pool.token(browser, found["token_endpoint"], code_of(answer)).json()
        keys = KeySet.import_key_set(browser.get(found["jwks_uri"]).json())
        identity = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims
        access = jwt.decode(tokens["access_token"], keys, algorithms=["RS256"]).claims
        assert identity["iss"] == access["iss"] == pool.issuer
        assert (identity["aud"], identity["nonce"], identity["email"]) == (pool.client, "n0nce", "ada@example.org")
        assert (access["client_id"], access["token_use"]) == (pool.client, "access")
        assert identity["cognito:groups"] == access["cognito:groups"] == ["admin"]
        head, claims, signature = tokens["id_token"].split(".")
        with pytest.raises(BadSignatureError):
            jwt.decode(f"{head}.{claims}.{signature[::-1]}", keys, algorithms=["RS256"])
        asked = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        renewed = pool.token(browser, found["token_endpoint"], "", **asked).json()
        assert jwt.decode(renewed["access_token"], keys, algorithms=["RS256"]).claims["cognito:groups"] == ["admin"]
        away = urlencode({"client_id": pool.client, "logout_uri": HOME})
        assert browser.get(f"{found['end_session_endpoint']}?{away}").headers["location"] == HOME


def test_a_code_is_worth_nothing_without_its_verifier_or_twice(cloud):
    pool = Pool(cloud)
    pool.aws.admin_set_user_password(UserPoolId=pool.id, Username="ada@example.org", Password=CHOSEN, Permanent=True)
    base = f"https://toril-1.auth.{REGION}.amazoncognito.com"
    with web(cloud, follow_redirects=False) as browser:
        page = browser.get(f"{base}/login?{pool.asking()}")
        code = code_of(submit(browser, page, username="ada@example.org", password=CHOSEN))
        token = f"{base}/oauth2/token"
        assert pool.token(browser, token, code, code_verifier="b" * 64).json()["error"] == "invalid_grant"
        assert "id_token" in pool.token(browser, token, code).json()
        assert pool.token(browser, token, code).json()["error"] == "invalid_grant"


def test_an_invitation_is_a_mail_with_the_first_password(cloud):
    pool = Pool(cloud)
    mail = [{"Name": "email", "Value": "bob@example.org"}]
    pool.aws.admin_create_user(
        UserPoolId=pool.id, Username="bob@example.org", UserAttributes=mail, DesiredDeliveryMediums=["EMAIL"]
    )
    sent = cloud.mails(REGION)[-1]
    assert sent["to"] == ["bob@example.org"]
    (password,) = re.findall(r"temporary password is (\S+)\.", sent["text"])
    with web(cloud) as browser:
        page = browser.get(f"https://toril-1.auth.{REGION}.amazoncognito.com/login?{pool.asking()}")
        assert "np_token" in fields(submit(browser, page, username="bob@example.org", password=password))


def test_foreign_callbacks_are_refused(cloud):
    pool = Pool(cloud)
    with web(cloud) as browser:
        asked = pool.asking(redirect_uri="https://example.com/")
        answer = browser.get(f"https://toril-1.auth.{REGION}.amazoncognito.com/oauth2/authorize?{asked}")
        assert answer.status_code == 400


def test_managed_login_needs_a_branding_of_the_client(cloud):
    pool = Pool(cloud, branded=False)
    base = f"https://toril-1.auth.{REGION}.amazoncognito.com"
    with web(cloud, follow_redirects=True) as browser:
        assert browser.get(f"{base}/oauth2/authorize?{pool.asking()}").status_code == 403
        made = pool.aws.create_managed_login_branding(
            UserPoolId=pool.id, ClientId=pool.client, UseCognitoProvidedValues=True
        )["ManagedLoginBranding"]
        assert browser.get(f"{base}/oauth2/authorize?{pool.asking()}").status_code == 200
        with refused("ManagedLoginBrandingExistsException"):
            pool.aws.create_managed_login_branding(
                UserPoolId=pool.id, ClientId=pool.client, UseCognitoProvidedValues=True
            )
        pool.aws.update_managed_login_branding(
            UserPoolId=pool.id, ManagedLoginBrandingId=made["ManagedLoginBrandingId"], Settings={"a": 1}
        )
        by_client = pool.aws.describe_managed_login_branding_by_client(UserPoolId=pool.id, ClientId=pool.client)
        assert by_client["ManagedLoginBranding"]["Settings"] == {"a": 1}
        pool.aws.delete_managed_login_branding(
            UserPoolId=pool.id, ManagedLoginBrandingId=made["ManagedLoginBrandingId"]
        )
        assert browser.get(f"{base}/login?{pool.asking()}").status_code == 403


def test_a_pool_with_a_domain_stays(cloud):
    pool = Pool(cloud)
    with refused("InvalidParameterException", "domain"):
        pool.aws.delete_user_pool(UserPoolId=pool.id)
    pool.aws.delete_user_pool_domain(UserPoolId=pool.id, Domain="toril-1")
    pool.aws.delete_user_pool(UserPoolId=pool.id)
