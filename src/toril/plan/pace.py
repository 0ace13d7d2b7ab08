"""How the parties of a run keep step, by where its workers are."""

from toril.records import Pace

LOCAL = Pace()

# A request to S3 takes tens of milliseconds and costs money; a task takes a minute or two to start.
FARGATE = Pace(
    flush_s=5.0,
    poll_s=1.0,
    start_lead_s=3.0,  # a worker's look, and another one for an answer that came late
    ready_timeout_s=600.0,
    lease_renew_s=5.0,
    lease_expires_s=30.0,
    orphaned_after_s=180.0,  # time enough to take a run over, before its workers stop loading a target unwatched
    kill_after_s=20.0,
    give_up_s=150.0,  # Fargate kills a task 120 s after it was told to stop
)


def pace_of(on: str) -> Pace:
    """The pace of a run whose workers are there."""
    return FARGATE if on == "fargate" else LOCAL
