# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Handing one mail to a mail server, and what the server said for each recipient.

RFC 5321: a reply 2yz to the final dot means that the server is now responsible; 4yz may be tried again, 5yz not. No reply after the
final dot means that nobody knows: it is tried again, with the same Message-ID, since a duplicate is better than a miss.
"""

from __future__ import annotations

import contextlib
import queue
import re
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .alert import one_line
from .errors import DeliveryError
from .states import ACCEPTED, DEFERRED, REJECTED

#: How the connection is protected: TLS asked for with STARTTLS (RFC 3207), TLS from the start (RFC 8314), or not at all.
SECURITIES = ("starttls", "tls", "none")
DEFAULT_PORTS = {"starttls": 25, "tls": 465, "none": 25}
#: What a server's words are cut to.
_REPLY_LIMIT = 500


@dataclass(frozen=True)
class Server:
    """A mail server.

    :param password: never shown.
    :param ca_file: certificates to trust instead of the system's.
    :param timeout: seconds for one session in all, from connecting to the reply to the mail.
    """

    host: str
    port: int
    security: str = "starttls"
    user: str = ""
    password: str = ""
    ca_file: Path | None = None
    verify: bool = True
    timeout: float = 20.0

    def __repr__(self) -> str:
        return f"Server({self.shown})"

    @property
    def shown(self) -> str:
        return f"{self.host}:{self.port} ({self.security})"


@dataclass(frozen=True)
class Verdict:
    """What became of the mail for one recipient.

    :param status: `accepted`, `deferred` or `rejected`.
    :param code: the reply's code; None when there was no reply.
    :param enhanced: the enhanced status code (RFC 3463) as `5.1.1`, if there was one.
    :param reply: the server's words, or what happened instead of a reply.
    """

    status: str
    code: int | None
    enhanced: str
    reply: str
    server: str


def send(servers: Sequence[Server], sender: str, recipients: Sequence[str], message: bytes, hello: str | None = None) -> dict[str, Verdict]:
    """Hand the mail to the first server that takes the session; return the verdict on every recipient.

    A server that cannot be reached, whose certificate is wrong, or that refuses the session or the sender is passed over.
    When none takes it, all recipients are deferred, with every server's words. Never raises for what a server does.
    """
    refusals = []
    for server in servers:
        try:
            return _session(server, sender, recipients, message, hello)
        except DeliveryError as error:
            refusals.append(f"{server.shown}: {error}")
    verdict = Verdict(DEFERRED, None, "", one_line("; ".join(refusals), 2 * _REPLY_LIMIT), ", ".join(server.shown for server in servers))
    return dict.fromkeys(recipients, verdict)


def _session(server: Server, sender: str, recipients: Sequence[str], message: bytes, hello: str | None) -> dict[str, Verdict]:
    """One session with one server.

    :raises DeliveryError: when the session ended before the mail was on its way.
    """
    verdicts: dict[str, Verdict] = {}
    try:
        with _connected(server, hello) as connection:
            code, text = connection.mail(sender, ["size=%d" % len(message)] if connection.has_extn("size") else [])
            if code != 250:
                raise DeliveryError(f"the sender {sender} was refused: {_words(code, text)}")
            for recipient in recipients:
                code, text = connection.rcpt(recipient)
                if code == 421:
                    raise smtplib.SMTPServerDisconnected(_words(code, text))
                verdicts[recipient] = _verdict(server, code, text)
            taken = [recipient for recipient in recipients if verdicts[recipient].status == ACCEPTED]
            if taken:
                verdicts.update(dict.fromkeys(taken, _data(connection, server, message)))
            return verdicts
    except (OSError, smtplib.SMTPException, ValueError) as error:  # ValueError: what smtplib makes of a challenge that is not base64
        if not verdicts:
            raise DeliveryError(_described(error)) from error
        # Recipients already refused stay refused; for all others the end of the connection is no verdict.
        lost = Verdict(DEFERRED, None, "", one_line(f"the connection ended: {_described(error)}", _REPLY_LIMIT), server.shown)
        return {recipient: verdicts[recipient] if verdicts.get(recipient, lost).status == REJECTED else lost for recipient in recipients}


def _data(connection: smtplib.SMTP, server: Server, message: bytes) -> Verdict:
    try:
        code, text = connection.data(message)
    except smtplib.SMTPDataError as error:
        code, text = error.smtp_code, _as_bytes(error.smtp_error)
    return _verdict(server, code, text)


class _WholeLines:
    """Lines of a connection. What comes before the connection ends in the middle of a line is no reply: `25` is not the beginning of `250`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        return line if line.endswith(b"\n") or len(line) == limit else b""

    def close(self) -> None:
        self._file.close()


class _Utf8(str):
    """A text that smtplib encodes as RFC 4616 (section 2) has it, and not as ASCII: passwords have umlauts, too."""

    __slots__ = ()

    def encode(self, encoding: str = "", errors: str = "strict") -> bytes:  # noqa: ARG002 - the signature of str
        return super().encode("utf-8", errors)


