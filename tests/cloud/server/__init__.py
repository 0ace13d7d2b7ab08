"""The server of the embedded cloud: MiniStack with stricter checks where it differs from AWS.

It runs in the environment `.tools/cloud`, as `python -m tests.cloud.server`, and imports nothing but the standard
library, MiniStack and botocore's models of the services.
"""
