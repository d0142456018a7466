# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event sources, loaded as ansible-rulebook does it: each delivers what comes in, as it came."""

from __future__ import annotations

import asyncio
import base64
import json
import runpy
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.fleetcast.core.tests.mailservers import reserved_port

pytestmark = pytest.mark.tickets

_SOURCES = Path(__file__).resolve().parents[3] / "extensions/eda/plugins/event_source"
_SECONDS = 20


def _events(source: str, arguments: dict[str, Any], act: Callable[[], Any], expected: int) -> list[Any]:
    """Run the source, do something from outside, and return the events that follow."""
    main = runpy.run_path(str(_SOURCES / f"{source}.py"))["main"]

    async def run() -> list[Any]:
        queue: asyncio.Queue[Any] = asyncio.Queue()
        task = asyncio.create_task(main(queue, arguments))
        try:
            # To its first wait: a file that is there is open then.
            await asyncio.sleep(0)
            acting = asyncio.to_thread(act)
            await acting
            return [await asyncio.wait_for(queue.get(), _SECONDS) for _ in range(expected)]
        finally:
            task.cancel()

    return asyncio.run(run())


def _came(event: dict[str, Any]) -> tuple[str, bytes]:
    """Format and content of what the event brings for error_alert; what is left of it are the plain values."""
    form, _, encoded = event.pop("fleetcast_alert").partition(":")
    return form, base64.b64decode(encoded, validate=True)


def test_lines_of_a_file_that_grows_is_rotated_and_has_a_bad_line(tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    file.write_text('{"device": "old"}\n', encoding="utf-8")

    def act() -> None:
        with file.open("a", encoding="utf-8") as more:
            more.write('{"device": "a"}\n{"device": ')
            more.flush()
            time.sleep(0.3)
            more.write('"b"}\nnot json\n')
        time.sleep(0.3)
        with file.open("a", encoding="utf-8") as more:
            more.write('{"device": "last, without a line end"}')
        file.rename(tmp_path / "alerts.json.1")
        time.sleep(0.3)
        file.write_text('{"device": "c"}\n', encoding="utf-8")

    events = _events("alert_lines", {"path": str(file), "interval": 0.05}, act, 5)
    devices = ["a", "b", "last, without a line end", "c"]
    assert events.pop(2) == {"unreadable": "not json"}
    assert [_came(event) for event in events] == [("json", json.dumps({"device": device}).encode()) for device in devices]
    assert events == [{"device": device} for device in devices]


def test_lines_from_the_start(tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    file.write_text('{"device": "old"}\n', encoding="utf-8")
    (event,) = _events("alert_lines", {"path": str(file), "interval": 0.05, "from_start": True}, lambda: None, 1)
    assert _came(event) == ("json", b'{"device": "old"}') and event == {"device": "old"}


_TEMPLATES = ("{{ lookup('pipe', 'id') }}", "{% raw %}", "{# x #}", "{{{ x }}}", "#jinja2:variable_start_string:'[['\n[[ lookup('pipe', 'id') ]]")


def test_nothing_in_an_event_is_a_template_to_ansible(tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    lines = [json.dumps({"text": text, text: {"list": [text]}}) for text in _TEMPLATES] + ["no json " + text for text in _TEMPLATES]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    events = _events("alert_lines", {"path": str(file), "interval": 0.05, "from_start": True}, lambda: None, len(lines))

    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for pair in value.items() for part in pair for text in texts(part)]
        return [text for item in value for text in texts(item)] if isinstance(value, list) else [value]

    found = [text for event in events for text in texts(event)]
    assert len(found) > 3 * len(_TEMPLATES)
    assert [text for text in found if _is_template(text)] == []
    assert all(_is_template(text) for text in _TEMPLATES), "the check finds what it is to find"


def _is_template(text: str) -> bool:
    """Whether Ansible, for which extra variables are trusted, makes something else of the text."""
    from ansible.errors import AnsibleError
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar, trust_as_template

    try:
        return bool(Templar(loader=DataLoader()).template(trust_as_template(text)) != text)
    except AnsibleError:
        return True


def test_alertmanager_with_a_token() -> None:
    statuses = []

    def post(port: int, body: bytes, token: str) -> None:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/alerts", body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        ends = time.monotonic() + _SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the scheme is ours
                    statuses.append(answer.status)
            except urllib.error.HTTPError as error:
                statuses.append(error.code)
            except urllib.error.URLError:
                # It does not listen yet.
                assert time.monotonic() < ends
                time.sleep(0.1)
                continue
            return

    alerts = [{"status": "firing", "labels": {"instance": f"web{number}"}} for number in (1, 2)]

    def act(port: int) -> None:
        post(port, json.dumps({"alerts": alerts}).encode(), "wrong")
        post(port, b"{broken", "right")
        post(port, b"{}", "right")
        post(port, json.dumps({"alerts": alerts}).encode(), "right")

    with reserved_port() as port:
        events = _events("alertmanager", {"host": "127.0.0.1", "port": port, "token": "right"}, partial(act, port), 2)
    assert [(form, json.loads(body)["alerts"]) for form, body in map(_came, events)] == [("alertmanager", [alert]) for alert in alerts]
    assert events == alerts
    assert statuses == [401, 400, 400, 200]


def test_mails_of_a_maildir(tmp_path: Path) -> None:
    for folder in ("new", "cur", "tmp"):
        (tmp_path / folder).mkdir()
    content = "Subject: x\n\nKöln ".encode() + b"\xe4"

    def act() -> None:
        (tmp_path / "tmp/1.m").write_bytes(content)
        (tmp_path / "tmp/1.m").rename(tmp_path / "new/1.m")

    (event,) = _events("alert_mails", {"path": str(tmp_path), "interval": 0.05}, act, 1)
    assert _came(event) == ("mail", content)
    assert event["content"] == "Subject: x\n\nKöln \N{REPLACEMENT CHARACTER}"
    assert Path(event["path"]).read_bytes() == content
    assert [path.name for path in (tmp_path / "cur").iterdir()] == ["1.m:2,S"]


def test_a_mail_whose_event_was_not_taken_is_an_event_again(tmp_path: Path) -> None:
    for folder in ("new", "cur"):
        (tmp_path / folder).mkdir()
    # As a source leaves it that is killed before its event is in the queue.
    (tmp_path / "new/1.m").write_bytes(b"Subject: x\n\n")
    (tmp_path / "cur/1.m:2,S").hardlink_to(tmp_path / "new/1.m")
    (event,) = _events("alert_mails", {"path": str(tmp_path), "interval": 0.05}, lambda: None, 1)
    assert _came(event) == ("mail", b"Subject: x\n\n")


@pytest.mark.parametrize(
    ("source", "words"), [("alert_lines", "option path is missing"), ("alertmanager", "option port is missing"), ("alert_mails", "must name a maildir")]
)
def test_what_is_missing_is_said(source: str, words: str) -> None:
    main = runpy.run_path(str(_SOURCES / f"{source}.py"))["main"]
    with pytest.raises(ValueError, match=words):
        asyncio.run(asyncio.wait_for(main(asyncio.Queue(), {}), _SECONDS))
