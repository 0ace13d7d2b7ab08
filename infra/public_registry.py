"""The worker image for everybody: a repository in ECR Public."""

import pulumi
import pulumi_aws as aws

from infra.settings.hub import Catalog

HOME = "us-east-1"  # of ECR Public's API, wherever the hub is


class PublicRegistry(pulumi.ComponentResource):
    """The repository and its page in the gallery. Everybody may pull; who may push is said by roles, not here."""

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
        self.uri = repository.repository_uri
        self.register_outputs({"uri": self.uri})


def catalog_data(catalog: Catalog) -> "aws.ecrpublic.RepositoryCatalogDataArgsDict":
    """What the gallery shows; texts that are not set stay away."""
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
