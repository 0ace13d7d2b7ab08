"""The console: a function behind an HTTP API, and CloudFront before both the API and the bucket of static files.

The parts exist in this order, without a circle: API → distribution → client of the issuer → function → integration.
The distribution adds a secret header to requests to the API, and the function refuses requests without it. The secret
is random, made with the first update and kept in the stack's state, where it is encrypted. The function knows only its
SHA-256, because its variables are easier to read.
"""

import secrets
from functools import partial

import pulumi
import pulumi_aws as aws

from infra.hub.console_package import Package, find_package
from infra.hub.results import close
from infra.hub.sign_in import Issuer, find_issuer
from infra.permissions.console import LAMBDA_SERVICE, console_policy
from infra.permissions.grants import grant, service_trust
from infra.permissions.role import make_role
from infra.permissions.scope import Scope
from infra.permissions.statements import Document, document, render
from infra.place import Place
from infra.settings.console import Console as ConsoleSettings
from infra.settings.hub import HubSettings
from toril.console.lambda_settings import VARIABLES, callbacks, encoded, origin_digest

HANDLER = "toril.console.aws_lambda.handler"
MEMORY_MIB, TIMEOUT_S, GATEWAY_TIMEOUT_MS = 1024, 29, 30_000  # API Gateway's maximum
RATE_PER_S, BURST = 100, 200  # of all visitors; 50 watchers of live pages need 25 a second
LOGS_KEPT_DAYS = 30
PROCESSORS = {"arm64": "arm64", "x86-64": "x86_64"}
SECRET_HEADER = "x-toril-origin"  # noqa: S105 - the name of a header; see toril.console.guard
FOREVER = "public, max-age=31536000, immutable"
# CloudFront's own policies: AWS, "Using managed cache policies" and "… origin request policies"
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
CACHING_OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
ALL_VIEWER_EXCEPT_HOST = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
HTTPS_ONLY = "redirect-to-https"
READ = ["GET", "HEAD"]
ALL_METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
YEAR_S = 31_536_000
API, STATIC = "api", "static"  # the distribution's origins


