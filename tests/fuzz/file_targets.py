# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes as a file or as an option: packets' parsers, manifests, ranges, patches, spools, job logs."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import struct
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from ansible_collections.fleetcast.core.plugins.module_utils._artifact.errors import ManifestError, PatchError, RangeError
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.layout import Layout
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.manifest import Entry, Manifest
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.patch import apply_patch
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.plan import entry_paths, final_path
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.ranges import checked, first, total
from ansible_collections.fleetcast.core.plugins.module_utils._artifact.spool import Spool
from ansible_collections.fleetcast.core.plugins.module_utils._joblog import records
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.errors import JobLogError
from ansible_collections.fleetcast.core.plugins.module_utils._joblog.log import LOG_NAME, JobLogs
from ansible_collections.fleetcast.core.plugins.module_utils._multicast import auth, wire

SESSION, KEY, COLUMNS = b"sessionX", b"k" * 32, 44
LAYOUT = Layout(4000, symbol_size=20, row_symbols=6, section_rows=16)
DATA = bytes(index * 7 % 251 for index in range(LAYOUT.size))
DIGESTS = tuple(
    hashlib.sha256(DATA[LAYOUT.section_offset(section) :][: LAYOUT.section_length(section)]).digest() for section in range(LAYOUT.sections)
)
MANIFEST = Manifest("file", "name", LAYOUT, DIGESTS, (Entry("name", "file", mode=0o644, size=LAYOUT.size, sha256=hashlib.sha256(DATA).hexdigest()),))


def packets(data: bytes) -> None:
    """Every parser, of packets as they are and with a MAC that holds: what they give can be packed and is the same again."""
    wire.parse_data_header(data)
    for packet, key in ((data, KEY), (SESSION + data, KEY), (SESSION + data + auth.mac(KEY, SESSION + data), KEY)):
        control = wire.parse_control(packet, SESSION, key)
        if control is not None:
            sequence, message = control
            assert wire.parse_control(wire.pack_control(SESSION, key, sequence, message), SESSION, key) == control
            if isinstance(message, wire.Poll):
                for index in (0, 7, 9999):
                    if message.asks(index):
                        assert 0 <= message.slot(index, wire.MAX_RECEIVERS) < 2 * wire.MAX_RECEIVERS + 65535
        receiver = wire.feedback_receiver(packet, SESSION)
        feedback = wire.parse_feedback(packet, SESSION, key, COLUMNS)
        if feedback is not None:
            assert receiver is not None
            if isinstance(feedback[1], wire.Status):
                assert all(len(needs) == COLUMNS for needs in feedback[1].needs.values())
                assert len(feedback[1].needs) + len(feedback[1].whole) <= wire.MAX_BODY // 5


def manifest(data: bytes) -> None:
    """A manifest is refused with ManifestError, or everything in it stays below the destination."""
    for text in (data.decode("latin-1"), base64.b64encode(data).decode(), base64.b64encode(zlib.compress(data)).decode()):
        _manifest(text)
    # Most changes break the canonical form; so put what JSON there is into it, which brings the fuzzer past that check.
    try:
        values = json.loads(data)
        document = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    except (ValueError, RecursionError):
        return
    _manifest(base64.b64encode(zlib.compress(document)).decode())


def _manifest(text: str) -> None:
    try:
        decoded = Manifest.decode(text)
    except ManifestError:
        return
    root = final_path(decoded, "/destination/")
    assert root == b"/destination" or root.startswith(b"/destination/"), root
    for entry, path in entry_paths(decoded, root):
        assert path.startswith(b"/destination"), path
        assert b".." not in path.split(b"/") and b"\0" not in path and (path == root or path.startswith(root + b"/")), path
        assert entry.size >= 0
    assert Manifest.decode(decoded.encode()).digest == decoded.digest


def ranges(data: bytes) -> None:
    """Ranges from outside are refused with RangeError, or lie within the stream, ascending and apart."""
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        found = checked(values, LAYOUT.size)
    except RangeError:
        return
    end = -1
    for offset, length in found:
        assert end < offset and length > 0 and offset + length <= LAYOUT.size
        end = offset + length
    assert total(first(found, 100, 20)) <= 100


