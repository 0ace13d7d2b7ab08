"""Event buses, IAM policies, and the default security group of a VPC."""

import json

from tests.infra.engine.examples.common import TAGS, VPC, Example, Of

BUS = "aws:cloudwatch/eventBus:EventBus"


def _document(action: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


BUSES = {
    BUS: Example(inputs={"name": "toril", **TAGS}, change={"description": "notices"}),
    "aws:iam/policy:Policy": Example(
        inputs={"name": "workers", "path": "/toril/main/", "policy": _document("s3:GetObject"), **TAGS},
        change={"policy": _document("s3:PutObject")},
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Example(  # exists as long as its VPC
        inputs={"vpcId": Of(VPC), "ingress": [], "egress": [], **TAGS}, outlives=True
    ),
}
