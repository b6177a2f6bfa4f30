"""IAM roles of the stand-in: who may assume which, what its sessions may do, and their keys.

A role is {"arn", "actions", "subjects", "principals", "session_s"}:
  actions     what its sessions may do, such as "aps:RemoteWrite"
  subjects    of tokens that may assume it, such as "system:serviceaccount:shop:*"
  principals  ARNs of users and roles that may assume it by a signed call
  session_s   how long its sessions really last, however long was asked for; absent: as asked
"""

from __future__ import annotations

import base64
import datetime
import fnmatch
import secrets
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from amp import defaults
from amp.sigv4 import Key


@dataclass
class Role:
    """One role; see above."""

    arn: str
    actions: list[str] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    principals: list[str] = field(default_factory=list)
    session_s: float | None = None

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]

    def trusts_subject(self, subject: str) -> bool:
        return any(fnmatch.fnmatchcase(subject, pattern) for pattern in self.subjects)

    def trusts(self, key: Key) -> bool:
        """The holder of a key: by the role it is of, or as the user."""
        return (key.role or defaults.USER) in self.principals


class Roles:
    """All of them, shared by all connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._roles: dict[str, Role] = {}

    def set(self, row: dict[str, Any]) -> None:
        """Add a role, or change some of one. TypeError names a field there is not."""
        with self._lock:
            known = self._roles.get(row["arn"])
            self._roles[row["arn"]] = Role(**{**(asdict(known) if known else {}), **row})

    def get(self, arn: str) -> Role | None:
        with self._lock:
            return self._roles.get(arn)

    def rows(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(role) for role in self._roles.values()]


def new_session(role: Role, name: str, asked_s: float, now: datetime.datetime) -> Key:
    """Temporary credentials of a role."""
    lasts_s = asked_s if role.session_s is None else role.session_s
    return Key(
        "ASIA" + base64.b32encode(secrets.token_bytes(10)).decode(),
        base64.b64encode(secrets.token_bytes(30)).decode(),
        base64.b64encode(secrets.token_bytes(240)).decode(),
        role=role.arn,
        session=name,
        actions=list(role.actions),
        until=now + datetime.timedelta(seconds=lasts_s),
    )
