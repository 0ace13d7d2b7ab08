"""What every caller of AWS shares: clients, one table of errors with advice, secrets, schedules.

client     sessions, timeouts, FIPS endpoints; `call` turns each refusal into an `AwsError`
errors     the table: AWS' codes and botocore's exceptions → a fault with its fix
secrets    values of a suite's secrets
schedules  the one-time schedule that ends a run at its deadline

boto3 is imported by the first client, because it takes long and most commands need none.
"""
