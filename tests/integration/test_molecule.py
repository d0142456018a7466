# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The molecule scenarios: create, prepare, converge, idempotence, side_effect where there is one, verify, destroy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.further]

_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [pytest.param("default", marks=pytest.mark.push), pytest.param("two_tier", marks=pytest.mark.redistribution)])
def test_the_scenario_passes(tmp_path: Path, name: str) -> None:
    programs = Path(sys.executable).parent
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "MOLECULE_", "FLEETCAST_DB"))},
        "PATH": f"{programs}:{os.environ['PATH']}",
        "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "molecule"),
        # Named as the labs of the test run are, by their last letter beyond those that the run gives away.
        "LAB": f"t{os.getpid()}z",
        "NO_COLOR": "1",
    }
    scenario = subprocess.run(
        [programs / "molecule", "test", "--scenario-name", name],
        cwd=_ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )
    output = scenario.stdout + scenario.stderr
    assert scenario.returncode == 0, output
    side_effect = ["side_effect"] if (_ROOT / "extensions/molecule" / name / "side_effect.yml").exists() else []
    for action in ("converge", "idempotence", *side_effect, "verify", "destroy"):
        assert f"{action}: Executed: Successful" in output, output
