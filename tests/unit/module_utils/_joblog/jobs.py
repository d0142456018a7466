# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs for tests, with real packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.fleetcast.core.plugins.module_utils._artifact.scan import scan

ID = "3f2a9c1e-7c7b-4d2e-9d1c-2a8f3e5b6c70"
OTHER_ID = "99999999-7c7b-4d2e-9d1c-2a8f3e5b6c70"


def package(path: Path, content: bytes = b"package\n" * 1000) -> dict[str, Any]:
    """A package as a job names it; the file is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    manifest = scan(str(path))
    return {"path": str(path), "manifest": manifest.encode(), "digest": manifest.digest, "size": manifest.size}


def job(path: Path, *recipients: str, **changes: Any) -> dict[str, Any]:
    """A job for these recipients that sends the file at `path`."""
    return {
        "name": "tool",
        "parameters": {"address": "239.192.77.77", "port": 7777, "rate": "200M"},
        "install": {"install": "none", "mode": "preserve"},
        "recipients": [{"name": name, "dest": "/opt/tool", "commands": {}} for name in recipients or ("web1", "web2")],
        "packages": [package(path)],
        **changes,
    }