class Console(pulumi.ComponentResource):
    """`role` is the name of the function's role; the home region adds rights to start coordinators to it."""

    address: pulumi.Output[str]
    role: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        hub: HubSettings,
        settings: ConsoleSettings,
        place: Place,
        scope: pulumi.Output[Scope],
        bucket: pulumi.Output[str],
        topic: pulumi.Output[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("toril:hub:Console", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        package = find_package(settings)
        api = aws.apigatewayv2.Api(
            name, name=place.names.console, protocol_type="HTTP", description="Console", region=place.region, opts=own
        )
        secret = pulumi.Stash(
            name,
            input=pulumi.Output.secret(secrets.token_hex(32)),
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["input"]),
        ).output
        site = StaticFiles(f"{name}-static", package, place, own)
        distribution = _distribution(name, settings, place, api, site, secret, own)
        site.open_to(distribution)
        host = settings.domain.name if settings.domain else distribution.domain_name
        self.address = pulumi.Output.concat("https://", host)
        issuer = find_issuer(name, settings, place, self.address, own)
        role = make_role(
            f"{name}-role",
            place,
            place.names.role("console"),
            "The console's function",
            service_trust(LAMBDA_SERVICE, {}),  # Lambda takes only roles of the function's own account
            {"console": scope.apply(console_policy)},
            own,
            extended=True,  # by the home region
        )
        variables = _variables(settings, place, issuer, self.address, bucket, secret)
        # a page must not name a static file that is not there yet
        after = pulumi.ResourceOptions(parent=self, depends_on=[*site.files])
        function = _function(name, settings, place, package, role, variables, after)
        _expose(name, place, api, function, own)
        _alarms(name, place, api, function, topic, own)
        aws.s3.BucketCorsConfiguration(
            name,
            bucket=bucket,
            region=hub.region,
            cors_rules=[
                {
                    "allowed_headers": ["*"],
                    "allowed_methods": ["GET", "POST"],
                    "allowed_origins": [self.address],
                    "max_age_seconds": 3600,
                }
            ],
            opts=own,
        )
        self.role = role.name
        if settings.domain:
            pulumi.export("console_target", distribution.domain_name)
        if settings.issuer:
            pulumi.export("console_callbacks", self.address.apply(callbacks))
        self.register_outputs({"address": self.address, "role": self.role})


class StaticFiles(pulumi.ComponentResource):
    """A bucket that only CloudFront reads, with the styles and scripts of this version of the console."""

    def __init__(self, name: str, package: Package, place: Place, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("toril:hub:StaticFiles", name, {}, opts)
        self._name, self._place = name, place
        self._own = own = pulumi.ResourceOptions(parent=self)
        region, called = place.region, place.names.console_bucket(place.account, place.region)
        self.bucket = bucket = aws.s3.Bucket(name, bucket=called, region=region, opts=own)
        close(name, bucket, region, own)
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=bucket.bucket,
            region=region,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=own,
        )
        self.files = [
            aws.s3.BucketObjectv2(
                f"{name}-{path}",
                bucket=bucket.bucket,
                key=f"static/{path}",
                source=pulumi.FileAsset(str(package.folder / path)),
                content_type=media_type,
                cache_control=FOREVER,
                region=region,
                opts=own,
            )
            for path, media_type in sorted(package.static.items())
        ]
        self.access = aws.cloudfront.OriginAccessControl(
            name,
            name=called,
            description="Static files of the console",
            origin_access_control_origin_type="s3",
            signing_behavior="always",
            signing_protocol="sigv4",
            opts=own,
        )
        self.register_outputs({"bucket": bucket.bucket})

    def open_to(self, distribution: "aws.cloudfront.Distribution") -> None:
        """Allows this distribution alone to read the files."""
        policy = pulumi.Output.all(self.bucket.arn, distribution.arn).apply(lambda found: render(static_policy(*found)))
        aws.s3.BucketPolicy(
            self._name, bucket=self.bucket.bucket, region=self._place.region, policy=policy, opts=self._own
        )


def static_policy(bucket: str, distribution: str) -> Document:
    """Returns the policy of the bucket of static files: TLS only, and reads by one distribution."""
    cloudfront = {"Service": "cloudfront.amazonaws.com"}
    only = {"StringEquals": {"AWS:SourceArn": distribution}}
    return document(
        [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": {"AWS": "*"},
                "Action": "s3:*",
                "Resource": [bucket, f"{bucket}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            },
            grant("CloudFront", cloudfront, ["s3:GetObject"], [f"{bucket}/static/*"], only),
        ]
    )


def _distribution(
    name: str,
    settings: ConsoleSettings,
    place: Place,
    api: "aws.apigatewayv2.Api",
    site: StaticFiles,
    secret: pulumi.Output[str],
    opts: pulumi.ResourceOptions,
) -> "aws.cloudfront.Distribution":
    headers = aws.cloudfront.ResponseHeadersPolicy(
        name,
        name=place.names.console,
        comment="Headers of all answers; the application sets its own policy for pages",
        security_headers_config={
            "content_security_policy": {
                "content_security_policy": "default-src 'none'; frame-ancestors 'none'",
                "override": False,
            },
            "content_type_options": {"override": True},
            "frame_options": {"frame_option": "DENY", "override": True},
            "referrer_policy": {"referrer_policy": "same-origin", "override": False},
            "strict_transport_security": {
                "access_control_max_age_sec": YEAR_S,
                "include_subdomains": True,
                "override": True,
            },
        },
        opts=opts,
    )
    return aws.cloudfront.Distribution(
        name,
        comment=place.names.console,
        enabled=True,
        is_ipv6_enabled=True,
        http_version="http2and3",
        aliases=[settings.domain.name] if settings.domain else None,
        origins=[
            {
                "origin_id": API,
                "domain_name": api.api_endpoint.apply(lambda endpoint: endpoint.removeprefix("https://")),
                "custom_headers": [{"name": SECRET_HEADER, "value": secret}],
                "custom_origin_config": {
                    "http_port": 80,
                    "https_port": 443,
                    "origin_protocol_policy": "https-only",
                    "origin_ssl_protocols": ["TLSv1.2"],
                    "origin_read_timeout": TIMEOUT_S + 2,
                },
            },
            {
                "origin_id": STATIC,
                "domain_name": site.bucket.bucket_regional_domain_name,
                "origin_access_control_id": site.access.id,
            },
        ],
        default_cache_behavior={
            "target_origin_id": API,
            "viewer_protocol_policy": HTTPS_ONLY,
            "response_headers_policy_id": headers.id,
            "allowed_methods": ALL_METHODS,
            "cached_methods": READ,
            "cache_policy_id": CACHING_DISABLED,
            "origin_request_policy_id": ALL_VIEWER_EXCEPT_HOST,
        },
        ordered_cache_behaviors=[
            {
                "path_pattern": "/static/*",
                "viewer_protocol_policy": HTTPS_ONLY,
                "response_headers_policy_id": headers.id,
                "target_origin_id": STATIC,
                "allowed_methods": READ,
                "cached_methods": READ,
                "cache_policy_id": CACHING_OPTIMIZED,
                "compress": True,
            }
        ],
        restrictions={"geo_restriction": {"restriction_type": "none"}},
        viewer_certificate=_certificate(settings),
        opts=opts,
    )


def _certificate(settings: ConsoleSettings) -> "aws.cloudfront.DistributionViewerCertificateArgsDict":
    """Returns the viewers' certificate. CloudFront fixes the TLS versions of its own certificate."""
    if settings.domain is None:
        return {"cloudfront_default_certificate": True}
    return {
        "acm_certificate_arn": settings.domain.certificate,
        "minimum_protocol_version": "TLSv1.2_2021",
        "ssl_support_method": "sni-only",
    }


def _variables(
    settings: ConsoleSettings,
    place: Place,
    issuer: Issuer,
    address: pulumi.Output[str],
    bucket: pulumi.Output[str],
    secret: pulumi.Output[str],
) -> dict[str, pulumi.Input[str]]:
    """Returns the function's variables, as `toril.console.lambda_settings` describes them."""
    names = place.names
    values: dict[str, pulumi.Input[object]] = {
        "address": address,
        "store": pulumi.Output.concat("s3://", bucket),
        "uploads": pulumi.Output.concat("https://", bucket, f".s3.{place.region}.{place.suffix}"),
        "issuer": issuer.url,
        "client_id": issuer.client_id,
        "groups_claim": issuer.groups_claim,
        "roles": settings.roles,
        "machines": [one.model_dump() for one in settings.machines],
        "max_cost": settings.max_cost,
        "session_key_parameter": names.console_parameter("session-key"),
        "origin_digest": secret.apply(origin_digest),
    }
    if settings.issuer and settings.issuer.confidential:
        values["client_secret_parameter"] = names.console_parameter("client-secret")
    own = {} if settings.issuer is None else settings.issuer.model_dump(include={"login_client_id", "audience"})
    values |= {name: value for name, value in own.items() if value}
    return {
        VARIABLES[name]: pulumi.Output.from_input(value).apply(partial(encoded, name)) for name, value in values.items()
    }


def _function(
    name: str,
    settings: ConsoleSettings,
    place: Place,
    package: Package,
    role: "aws.iam.Role",
    variables: dict[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> "aws.lambda_.Function":
    logs = aws.cloudwatch.LogGroup(
        name,
        name=place.names.console_log_group(),
        retention_in_days=LOGS_KEPT_DAYS,
        region=place.region,
        opts=opts,
    )
    return aws.lambda_.Function(
        name,
        name=place.names.console,
        description="Console",
        code=pulumi.FileArchive(str(package.path)),
        handler=HANDLER,
        runtime=package.runtime,
        architectures=[PROCESSORS[settings.architecture]],
        memory_size=MEMORY_MIB,
        timeout=TIMEOUT_S,
        role=role.arn,
        environment={"variables": variables},
        logging_config={"log_format": "JSON", "log_group": logs.name, "system_log_level": "WARN"},
        region=place.region,
        opts=opts,
    )


def _expose(
    name: str,
    place: Place,
    api: "aws.apigatewayv2.Api",
    function: "aws.lambda_.Function",
    opts: pulumi.ResourceOptions,
) -> None:
    """Sends every request of the API to the function."""
    aws.lambda_.Permission(
        name,
        statement_id="api",
        action="lambda:InvokeFunction",
        function=function.name,
        principal="apigateway.amazonaws.com",
        source_arn=api.execution_arn.apply(lambda arn: f"{arn}/*"),
        region=place.region,
        opts=opts,
    )
    integration = aws.apigatewayv2.Integration(
        name,
        api_id=api.id,
        integration_type="AWS_PROXY",
        integration_uri=function.arn,
        payload_format_version="2.0",
        timeout_milliseconds=GATEWAY_TIMEOUT_MS,
        region=place.region,
        opts=opts,
    )
    route = aws.apigatewayv2.Route(
        name,
        api_id=api.id,
        route_key="$default",
        target=integration.id.apply(lambda one: f"integrations/{one}"),
        region=place.region,
        opts=opts,
    )
    aws.apigatewayv2.Stage(
        name,
        api_id=api.id,
        name="$default",
        auto_deploy=True,
        default_route_settings={"throttling_burst_limit": BURST, "throttling_rate_limit": RATE_PER_S},
        region=place.region,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[route])),
    )


def _alarms(
    name: str,
    place: Place,
    api: "aws.apigatewayv2.Api",
    function: "aws.lambda_.Function",
    topic: pulumi.Output[str],
    opts: pulumi.ResourceOptions,
) -> None:
    """Makes two alarms: answers that the console failed to give, and requests that Lambda refused to start."""
    watched = {
        "errors": ("AWS/ApiGateway", "5xx", {"ApiId": api.id}, "The console failed to answer; see its log group"),
        "throttles": ("AWS/Lambda", "Throttles", {"FunctionName": function.name}, "Lambda refused requests"),
    }
    for part, (namespace, metric, dimensions, description) in watched.items():
        aws.cloudwatch.MetricAlarm(
            f"{name}-{part}",
            name=place.names.console_alarms()[part],
            alarm_description=description,
            namespace=namespace,
            metric_name=metric,
            dimensions=dimensions,
            statistic="Sum",
            period=300,
            evaluation_periods=1,
            threshold=0,
            comparison_operator="GreaterThanThreshold",
            treat_missing_data="notBreaching",
            alarm_actions=[topic],
            region=place.region,
            opts=opts,
        )
