# Copyright (c) 2026 The fleetcast authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the user's YAML file to :class:`~.rules.Rules`; every mistake is named with file, line and key.

The defaults of the collection come from files of the same form: `defaults.yml` and `failure_types.yml` beside this module.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

from . import composing, document, inventory_names, outage_entries
from .classification import UNCLASSIFIED, FailurePattern
from .document import Entry
from .errors import RulesError
from .locations import Location, normalised
from .mail_entries import address_of, mail_settings
from .outages import Outage
from .rules import GROUPED_BY, Centre, Grouping, Rules
from .thresholds import Threshold

_HERE = Path(__file__).parent
_KEYS = (
    "built_in_failure_types",
    "centres",
    "failure_types",
    "groupings",
    "location_score",
    "locations",
    "mail",
    "outages",
    "reported_failure_types",
    "thresholds",
    "time_zone",
    "window",
)
_TYPE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def load(path: Path | None, mail_to: tuple[str, ...] = (), mail_server: str = "", mail_from: str = "") -> Rules:
    """The rules of a user's file, or without one the defaults, with a default centre at `mail_to` and a mail server.

    :param path: the user's file.
    :param mail_to: addresses of the default centre, where the file names no centres.
    :param mail_server: a URL as :func:`.mail_entries.server_of_url` takes it, where the file names no servers.
    :param mail_from: sender, where the file names none.
    :raises RulesError: when something is wrong, missing, or said twice.
    """
    defaults = document.read(_HERE / "defaults.yml").keys(*_KEYS)
    user = document.read(path).keys(*_KEYS) if path else {}
    zone = user["time_zone"].converted(outage_entries.zone, "time zone") if "time_zone" in user else None
    window = {**defaults, **user}["window"].duration()
    locations = _locations(user.get("locations"))
    known_locations = {location.name for location in locations}
    patterns = _patterns(user)
    types = {pattern.failure_type for pattern in patterns} | {UNCLASSIFIED} | _reported(user)
    mail = mail_settings(defaults["mail"], user.get("mail"), mail_server, mail_from, zone)
    rules = Rules(
        patterns=patterns,
        thresholds=_thresholds(defaults["thresholds"], user.get("thresholds"), window, types),
        centres=_centres(user.get("centres"), known_locations, mail_to, path),
        mail=mail,
        outages=_outages(user.get("outages"), known_locations, zone),
        locations=locations,
        location_score=float({**defaults, **user}["location_score"].number(1, 100)),
        named=inventory_names.names_in(user.get("thresholds"), user.get("outages")),
        groupings=_groupings(user["groupings"], types) if "groupings" in user else _groupings(defaults["groupings"], None),
    )
    _check_languages(user.get("centres"), rules)
    return rules


def _reported(user: Mapping[str, Entry]) -> set[str]:
    """Failure types that no pattern finds, because alerts from outside bring them."""
    return {_type_name(entry) for entry in user["reported_failure_types"].entries()} if "reported_failure_types" in user else set()


def _type_name(entry: Entry) -> str:
    if not _TYPE_NAME.fullmatch(entry.text()):
        raise entry.error("the name of a failure type has lower-case letters, digits and underscores")
    return entry.text()


def _known_types(entry: Entry, types: set[str] | None) -> tuple[str, ...]:
    """Failure types that a rule is for. One that nothing can be would be a rule without effect.

    :param types: those there are; None for the collection's own rules, which may be for types that the user has switched off.
    """
    for one in entry.some():
        if types is not None and not fnmatch.filter(types, one.text()):
            raise one.error(
                f"there is no failure type '{one.text()}': there are {', '.join(sorted(types))}. "
                "One that only alerts from outside bring must be named in reported_failure_types"
            )
    return entry.texts()


def _check_languages(entry: Entry | None, rules: Rules) -> None:
    """Try the templates of the centres' languages."""
    items: list[Entry | None] = list(entry.entries()) if entry else []
    for centre, item in zip(rules.centres, items or [None], strict=True):
        try:
            composing.check_templates(rules.mail.templates, centre.language)
        except RulesError as error:
            raise (item.keys(*_CENTRE_KEYS).get("language", item).error(str(error)) if item else error) from None


def load_patterns(path: Path | None) -> tuple[FailurePattern, ...]:
    """The failure types alone, of a user's file and of the collection.

    :raises RulesError: when something is wrong with them.
    """
    return _patterns(document.read(path).keys(*_KEYS) if path else {})


def _patterns(user: Mapping[str, Entry]) -> tuple[FailurePattern, ...]:
    lists = [user["failure_types"]] if "failure_types" in user else []
    if "built_in_failure_types" not in user or user["built_in_failure_types"].boolean():
        lists.append(document.read(_HERE / "failure_types.yml").keys("failure_types")["failure_types"])
    return tuple(_pattern(entry) for entries in lists for entry in entries.entries())


def _pattern(entry: Entry) -> FailurePattern:
    keys = entry.keys("type", "message", "modules", "return_codes", "fields", "kinds", required=("type",))
    if len(keys) == 1:
        raise entry.error("says what type, but not for what: give message, modules, return_codes, fields or kinds")
    return FailurePattern(
        failure_type=_type_name(keys["type"]),
        message=keys["message"].patterns() if "message" in keys else (),
        modules=tuple(module.text() for module in keys["modules"].some()) if "modules" in keys else (),
        return_codes=tuple(code.number(-256, 2**31) for code in keys["return_codes"].some()) if "return_codes" in keys else (),
        fields={name: value.patterns() for name, value in keys["fields"].items()} if "fields" in keys else {},
        kinds=tuple(kind.one_of("failed", "unreachable") for kind in keys["kinds"].some()) if "kinds" in keys else (),
    )


