"""A Set-Cookie field -> what a browser makes of it: kept until when, sent where, or refused or deleted and why.

The rules are those of RFC 6265bis, section 5 ("User Agent Requirements"), and of CHIPS for Partitioned. Where browsers
differ, or a user's settings decide, it says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from time import time
from typing import NamedTuple

from ..cookies import SetCookie, _missing_for_prefix, parse_set_cookie

_LONGEST_PAIR = 4096  # bytes of name and value together (RFC 6265bis 5.6)
_LONGEST_LIFE = timedelta(days=400)  # what an expiry date is cut down to (RFC 6265bis 5.5)
_CONTROLS = re.compile(b"[\x00-\x08\x0a-\x1f\x7f]")
_KNOWN = {"expires", "max-age", "domain", "path", "secure", "httponly", "samesite", "partitioned"}
_HTTPS_ONLY = "https only, and accepts it over https only (some browsers make an exception for http://localhost)"
_FROM_OTHER_SITES = {
    "strict": "never from other sites, not even when a link is followed (SameSite=Strict)",
    "lax": "from other sites only when a link is followed, not in frames, by fetch or by POST (SameSite=Lax)",
    "none": "from other sites and in frames, too (SameSite=None), where its settings allow third-party cookies",
    None: "from other sites as it decides itself, without SameSite: Chrome and Edge treat it as Lax, others may not",
}


class Verdict(NamedTuple):
    """What a browser makes of a Set-Cookie field."""

    reasons: list[str]  #: why it is not kept; empty where it is
    until: datetime | None  #: when it goes; ``None``: when the browser is closed, or at once where there are reasons
    domain: str | None  #: it goes to this host and those below; ``None``: to the host that set it
    path: str | None  #: it goes to this path and those below; ``None``: to those beside the path that set it
    secure: bool
    http_only: bool
    same_site: str | None
    partitioned: bool
    notes: list[str]


def judge(field: bytes) -> Verdict:
    """Return what a browser makes of a Set-Cookie field that it gets now. Raises nothing."""
    cookie = parse_set_cookie(field)
    attributes = cookie.attributes
    notes: list[str] = []
    secure, http_only = "secure" in attributes, "httponly" in attributes
    path = attributes.get("path")
    same_site = attributes["samesite"].lower() if "samesite" in attributes else None
    until, by = _until(attributes, notes)

    refused: list[str] = []
    if _CONTROLS.search(field):
        refused.append("it has a control character")
    if (size := len(field.partition(b";")[0].strip())) - 1 > _LONGEST_PAIR:
        refused.append(f"name and value have {size - 1} bytes, more than {_LONGEST_PAIR}")
    name, host_only = cookie.name.decode("latin-1"), path == "/" and not cookie.domain
    if missing := _missing_for_prefix(name, secure=secure, httponly=http_only, host_only=host_only):
        refused.append(f"the prefix of its name needs {' and '.join(missing)}")
    if same_site == "none" and not secure:
        refused.append("SameSite=None needs Secure: https_only=True, or SESSION_COOKIE_SECURE in Flask")
    if cookie.partitioned and not secure:
        refused.append("Partitioned needs Secure: https_only=True, or SESSION_COOKIE_SECURE in Flask")
    reasons = [f"browsers refuse it: {reason}" for reason in refused]
    if cookie.deletes and not refused:
        reasons.append(f"browsers delete it at once: {by}={attributes[by.lower()]}")

    notes += _oddities(cookie)
    if until is not None and until.timestamp() > time() + _LONGEST_LIFE.total_seconds():
        notes.append(f"browsers may delete it after {_LONGEST_LIFE.days} days already")
    return Verdict(
        reasons,
        None if reasons else until,
        cookie.domain or None,
        path if path and path.startswith("/") else None,
        secure,
        http_only,
        same_site if same_site in _FROM_OTHER_SITES else None,
        cookie.partitioned,
        notes,
    )


def _oddities(cookie: SetCookie) -> Iterator[str]:
    """Yield what a browser ignores or may not like, where it does not refuse the cookie."""
    attributes = cookie.attributes
    path = attributes.get("path")
    if "samesite" in attributes and attributes["samesite"].lower() not in _FROM_OTHER_SITES:
        yield f"SameSite={attributes['samesite']} is none of Strict, Lax and None: ignored"
    if path and not path.startswith("/"):
        yield f"Path={path} does not start with '/': ignored"
    if cookie.domain:
        yield f"Domain={cookie.domain}: refused where neither this host nor one below it sets the cookie"
        if "." not in cookie.domain:
            yield f"Domain={cookie.domain} has no dot: refused unless the host has exactly this name"
    if unknown := sorted(attributes.keys() - _KNOWN):
        yield f"unknown attributes, ignored by most browsers: {', '.join(unknown)}"


def _until(attributes: Mapping[str, str], notes: list[str]) -> tuple[datetime | None, str]:
    """Return when the cookie goes and which attribute says so. Max-Age counts before Expires; note what is no time."""
    until, by = None, "Expires"
    if "expires" in attributes:
        try:
            until = parsedate_to_datetime(attributes["expires"]).replace(tzinfo=timezone.utc)  # whatever its zone
        except (ValueError, OverflowError):
            notes.append(f"Expires={attributes['expires']} is not a date: ignored")
    if "max-age" in attributes:
        if re.fullmatch(r"-?[0-9]+", attributes["max-age"]):
            seconds = int(min(abs(float(attributes["max-age"])), 1e10))  # a negative one is no time, but it deletes
            until, by = datetime.fromtimestamp(int(time()) + seconds, timezone.utc), "Max-Age"
        else:
            notes.append(f"Max-Age={attributes['max-age']} is not a whole number: ignored")
    return until, by


def describe(verdict: Verdict) -> list[str]:
    """Return for people where and how long a browser keeps and sends the cookie."""
    if verdict.reasons:
        return ["does not keep it"]
    until = "it is closed, unless it restores its tabs" if verdict.until is None else verdict.until.isoformat()
    host = f"{verdict.domain} and the hosts below it" if verdict.domain else "the host that set it, not to those below"
    path = "the folder of the path that set it" if verdict.path is None else f"{verdict.path} and what is below it"
    return [
        f"keeps it until {until}",
        f"sends it to {host}",
        f"sends it to {'every path' if verdict.path == '/' else path}",
        f"sends it over {_HTTPS_ONLY if verdict.secure else 'http and https'}",
        f"sends it {_FROM_OTHER_SITES[verdict.same_site]}",
        *(["keeps one for each site in whose pages it is set (Partitioned)"] if verdict.partitioned else []),
        f"{'hides it from' if verdict.http_only else 'shows it to'} scripts",
    ]
