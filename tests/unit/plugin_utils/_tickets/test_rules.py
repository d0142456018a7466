# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's file: what it may say, and mistakes named with file, line and key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets import alert, classification, composing, inventory_names, loading
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.errors import RulesError
from ansible_collections.fleetcast.core.plugins.plugin_utils._tickets.rules import Rules

pytestmark = pytest.mark.tickets

Load = Callable[[str], Rules]

_CENTRES = """
locations: [Hamburg, {name: Berlin, aliases: [BER, Hauptstadt]}, Kiel]
centres:
  - {name: north, addresses: [north@example.org, duty@example.org], language: de, locations: [Hamburg, Berlin]}
  - {name: east, addresses: east@example.org, locations: [Berlin]}
  - {name: head, addresses: head@example.org, default: true}
"""


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("thresholds:\n  - limit: 1\n    failuretype: x\n", 3, r"thresholds\[0\]\.failuretype: unknown key; known here: device, failure_type"),
        ("thresholds:\n  - limit: many\n", 2, r"thresholds\[0\]\.limit: must be a whole number, not 'many'"),
        ("thresholds:\n  - limit: -1\n", 2, r"thresholds\[0\]\.limit: must be from 0"),
        ("thresholds:\n  - device: web1\n", 2, r"thresholds\[0\]: the key 'limit' is missing"),
        ("thresholds:\n  - {device: a, limit: 1}\n  - {device: a, limit: 2}\n", 3, r"thresholds\[1\]: there is a threshold for exactly this already"),
        ("thresholds: 5\n", 1, r"thresholds: must be a list"),
        ("threshold: []\n", 1, r"threshold: unknown key"),
        ("window: tomorrow\n", 1, r"window: must be a length of time"),
        ("window: 0h\n", 1, r"window: must be longer than nothing"),
        ("window: 1h\nwindow: 2h\n", 2, r"the key 'window' is there twice"),
        ("failure_types:\n  - type: disk\n    message: '('\n", 3, r"failure_types\[0\]\.message: is no regular expression"),
        ("failure_types:\n  - type: disk\n", 2, r"failure_types\[0\]: says what type, but not for what"),
        ("failure_types:\n  - {type: 'Disk Full', message: x}\n", 2, r"failure_types\[0\]\.type: the name of a failure type"),
        ("locations: [Hamburg, HAMBURG]\n", 1, r"locations\[1\]: 'HAMBURG' is already a name of the location 'Hamburg'"),
        ("locations:\n  - name: Hamburg\n  - {name: Kiel, aliases: [hamburg]}\n", 3, r"locations\[1\]: 'hamburg' is already a name"),
        ("centres:\n  - {name: a, addresses: a@example.org}\n", 2, r"centres: exactly one centre must have `default: true`, not none"),
        ("centres:\n  - {name: a, addresses: 'no address', default: true}\n", 2, r"centres\[0\]\.addresses: is no mail address"),
        ('centres:\n  - {name: a, addresses: "a@example.org\\nBcc: b@example.org", default: true}\n', 2, r"addresses: is no mail address"),
        ("centres:\n  - {name: a, addresses: a@b.org, default: true, locations: [Atlantis]}\n", 2, r"'Atlantis' is not among the locations"),
        ("outages:\n  - {devices: web, reason: x, from: 2026-01-01T00:00, to: 2026-01-02T00:00Z}\n", 2, r"outages\[0\]\.from: is no time: .*neither an offset"),
        ("outages:\n  - {devices: web, reason: x, from: 2026-01-02T00:00Z, to: 2026-01-01T00:00Z}\n", 2, r"outages\[0\]\.to: is not after"),
        ("outages:\n  - {devices: web, reason: x, from: 2026-01-02T00:00Z}\n", 2, r"outages\[0\]: the key 'to' is missing"),
        ("outages:\n  - {reason: x, from: 2026-01-01T00:00Z, to: 2026-01-02T00:00Z}\n", 2, r"outages\[0\]: says when, but not for whom"),
        ("outages:\n  - {devices: 'web[0]', reason: x, from: 2026-01-01T00:00Z, to: 2026-01-02T00:00Z}\n", 2, r"devices: is no host pattern: subscripts"),
        ("time_zone: Europe/Atlantis\n", 1, r"time_zone: is no time zone"),
        ("outages:\n  - {devices: a, reason: x, days: sunday, from: '02:00', to: '04:00'}\n", 2, r"outages\[0\]: a recurring outage needs a time_zone"),
        ("outages:\n  - {devices: a, reason: x, days: someday, from: '02:00', to: '04:00', time_zone: UTC}\n", 2, r"days: must be one of monday"),
        ("mail:\n  servers:\n    - {host: a, security: ssl}\n", 3, r"mail\.servers\[0\]\.security: must be one of starttls, tls, none"),
        (
            "mail:\n  servers:\n    - {host: mail..example.org}\n",
            3,
            r"mail\.servers\[0\]\.host: is no host name: 'mail\.\.example\.org' has a part that is empty",
        ),
        ("mail:\n  servers:\n    - {host: 'smtp://a'}\n", 3, r"mail\.servers\[0\]\.host: is no host name: 'smtp://a' has characters that no name has"),
        ("mail:\n  servers:\n    - {host: a, user: u}\n", 3, r"mail\.servers\[0\]: user and password go together"),
        ("mail:\n  servers:\n    - {host: a, user: u, password: p, security: none}\n", 3, r"a password is not sent without TLS"),
        (
            "mail:\n  servers:\n    - {host: a, user: u, password_env: NO_SUCH_VARIABLE}\n",
            3,
            r"password_env: the environment variable NO_SUCH_VARIABLE is not set",
        ),
        ('mail:\n  subject_prefix: "a\\nBcc: x"\n', 2, r"mail\.subject_prefix: must be one line"),
        ("mail:\n  attempts: 0\n", 2, r"mail\.attempts: must be from 1"),
        ("groupings:\n  - {name: a, failure_types: timeout, by: colour, devices: 2}\n", 2, r"groupings\[0\]\.by: must be one of location, server"),
        ("groupings:\n  - {name: a, failure_types: disc_full, by: location, devices: 2}\n", 2, r"failure_types: there is no failure type 'disc_full'"),
        ("groupings:\n  - {name: a, failure_types: [], by: location, devices: 2}\n", 2, r"failure_types: is empty"),
        ("thresholds:\n  - {failure_type: disc_full, limit: 3}\n", 2, r"thresholds\[0\]\.failure_type: there is no failure type 'disc_full'"),
        ("thresholds:\n  - {failure_type: 'unreachible*', limit: 3}\n", 2, r"there is no failure type 'unreachible\*'"),
        ("built_in_failure_types: false\nthresholds:\n  - {failure_type: disk_full, limit: 3}\n", 3, r"there are unclassified"),
        ("reported_failure_types: [Raid]\n", 1, r"reported_failure_types\[0\]: the name of a failure type"),
        ("window: 99999999999w\n", 1, r"window: must not be longer than 3660d"),
        ("failure_types:\n  - type: disk\n    message:\n      - ok\n      - '['\n", 5, r"failure_types\[0\]\.message\[1\]: is no regular expression"),
        ("failure_types:\n  - {type: disk, message: []}\n", 2, r"message: is empty"),
        ("failure_types:\n  - {type: disk, modules: []}\n", 2, r"modules: is empty"),
        ("failure_types:\n  - {type: disk, kinds: [lost]}\n", 2, r"kinds\[0\]: must be one of failed, unreachable"),
        ("centres:\n  - {name: a, addresses: [], default: true}\n", 2, r"centres\[0\]\.addresses: is empty"),
        ("centres:\n  - {name: a, addresses: a@b.org, default: true}\n  - {name: b, addresses: a@b.org}\n", 3, r"centres\[1\]: a centre without"),
        ("centres:\n  - name: a\n    addresses: a@b.org\n    default: true\n    language: xx\n", 5, r"language: there are no templates for the language 'xx'"),
        ("outages:\n  - {devices: '~(', reason: x, from: 2026-01-01T00:00Z, to: 2026-01-02T00:00Z}\n", 2, r"devices: is no host pattern: '\(' is no regular"),
        ("outages:\n  - {locations: [], reason: x, from: 2026-01-01T00:00Z, to: 2026-01-02T00:00Z}\n", 2, r"outages\[0\]\.locations: is empty"),
        ("time_zone: UTC\noutages:\n  - {devices: a, reason: x, days: [], from: '02:00', to: '04:00'}\n", 3, r"days: is empty"),
        (
            "time_zone: UTC\noutages:\n  - {devices: a, reason: x, days: daily, from: '02:00', to: '04:00', first_day: 2026-02-01, last_day: 2026-01-01}\n",
            3,
            r"last_day: is before `first_day`",
        ),
        ("mail:\n  servers:\n    - {host: a, user: u, password: !vault x}\n", 3, r"password: the tag !vault is not understood here"),
        ("mail:\n  servers: []\n", 2, r"mail\.servers: is empty"),
        ("mail:\n  templates: nowhere\n", 2, r"mail\.templates: is no path to anything: .*/nowhere"),
        ("mail:\n  templates: '~nobody/x'\n", 2, r"mail\.templates: is no path to anything"),
        ("thresholds:\n  - {device: '', limit: 3}\n", 2, r"thresholds\[0\]\.device: must not be empty"),
        ('locations:\n  - "Ham\\0burg"\n', 2, r"locations\[0\]: must not be empty, nor have characters that cannot be printed"),
        ("centres:\n  - {name: a, addresses: a@b.org, default: true, language: ../x}\n", 2, r"language: is no language: '../x' is not of the form"),
        ("mail:\n  from: Fleet <a@b.org>\n", 2, r"mail\.from: is no mail address"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_key(text: str, line: int, words: str, load_rules: Load) -> None:
    with pytest.raises(RulesError, match=rf"rules\.yml, line {line}: .*{words}"):
        load_rules(text)


def test_a_file_that_is_not_yaml_or_not_there(load_rules: Load, tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"rules\.yml, line 2: is not YAML: while parsing a flow node"):
        load_rules("a: [\n")
    with pytest.raises(RulesError, match=r"none\.yml: cannot be read: .*No such file"):
        loading.load(tmp_path / "none.yml", ("a@example.org",))


def test_nobody_to_get_the_ticket() -> None:
    with pytest.raises(RulesError, match=r"mail_to"):
        loading.load(None)


@pytest.mark.parametrize(
    "url", ["mail.example.org", "http://mail.example.org", "smtp://", "smtp://user@mail.example.org", "smtp://a:99999", "smtp://u:pa?ss@h"]
)
def test_a_mail_server_that_is_none_is_said_without_the_password(url: str) -> None:
    with pytest.raises(RulesError, match="mail_server") as raised:
        loading.load(None, ("a@example.org",), mail_server=url)
    assert "pa?ss" not in str(raised.value)


def test_without_a_file_there_are_the_defaults() -> None:
    rules = loading.load(None, ("a@example.org", "b@example.org"), "smtps://me:top%20secret@mail.example.org", "desk@example.org")
    assert rules.default_centre.addresses == ("a@example.org", "b@example.org")
    (server,) = rules.mail.servers
    assert (server.host, server.port, server.security, server.user, server.password, server.verify) == (
        "mail.example.org",
        465,
        "tls",
        "me",
        "top secret",
        True,
    )
    assert rules.mail.sender == "desk@example.org"
    assert rules.threshold("web1", (), "disk_full").limit == 0
    assert rules.threshold("web1", (), "unreachable_dns").limit == 1


@pytest.mark.parametrize(
    ("url", "port", "security"),
    [("smtp://mail.example.org", 25, "starttls"), ("smtp://localhost", 25, "none"), ("smtp://mail.example.org:587", 587, "starttls")],
)
def test_tls_is_left_out_only_to_this_machine(url: str, port: int, security: str) -> None:
    (server,) = loading.load(None, ("a@example.org",), url).mail.servers
    assert (server.port, server.security) == (port, security)


def test_a_users_failure_types_go_before_the_defaults_and_may_replace_them(load_rules: Load) -> None:
    full = alert.make("web1", "No space left on device on /srv", fields={"state": "broken"})
    assert classification.classify(full, load_rules("").patterns) == "disk_full"
    assert classification.classify(full, load_rules("failure_types: [{type: store_full, message: /srv}]").patterns) == "store_full"
    assert classification.classify(full, load_rules("failure_types: [{type: odd, fields: {state: brok}}]").patterns) == "odd"
    assert classification.classify(full, load_rules("built_in_failure_types: false").patterns) == "unclassified"


def test_the_most_specific_threshold_wins(load_rules: Load) -> None:
    rules = load_rules(
        """
thresholds:
  - limit: 9
  - {failure_type: disk_full, limit: 1, window: 1h}
  - {failure_type: "disk*", limit: 8}
  - {group: stage, limit: 2}
  - {group: stage, failure_type: disk_full, limit: 3}
  - {group: huge, limit: 7}
  - {group: "st*", limit: 0}
  - {device: "web*", limit: 4}
  - {device: web1, limit: 5}
  - {device: web1, failure_type: disk_full, limit: 6}
"""
    )
    cases = {
        ("db1", (), "permission"): 9,
        ("db1", (), "disk_full"): 1,
        ("db1", (), "disk_slow"): 8,
        ("db1", ("stage",), "permission"): 2,
        ("db1", ("stage",), "disk_full"): 3,
        ("db1", ("huge", "stage"), "permission"): 2,
        ("db1", ("staff",), "permission"): 0,
        ("web2", ("stage",), "disk_full"): 4,
        ("web1", ("stage",), "permission"): 5,
        ("web1", (), "disk_full"): 6,
    }
    assert {case: rules.threshold(*case).limit for case in cases} == cases
    assert rules.threshold("db1", (), "disk_full").window == timedelta(hours=1)
    assert rules.threshold("db1", (), "permission").window == timedelta(hours=24)


def test_types_that_only_alerts_from_outside_bring_are_named(load_rules: Load) -> None:
    rules = load_rules("reported_failure_types: [raid_degraded]\nthresholds: [{failure_type: raid_degraded, limit: 3}, {failure_type: 'raid*', limit: 5}]\n")
    assert rules.threshold("web1", (), "raid_degraded").limit == 3


def test_several_messages_are_patterns_of_their_own(load_rules: Load) -> None:
    patterns = load_rules("failure_types: [{type: odd, message: ['(?s)a(b)\\1', '(?x) c ( d ) \\1']}]").patterns
    assert [classification.classify(alert.make("web1", text), patterns) for text in ("abb", "cdd", "abd")] == ["odd", "odd", "unclassified"]


def test_relative_paths_are_relative_to_the_file(load_rules: Load, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("pass word\n", encoding="utf-8")
    (tmp_path / "ca.pem").touch()
    (tmp_path / "mine").mkdir()
    mail = load_rules("mail: {templates: mine, servers: [{host: a, user: u, password_file: secret, ca_file: ca.pem}]}").mail
    assert (mail.servers[0].password, mail.servers[0].ca_file, mail.templates) == ("pass word", tmp_path / "ca.pem", tmp_path / "mine")


def test_a_sender_that_is_none_is_told() -> None:
    with pytest.raises(RulesError, match=r"mail_from: 'x' is not of the form"):
        loading.load(None, ("a@example.org",), mail_from="x")


def test_the_centre_is_the_one_that_names_the_location_first(load_rules: Load) -> None:
    rules = load_rules(_CENTRES)
    assert [rules.centre(place)[0].name for place in ("Hamburg", "Berlin", "Kiel", None)] == ["north", "east", "head", "head"]
    assert rules.centre(None)[1] == "default: the location is not known"


def test_templates_for_every_language_are_checked(load_rules: Load, tmp_path: Path) -> None:
    for language in ("en", "de"):
        composing.check_templates(None, language)
    with pytest.raises(RulesError, match="no templates for the language 'fr'"):
        composing.check_templates(None, "fr")
    (tmp_path / "fr").mkdir()
    for kind in ("opened", "follow_up", "closed"):
        (tmp_path / "fr" / f"{kind}.txt.j2").write_text("Sujet\n\n{% if %}", encoding="utf-8")
    with pytest.raises(RulesError, match=r"closed\.txt\.j2, line 3|opened\.txt\.j2, line 3"):
        composing.check_templates(tmp_path, "fr")


def test_names_that_the_inventory_does_not_have_are_told_with_file_line_and_key(load_rules: Load, tmp_path: Path) -> None:
    rules = load_rules(
        "thresholds:\n"
        "  - {group: lab, limit: 1}\n"
        "  - {group: 'la?', limit: 2}\n"
        "  - {group: web1, limit: 3}\n"
        "outages:\n"
        "  - {devices: 'web*:&hamburg:!~db\\d', reason: x, from: 2026-01-01T00:00Z, to: 2026-01-02T00:00Z}\n"
        "  - {devices: all, reason: y, from: 2026-01-01T00:00Z, to: 2026-01-02T00:00Z}\n"
    )

    def told(hosts: list[str], groups: list[str]) -> str:
        return inventory_names.without_effect(rules.named, hosts, ["all", "ungrouped", *groups])

    file = tmp_path / "rules.yml"
    assert told(["web1"], ["lab"]) == (
        "job_ticket: rules that have no effect with this inventory: "
        f"{file}, line 4: thresholds[2].group: there is no group 'web1'; "
        f"{file}, line 6: outages[0].devices: there is neither a host nor a group 'hamburg'; "
        f"{file}, line 6: outages[0].devices: there is neither a host nor a group '~db\\d'"
    )
    assert told(["a"], ["lab", "web1", "web2", "hamburg", "db7"]) == ""
    assert told([], []) == "", "without an inventory nothing is known"
