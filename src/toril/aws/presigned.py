"""Addresses that give a browser access to one object of a bucket, for a moment."""

from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

READ_S = 60
UPLOAD_S = 600


def presigned_read(bucket: str, key: str) -> str:
    """Returns an address that downloads an object for a minute. Browsers save it and never show it as a page."""
    name = quote(key.rpartition("/")[2], safe="")
    wanted = {"Bucket": bucket, "Key": key, "ResponseContentDisposition": f"attachment; filename*=UTF-8''{name}"}
    return _client().generate_presigned_url("get_object", Params=wanted, ExpiresIn=READ_S)


def presigned_upload(bucket: str, key: str, size: int) -> tuple[str, dict[str, str]]:
    """Returns the address and the fields of a form that uploads an object of exactly this size."""
    form = _client().generate_presigned_post(
        bucket, key, Conditions=[["content-length-range", size, size]], ExpiresIn=UPLOAD_S
    )
    return form["url"], dict(form["fields"])


@cache
def _client() -> "S3Client":
    """Returns a client that signs addresses of the bucket's own host, in this environment's region."""
    from boto3.session import Session
    from botocore.config import Config

    config = Config(
        signature_version="s3v4", s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}
    )
    client: S3Client = Session().client("s3", config=config)
    return client