def patch(data: bytes) -> None:
    """A patch is refused with PatchError or RangeError, or applied; what counts in the spool afterwards is right."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "patch"
        part = Path(folder) / "part"
        header = json.dumps({"artifact": MANIFEST.digest, "ranges": [[0, len(data)]]}).encode()
        whole = b"fc-patch-1\n" + struct.pack("!I", len(header)) + header + data
        claimed = b'{"artifact":"' + MANIFEST.digest.encode() + b'","ranges":' + data
        cut = claimed.find(b"}") + 1
        made = b"fc-patch-1\n" + struct.pack("!I", cut) + claimed + DATA[:1000]
        for content in (data, b"fc-patch-1\n" + data, whole, made):
            path.write_bytes(content)
            with Spool(str(part), str(Path(folder) / "map"), LAYOUT, DIGESTS) as spool:
                with contextlib.suppress(PatchError, RangeError), path.open("rb") as file:
                    apply_patch(file, MANIFEST, spool)
                _judge_spool(spool, part)


def spool(data: bytes) -> None:
    """A spool's files with anything in them: opened anew or continued, never with a wrong section, and what is missing adds up."""
    with tempfile.TemporaryDirectory() as folder:
        part, map_ = Path(folder) / "part", Path(folder) / "map"
        with Spool(str(part), str(map_), LAYOUT, DIGESTS) as made:
            made.write(0, [DATA[:2500]])
            good_map = map_.read_bytes()
        keep = data[0] % 3 if data else 0
        # A header as this boot writes it or another's, or anything; then marks and flags of the fuzzer's.
        head = (b"", good_map[:44], good_map[:64])[keep]
        map_.write_bytes((head + data[1:]).ljust(len(good_map), b"\0")[: len(good_map)] if data[1:2] != b"\xff" else data[2:])
        with Spool(str(part), str(map_), LAYOUT, DIGESTS) as opened:
            # With the header of this boot the flags are this process's own, and are believed.
            if keep != 2:
                _judge_spool(opened, part)
            _adds_up(opened)
            opened.recover()
            _judge_spool(opened, part)
            _adds_up(opened)


def _adds_up(opened: Spool) -> None:
    end = -1
    for offset, length in opened.missing_ranges():
        assert end < offset and length > 0 and offset + length <= LAYOUT.size
        end = offset + length
    assert opened.missing_bytes == total(opened.missing_ranges())
    assert opened.complete == (opened.missing_bytes == 0)
    assert set(opened.verified) <= {0, 1}


def _judge_spool(opened: Spool, part: Path) -> None:
    held = part.read_bytes()
    for section, flag in enumerate(opened.verified):
        begin = LAYOUT.section_offset(section)
        piece = slice(begin, begin + LAYOUT.section_length(section))
        assert not flag or held[piece] == DATA[piece], f"section {section} counts, and is wrong"


def job_log(data: bytes) -> None:
    """A job log is read, or refused as damaged."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "job").mkdir()
        # Lines with a digest that holds, too, whatever stands in them.
        sealed = b"".join(b"%08x %s %s\n" % (len(line), hashlib.sha256(line).hexdigest().encode(), line) for line in data.split(b"\n"))
        for content in (data, sealed):
            (Path(folder) / "job" / LOG_NAME).write_bytes(content)
            with contextlib.suppress(JobLogError):
                JobLogs(folder).read("job")
            try:
                found = records.decode(content, "log")
            except JobLogError:
                continue
            assert found.size + found.dropped == len(content)
            assert [record.number for record in found.records] == list(range(1, len(found.records) + 1))


TARGETS: dict[str, Callable[[bytes], None]] = {
    "packets": packets,
    "manifest": manifest,
    "ranges": ranges,
    "patch": patch,
    "spool": spool,
    "job_log": job_log,
}
