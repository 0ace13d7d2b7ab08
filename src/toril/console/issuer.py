"""OpenID Connect issuers: their addresses, keys and tokens. Imported at the first sign-in or bearer token."""

import json
import threading
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from httpx2 import HTTPError
from joserfc import jws, jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from toril.clock import Clock
from toril.console.identity import RefusedError
from toril.errors import InfrastructureError
from toril.store.connections import is_safe_address

# Asymmetric only: with HS256, the issuer's public key would be the secret.
CHECKS = jws.JWSRegistry(algorithms=["RS256", "ES256"], strict_check_header=False)
FRESH_S = 3600.0  # how long addresses and keys are kept
REFETCH_S = 60.0  # between two requests for unknown keys, because strangers choose a key's name
LEEWAY_S = 60
TIMEOUT_S = 5.0


class Issuer:
    """An issuer at an address. `transport` replaces the network in tests."""

    def __init__(self, address: str, clock: Clock, transport: Any = None) -> None:
        self.address, self._clock, self._transport = address, clock, transport
        self._lock = threading.Lock()
        self._metadata: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def client(self, *args: str, **options: str) -> Any:
        """Returns Authlib's HTTP client for this issuer."""
        return OAuth2Client(
            *args, **options, timeout=TIMEOUT_S, transport=self._transport, code_challenge_method="S256"
        )

    def metadata(self) -> dict[str, Any]:
        """Returns the issuer's description of itself; InfrastructureError if it is another issuer's."""
        now = self._clock.now()
        if self._metadata is None or now >= self._metadata[0] + FRESH_S:
            metadata = self._fetch(f"{self.address.rstrip('/')}/.well-known/openid-configuration")
            if metadata.get("issuer") != self.address:
                text = f"{self.address} describes {metadata.get('issuer')!s:.200}. Correct the issuer's address."
                raise InfrastructureError(text, code="other-issuer")
            self._metadata = (now, metadata)
        return self._metadata[1]

    def endpoint(self, name: str) -> str:
        """Returns an address of the issuer; InfrastructureError if it has none, or an unsafe one."""
        address = self.metadata().get(name)
        if not isinstance(address, str) or not is_safe_address(address):
            text = f"{self.address} has no https address for {name}. Correct the issuer's address."
            raise InfrastructureError(text, code="other-issuer")
        return address

    def claims(self, token: str) -> dict[str, Any]:
        """Returns the claims of a token with a valid signature, issuer and time; RefusedError otherwise.

        The caller checks the audience.
        """
        required = {name: jwt.ClaimsOption(essential=True) for name in ("exp", "iat", "sub")}
        required["iss"] = jwt.ClaimsOption(essential=True, value=self.address)
        try:
            try:
                claims = jwt.decode(token, self._key_set(FRESH_S), registry=CHECKS).claims
            except InvalidKeyIdError:  # the issuer may have new keys
                claims = jwt.decode(token, self._key_set(REFETCH_S), registry=CHECKS).claims
            jwt.JWTClaimsRegistry(int(self._clock.now()), LEEWAY_S, **required).validate(claims)
        except (JoseError, ValueError, TypeError) as error:  # TypeError: a header of another type
            raise bad_token(str(error)) from error
        return claims

    def exchange(self, client: Any, code: str, verifier: str) -> dict[str, Any]:
        """Returns the tokens for an authorisation code; RefusedError if the issuer refuses it."""
        address = self.endpoint("token_endpoint")
        try:
            with client:
                token = client.fetch_token(
                    address,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                    redirect_uri=client.redirect_uri,
                )
        except OAuthError as error:
            text = "The issuer refused this sign-in. Sign in again."
            raise RefusedError(text, code="sign-in-refused", status=403) from error
        except (HTTPError, ValueError) as error:
            raise _unreachable(address, error) from error
        return dict(token)

    def _key_set(self, fresh_s: float) -> KeySet:
        with self._lock:
            now = self._clock.now()
            if self._keys is None or now >= self._keys[0] + fresh_s:
                address = self.endpoint("jwks_uri")
                keys: Any = self._fetch(address)
                try:
                    self._keys = (now, KeySet.import_key_set(keys))
                except (JoseError, ValueError, KeyError, TypeError) as error:
                    raise _unreachable(address, f"its keys are unreadable ({error})") from error
            return self._keys[1]

    def _fetch(self, address: str) -> dict[str, Any]:
        try:
            with self.client() as client:
                answer = client.request("GET", address, withhold_token=True).raise_for_status().json()
        except (HTTPError, ValueError) as error:
            raise _unreachable(address, error) from error
        if not isinstance(answer, dict):
            raise _unreachable(address, "the answer is not a JSON object")
        return answer


def issuer_of(token: str) -> object:
    """Returns the issuer that a token names. Nothing is checked: it only chooses the keys for the check."""
    try:
        claims = json.loads(jws.extract_compact(token.encode()).payload or b"")
    except (JoseError, ValueError, RecursionError) as error:
        raise bad_token("it is not a JSON web token") from error
    return claims.get("iss") if isinstance(claims, dict) else None


def bad_token(why: str) -> RefusedError:
    return RefusedError(f"The token is not valid: {why:.200}", code="bad-token", status=401)


def _unreachable(address: str, why: object) -> InfrastructureError:
    text = f"The issuer does not answer at {address}: {why!s:.200}. Try again."
    return InfrastructureError(text, code="issuer-unreachable")
