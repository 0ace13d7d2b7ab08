"""What each role of the hub may do: pure functions from a scope to the statements of a policy."""
