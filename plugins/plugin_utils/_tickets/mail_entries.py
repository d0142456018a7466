# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail settings of the user's file, and the short form of a mail server as a URL."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from .document import Entry
from .errors import RulesError
from .rules import Mail
from .smtp import DEFAULT_PORTS, SECURITIES, Server

_KEYS = (
    "attempts",
    "domain",
    "follow_up_every",
    "from",
    "reply_to",
    "retry_factor",
    "retry_first",
    "retry_longest",
    "servers",
    "subject_prefix",
    "templates",
)
_SERVER_KEYS = ("host", "port", "security", "user", "password", "password_env", "password_file", "ca_file", "verify", "timeout")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TIMEOUT = 20.0
_MAIL_NAME = Path("/etc/mailname")


def mail_settings(defaults: Entry, user: Entry | None, server_url: str, sender: str, zone: ZoneInfo | None) -> Mail:
    """What the user says about mail, over the defaults.

    :raises RulesError: with file, line and key.
    """
    keys = {**defaults.keys(*_KEYS), **(user.keys(*_KEYS) if user else {})}
    address = keys["from"].converted(address_of, "mail address") if "from" in keys else _sender(sender)
    servers = tuple(_server(entry) for entry in keys["servers"].some()) if "servers" in keys else ()
    if "servers" in keys and server_url:
        raise keys["servers"].error("the option mail_server names a mail server too: say it in one place")
    if not servers:
        servers = (server_of_url(server_url or "smtp://localhost"),)
    return Mail(
        sender=address,
        domain=keys["domain"].converted(_domain, "domain") if "domain" in keys else address.rpartition("@")[2],
        servers=servers,
        reply_to=keys["reply_to"].converted(address_of, "mail address") if "reply_to" in keys else "",
        subject_prefix=_single_line(keys["subject_prefix"]) if "subject_prefix" in keys else "",
        follow_up_every=keys["follow_up_every"].duration(),
        attempts=keys["attempts"].number(1, 1000),
        retry_first=keys["retry_first"].duration(),
        retry_factor=keys["retry_factor"].number(1, 100),
        retry_longest=keys["retry_longest"].duration(),
        templates=_directory(keys["templates"]) if "templates" in keys else None,
        zone=zone,
    )


def _sender(option: str) -> str:
    try:
        return address_of(option) if option else f"fleetcast@{_mail_name()}"
    except ValueError as error:
        raise RulesError(f"mail_from: {error}") from None


def _server(entry: Entry) -> Server:
    keys = entry.keys(*_SERVER_KEYS, required=("host",))
    host = keys["host"].converted(_host, "host name")
    security = keys["security"].one_of(*SECURITIES) if "security" in keys else default_security(host)
    user, password = keys["user"].text() if "user" in keys else "", _password(entry, keys)
    if bool(user) != bool(password):
        raise entry.error("user and password go together")
    if user and security == "none" and host not in _LOOPBACK:
        raise entry.error("a password is not sent without TLS: set security to starttls or tls")
    return Server(
        host=host,
        port=keys["port"].number(1, 65535) if "port" in keys else DEFAULT_PORTS[security],
        security=security,
        user=user,
        password=password,
        ca_file=_file(keys["ca_file"]) if "ca_file" in keys else None,
        verify=keys["verify"].boolean() if "verify" in keys else True,
        timeout=keys["timeout"].duration().total_seconds() if "timeout" in keys else _TIMEOUT,
    )


def default_security(host: str) -> str:
    """TLS everywhere but to this machine itself, whose mail server has no certificate for `localhost`."""
    return "none" if host in _LOOPBACK else "starttls"


def server_of_url(url: str) -> Server:
    """`smtp://[user:password@]host[:port]` (with STARTTLS, but to this machine) or `smtps://...` (TLS from the start).

    :raises RulesError: when it is none; the text is not repeated, since it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        _host(parts.hostname or "")
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise RulesError("mail_server is no mail server: write smtp://mail.example.org, smtps://user:password@mail.example.org:465 or the like")
    security = "tls" if parts.scheme == "smtps" else default_security(parts.hostname)
    if bool(parts.username) != bool(parts.password):
        raise RulesError("mail_server: user and password go together")
    return Server(
        host=parts.hostname,
        port=port or DEFAULT_PORTS[security],
        security=security,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        timeout=_TIMEOUT,
    )


def _password(entry: Entry, keys: dict[str, Entry]) -> str:
    given = [key for key in ("password", "password_env", "password_file") if key in keys]
    if len(given) > 1:
        raise entry.error(f"the password is said in several places: {', '.join(given)}")
    if not given:
        return ""
    source = keys[given[0]]
    if given[0] == "password":
        return source.text()
    if given[0] == "password_env":
        if not os.environ.get(source.text()):
            raise source.error(f"the environment variable {source.text()} is not set")
        return os.environ[source.text()]
    try:
        return source.path_value().read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise source.error(f"the password cannot be read: {error}") from None


def _file(entry: Entry) -> Path:
    path = entry.path_value()
    if not path.is_file():
        raise entry.error(f"there is no file {path}")
    return path


def _directory(entry: Entry) -> Path:
    path = entry.path_value()
    if not path.is_dir():
        raise entry.error(f"there is no directory {path}")
    return path


def _single_line(entry: Entry) -> str:
    if not entry.text().isprintable():
        raise entry.error("must be one line of printable characters")
    return entry.text()


def address_of(text: str) -> str:
    """The text, if it is a mail address that any server takes.

    :raises ValueError: when it is not.
    """
    if not re.fullmatch(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", text):
        raise ValueError(f"'{text}' is not of the form name@domain, in ASCII")
    return text


def _host(text: str) -> str:
    """The text, if it can be asked for at a name server, or is an address."""
    if re.search(r"[\s@/]", text):
        raise ValueError(f"'{text}' has characters that no name has")
    try:
        text.encode("idna")
    except UnicodeError:
        raise ValueError(f"'{text}' has a part that is empty, or too long") from None
    return text


def _domain(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", text):
        raise ValueError(f"'{text}' is not of the form mail.example.org")
    return text


def _mail_name() -> str:
    """This machine's name in mail addresses: as Debian's policy has it (section 11.6), else its host name. Asks no name server."""
    try:
        name = _MAIL_NAME.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    for candidate in (name, socket.gethostname()):
        if re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", candidate):
            return candidate if "." in candidate else f"{candidate}.localdomain"
    return "localhost.localdomain"
