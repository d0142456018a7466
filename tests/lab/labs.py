# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The labs of one test run, each built once and shared by the tests that need its shape."""

from __future__ import annotations

import os
import re
import string
from pathlib import Path

from .lab import Lab
from .system import LabError
from .topology import Topology


class Labs:
    """The labs of this process, by shape. Their names hold its process id, so that several runs do not meet."""

    def __init__(self) -> None:
        self._labs: dict[tuple[int | Topology, bool], Lab] = {}
        self._letters = iter(string.ascii_lowercase)

    def get(self, hosts: int | Topology, systemd: bool = False, fresh: bool = False) -> Lab:
        """The lab of `hosts` hosts, or of a topology; `fresh`: built anew, with nothing on the hosts' disks."""
        lab = self._labs.get((hosts, systemd))
        if lab is None:
            lab = self.new()
            fresh = True
        if fresh:
            lab.up(hosts, systemd=systemd)
            self._labs[hosts, systemd] = lab
        return lab

    def new(self) -> Lab:
        """A lab of its own name that is not built yet; who asks for it takes it down."""
        return Lab(f"t{os.getpid()}{next(self._letters)}")

    def reset(self) -> None:
        """Take back what a test has set. A lab that cannot be reset is removed, and built anew when it is wanted again."""
        for shape, lab in list(self._labs.items()):
            try:
                lab.reset()
            except LabError:
                del self._labs[shape]
                lab.down()
                raise

    def down(self) -> None:
        """Remove all labs."""
        while self._labs:
            self._labs.popitem()[1].down()


def remove_labs_of_dead_runs() -> None:
    """Remove what runs left that were killed: their names hold their process ids."""
    for name in Lab.names():
        run = re.fullmatch(r"(?:t|demo|bench)(\d+)[a-z]?", name)
        if run and not Path(f"/proc/{run.group(1)}").exists():
            Lab(name).down()
