# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Push an artifact through its modules, each a process of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.tests.unit.module_process import PYTHONS, run_module


class Push:
    """The way of an artifact over unicast: digest, ask, cut, apply."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder = folder
        self.python = python

    def run(self, name: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        result = run_module(name, arguments, python=self.python, check=check)
        result.pop("invocation", None)
        return result

    def info(self, src: Path | str, **options: Any) -> dict[str, Any]:
        result = self.run("artifact_info", src=str(src), **options)
        assert not result.get("failed"), result
        return result

    def missing(self, artifact: dict[str, Any], dest: Path | str, **options: Any) -> dict[str, Any]:
        return self.run("artifact_missing_info", manifest=artifact["manifest"], dest=str(dest), **options)

    def cut(self, artifact: dict[str, Any], src: Path | str, ranges: list[list[int]]) -> str:
        result = self.run("artifact_extract", manifest=artifact["manifest"], src=str(src), ranges=ranges, dest=str(self.folder / "patch"))
        assert not result.get("failed"), result
        return str(result["path"])

    def apply(self, artifact: dict[str, Any], dest: Path | str, patch: str | None = None, *, check: bool = False, **options: Any) -> dict[str, Any]:
        return self.run("artifact_apply", check=check, manifest=artifact["manifest"], dest=str(dest), src=patch, **options)

    def send(self, src: Path | str, dest: Path | str, **options: Any) -> dict[str, Any]:
        """All of it in one go."""
        artifact = self.info(src)
        asked = self.missing(artifact, dest, **{key: value for key, value in options.items() if key == "force"})
        if asked.get("failed"):
            return asked
        patch = self.cut(artifact, src, asked["missing"]) if asked["missing"] else None
        return self.apply(artifact, dest, patch, **options)


@pytest.fixture
def push(tmp_path: Path) -> Push:
    return Push(tmp_path, PYTHONS[0])


@pytest.fixture(params=PYTHONS, ids=lambda path: "newest" if path == PYTHONS[0] else "oldest")
def push_with_any_python(tmp_path: Path, request: pytest.FixtureRequest) -> Push:
    return Push(tmp_path, str(request.param))
