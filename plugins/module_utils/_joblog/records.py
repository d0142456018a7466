# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""How records lie in a log file, and how they are read again after a power cut.

A record is one line: the body's length (8 hexadecimal digits), the SHA-256 of the body (64), the body (JSON without a line break), each with
a space between. The body has the keys ``n`` (number of the record, from 1), ``at`` (UTC), ``type`` and ``data``. A record is synced to
the disk before the next is written, so a power cut can tear only the last one: that is dropped. Anything else that does not hold is damage.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, NamedTuple

from .errors import JobDamagedError

_LINE = re.compile(rb"([0-9a-f]{8}) ([0-9a-f]{64}) ([^\n]*)\n")


class Record(NamedTuple):
    """One record. ``at``: UTC, as ISO 8601 with Z."""

    number: int
    at: str
    type: str
    data: dict[str, Any]


class Contents(NamedTuple):
    """What a log file holds. ``size``: bytes up to the end of the last whole record. ``dropped``: bytes of a torn record after it."""

    records: list[Record]
    size: int
    dropped: int


def canonical(values: Any) -> bytes:
    """JSON in the one form that a digest is made of: sorted keys, no spaces, ASCII."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def encode(record: Record) -> bytes:
    """The record as a line."""
    body = canonical({"n": record.number, "at": record.at, "type": record.type, "data": record.data})
    return b"%08x %s %s\n" % (len(body), hashlib.sha256(body).hexdigest().encode("ascii"), body)


def decode(content: bytes, path: str) -> Contents:
    """Read a log file's bytes.

    :raises JobDamagedError: a record before the last one is damaged or gone, or there is no whole record at all.
    """
    records: list[Record] = []
    offset = 0
    while offset < len(content):
        record, end = _next(content, offset)
        if record is None:
            following = _intact_after(content, end)
            if following or not records or content.find(b"\n", offset) not in (-1, len(content) - 1):
                raise JobDamagedError(_damage(path, records, offset, end, following))
            break
        if record.number != len(records) + 1:
            raise JobDamagedError(_gap(path, records, record))
        records.append(record)
        offset = end
    if not records:
        raise JobDamagedError(f"the job log {path} is empty: {_LOST_OPENING}")
    return Contents(records, offset, len(content) - offset)


_LOST_OPENING = "the commands, the distribution list and the package list of this job are lost"


def _next(content: bytes, offset: int) -> tuple[Record | None, int]:
    """The record at the offset, or None when none holds there; and where the next line begins."""
    matched = _LINE.match(content, offset)
    end = content.find(b"\n", offset) + 1 or len(content)
    if matched is None:
        return None, end
    length, digest, body = matched.groups()
    if int(length, 16) != len(body) or hashlib.sha256(body).hexdigest().encode("ascii") != digest:
        return None, end
    return _record(body), end


def _record(body: bytes) -> Record | None:
    """What a body says; None when it says nothing that this code would have written, whatever its digest."""
    try:
        values = json.loads(body.decode("ascii"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict) or not isinstance(values.get("data"), dict) or not isinstance(values.get("n"), int):
        return None
    if not isinstance(values.get("at"), str) or not isinstance(values.get("type"), str):
        return None
    return Record(values["n"], values["at"], values["type"], values["data"])


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _intact_after(content: bytes, offset: int) -> list[Record]:
    found = []
    while offset < len(content):
        record, offset = _next(content, offset)
        if record is not None:
            found.append(record)
    return found


def _damage(path: str, before: list[Record], offset: int, end: int, after: list[Record]) -> str:
    where = f"the job log {path} is damaged in bytes {offset} to {end}"
    if not before:
        return f"{where}: {_LOST_OPENING}; {len(after)} later records are intact"
    until = f" and before record {after[0].number} ({after[0].type}, {after[0].at})" if after else " to its end"
    return f"{where}: what was recorded after record {before[-1].number} ({before[-1].type}, {before[-1].at}){until} is lost"


def _gap(path: str, before: list[Record], found: Record) -> str:
    if not before:
        return f"the job log {path} begins with record {found.number}: {_LOST_OPENING}"
    return f"the job log {path} is damaged: record {found.number} ({found.type}, {found.at}) follows record {before[-1].number}, what was between is lost"
