# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests share: the collection importable from this checkout, and hosts of the lab only where they can be made."""

from __future__ import annotations

import importlib
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
COLLECTION = ROOT / "build/collections/ansible_collections/fleetcast/core"

os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(ROOT / "build/hypothesis"))
# How long an example takes, or making one up, says how busy the machine is and nothing about the code: hypothesis judges it by the clock.
settings.register_profile("without a clock", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("without a clock")


def pytest_configure() -> None:
    """Make the place where Python finds the collection, and refuse to test another collection than this checkout's."""
    if not (COLLECTION / "plugins").exists():
        subprocess.run(["make", "--silent", "links"], cwd=ROOT, check=True, timeout=60)
        importlib.invalidate_caches()
    layout = importlib.import_module("ansible_collections.fleetcast.core.plugins.module_utils._artifact.layout")
    found = Path(str(layout.__file__)).resolve()
    expected = ROOT / "plugins/module_utils/_artifact/layout.py"
    if found != expected:
        raise pytest.UsageError(f"ansible_collections.fleetcast.core is imported from {found}, not from {expected}: run 'make test', or clear PYTHONPATH.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side, long files come first. Without root there are no hosts made of namespaces."""
    if hasattr(config, "workerinput"):
        _sort_by_limits(items)
    if os.geteuid() == 0:
        return
    needs_root = pytest.mark.skip(reason="hosts of the lab need root: sudo make test")
    for item in items:
        if "lab" in item.keywords:
            item.add_marker(needs_root)


def _sort_by_limits(items: list[pytest.Item]) -> None:
    """Put first the files whose tests ask for most time in all, so that no worker begins a long one when the others are about to end.

    Of files that ask for none, those with the most tests come first. Workers take files in this order with --no-loadscope-reorder; else
    pytest-xdist looks at the number of tests only, and begins the longest last.
    """
    seconds: Counter[Path] = Counter()
    for item in items:
        limit = item.get_closest_marker("timeout")
        if limit is not None:
            seconds[item.path] += limit.args[0]
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (-seconds[item.path], -tests[item.path]))
