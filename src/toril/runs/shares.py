"""Links that show one report to people without an account. The store keeps only a digest of each link's token."""

import hashlib
import re
import secrets

from toril.errors import OptionError, StoreError
from toril.records import run_key
from toril.records.console import SharedReport, SharingAllowed
from toril.runs.find import checked_id
from toril.store import Reader, Store
from toril.store.records import find_record

SHARES, ALLOWED = "shares/", "shares/_allowed.json"  # no run has such a name
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")  # of 32 random bytes
DIGEST = re.compile(r"[0-9a-f]{64}")
MOST_HOURS = 30 * 24


def allowed(store: Reader) -> SharingAllowed | None:
    """Returns who allowed links; None if no link works."""
    return find_record(store, SharingAllowed, ALLOWED)


def share(store: Store, run_id: str, hours: int, *, by: str, at: float) -> str:
    """Makes a link to the report of a judged run. Returns its token, which cannot be read again.

    OptionError if no administrator allowed links, StoreError for a run without a verdict.
    """
    if allowed(store) is None:
        raise OptionError("Links to reports are not allowed. Ask an administrator.", code="sharing-not-allowed")
    if store.find(run_key(checked_id(run_id), "verdict.json"), 0) is None:
        raise StoreError(f"Run {run_id} has no verdict yet, so it has no report to share.", code="run-not-over")
    token = secrets.token_urlsafe(32)
    until = at + 3600 * min(hours, MOST_HOURS)
    store.put_once(_key(run_id, token), SharedReport(run_id=run_id, at=at, until=until, by=by).to_json())
    return token


def shares_of(store: Reader, run_id: str, now: float) -> dict[str, SharedReport]:
    """Returns the links to a run that work, by digest, newest first."""
    found = store.find_many(store.keys(f"{SHARES}{run_id}/"))
    known = {key: SharedReport.from_json(data, key) for key, data in found.items()}
    working = sorted(known, key=lambda key: -known[key].at)
    return {_digest_in(key): known[key] for key in working if now < known[key].until}


def revoke(store: Store, run_id: str, digest: str) -> None:
    """Ends a link at once, if it exists."""
    if DIGEST.fullmatch(digest):
        store.delete_many([f"{SHARES}{checked_id(run_id)}/{digest}.json"])


def opened(store: Store, run_id: str, token: str, now: float) -> tuple[SharedReport, bool] | None:
    """Returns the link with this token, and whether this is its first opening; None if it does not work."""
    if not TOKEN.fullmatch(token) or not run_id.isascii():
        return None
    key = _key(checked_id(run_id), token)
    version = store.find_version(key)
    if version is None or allowed(store) is None:
        return None
    found = SharedReport.from_json(version[0], key)
    if found.run_id != run_id or now >= found.until:
        return None
    marked = found.model_copy(update={"opened_at": now})
    # Never `put`: it would make a link again that was revoked meanwhile.
    is_first = found.opened_at is None and store.swap(key, marked.to_json(), version[1]) is not None
    return found, is_first


def _digest_in(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".json")


def _key(run_id: str, token: str) -> str:
    return f"{SHARES}{run_id}/{hashlib.sha256(token.encode()).hexdigest()}.json"
