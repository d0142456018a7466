# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A play on the local connection: what the sender's look at itself prepares for the tasks that follow."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.tests.unit.action.play import Ansible

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("delegated", [False, True])
def test_the_receivers_module_is_packed_while_the_source_is_digested(ansible: Ansible, tmp_path: Path, delegated: bool) -> None:
    source = tmp_path / "tool.bin"
    source.write_bytes(bytes(1000))
    asked = {"src": str(source), "receivers": ["host1"], "address": "239.192.77.77", "interface": "lo"}
    looking = {"name": "look", "fleetcast.core.multicast_send": asked, "check_mode": True}
    played = ansible.play(
        [
            {**looking, "delegate_to": "localhost"} if delegated else looking,
            {"name": "find", "ansible.builtin.find": {"paths": str(tmp_path / "local_tmp"), "recurse": True, "patterns": "*.multicast_*-*"}},
        ]
    )
    assert played["look"]["artifact"]["size"] == 1000, ansible.output
    packed = {Path(found["path"]).name.partition("-")[0] for found in played["find"]["files"]}
    assert packed == {f"ansible_collections.fleetcast.core.plugins.modules.{name}" for name in ("multicast_send", "multicast_receive")}, played["find"]
