"""Levels of a test with several looks, while its data grow.

Lan and DeMets (1983), Discrete sequential boundaries for clinical trials; Kim and DeMets (1987), the power family of
spending functions; Armitage, McPherson and Rowe (1969), the recursion over looks.
"""


def levels(alpha: float, fractions: tuple[float, ...]) -> tuple[float, ...]:
    """Returns the nominal one-sided level of each look, such that all looks together have the level `alpha`.

    `fractions` are the shares of the data at the looks: ascending, above 0, the last is 1. ValueError otherwise.
    The levels spend `alpha * fraction ** 3`. Results are cached.
    """
    raise NotImplementedError
