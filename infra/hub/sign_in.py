"""The console's issuer: a Cognito user pool with its login pages, or one of your own."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.place import Place
from infra.settings.console import COGNITO_CLAIM, Console
from toril.console.lambda_settings import SIGNED_OUT, callbacks

TOKEN_MINUTES, REFRESH_DAYS, REUSE_S = 60, 30, 60  # an old refresh token is valid for a moment, if an answer was lost
INVITED_DAYS = 7
SHORTEST_PASSWORD = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """The issuer and the console's client there."""

    url: pulumi.Input[str]
    client_id: pulumi.Input[str]
    groups_claim: str


class SignIn(pulumi.ComponentResource):
    """A user pool, its login pages, the console's client, a group for each role, and the first administrator.

    People cannot register: administrators invite them by email. MFA by an authenticator app is optional.
    """

    issuer: Issuer

    def __init__(
        self,
        name: str,
        settings: Console,
        place: Place,
        address: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("toril:hub:SignIn", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        pool = _pool(name, place, address, own)
        aws.cognito.UserPoolDomain(
            name,
            domain=place.names.login_domain(place.account),
            user_pool_id=pool.id,
            managed_login_version=2,
            region=place.region,
            opts=own,
        )
        client = _client(name, place, pool, address, own)
        aws.cognito.ManagedLoginBranding(  # without one, the login pages of version 2 do not open
            name,
            user_pool_id=pool.id,
            client_id=client.id,
            use_cognito_provided_values=True,
            region=place.region,
            opts=own,
        )
        groups = {
            group: aws.cognito.UserGroup(
                f"{name}-{group}",
                name=group,
                description=f"Role {role} in the console",
                user_pool_id=pool.id,
                region=place.region,
                opts=own,
            )
            for group, role in sorted(settings.roles.items())
        }
        _administrator(name, settings, place, pool, groups, own)
        self.issuer = Issuer(
            url=pool.id.apply(lambda pool_id: f"https://cognito-idp.{place.region}.{place.suffix}/{pool_id}"),
            client_id=client.id,
            groups_claim=COGNITO_CLAIM,
        )
        self.register_outputs({"issuer": self.issuer.url, "client_id": self.issuer.client_id})


def find_issuer(
    name: str, settings: Console, place: Place, address: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> Issuer:
    """Returns your own issuer, or that of a new user pool."""
    if settings.issuer is None:
        return SignIn(f"{name}-sign-in", settings, place, address, opts).issuer
    found = settings.issuer
    return Issuer(url=found.url, client_id=found.client_id, groups_claim=found.groups_claim)


def _pool(name: str, place: Place, address: pulumi.Output[str], opts: pulumi.ResourceOptions) -> "aws.cognito.UserPool":
    return aws.cognito.UserPool(
        name,
        name=place.names.console,
        region=place.region,
        user_pool_tier="ESSENTIALS",  # the login pages of version 2 need it
        username_attributes=["email"],
        username_configuration={"case_sensitive": False},
        auto_verified_attributes=["email"],
        admin_create_user_config={
            "allow_admin_create_user_only": True,
            "invite_message_template": {
                "email_subject": "Your account for load tests",
                "email_message": address.apply(invitation),
            },
        },
        account_recovery_setting={"recovery_mechanisms": [{"name": "verified_email", "priority": 1}]},
        mfa_configuration="OPTIONAL",
        software_token_mfa_configuration={"enabled": True},
        password_policy={
            "minimum_length": SHORTEST_PASSWORD,
            "require_lowercase": True,
            "require_numbers": True,
            "require_symbols": False,
            "require_uppercase": True,
            "temporary_password_validity_days": INVITED_DAYS,
        },
        opts=opts,
    )


def invitation(address: str) -> str:
    """Returns the text of the mail to invited people. Cognito inserts the name and the temporary password."""
    return (
        f"You may use the console of the load tests at {address}<br>"
        f"Sign in as {{username}} with the password {{####}} within {INVITED_DAYS} days, and choose a new one."
    )


def _client(
    name: str, place: Place, pool: "aws.cognito.UserPool", address: pulumi.Output[str], opts: pulumi.ResourceOptions
) -> "aws.cognito.UserPoolClient":
    """Makes a public client: authorisation code with PKCE, and refresh tokens that change with each use."""
    return aws.cognito.UserPoolClient(
        name,
        name=place.names.console,
        user_pool_id=pool.id,
        region=place.region,
        generate_secret=False,
        allowed_oauth_flows=["code"],
        allowed_oauth_flows_user_pool_client=True,
        allowed_oauth_scopes=["email", "openid", "profile"],
        callback_urls=address.apply(lambda found: sorted(callbacks(found))),
        logout_urls=address.apply(lambda found: [found + SIGNED_OUT]),
        supported_identity_providers=["COGNITO"],
        explicit_auth_flows=["ALLOW_USER_SRP_AUTH"],
        prevent_user_existence_errors="ENABLED",
        enable_token_revocation=True,
        refresh_token_rotation={"feature": "ENABLED", "retry_grace_period_seconds": REUSE_S},
        access_token_validity=TOKEN_MINUTES,
        id_token_validity=TOKEN_MINUTES,
        refresh_token_validity=REFRESH_DAYS,
        token_validity_units={"access_token": "minutes", "id_token": "minutes", "refresh_token": "days"},
        opts=opts,
    )


def _administrator(
    name: str,
    settings: Console,
    place: Place,
    pool: "aws.cognito.UserPool",
    groups: "dict[str, aws.cognito.UserGroup]",
    opts: pulumi.ResourceOptions,
) -> None:
    """Invites the first administrator by email, with a temporary password."""
    admin = aws.cognito.User(
        f"{name}-admin",
        user_pool_id=pool.id,
        username=settings.admin or "",
        attributes={"email": settings.admin or "", "email_verified": "true"},
        desired_delivery_mediums=["EMAIL"],
        region=place.region,
        # the person's own later, or changed by another administrator
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(ignore_changes=["attributes", "enabled"])),
    )
    first = min(group for group, role in settings.roles.items() if role == "admin")
    aws.cognito.UserInGroup(
        f"{name}-admin",
        user_pool_id=pool.id,
        username=admin.username,
        group_name=groups[first].name,
        region=place.region,
        opts=opts,
    )
