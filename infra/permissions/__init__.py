"""The rights of the hub's roles: pure functions from a scope to the statements of a policy."""
