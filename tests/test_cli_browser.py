"""What ``starlette-flask inspect`` says that a browser makes of a Set-Cookie field, by RFC 6265bis and CHIPS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine

from .command_line import KEY, NOW, call, inspect, value

COOKIE = value({"user": 1})
WITHOUT_SAME_SITE = (
    "sends it from other sites as it decides itself, without SameSite: Chrome and Edge treat it as Lax, others may not"
)
SECURE = "https_only=True, or SESSION_COOKIE_SECURE in Flask"


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def browser(attributes: str, name: str = "session", key: str = KEY) -> tuple[Any, Any]:
    """Return what is said of the browser, and the whole report."""
    report = inspect("--name", name, f"Set-Cookie: {name}={COOKIE}{attributes}", SECRET_KEY=key)
    return report["browser"], report


class TestNotKept:
    """A cookie whose value is fine does not open where no browser would send it, and the reason names the remedy."""

    @pytest.mark.parametrize(
        ("attributes", "reason"),
        [
            ("; Max-Age=0", "browsers delete it at once: Max-Age=0"),
            ("; Max-Age=-1; Path=/", "browsers delete it at once: Max-Age=-1"),
            (
                "; Expires=Thu, 01 Jan 2015 00:00:00 GMT",
                "browsers delete it at once: Expires=Thu, 01 Jan 2015 00:00:00 GMT",
            ),
            ("; Max-Age=0; Expires=Sat, 01 Jan 2050 00:00:00 GMT", "browsers delete it at once: Max-Age=0"),
            ("; SameSite=None", f"browsers refuse it: SameSite=None needs Secure: {SECURE}"),
            ("; samesite=NONE; max-age=0", f"browsers refuse it: SameSite=None needs Secure: {SECURE}"),
            ("; Partitioned", f"browsers refuse it: Partitioned needs Secure: {SECURE}"),
            ("; Path=/\x01", "browsers refuse it: it has a control character"),
        ],
    )
    def test_for_its_attributes(self, attributes: str, reason: str) -> None:
        verdict, report = browser(attributes)
        assert (verdict["keeps"], verdict["until"]) == (False, None)
        assert (report["opens"], report["key"], report["reasons"]) == (False, 1, [reason])
        text = f"Set-Cookie: session={COOKIE}{attributes}"
        result = call("inspect", text, SECRET_KEY=KEY)
        assert result.code == 1
        assert f"\nbrowser  does not keep it\nopens    no, because\n         - {reason}\n" in result.out
        assert "\ncontent  verified\n" in result.out
        unsigned = call("inspect", text)
        assert unsigned.code == 1
        assert f"); it would not, because\n         - {reason}\n" in unsigned.out

    @pytest.mark.parametrize(
        ("name", "attributes", "missing"),
        [
            ("__Host-s", "; Path=/", "https_only=True"),
            ("__Host-s", "; Secure", "path='/' and domain=None"),
            ("__Host-s", "; Secure; Path=/app", "path='/' and domain=None"),
            ("__host-s", "; Secure; Path=/; Domain=example.com", "path='/' and domain=None"),
            ("__Secure-s", "; Path=/", "https_only=True"),
            ("__Http-s", "; Secure; Path=/", "httponly=True"),
            ("__Host-Http-s", "; HttpOnly", "https_only=True and path='/' and domain=None"),
        ],
    )
    def test_for_the_prefix_of_its_name(self, name: str, attributes: str, missing: str) -> None:
        verdict, report = browser(attributes, name)
        assert verdict["keeps"] is False
        (reason,) = report["reasons"]
        assert reason == f"browsers refuse it: the prefix of its name needs {missing}"

    @pytest.mark.parametrize("excess", [0, 1])
    def test_for_its_size(self, excess: int) -> None:
        report = inspect(f"Set-Cookie: session={'a' * (4096 - 7 + excess)}")
        refused = "browsers refuse it: name and value have 4097 bytes, more than 4096"
        assert (refused in report["reasons"]) is bool(excess)
        assert report["browser"]["keeps"] is not bool(excess)


class TestKept:
    """Until when it is kept, and where it is sent."""

    EVERY_PATH = "sends it to every path"

    @pytest.mark.parametrize(
        ("attributes", "until", "words"),
        [
            ("", None, "keeps it until it is closed, unless it restores its tabs"),
            ("; Max-Age=3600", "2026-03-01T13:00:00+00:00", "keeps it until 2026-03-01T13:00:00+00:00"),
            (
                "; Expires=Mon, 02 Mar 2026 12:00:00 GMT",
                "2026-03-02T12:00:00+00:00",
                "until 2026-03-02T12:00:00+00:00",
            ),
            (
                "; Expires=Mon, 02 Mar 2026 12:00:00 +0100",
                "2026-03-02T12:00:00+00:00",
                "until 2026-03-02T12:00:00+00:00",
            ),
            (f"; Max-Age={'0' * 20}60", "2026-03-01T12:01:00+00:00", "T12:01:00+00:00"),
            ("; Expires=Thu, 01 Jan 2015 00:00:00 GMT; Max-Age=60", "2026-03-01T12:01:00+00:00", "T12:01:00+00:00"),
            (f"; Max-Age={'9' * 5000}", "2343-01-20T05:46:40+00:00", "keeps it until 2343"),
        ],
    )
    def test_until(self, attributes: str, until: str | None, words: str) -> None:
        verdict, report = browser(attributes)
        assert (verdict["keeps"], verdict["until"], report["opens"]) == (True, until, True)
        result = call("inspect", f"Set-Cookie: session={COOKIE}{attributes}", SECRET_KEY=KEY)
        assert result.code == 0
        assert words in result.out.partition("\nbrowser  ")[2].partition("\n")[0]

    @pytest.mark.parametrize(
        ("attributes", "found", "words"),
        [
            ("", {"domain": None}, "sends it to the host that set it, not to those below"),
            ("; Domain=.Example.com", {"domain": "example.com"}, "sends it to example.com and the hosts below it"),
            ("; Path=/", {"path": "/"}, EVERY_PATH),
            ("; Path=/app", {"path": "/app"}, "sends it to /app and what is below it"),
            ("", {"path": None}, "sends it to the folder of the path that set it"),
            ("; Path=app", {"path": None}, "sends it to the folder of the path that set it"),
            (
                "; Secure",
                {"secure": True},
                "sends it over https only, and accepts it over https only (some browsers make an exception for "
                "http://localhost)",
            ),
            ("", {"secure": False}, "sends it over http and https"),
            ("; HttpOnly", {"http_only": True}, "hides it from scripts"),
            ("", {"http_only": False}, "shows it to scripts"),
            (
                "; SameSite=Strict",
                {"same_site": "strict"},
                "sends it never from other sites, not even when a link is followed (SameSite=Strict)",
            ),
            (
                "; SameSite=lax",
                {"same_site": "lax"},
                "sends it from other sites only when a link is followed, not in frames, by fetch or by POST "
                "(SameSite=Lax)",
            ),
            (
                "; SameSite=None; Secure",
                {"same_site": "none"},
                "sends it from other sites and in frames, too (SameSite=None), where its settings allow third-party "
                "cookies",
            ),
            ("", {"same_site": None}, WITHOUT_SAME_SITE),
            ("; SameSite=any", {"same_site": None}, WITHOUT_SAME_SITE),
            (
                "; Secure; Partitioned",
                {"partitioned": True},
                "keeps one for each site in whose pages it is set (Partitioned)",
            ),
        ],
    )
    def test_where(self, attributes: str, found: dict[str, Any], words: str) -> None:
        verdict, _ = browser(attributes)
        assert verdict["keeps"] is True
        assert {**verdict, **found} == verdict
        out = call("inspect", f"Set-Cookie: session={COOKIE}{attributes}").out
        assert f"         {words}\n" in out.partition("browser")[2].partition("opens")[0]

    @pytest.mark.parametrize(
        ("attributes", "note"),
        [
            ("; Max-Age=1h", "Max-Age=1h is not a whole number: ignored"),
            ("; Expires=tomorrow", "Expires=tomorrow is not a date: ignored"),
            (
                "; Expires=99 Jan +99999999999999999999 1.2.3 -0000",
                "Expires=99 Jan +99999999999999999999 1.2.3 -0000 is not a date: ignored",
            ),
            ("; SameSite=any", "SameSite=any is none of Strict, Lax and None: ignored"),
            ("; SameSite", "SameSite= is none of Strict, Lax and None: ignored"),
            ("; Path=app", "Path=app does not start with '/': ignored"),
            ("; Foo=1; Bar", "unknown attributes, ignored by most browsers: bar, foo"),
            ("; Max-Age=40000000", "browsers may delete it after 400 days already"),
            (
                "; Domain=a.example",
                "Domain=a.example: refused where neither this host nor one below it sets the cookie",
            ),
        ],
    )
    def test_what_is_worth_a_note(self, attributes: str, note: str) -> None:
        _, report = browser(attributes)
        assert (report["opens"], report["notes"]) == (True, [note])
        assert f"\nnotes    - {note}\n" in call("inspect", f"Set-Cookie: session={COOKIE}{attributes}").out

    @pytest.mark.parametrize("same_site", ["", "; SameSite=Strict", "; SameSite=Lax", "; SameSite=None"])
    @pytest.mark.parametrize("partitioned", ["", "; Partitioned"])
    def test_nothing_is_of_an_ordinary_cookie(self, same_site: str, partitioned: str) -> None:
        attributes = f"; Secure; HttpOnly; Path=/{same_site}{partitioned}"
        assert browser(attributes)[1]["notes"] == []
        out = call("inspect", f"Set-Cookie: session={COOKIE}{attributes}").out
        assert ("(Partitioned)" in out) is bool(partitioned)

    def test_what_is_wrong_with_its_value_comes_first(self) -> None:
        _, report = browser("; Max-Age=0", key="another")
        assert report["reasons"] == [
            "none of the keys signed it ($SECRET_KEY): another key did, or it was changed since",
            "browsers delete it at once: Max-Age=0",
        ]

    def test_the_keys_of_the_report_are_documented(self) -> None:
        documented = call("inspect", "--help").out.partition("\n  browser ")[2].partition("\n  content ")[0]
        assert all(re.search(rf"\b{key}\b", documented) for key in browser("")[0])

    def test_a_domain_without_a_dot_is_worth_a_note_more(self) -> None:
        _, report = browser("; Domain=localhost")
        assert report["notes"][1] == "Domain=localhost has no dot: refused unless the host has exactly this name"

    def test_a_cookie_that_is_kept_for_400_days_is_not_worth_one(self) -> None:
        assert browser(f"; Max-Age={400 * 86400}")[1]["notes"] == []

    def test_a_cookie_of_a_request_is_no_matter_of_a_browser(self) -> None:
        assert inspect(f"Cookie: session={COOKIE}")["browser"] is None
        assert "browser" not in call("inspect", f"Cookie: session={COOKIE}").out
