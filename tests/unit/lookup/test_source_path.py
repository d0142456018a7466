# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a relative path is looked for: as copy does, then where Ansible was started."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible_collections.fleetcast.core.plugins.lookup.source_path import LookupModule
from ansible_collections.fleetcast.core.tests.unit.action.play import Ansible

pytestmark = pytest.mark.push


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("play/files", "started"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "started")
    return tmp_path


def found(places: Path, *terms: str) -> list[str]:
    loader = DataLoader()
    loader.set_basedir(str(places / "play"))
    return LookupModule(loader=loader).run(list(terms), {})


def test_the_nearest_one_is_taken(places: Path) -> None:
    for folder in ("play/files", "play", "started"):
        assert found(places, "app 1.0 ü.deb") == [str(places / "started" / "app 1.0 ü.deb")], "the last place, also for what is nowhere"
        (places / folder / "app 1.0 ü.deb").touch()
        assert found(places, "app 1.0 ü.deb") == [str(places / folder / "app 1.0 ü.deb")]
        (places / folder / "app 1.0 ü.deb").unlink()
    for folder in ("started", "play", "play/files"):
        (places / folder / "app.deb").touch()
        assert found(places, "app.deb") == [str(places / folder / "app.deb")]


def test_what_a_directory_ends_with_stays(places: Path) -> None:
    (places / "play/files/www").mkdir()
    (places / "started/etc").mkdir()
    assert found(places, "www/", "www", "etc/", "etc") == [
        f"{places}/play/files/www/", f"{places}/play/files/www", f"{places}/started/etc/", f"{places}/started/etc",
    ]  # fmt: skip


def test_absolute_paths_stay_as_they_are(places: Path) -> None:
    assert found(places, "/srv/../srv/x", "~/y/", "") == ["/srv/../srv/x", "~/y/", ""]


def test_in_a_play(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "tool.bin").write_bytes(b"tool")
    tasks = [{"name": "digest", "fleetcast.core.artifact_info": {"src": "{{ lookup('fleetcast.core.source_path', 'tool.bin') }}"}}]
    assert Ansible(tmp_path).play(tasks)["digest"]["size"] == 4
