"""Sealed cookies, sessions and the records of people: what identifies a browser after its person signed in.

Every cold start imports this module, so it does not import joserfc, which takes four times as long as AES-GCM alone.
"""

import hashlib
import hmac
import json
import secrets
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from toril.clock import Clock
from toril.console.identity import Role
from toril.records.console import PersonRecord
from toril.store import Store
from toril.store.records import find_record

KEY_BYTES = 32
NONCE_BYTES = 12
ABSOLUTE_S = 12 * 3600.0  # a session's longest life
IDLE_S = 3600.0  # … without a request
RENEW_S = 60.0  # how old a cookie gets before a new one replaces it
FRESH_S = 30.0  # how long a person's record is not read again
MOST_PEOPLE = 10_000  # in memory


class Seal:
    """Encrypts the content of one kind of cookie, so that a cookie of another kind or console is unreadable."""

    def __init__(self, key: bytes, purpose: str) -> None:
        self._key = AESGCM(hmac.digest(key, purpose.encode(), "sha256"))

    def seal(self, content: Any) -> str:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return urlsafe_b64encode(nonce + self._key.encrypt(nonce, json.dumps(content).encode(), None)).decode()

    def open(self, text: str) -> Any:
        """Returns the content; None unless this key sealed the text."""
        try:
            sealed = urlsafe_b64decode(text)
            return json.loads(self._key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None))
        except (InvalidTag, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser's session. Times are seconds since 1970."""

    subject: str
    role: Role
    began: float
    renewed: float

    def is_over(self, now: float) -> bool:
        return now >= self.began + ABSOLUTE_S or now >= self.renewed + IDLE_S

    def is_due(self, now: float) -> bool:
        """Whether the cookie needs a newer one, which moves the end of the idle time."""
        return now >= self.renewed + RENEW_S


class People:
    """The records of people in the store. A change reaches the console's other processes within FRESH_S."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock, self._lock = store, clock, threading.Lock()
        self._known: dict[str, tuple[float, PersonRecord]] = {}

    def get(self, subject: str) -> PersonRecord:
        """Returns a person's record; an empty one for an unknown person."""
        known = self._known.get(subject)
        if known is not None and self._clock.now() < known[0] + FRESH_S:
            return known[1]
        record = find_record(self._store, PersonRecord, _key(subject)) or PersonRecord(subject=subject)
        return self._remember(record)

    def set_name(self, subject: str, name: str) -> None:
        if self.get(subject).name != name:
            self._change(subject, lambda record: record.model_copy(update={"name": name}))

    def end_sessions(self, subject: str) -> None:
        """Refuses all sessions and tokens from before this moment."""
        now = self._clock.now()
        self._change(subject, lambda record: record.model_copy(update={"not_before": max(now, record.not_before)}))

    def _change(self, subject: str, change: Callable[[PersonRecord], PersonRecord]) -> None:
        key = _key(subject)
        while True:
            version = self._store.find_version(key)
            old = PersonRecord.from_json(version[0], key) if version else PersonRecord(subject=subject)
            new = change(old)
            if self._store.swap(key, new.to_json(), version[1] if version else None) is not None:
                self._remember(new)
                return

    def _remember(self, record: PersonRecord) -> PersonRecord:
        with self._lock:
            if len(self._known) >= MOST_PEOPLE:
                self._known.clear()
            self._known[record.subject] = (self._clock.now(), record)
        return record


def _key(subject: str) -> str:
    return f"people/{hashlib.sha256(subject.encode()).hexdigest()}.json"