def _thresholds(defaults: Entry, user: Entry | None, window: timedelta, types: set[str]) -> tuple[Threshold, ...]:
    """The user's thresholds, and those of the defaults that the user says nothing about."""
    chosen: dict[tuple[str, str, str], Threshold] = {}
    for entries in (defaults, user) if user else (defaults,):
        here = set()
        for entry in entries.entries():
            threshold = _threshold(entry, window, types if entries is user else None)
            if threshold.selector in here:
                raise entry.error("there is a threshold for exactly this already")
            here.add(threshold.selector)
            chosen[threshold.selector] = threshold
    return tuple(chosen.values())


def _threshold(entry: Entry, window: timedelta, types: set[str] | None) -> Threshold:
    keys = entry.keys("device", "group", "failure_type", "limit", "window", required=("limit",))
    if "failure_type" in keys:
        _known_types(keys["failure_type"], types)
    return Threshold(
        limit=keys["limit"].number(0, 1_000_000),
        window=keys["window"].duration() if "window" in keys else window,
        **{name: keys[name].text() for name in ("device", "group", "failure_type") if name in keys},
    )


def _locations(entry: Entry | None) -> tuple[Location, ...]:
    found: list[Location] = []
    taken: dict[str, str] = {}
    for item in entry.entries() if entry else ():
        keys = item.keys("name", "aliases", required=("name",)) if not item.is_text else {"name": item}
        location = Location(keys["name"].text(), keys["aliases"].texts() if "aliases" in keys else ())
        for text in (location.name, *location.aliases):
            word = normalised(text)
            if not word:
                raise item.error(f"'{text}' has no letters or digits to compare")
            if taken.setdefault(word, location.name) != location.name or (text == location.name and location.name in (known.name for known in found)):
                raise item.error(f"'{text}' is already a name of the location '{taken[word]}'")
        found.append(location)
    if found and find_spec("rapidfuzz") is None:
        raise RulesError(
            "matching locations needs the Python package rapidfuzz where Ansible runs: install it into Ansible's own environment with "
            "`python -m pip install -r requirements.txt`, with the requirements.txt of the collection fleetcast.core"
        )
    return tuple(found)


def _centres(entry: Entry | None, known: set[str], mail_to: tuple[str, ...], path: Path | None) -> tuple[Centre, ...]:
    items = entry.entries() if entry else []
    if not items:
        if not mail_to:
            raise RulesError(
                f"{path or 'the options of the callback job_ticket'}: centres: nobody is there to get a ticket: give mail_to, "
                "or a file of rules with `centres` of which one has `default: true`"
            )
        return (Centre("default", tuple(_checked_address(address, "mail_to") for address in mail_to), default=True),)
    centres = [_centre(item, known) for item in items]
    names = [centre.name for centre in centres]
    for item, name in zip(items, names, strict=True):
        if names.count(name) > 1:
            raise item.error(f"there are several centres with the name '{name}'")
    defaults = [centre.name for centre in centres if centre.default]
    if len(defaults) != 1 and entry:
        raise entry.error(f"exactly one centre must have `default: true`, not {', '.join(defaults) or 'none'}")
    for item, centre in zip(items, centres, strict=True):
        if not centre.default and not centre.locations:
            raise item.error("a centre without locations gets no tickets, unless it has `default: true`")
    return tuple(centres)


_CENTRE_KEYS = ("name", "addresses", "language", "locations", "default")


def _centre(item: Entry, known: set[str]) -> Centre:
    keys = item.keys(*_CENTRE_KEYS, required=("name", "addresses"))
    for location in keys["locations"].some() if "locations" in keys else ():
        if location.text() not in known:
            raise location.error(f"'{location.text()}' is not among the locations")
    return Centre(
        name=keys["name"].text(),
        addresses=tuple(address.converted(address_of, "mail address") for address in keys["addresses"].some()),
        language=keys["language"].converted(_language, "language") if "language" in keys else "en",
        locations=keys["locations"].texts() if "locations" in keys else (),
        default="default" in keys and keys["default"].boolean(),
    )


def _language(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,8}([_-][A-Za-z0-9]{1,8})*", text):
        raise ValueError(f"'{text}' is not of the form en or pt_BR")
    return text


def _checked_address(text: str, option: str) -> str:
    try:
        return address_of(text)
    except ValueError as error:
        raise RulesError(f"{option}: {error}") from None


def _outages(entry: Entry | None, known: set[str], zone: ZoneInfo | None) -> tuple[Outage, ...]:
    return tuple(outage_entries.outage(item, known, zone) for item in entry.entries()) if entry else ()


def _groupings(entry: Entry, types: set[str] | None) -> tuple[Grouping, ...]:
    found: list[Grouping] = []
    for item in entry.entries():
        keys = item.keys("name", "failure_types", "by", "devices", required=("name", "failure_types", "by", "devices"))
        name = keys["name"].text()
        if name in (grouping.name for grouping in found):
            raise keys["name"].error(f"there are several groupings with the name '{name}'")
        failure_types = _known_types(keys["failure_types"], types)
        found.append(Grouping(name, failure_types, keys["by"].one_of(*GROUPED_BY), keys["devices"].number(2, 1_000_000)))
    return tuple(found)
