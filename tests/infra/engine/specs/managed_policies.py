"""Managed IAM policies. A change makes a new version and deletes the old one."""

from typing import Any

from tests.infra.engine.kinds import ID, TAGS, Kind, Tagging, View, call, look


def _new_version(view: View) -> list[Any]:
    return [
        call("CreatePolicyVersion", "policy:PolicyDocument", PolicyArn=ID, SetAsDefault=True),
        call("DeletePolicyVersion", PolicyArn=ID, VersionId=view.state["versionId"]),
    ]


KINDS = {
    "aws:iam/policy:Policy": Kind(
        service="iam",
        create=(call("CreatePolicy", "name:PolicyName path description policy:PolicyDocument", Tags=TAGS),),
        id="Policy.Arn",
        read=(
            look("GetPolicy", "Policy", PolicyArn=ID),
            look("ListPolicyVersions", "{version: Versions[?IsDefaultVersion] | [0].VersionId}", PolicyArn=ID),
        ),
        delete=(call("DeletePolicy", PolicyArn=ID),),
        replaces="name path description",
        updates={"policy": (_new_version,)},
        outputs={"arn": "Arn", "policyId": "PolicyId", "versionId": "version"},
        seen_as={"policy": "null"},
        auto_name="name",
        tagging=Tagging(
            add=call("TagPolicy", PolicyArn=ID, Tags=TAGS),
            remove=call("UntagPolicy", PolicyArn=ID, TagKeys=lambda view: sorted(view.tags)),
            look=look("ListPolicyTags", "Tags", PolicyArn=ID),
            at="@",
        ),
        is_global=True,
    ),
}
