"""The public worker image: a repository in ECR Public."""

from collections.abc import Iterable

import pulumi
import pulumi_aws as aws

from infra.permissions.grants import grant
from infra.permissions.statements import Document, document, render
from infra.settings.hub import Catalog

PUSH = (
    "ecr-public:BatchCheckLayerAvailability",
    "ecr-public:CompleteLayerUpload",
    "ecr-public:InitiateLayerUpload",
    "ecr-public:PutImage",
    "ecr-public:UploadLayerPart",
)
HOME = "us-east-1"  # the only region of ECR Public's API


class PublicRegistry(pulumi.ComponentResource):
    """The repository and its page in the gallery. Pulls are public; this account's roles and `pushers` may push."""

    def __init__(
        self, name: str, catalog: Catalog, *, protect: bool, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("toril:hub:PublicRegistry", name, {}, opts)
        repository = aws.ecrpublic.Repository(
            name,
            repository_name=catalog.name,
            region=HOME,
            catalog_data=catalog_data(catalog),
            force_destroy=not protect,
            opts=pulumi.ResourceOptions(parent=self, protect=protect, retain_on_delete=protect),
        )
        if catalog.pushers:
            aws.ecrpublic.RepositoryPolicy(
                name,
                repository_name=repository.repository_name,
                region=HOME,
                policy=render(pushers_policy(catalog.pushers)),
                # children would inherit both options, which would keep revoked rights
                opts=pulumi.ResourceOptions(parent=repository, protect=False, retain_on_delete=False),
            )
        self.uri = repository.repository_uri
        self.register_outputs({"uri": self.uri})


def pushers_policy(pushers: Iterable[str]) -> Document:
    """Returns the rights of pushers other than the account's roles. ECR Public is in the commercial partition only."""
    accounts = sorted({f"arn:aws:iam::{who}:root" if who.isdigit() else who for who in pushers})
    return document([grant(f"Push{number}", {"AWS": who}, PUSH) for number, who in enumerate(accounts, start=1)])


def catalog_data(catalog: Catalog) -> "aws.ecrpublic.RepositoryCatalogDataArgsDict":
    """Returns the gallery page, without unset texts."""
    page: aws.ecrpublic.RepositoryCatalogDataArgsDict = {
        "architectures": ["ARM 64", "x86-64"],
        "description": catalog.description,
        "operating_systems": ["Linux"],
    }
    if catalog.about:
        page["about_text"] = catalog.about
    if catalog.usage:
        page["usage_text"] = catalog.usage
    return page
