"""Shared code for AWS calls.

- client: sessions, timeouts, FIPS endpoints; `call` turns each refusal into an `AwsError`
- errors: a table from AWS' codes and botocore's exceptions to a fault with its fix
- secrets: values of a suite's secrets
- schedules: the one-time schedule that ends a run at its deadline

The first client imports boto3, because the import takes long and most commands need no client.
"""
