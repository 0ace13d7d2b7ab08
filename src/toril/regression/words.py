"""The sentences about compared figures; all reports and messages use these."""

from toril.records import ComparedMetric


def in_words(metric: ComparedMetric) -> str:
    """Returns the figure's change with its bounds, limit and smallest detectable change, in one or two sentences."""
    raise NotImplementedError
