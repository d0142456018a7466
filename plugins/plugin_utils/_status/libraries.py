# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the controller has the Python packages of the status table.

Everything here can be imported without them, so that the documentation of the plugins can be read and a play without a
distribution does not pay for them; what needs them calls :func:`require` first.
"""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec

from .errors import MissingLibraryError

_PACKAGES = ("sqlalchemy", "alembic")

MISSING = tuple(name for name in _PACKAGES if find_spec(name) is None)
AVAILABLE = not MISSING


def require() -> None:
    """Raise :class:`MissingLibraryError` when a package is missing."""
    if MISSING:
        raise MissingLibraryError(
            f"the status table needs the Python package(s) {', '.join(MISSING)} where Ansible runs: "
            "install them into Ansible's own environment with `python -m pip install -r requirements.txt`, "
            "with the requirements.txt of the collection fleetcast.core"
        )


class _Loader:
    """Loads what works on the table right after this process has forked."""

    def __init__(self) -> None:
        self._process = 0
        os.register_at_fork(after_in_parent=self._load)

    def wait_for_fork(self) -> None:
        self._process = os.getpid()

    def _load(self) -> None:
        # A worker that forks has inherited the wish, and has work of its own.
        if self._process == os.getpid():
            self._process = 0
            # Whoever uses it reports what is wrong with it.
            with suppress(Exception):
                import_module(".distributions", __package__)


_loader = _Loader()


def load_after_fork() -> None:
    """Have what works on the table loaded when Ansible has forked its next worker.

    It takes a fifth of a second, in which the play waits for that worker anyway.
    """
    if AVAILABLE:
        _loader.wait_for_fork()
