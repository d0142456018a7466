# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real mail servers for tests: one that keeps what it gets (aiosmtpd), and sockets that misbehave in a given way."""

from __future__ import annotations

import datetime
import email
import email.policy
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: Seconds in which a server answers even on a busy machine.
_START_SECONDS = 60.0


@dataclass
class Received:
    """A mail as the server took it."""

    sender: str
    recipients: list[str]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def subject(self) -> str:
        """The subject; one that was folded at once begins with a space."""
        return str(self.message["Subject"]).strip()

    @property
    def text(self) -> str:
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content()).replace("\r\n", "\n")


@dataclass
class Mailbox:
    """An SMTP server on loopback and what it received. `refuse` gives the reply to a recipient, None to take it."""

    refuse: Callable[[str], str | None] = lambda address: None
    data_reply: Callable[[], str] = lambda: "250 2.0.0 taken"
    received: list[Received] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        reply = self.refuse(address)
        if reply is not None:
            self.refused.append(address)
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        reply = self.data_reply()
        if reply.startswith("250"):
            self.received.append(Received(envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return reply

    def ids(self, address: str) -> list[str]:
        """Message-IDs that arrived for an address."""
        return [str(mail.message["Message-ID"]) for mail in self.received if address in mail.recipients]


@contextmanager
def reserved_port() -> Iterator[int]:
    """A TCP port of loopback that nobody else is given during the block, and on which a server may listen that reuses addresses.

    A port that was only looked up may be another test's, which runs beside this one, before the server listens on it.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextmanager
def serve(mailbox: Mailbox, **options: Any) -> Iterator[Mailbox]:
    """Run the mailbox's server for the block."""
    with reserved_port() as port:
        controller = Controller(mailbox, hostname="127.0.0.1", port=port, ready_timeout=_START_SECONDS, **options)
        controller.start()
        mailbox.port = port
        try:
            yield mailbox
        finally:
            controller.stop()


def only_with_password(user: str, password: str) -> dict[str, Any]:
    """Options of a server that takes mail only after this login."""

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=good, handled=False)

    return {"authenticator": authenticate, "auth_required": True}


@dataclass
class Certificate:
    """A certificate for localhost, signed by itself, in files; and a server's TLS context with it."""

    file: Path
    key: Path

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


def certificate(directory: Path, days: int = 1) -> Certificate:
    """Make a certificate that ends in so many days; a negative number makes one that is over."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    directory.mkdir(parents=True, exist_ok=True)
    made = Certificate(directory / "server.pem", directory / "server.key")
    made.file.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return made


@dataclass
class Script:
    """What a misbehaving server does, line by line: `replies` maps a command's first word to a reply, or to what it does instead."""

    replies: dict[str, str | Callable[[socket.socket], None]]
    port: int = 0
    sessions: int = 0
    mails: list[bytes] = field(default_factory=list)


GOOD = {"": "220 ready", "EHLO": "250 ok", "HELO": "250 ok", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", ".": "250 taken", "QUIT": "221 bye"}


@contextmanager
def misbehave(**changes: str | Callable[[socket.socket], None]) -> Iterator[Script]:
    """A server that does all right but for these commands. `greeting` is what it says first, `dot` its reply to the mail."""
    names = {"greeting": "", "dot": "."}
    script = Script({**GOOD, **{names.get(name, name.upper()): change for name, change in changes.items()}})
    server = socket.create_server(("127.0.0.1", 0))
    script.port = server.getsockname()[1]
    stopping = threading.Event()

    def accept() -> None:
        while not stopping.is_set():
            try:
                client, _ = server.accept()
            except OSError:
                return
            script.sessions += 1
            threading.Thread(target=_converse, args=(client, script, stopping), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield script
    finally:
        stopping.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def _converse(client: socket.socket, script: Script, stopping: threading.Event) -> None:
    client.settimeout(60)
    try:
        with client, client.makefile("rb") as lines:
            if not _answer(client, script, ""):
                return
            while not stopping.is_set():
                line = lines.readline()
                if not line:
                    return
                word = line.split()[0].decode("latin-1").upper() if line.split() else ""
                if not _answer(client, script, word):
                    return
                if word == "DATA" and str(script.replies["DATA"]).startswith("354"):
                    mail = b""
                    while not mail.endswith(b"\r\n.\r\n"):
                        piece = lines.readline()
                        if not piece:
                            return
                        mail += piece
                    script.mails.append(mail)
                    if not _answer(client, script, "."):
                        return
    except OSError:
        return


def _answer(client: socket.socket, script: Script, word: str) -> bool:
    reply = script.replies.get(word, "500 what?")
    if callable(reply):
        reply(client)
        return False
    client.sendall(reply.encode() + b"\r\n")
    return word != "QUIT"


def silence(client: socket.socket) -> None:
    """Say nothing until the other side gives up."""
    while client.recv(4096):
        pass


def dribble(client: socket.socket) -> None:
    """Send a byte now and then, for ever: each piece comes in time, the whole never."""
    import time

    while True:
        client.sendall(b"2")
        time.sleep(0.1)


def hang_up(client: socket.socket) -> None:
    """Close the connection without a word."""
    client.shutdown(socket.SHUT_RDWR)


def begin_then_hang_up(client: socket.socket) -> None:
    """Begin to say that it is taken, and close the connection in the middle of the line."""
    client.sendall(b"250 ta")
    client.shutdown(socket.SHUT_RDWR)


def say_then_hang_up(reply: str) -> Callable[[socket.socket], None]:
    """Give the reply, then close the connection at once."""

    def act(client: socket.socket) -> None:
        client.sendall(reply.encode() + b"\r\n")
        client.shutdown(socket.SHUT_RDWR)

    return act
