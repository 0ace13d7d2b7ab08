"""Cognito's user pools: their clients, domains, groups, users and login pages."""

from typing import Any

from tests.infra.engine.kinds import ARN, ID, TAGS, Kind, Tagging, View, call, derived, given, has, look, part

POOL = "accountRecoverySetting adminCreateUserConfig autoVerifiedAttributes userPoolTier"
FIXED = "usernameAttributes usernameConfiguration"
PASSWORDS = derived("passwordPolicy", lambda policy: {"PasswordPolicy": policy})
MFA = "mfaConfiguration softwareTokenMfaConfiguration"
CLIENT = (
    "name:ClientName accessTokenValidity idTokenValidity refreshTokenValidity tokenValidityUnits "
    "allowedOauthFlows allowedOauthFlowsUserPoolClient allowedOauthScopes callbackUrls logoutUrls "
    "refreshTokenRotation explicitAuthFlows supportedIdentityProviders preventUserExistenceErrors enableTokenRevocation"
)
IN_POOL = {"UserPoolId": given("userPoolId")}
BRANDING = "useCognitoProvidedValues"
BRANDING_ID = {"ManagedLoginBrandingId": part(1, ","), **IN_POOL}


def _attributes(view: View) -> list[dict[str, str]] | None:
    found = view["attributes"]
    return found and [{"Name": name, "Value": value} for name, value in sorted(found.items())]


def _in_pool(name: str) -> Any:
    return lambda view: f"{view['userPoolId']}/{view[name]}"


USER = {"Username": given("username"), **IN_POOL}
GROUP = {"GroupName": part(1, "/"), "UserPoolId": part(0, "/")}
KINDS = {
    "aws:cognito/userPool:UserPool": Kind(
        service="cognito-idp",
        create=(
            call("CreateUserPool", f"name:PoolName {POOL} {FIXED}", Policies=PASSWORDS, UserPoolTags=TAGS),
            call("SetUserPoolMfaConfig", MFA, UserPoolId=ID, when=has("mfaConfiguration")),
        ),
        id="UserPool.Id",
        read=(
            look("DescribeUserPool", "UserPool", UserPoolId=ID),
            look("GetUserPoolMfaConfig", "@", UserPoolId=ID),
        ),
        delete=(call("DeleteUserPool", UserPoolId=ID),),
        replaces=FIXED,
        updates={
            f"name {POOL} passwordPolicy": (
                call("UpdateUserPool", f"name:PoolName {POOL}", UserPoolId=ID, Policies=PASSWORDS, UserPoolTags=TAGS),
            ),
            MFA: (call("SetUserPoolMfaConfig", MFA, UserPoolId=ID),),
        },
        outputs={
            "arn": "Arn",
            "domain": "Domain",
            "endpoint": lambda view, seen: f"cognito-idp.{view.region}.amazonaws.com/{view.id}",
        },
        names={"name": "Name"},
        seen_as={"name": "Name", "passwordPolicy": "Policies.PasswordPolicy"},
        auto_name="name",
        tagging=Tagging(
            add=call("TagResource", ResourceArn=ARN, Tags=TAGS),
            remove=call("UntagResource", ResourceArn=ARN, TagKeys=lambda view: sorted(view.tags)),
            look=look("ListTagsForResource", "Tags", ResourceArn=ARN),
            at="@",
        ),
    ),
    "aws:cognito/userPoolDomain:UserPoolDomain": Kind(
        service="cognito-idp",
        create=(call("CreateUserPoolDomain", "domain userPoolId managedLoginVersion"),),
        id=given("domain"),
        read=(look("DescribeUserPoolDomain", "DomainDescription", Domain=ID),),
        delete=(call("DeleteUserPoolDomain", "domain userPoolId"),),
        replaces="domain userPoolId",
        updates={"managedLoginVersion": (call("UpdateUserPoolDomain", "domain userPoolId managedLoginVersion"),)},
        outputs={"awsAccountId": "AWSAccountId", "version": "Version"},
        alive="UserPoolId",
    ),
    "aws:cognito/userPoolClient:UserPoolClient": Kind(
        service="cognito-idp",
        create=(call("CreateUserPoolClient", f"userPoolId generateSecret {CLIENT}"),),
        id="UserPoolClient.ClientId",
        read=(look("DescribeUserPoolClient", "UserPoolClient", ClientId=ID, **IN_POOL),),
        delete=(call("DeleteUserPoolClient", ClientId=ID, **IN_POOL),),
        replaces="userPoolId generateSecret",
        updates={
            CLIENT.replace(":ClientName", ""): (call("UpdateUserPoolClient", CLIENT, ClientId=ID, **IN_POOL),),
        },
        outputs={"clientSecret": "ClientSecret"},
        seen_as={"generateSecret": "null"},
        auto_name="name",
    ),
    "aws:cognito/userGroup:UserGroup": Kind(
        service="cognito-idp",
        create=(call("CreateGroup", "name:GroupName userPoolId description"),),
        id=_in_pool("name"),
        read=(look("GetGroup", "Group", **GROUP),),
        delete=(call("DeleteGroup", **GROUP),),
        replaces="name userPoolId",
        updates={"description": (call("UpdateGroup", "description", **GROUP),)},
        auto_name="name",
    ),
    "aws:cognito/user:User": Kind(
        service="cognito-idp",
        create=(
            call(
                "AdminCreateUser",
                "username desiredDeliveryMediums",
                **IN_POOL,
                UserAttributes=_attributes,
            ),
        ),
        id=_in_pool("username"),
        read=(look("AdminGetUser", "@", **USER),),
        delete=(call("AdminDeleteUser", **USER),),
        replaces="username userPoolId",
        updates={
            "attributes": (call("AdminUpdateUserAttributes", **USER, UserAttributes=_attributes),),
        },
        local="desiredDeliveryMediums",
        outputs={"status": "UserStatus", "sub": "UserAttributes[?Name=='sub'].Value | [0]"},
        seen_as={"username": "null", "attributes": "UserAttributes[?Name!='sub']"},
    ),
    "aws:cognito/userInGroup:UserInGroup": Kind(
        service="cognito-idp",
        create=(call("AdminAddUserToGroup", "groupName", **USER),),
        id=lambda view: f"{view['userPoolId']}/{view['groupName']}/{view['username']}",
        read=(look("AdminListGroupsForUser", lambda view: f"Groups[?GroupName=='{view['groupName']}'] | [0]", **USER),),
        delete=(call("AdminRemoveUserFromGroup", "groupName", **USER),),
        replaces="groupName username userPoolId",
    ),
    "aws:cognito/managedLoginBranding:ManagedLoginBranding": Kind(
        service="cognito-idp",
        create=(call("CreateManagedLoginBranding", f"clientId {BRANDING}", **IN_POOL),),
        id="join(',', ManagedLoginBranding.[UserPoolId, ManagedLoginBrandingId])",
        read=(look("DescribeManagedLoginBranding", "ManagedLoginBranding", **BRANDING_ID),),
        delete=(call("DeleteManagedLoginBranding", **BRANDING_ID),),
        replaces="clientId userPoolId",
        updates={BRANDING: (call("UpdateManagedLoginBranding", BRANDING, **BRANDING_ID),)},
        outputs={"managedLoginBrandingId": "ManagedLoginBrandingId"},
    ),
}
