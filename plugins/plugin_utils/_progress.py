# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line that moves while bytes flow: rewritten in place on a terminal, a new line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

#: Whether a person looks at standard output. Known only in Ansible's main process, which imports this module with the callback
#: `distribution_status`; the workers that show the progress are forked from it and have lost their terminal.
_IS_TERMINAL = sys.stdout.isatty()

#: Seconds between two lines where lines cannot be rewritten: a log of a push of an hour stays readable.
_LINE_INTERVAL = 5.0


class ProgressLine:
    """Shows the progress of a multicast session through Ansible's display.

    :param display: as `ansible.utils.display.Display.display`; called with the text and `newline`.
    :param label: whose progress it is, where several are shown side by side: then each line says so, and none is rewritten in place.
    """

    def __init__(self, display: Callable[..., Any], *, label: str = "", terminal: bool | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._display = display
        self._prefix = f"{label}: " if label else ""
        self._terminal = not label and (_IS_TERMINAL if terminal is None else terminal)
        self._clock = clock
        self._shown = ""
        self._shown_at = -_LINE_INTERVAL

    def update(self, progress: Mapping[str, Any]) -> None:
        """Show `progress` (see :func:`describe`) if it says something new, and on a log not too soon after the last line."""
        text = self._prefix + describe(progress)
        if text == self._shown:
            return
        if self._terminal:
            self._display("\r" + text.ljust(len(self._shown)), newline=False, screen_only=True)
        elif self._clock() - self._shown_at < _LINE_INTERVAL:
            return
        else:
            self._display(text)
        self._shown, self._shown_at = text, self._clock()

    def close(self, last: str = "") -> None:
        """Leave the last line standing, and `last` below it."""
        if self._terminal and self._shown:
            self._display("", screen_only=True)
        if last:
            self._display(self._prefix + last)


def describe(progress: Mapping[str, Any]) -> str:
    """A session's progress in one line.

    :param progress: `phase`, of which the first is `ready`; `sent_bytes` and `total_bytes` of the artifact; `rate` in bits per second; `hosts` and
        `completed` as numbers of hosts.
    """
    hosts = int(progress["hosts"])
    if progress["phase"] == "ready":
        return f"multicast: waiting for {_count(hosts)} to be ready"
    total = int(progress["total_bytes"])
    sent = min(int(progress["sent_bytes"]), total)
    percent = 100 * sent // total if total else 100
    done = "=" * (percent // 5)
    return (
        f"multicast: [{done:<20}] {percent:3d} %  {sent / 1e6:,.0f} of {total / 1e6:,.0f} MB  {progress['rate'] / 1e6:,.0f} Mbit/s"
        f"  {progress['completed']} of {hosts} hosts complete"
    )


def summarize(result: Mapping[str, Any]) -> str:
    """What became of a session, in one line. :param result: the result of the module `multicast_send`."""
    if "hosts" not in result:
        return f"multicast: {result.get('msg', 'the sender ended without a word')}"
    size, link_bytes, hosts = int(result["size"]), int(result["link_bytes"]), len(result["hosts"])
    share = f", {link_bytes / size:.2f} of the artifact" if size else ""
    return (
        f"multicast: {result['completed']} of {_count(hosts)} complete after {result['seconds']:.1f} s;"
        f" {link_bytes / 1e6:,.1f} MB on the sender's link{share}{': ' + result['msg'] if result.get('failed') else ''}"
    )


def _count(hosts: int) -> str:
    return "1 host" if hosts == 1 else f"{hosts} hosts"
