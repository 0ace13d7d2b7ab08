"""The server side of the embedded cloud: MiniStack, made stricter where it falls short of AWS.

It runs in the environment `.tools/cloud`, as `python -m tests.cloud.server`, and imports nothing but the standard
library, MiniStack and botocore's models of the services.
"""
