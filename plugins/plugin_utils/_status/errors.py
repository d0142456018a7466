# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with the status table. Every message names the thing and the way out, and never holds a password."""

from __future__ import annotations


class StatusError(Exception):
    """The status table cannot do what was asked. The base of all errors of this package."""


class MissingLibraryError(StatusError):
    """A Python package of requirements.txt is not installed on the controller."""


class DatabaseUrlError(StatusError):
    """The configured URL is none, or names a database that cannot hold the table."""


class DatabaseUnavailableError(StatusError):
    """The server does not answer, or the file cannot be opened or written."""


class DatabaseLockedError(StatusError):
    """Somebody else held the write lock for longer than we wait."""


class DatabaseDamagedError(StatusError):
    """The file is no SQLite database, or its pages do not hold together."""


class SchemaVersionError(StatusError):
    """The schema in the database is not the one this code works with, and may not be changed now."""


class RequestError(StatusError):
    """The request makes no sense for the table: an unknown distribution, a state that does not exist, no hosts."""
