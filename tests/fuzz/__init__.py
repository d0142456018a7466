# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arbitrary bytes for everything that reads what comes from outside (docs/fuzzing.md).

A target is a function of bytes that raises when a promise is broken. ``tests/unit/module_utils/test_fuzz.py`` calls them with what hypothesis thinks
of and with what was found before; ``python -m tests.fuzz`` lets atheris look for inputs that reach new code.
"""
