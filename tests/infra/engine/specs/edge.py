"""CloudFront, whose resources have no region."""

import uuid
from collections.abc import Mapping
from typing import Any

from tests.infra.engine.kinds import ARN, ID, From, Kind, Tagging, View, call, look

ETAG: From = lambda view: view.state.get("etag")  # noqa: E731
CONFIG = "DistributionConfig"
SETTINGS = (
    "aliases comment defaultCacheBehavior enabled httpVersion isIpv6Enabled orderedCacheBehaviors origins restrictions "
    "viewerCertificate"
)
RENAMED = {"isIpv6Enabled": "IsIPV6Enabled", "orderedCacheBehaviors": "CacheBehaviors"}
NAMES = {
    "originId": "Id",
    "name": "HeaderName",
    "value": "HeaderValue",
    "locations": "Items",
    "acmCertificateArn": "ACMCertificateArn",
    "sslSupportMethod": "SSLSupportMethod",
}


def _behaviour(given: Mapping[str, Any]) -> dict[str, Any]:
    methods = {"items": given["allowedMethods"], "cachedMethods": given["cachedMethods"]}
    rest = {name: value for name, value in given.items() if name not in ("allowedMethods", "cachedMethods")}
    return {**rest, "allowedMethods": methods}


def _origin(given: Mapping[str, Any]) -> dict[str, Any]:
    return dict(given) if given.get("customOriginConfig") else {**given, "s3OriginConfig": {"originAccessIdentity": ""}}


def _distribution(view: View) -> dict[str, Any]:
    found = {RENAMED.get(name, name): view[name] for name in SETTINGS.split()}
    geography = (view["restrictions"] or {}).get("geoRestriction", {})
    return {
        **found,
        "callerReference": view.state.get("callerReference") or str(uuid.uuid4()),
        "comment": view.inputs.get("comment", ""),
        "defaultCacheBehavior": _behaviour(view["defaultCacheBehavior"]),
        "CacheBehaviors": [_behaviour(one) for one in view["orderedCacheBehaviors"] or []],
        "origins": [_origin(one) for one in view["origins"]],
        "restrictions": {
            "geoRestriction": {
                "restrictionType": geography.get("restrictionType", "none"),
                "items": geography.get("locations") or [],
            }
        },
    }


def _disable_and_delete(client: Any, view: View) -> None:
    """Deletes the distribution, which has to be disabled before."""
    found = client.get_distribution_config(Id=view.id)
    disabled = {**found[CONFIG], "Enabled": False}
    etag = client.update_distribution(Id=view.id, IfMatch=found["ETag"], DistributionConfig=disabled)["ETag"]
    client.delete_distribution(Id=view.id, IfMatch=etag)


def _policy(view: View) -> dict[str, Any]:
    return {name: view[name] for name in POLICY.split()}


POLICY = "name comment securityHeadersConfig"
CONTROL = "name description originAccessControlOriginType signingBehavior signingProtocol"


def _control(view: View) -> dict[str, Any]:
    return {**{name: view[name] for name in CONTROL.split()}, "description": view.inputs.get("description", "")}


KINDS = {
    "aws:cloudfront/distribution:Distribution": Kind(
        service="cloudfront",
        create=(
            call(
                "CreateDistributionWithTags",
                DistributionConfigWithTags=lambda view: {CONFIG: _distribution(view), "Tags": {"Items": view.tags}},
            ),
        ),
        id="Distribution.Id",
        read=(look("GetDistribution", "merge(Distribution.DistributionConfig, Distribution, {ETag: ETag})", Id=ID),),
        updates={SETTINGS: (call("UpdateDistribution", Id=ID, IfMatch=ETAG, DistributionConfig=_distribution),)},
        outputs={
            "arn": "ARN",
            "domainName": "DomainName",
            "etag": "ETag",
            "status": "Status",
            "callerReference": "DistributionConfig.CallerReference",
            "hostedZoneId": lambda view, seen: "Z2FDTNDATAQYW2",
        },
        names=NAMES,
        seen_as=RENAMED,
        tagging=Tagging(
            add=call("TagResource", Resource=ARN, Tags=lambda view: {"Items": view.tags}),
            remove=call("UntagResource", Resource=ARN, TagKeys=lambda view: {"Items": sorted(view.tags)}),
            look=look("ListTagsForResource", "Tags.Items", Resource=ARN),
            at="@",
        ),
        is_global=True,
        empties=_disable_and_delete,
    ),
    "aws:cloudfront/originAccessControl:OriginAccessControl": Kind(
        service="cloudfront",
        create=(call("CreateOriginAccessControl", OriginAccessControlConfig=_control),),
        id="OriginAccessControl.Id",
        read=(
            look(
                "GetOriginAccessControl",
                "merge(OriginAccessControl.OriginAccessControlConfig, {ETag: ETag})",
                Id=ID,
            ),
        ),
        delete=(call("DeleteOriginAccessControl", Id=ID, IfMatch=ETAG),),
        updates={
            CONTROL: (call("UpdateOriginAccessControl", Id=ID, IfMatch=ETAG, OriginAccessControlConfig=_control),)
        },
        outputs={
            "etag": "ETag",
            "arn": lambda view, seen: (
                f"arn:{view.partition}:cloudfront::{view.account}:origin-access-control/{view.id}"
            ),
        },
        auto_name="name",
        is_global=True,
    ),
    "aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": Kind(
        service="cloudfront",
        create=(call("CreateResponseHeadersPolicy", ResponseHeadersPolicyConfig=_policy),),
        id="ResponseHeadersPolicy.Id",
        read=(
            look(
                "GetResponseHeadersPolicy",
                "merge(ResponseHeadersPolicy.ResponseHeadersPolicyConfig, {ETag: ETag})",
                Id=ID,
            ),
        ),
        delete=(call("DeleteResponseHeadersPolicy", Id=ID, IfMatch=ETAG),),
        updates={
            POLICY: (call("UpdateResponseHeadersPolicy", Id=ID, IfMatch=ETAG, ResponseHeadersPolicyConfig=_policy),)
        },
        outputs={
            "etag": "ETag",
            "arn": lambda view, seen: (
                f"arn:{view.partition}:cloudfront::{view.account}:response-headers-policy/{view.id}"
            ),
        },
        auto_name="name",
        is_global=True,
    ),
}
