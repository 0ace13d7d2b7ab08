"""IAM, whose resources have no region."""

from dataclasses import replace
from typing import Any

from tests.infra.engine.kinds import ID, TAGS, From, Kind, Tagging, View, call, given, has, lacks, look, part


def _tagging(noun: str, key: str, of: From) -> Tagging:
    return Tagging(
        add=call(f"Tag{noun}", **{key: of}, Tags=TAGS),
        remove=call(f"Untag{noun}", **{key: of}, TagKeys=lambda view: sorted(view.tags)),
        look=look(f"List{noun}Tags", "Tags", **{key: of}),
        at="@",
    )


def _detach(client: Any, view: View) -> None:
    """Deletes all inline policies and detaches all managed ones, for `forceDetachPolicies`."""
    if not view["forceDetachPolicies"]:
        return
    for found in client.list_attached_role_policies(RoleName=view.id)["AttachedPolicies"]:
        client.detach_role_policy(RoleName=view.id, PolicyArn=found["PolicyArn"])
    for name in client.list_role_policies(RoleName=view.id)["PolicyNames"]:
        client.delete_role_policy(RoleName=view.id, PolicyName=name)


KINDS = {
    "aws:iam/role:Role": Kind(
        service="iam",
        create=(
            call(
                "CreateRole",
                "name:RoleName path assumeRolePolicy:AssumeRolePolicyDocument description maxSessionDuration "
                "permissionsBoundary",
                Tags=TAGS,
            ),
        ),
        id="Role.RoleName",
        read=(look("GetRole", "Role", RoleName=ID),),
        delete=(call("DeleteRole", RoleName=ID),),
        empties=_detach,
        replaces="name path",
        updates={
            "assumeRolePolicy": (call("UpdateAssumeRolePolicy", "assumeRolePolicy:PolicyDocument", RoleName=ID),),
            "description": (call("UpdateRoleDescription", RoleName=ID, Description=given("description", "")),),
            "maxSessionDuration": (
                call("UpdateRole", RoleName=ID, MaxSessionDuration=given("maxSessionDuration", 3600)),
            ),
            "permissionsBoundary": (
                call("PutRolePermissionsBoundary", "permissionsBoundary", RoleName=ID, when=has("permissionsBoundary")),
                call("DeleteRolePermissionsBoundary", RoleName=ID, when=lacks("permissionsBoundary")),
            ),
        },
        local="forceDetachPolicies",
        outputs={"arn": "Arn", "uniqueId": "RoleId", "createDate": "to_string(CreateDate)"},
        seen_as={"permissionsBoundary": "PermissionsBoundary.PermissionsBoundaryArn"},
        auto_name="name",
        tagging=_tagging("Role", "RoleName", ID),
        is_global=True,
    ),
    "aws:iam/rolePolicy:RolePolicy": Kind(
        service="iam",
        create=(call("PutRolePolicy", "role:RoleName name:PolicyName policy:PolicyDocument"),),
        id=lambda view: f"{view['role']}:{view['name']}",
        read=(look("GetRolePolicy", "@", RoleName=part(0, ":"), PolicyName=part(1, ":")),),
        delete=(call("DeleteRolePolicy", RoleName=part(0, ":"), PolicyName=part(1, ":")),),
        replaces="role name",
        updates={
            "policy": (call("PutRolePolicy", "policy:PolicyDocument", RoleName=part(0, ":"), PolicyName=part(1, ":")),)
        },
        auto_name="name",
        is_global=True,
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Kind(
        service="iam",
        create=(call("AttachRolePolicy", "role:RoleName policyArn"),),
        id=lambda view: f"{view['role']}/{view['policyArn']}",
        read=(
            look(
                "ListAttachedRolePolicies",
                lambda view: f"AttachedPolicies[?PolicyArn=='{view['policyArn']}'] | [0]",
                RoleName=given("role"),
            ),
        ),
        delete=(call("DetachRolePolicy", "role:RoleName policyArn"),),
        replaces="role policyArn",
        is_global=True,
        replaced_in_place=True,
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": Kind(
        service="iam",
        create=(
            call(
                "CreateOpenIDConnectProvider",
                "url clientIdLists:ClientIDList",
                Tags=TAGS,
            ),
        ),
        id="OpenIDConnectProviderArn",
        read=(look("GetOpenIDConnectProvider", "@", OpenIDConnectProviderArn=ID),),
        delete=(call("DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=ID),),
        replaces="url",
        updates={
            "clientIdLists": (
                lambda view: [
                    call("AddClientIDToOpenIDConnectProvider", OpenIDConnectProviderArn=ID, ClientID=client)
                    for client in sorted(set(view["clientIdLists"]) - set(view.before["clientIdLists"]))
                ],
                lambda view: [
                    call("RemoveClientIDFromOpenIDConnectProvider", OpenIDConnectProviderArn=ID, ClientID=client)
                    for client in sorted(set(view.before["clientIdLists"]) - set(view["clientIdLists"]))
                ],
            ),
        },
        outputs={"arn": lambda view, seen: view.id},
        seen_as={"url": "null"},  # without its https://
        tagging=replace(_tagging("OpenIDConnectProvider", "OpenIDConnectProviderArn", ID), look=None, at="Tags"),
        is_global=True,
    ),
}
