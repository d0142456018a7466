# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a ticket's mail: text from templates, the same as data attached, and headers that nothing from outside can break."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from email.headerregistry import HeaderRegistry, MessageIDHeader
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .alert import one_line
from .errors import RulesError
from .rules import Mail
from .samples import sample_views
from .states import MAIL_KINDS as KINDS
from .states import TICKET_HEADER

if TYPE_CHECKING:
    import jinja2

#: Version of the attachment's form (docs/ticket.schema.json).
SCHEMA = "fleetcast.ticket/1"
_TEMPLATES = Path(__file__).with_name("templates")
_FALLBACK_LANGUAGE = "en"
#: RFC 5322, 2.1.1: a line of a header should have 78 characters, of which the parser's folding takes care.
_SUBJECT_LIMIT = 200
#: In-Reply-To and References have one Message-ID each. As a text, which they are to Python, one that is longer than a line would be encoded,
#: as nothing in them may be (RFC 2047, section 5), and no reader would know the thread.
_HEADERS = HeaderRegistry()
for _name in ("In-Reply-To", "References"):
    _HEADERS.map_to_type(_name, MessageIDHeader)  # type: ignore[arg-type]  # typeshed wants the whole class, which the registry makes of it
#: 7bit: every server takes it, also one without 8BITMIME. Text that is not ASCII is encoded.
_POLICY = SMTP.clone(cte_type="7bit", header_factory=_HEADERS)


def label(ticket_id: int) -> str:
    """A ticket's number as people see it."""
    return f"FC-{ticket_id}"


def compose(mail: Mail, kind: str, view: Mapping[str, Any], recipients: tuple[str, ...], message_id: str, root_message_id: str, at: datetime) -> str:
    """A complete mail as ASCII text.

    :param kind: `opened`, `follow_up` or `closed`.
    :param view: the ticket as :func:`.views.ticket_view` gives it; what is in it is data and never a template.
    A template that does not work is no reason for no mail: the collection's own takes its place, and says so.
    """
    language = str(view["centre"]["language"])
    subject, body = _rendered(mail, language, kind, view)
    message = EmailMessage(policy=_POLICY)
    message["From"] = mail.sender
    message["To"] = ", ".join(recipients)
    if mail.reply_to:
        message["Reply-To"] = mail.reply_to
    message["Subject"] = _without_encoded_words(one_line(f"{mail.subject_prefix} {subject}", _SUBJECT_LIMIT))
    message["Date"] = format_datetime(at)
    message["Message-ID"] = message_id
    if message_id != root_message_id:
        message["In-Reply-To"] = root_message_id
        message["References"] = root_message_id
    # RFC 3834: holiday notices and the like do not answer. `Precedence: bulk` would make ticket systems drop it.
    message["Auto-Submitted"] = "auto-generated"
    message[TICKET_HEADER] = view["ticket"]["label"]
    message.set_content(body)
    data = json.dumps(view, ensure_ascii=True, indent=2).encode("ascii")
    message.add_attachment(data, maintype="application", subtype="json", filename=f"{view['ticket']['label']}.json")
    return message.as_bytes().decode("ascii")


def _without_encoded_words(text: str) -> str:
    """The text with nothing in it that reads as an encoded word (RFC 2047), which may stand for line ends, and with them for further headers.

    Python decodes those of a header that it is given. Some versions then write the line ends as they are (CVE-2024-6923), others refuse the mail.
    """
    return text.replace("=?", "= ?")


def check_templates(directory: Path | None, language: str) -> None:
    """Read the templates that a language needs, and try them on samples.

    :raises RulesError: when there are none, or one does not work.
    """
    import jinja2

    environment = _environment(directory, language, None)
    for kind in KINDS:
        try:
            template = environment.get_template(f"{kind}.txt.j2")
            for view in sample_views(kind):
                template.render(view)
        except jinja2.TemplateNotFound as error:
            if error.name != f"{kind}.txt.j2":
                raise RulesError(f"the template {language}/{kind}.txt.j2 includes {error.name}, which is not there") from None
            raise RulesError(
                f"there are no templates for the language '{language}': put {', '.join(f'{kind}.txt.j2' for kind in KINDS)} "
                f"into {(directory or Path('TEMPLATES')) / language}, and name the directory in mail.templates"
            ) from None
        except jinja2.TemplateSyntaxError as error:
            raise RulesError(f"{error.filename}, line {error.lineno}: {error.message}") from None
        except Exception as error:  # whatever a user's template stumbles over
            raise RulesError(f"the template {language}/{kind}.txt.j2 does not work: {type(error).__name__}: {error}") from error


def _rendered(mail: Mail, language: str, kind: str, view: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and text. A template's first line is the subject; an empty line separates it from the text."""
    try:
        return _split(_environment(mail.templates, language, mail.zone).get_template(f"{kind}.txt.j2").render(view))
    except Exception as error:  # whatever a user's template stumbles over: a ticket in our words is better than none
        own = language if (_TEMPLATES / language).is_dir() else _FALLBACK_LANGUAGE
        subject, body = _split(_environment(None, own, mail.zone).get_template(f"{kind}.txt.j2").render(view))
        return subject, f"{body}\n(The template {language}/{kind}.txt.j2 did not work: {one_line(f'{type(error).__name__}: {error}', 300)})\n"


def _split(whole: str) -> tuple[str, str]:
    subject, _newline, body = whole.lstrip("\n").partition("\n")
    return subject, body.lstrip("\n").rstrip() + "\n"


@functools.lru_cache(maxsize=16)
def _environment(directory: Path | None, language: str, zone: tzinfo | None) -> jinja2.Environment:
    import jinja2

    roots = [root / name for name in (language, _FALLBACK_LANGUAGE) for root in ((directory, _TEMPLATES) if directory else (_TEMPLATES,))]
    if not any((root / "opened.txt.j2").is_file() for root in roots if root.name == language):
        # No silent English for a language that nobody wrote.
        roots = [root for root in roots if root.name == language]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(roots),
        autoescape=False,  # noqa: S701 - plain text, where nothing is to be escaped
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["when"] = functools.partial(_when, zone=zone or UTC)
    environment.filters["quoted"] = _quoted
    return environment


def _when(value: str, zone: tzinfo) -> str:
    """An ISO 8601 time for a reader."""
    return datetime.fromisoformat(value).astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def _quoted(text: str) -> str:
    """Text from outside, each line marked, so that it cannot pass for ours."""
    return "\n".join(f"  | {line}" for line in text.split("\n"))