class _Session(smtplib.SMTP):
    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _WholeLines(self.sock.makefile("rb"))
        return super().getreply()

    def auth(self, mechanism: str, authobject: Callable[..., Any], *, initial_response_ok: bool = True) -> tuple[int, bytes]:
        def answer(*challenge: bytes) -> str | None:
            text = authobject(*challenge)
            return None if text is None else _Utf8(text)

        return super().auth(mechanism, answer, initial_response_ok=initial_response_ok)  # type: ignore[arg-type]  # typeshed: two overloads

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect to the first of the host's addresses that answers. They share the time, for which smtplib waits at each of them anew: a host whose
        first address is never answered (IPv6 without a way there) is reached at the next."""
        ends = time.monotonic() + timeout
        addresses = _addresses(host, port, timeout)
        failure: OSError = TimeoutError("no answer in time")
        for number, address in enumerate(addresses):
            left = max(ends - time.monotonic(), 0.001)
            try:
                connected = socket.create_connection(address, left / (len(addresses) - number))
            except OSError as error:
                failure = error
                continue
            connected.settimeout(max(ends - time.monotonic(), 0.001))
            return connected
        raise failure


class _TlsSession(smtplib.SMTP_SSL, _Session):
    pass


def _addresses(host: str, port: int, timeout: float) -> list[tuple[str, int]]:
    """The host's addresses. Asked for in a thread: where no name server answers, the system's resolver takes its own time."""
    answers: queue.SimpleQueue[list[tuple[str, int]] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put([(str(found[4][0]), port) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, ValueError) as error:
            answers.put(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        raise DeliveryError(f"no name server said within {timeout:g} s what the address of {host} is") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


@contextlib.contextmanager
def _connected(server: Server, hello: str | None) -> Iterator[smtplib.SMTP]:
    """A session up to and with authentication, which is cut off when the server's time is over."""
    context = _tls_context(server)
    # The limit of a single read is the longer one: it is the session's limit that ends a session.
    if server.security == "tls":
        connection: smtplib.SMTP = _TlsSession(timeout=server.timeout + 1, local_hostname=hello, context=context)
    else:
        connection = _Session(timeout=server.timeout + 1, local_hostname=hello)
    # smtplib starts the clock anew with every piece it reads; a server that sends a byte now and then would hold us for ever.
    done, expired = threading.Event(), threading.Event()
    threading.Thread(target=_cut_off_late, args=(connection, server.timeout, done, expired), daemon=True).start()
    try:
        # For the server's name in TLS; connect() does not set it (bpo-36094).
        connection._host = server.host  # type: ignore[attr-defined]
        code, text = connection.connect(server.host, server.port)
        if code != 220:
            raise DeliveryError(f"the session was refused: {_words(code, text)}")
        connection.ehlo_or_helo_if_needed()
        if server.security == "starttls":
            connection.starttls(context=context)
            connection.ehlo()
        if server.user:
            connection.login(server.user, _Utf8(server.password))
        yield connection
        with contextlib.suppress(OSError, smtplib.SMTPException):
            # The mail is delivered or not; what the server says to the end of the session changes nothing.
            connection.quit()
    except (OSError, smtplib.SMTPException) as error:
        if expired.is_set():
            raise TimeoutError(f"no end within {server.timeout:g} s") from error
        raise
    finally:
        done.set()
        connection.close()


def _cut_off_late(connection: smtplib.SMTP, timeout: float, done: threading.Event, expired: threading.Event) -> None:
    """End the connection, whatever it is doing, when it is not done in time."""
    if done.wait(timeout):
        return
    expired.set()
    while not done.wait(0.1):
        if connection.sock is not None:
            with contextlib.suppress(OSError):
                # The plain socket's method: SSLSocket's own would pull the TLS state from under the reading thread.
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


def _tls_context(server: Server) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
    except OSError as error:
        raise DeliveryError(f"the certificates of ca_file {server.ca_file} cannot be read: {error}") from error
    if not server.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _verdict(server: Server, code: int, text: bytes) -> Verdict:
    status = ACCEPTED if 200 <= code < 300 else REJECTED if 500 <= code < 600 else DEFERRED
    words = text.decode("utf-8", "replace")
    enhanced = re.match(r"([245]\.\d{1,3}\.\d{1,3})\b", words)
    return Verdict(status, code if code > 0 else None, enhanced.group(1) if enhanced else "", one_line(words, _REPLY_LIMIT), server.shown)


def _words(code: int, text: bytes) -> str:
    return one_line(f"{code} {text.decode('utf-8', 'replace')}", _REPLY_LIMIT)


def _as_bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "replace")


def _described(error: Exception) -> str:
    """An error of the session in words; never with what was sent, which may be a password."""
    if isinstance(error, smtplib.SMTPResponseException):
        return _words(error.smtp_code, _as_bytes(error.smtp_error))
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return f"it does not offer what is asked: {error}"
    if isinstance(error, TimeoutError):
        return str(error) or "no answer in time"
    return one_line(str(error) or type(error).__name__, _REPLY_LIMIT)
