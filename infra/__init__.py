"""The Pulumi program: one hub stack, one stack per region."""
