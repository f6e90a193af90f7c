"""The command line, in process and as a process, on cookies that real Flask and Starlette applications set."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import re
import runpy
import select
import signal
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import flask
import flask_login
import flask_wtf
import pytest
import time_machine
from hypothesis import example, given, settings
from hypothesis import strategies as st
from itsdangerous import Signer, URLSafeSerializer, base64_encode
from markupsafe import Markup

from starlette_flask.__main__ import main
from starlette_flask._cli.keys import Key

from .command_line import KEY, NOW, OLD_KEY, Result, call, inspect, make_flask, set_cookie, signed, starlettes, value

MONTH = 31 * 86400

NO_VARIABLE = "--key-env takes a variable's name, and there is no environment variable"
NO_FILE = "--key-file takes a file's path, and there is no file of the name given, which may be a key"
NO_KEY = "none of the keys signed it ($SECRET_KEY): another key did, or it was changed since"
TWO_COOKIES = (
    "2 cookies have this name: a server reads the first, so what is saved in another, a log-out included, has no "
    "effect. Browsers send several after a change of domain or path, the longer path and then the older one first: "
    "delete the old one, or change the name"
)
REMEMBER_COOKIE_DELETED = (
    "Flask-Login's remember cookie is deleted here: the user logged out, or its strong protection saw another address "
    "or user agent than when they logged in, as where the two sides see different ones"
)

#: Set by the real ones: Django 5.2, PyJWT 2.15, Litestar 2.25 (with and without padding), Flask-Session 0.8.
FOREIGN = {
    "django": "eyJ1c2VyIjoxfQ:1xUlMJ:MWw1kP0Rj76ZQxFe3Y08VSuMonH2UI-3JiWLwuWJ9Vo",
    "django, compressed": ".eJyrViotTi1SslJKpAAo1QIApOQaNg:1xUlMJ:JYQ7xgs8x8aoKXDbi5T9ehgF3i_rKnHZ4mjZLpikVrA",
    "jwt": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.EkOJdFOXdEGcj1OcGup75w98DlHk6AxFLe5-Y9-hobk",
    "litestar": "3dTVDasMIBEKJPf2tQC5LgA5o2JOUXZ9IcbucrKvTCYVQhiL1ehhZGRpdGlvbmFsX2F1dGhlbnRpY2F0ZWRfZGF0YT17ImV4c"
    "GlyZXNfYXQiOjE3OTUyNjg2MDh9",
    "litestar, padded": "p18bLP5k1RN/IiM9wotsiBGYNG5Vk18dwtgu4gNq22ni3qQPz7yyYWRkaXRpb25hbF9hdXRoZW50aWNhdGVkX2RhdGE"
    "9eyJleHBpcmVzX2F0IjoxNzk1MjY4NjA4fQ==",
    "session-id": "YC4f-CpXwV6KPFQ3F0hAjsKzPhKGFp-JP27AsBF5SFQ",
    "session-id, signed": "IXV6_ihvBIT3vuDNq-8rroM5wlWNc1NjPYOf-Bdx4E0.5fkE-FTyBORHSBvRy3mKW0d8BA8",
    "deleted": "null",
    "deleted, empty": "session=",
    "unknown": "hello",
    "unknown, base64": "abcd",
    "unknown, base64 that ends badly": "abcde",
}


def opened(cookie: str, *, key: str = KEY) -> Any:
    """Return the session that a Flask application reads from a Cookie field, as its JSON shows it."""
    app = make_flask(key)
    found: list[Any] = []

    @app.get("/")
    def read() -> str:
        found.append(dict(flask.session))
        return ""

    app.test_client(use_cookies=False).get("/", headers={"Cookie": cookie})
    return found[0]


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


class TestInput:
    """A cookie is found in whatever form it is at hand."""

    COOKIE = value({"user": 1})

    @pytest.mark.parametrize(
        "text",
        [
            "{}",
            "  {}\n",
            "session={}",
            "session = {}",
            "theme=dark; session={}; x=y",
            "Cookie: theme=dark; session={}",
            "cookie:session={}",
            'Cookie: session="{}"',
            "> Cookie: a=b\r\n> Cookie: session={}\r\n",
            "cookie:\nsession={}\nhost:\nlocalhost",
            "session={}; secure-id=2",
            "a=1; secure-id=2; session={}",
            '"session={}"',
            "' session={}; a=b '",
            "'Cookie: a=b; session={}'",
            "curl 'https://x/' -H 'Cookie: session={}' --compressed",
            "$ curl 'https://x/' \\\n  -H \"x: y\" \\\n  -H $'cookie: a=\"b\"; session={}'",
            "curl 'https://x/' \\\n  -b 'session={}; a=b' \\\n  -H 'x: y'",
            'curl --header "Cookie: session={}" https://x/',
            "curl -b jar.txt --cookie=session={} https://x/",
        ],
    )
    def test_a_value_is_read_from(self, text: str) -> None:
        text = text.format(self.COOKIE)
        for report in (inspect(text), inspect(stdin=text.encode()), inspect("-", stdin=text.encode())):
            assert report["content"] == {"user": 1}
            assert report["reasons"] == []
            assert (report["size"], report["size_of"]) == (len(self.COOKIE), "value")

    @pytest.mark.parametrize(
        "text",
        [
            "{}",
            "Set-Cookie: {}",
            "HTTP/1.1 200 OK\r\nset-cookie: a=b; Path=/\r\nset-cookie: {}\r\n\r\nsession=",
            "'{}'",
            "set-cookie:\r\n{}\r\nserver:\r\nnginx\r\n",
            "set-cookie:\nset-cookie: {}",
            "\tSet-Cookie : \n\t{} \n",
        ],
    )
    def test_a_set_cookie_field_is_read_from(self, text: str) -> None:
        field = set_cookie({"user": 1})
        report = inspect(stdin=text.format(field).encode())
        assert report["content"] == {"user": 1}
        assert (report["size"], report["size_of"]) == (len(field), "Set-Cookie field")

    def test_the_last_set_cookie_field_counts_as_in_a_browser(self) -> None:
        fields = f"Set-Cookie: {set_cookie({'user': 1})}\nSet-Cookie: {set_cookie({'user': 2})}"
        assert inspect(fields)["content"] == {"user": 2}

    def test_the_first_cookie_of_a_name_counts_as_on_a_server(self) -> None:
        assert inspect(f"session={value({'user': 1})}; session={value({'user': 2})}")["content"] == {"user": 1}

    def test_the_name_can_be_another(self) -> None:
        text = f"session={value({'user': 1})}; other={value({'user': 2})}"
        assert inspect("--name", "other", text)["content"] == {"user": 2}

    def test_the_name_may_be_any_bytes(self) -> None:
        assert call("inspect", "--name", "\udcff", self.COOKIE).code == 0

    @pytest.mark.parametrize(
        "text",
        [
            "sid={}",
            "Cookie: a=b",
            "Set-Cookie: sid={}; session={}",
            "sid={}; HttpOnly",
            "sid={}; HttpOnly ; session={}",
            "'session={}'; 'a=b'",
            "curl -b sid={} -H 'session={}' https://x/",
        ],
    )
    def test_a_cookie_of_another_name_is_not_taken_for_it(self, text: str) -> None:
        result = call("inspect", text.replace("{}", self.COOKIE))
        assert (result.code, result.out) == (2, "")
        assert "there is no cookie 'session' in this input" in result.err
        assert "--name" in result.err

    def test_an_empty_cookie_is_one(self) -> None:
        assert inspect("session=")["format"] == "deleted"

    def test_padding_does_not_make_a_value_a_pair(self) -> None:
        assert inspect(starlettes({"a": 1}))["content"] == {"a": 1}
        assert "=" in starlettes({"a": 1})

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "there is no cookie: the input is empty: did a command fail, or is a variable not set?"),
            (" \n", "there is no cookie: the input is empty: did a command fail, or is a variable not set?"),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
                "there is no cookie in this input: it has headers, but no Cookie and no Set-Cookie field",
            ),
            (
                "> GET / HTTP/1.1\n> Host: a\n",
                "there is no cookie in this input: it has headers, but no Cookie and no Set-Cookie field",
            ),
            (
                "curl 'https://x/' -b jar.txt -H 'x: y'",
                "there is no cookie in this input: it is a curl command without one; inspect what it prints with -si",
            ),
            ("<!doctype html>", "there is no cookie in this input: it has neither a value nor a NAME=VALUE"),
        ],
    )
    def test_input_without_a_cookie_is_told(self, text: str, why: str) -> None:
        assert call("inspect", stdin=text.encode(), SECRET_KEY=KEY) == (2, "", f"starlette-flask: {why}\n")

    def test_the_names_that_are_there_are_told(self) -> None:
        result = call("inspect", "HTTP/1.1 200 OK\nSet-Cookie: b=1; Path=/\nSet-Cookie: a\x1b=2\nCookie: c=3=;d=4=\n")
        why = "there is no cookie 'session' in this input; --name names another: 'a\\x1b', 'b', 'c', 'd'"
        assert result == (2, "", f"starlette-flask: {why}\n")

    @pytest.mark.parametrize(
        ("text", "note"),
        [
            ("a=b; session={0}; session={1}", TWO_COOKIES),
            ("a=b;session={0};session={1}", TWO_COOKIES),
            ("Cookie: session={0}\nCookie: session={1}", TWO_COOKIES),
            (
                "Set-Cookie: session={1}; Path=/\nSet-Cookie: session={0}; Path=/app",
                "2 Set-Cookie fields have this name: they differ in domain, path or partitioning, so a browser keeps "
                "them all and sends all that fit; a server reads the first, so what is saved in another is lost. "
                "This report is about the last",
            ),
            (
                "Set-Cookie: session={1}\nSet-Cookie: session={1}; Path=/\nSet-Cookie: session={0}",
                "3 Set-Cookie fields have this name: the last one replaces the others",
            ),
        ],
    )
    def test_a_second_cookie_of_the_name_is_mentioned(self, text: str, note: str) -> None:
        text = text.format(self.COOKIE, value({"user": 2}))
        report = inspect(text)
        assert report["content"] == {"user": 1}
        assert report["notes"] == [note]
        assert f"\nnotes    - {note}\n" in call("inspect", text).out

    @pytest.mark.parametrize(
        ("field", "tells"),
        [
            ("remember_token=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/", True),
            ("remember_token=ada|1; Path=/", False),
            ("forget_token=; Max-Age=0", False),
        ],
    )
    def test_a_remember_cookie_that_is_deleted_is_mentioned(self, field: str, tells: bool) -> None:
        notes = inspect(f"Set-Cookie: {field}\nSet-Cookie: session={self.COOKIE}; Path=/")["notes"]
        assert notes == [REMEMBER_COOKIE_DELETED] * tells
        assert inspect(f"Cookie: session={self.COOKIE}; {field.partition(';')[0]}")["notes"] == []

    def test_too_much_input_is_refused(self) -> None:
        result = call("inspect", stdin=b"a" * (1 << 20) + b"a")
        assert (result.code, result.out) == (2, "")
        assert result.err == "starlette-flask: standard input holds more than 1 MiB, and no cookie does\n"
        assert call("inspect", stdin=b"!" * (1 << 20)).code == 1

    def test_endless_input_is_not_read_to_its_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Endless(io.RawIOBase):
            count = 0

            def readable(self) -> bool:
                return True

            def readinto(self, buffer: Any) -> int:
                self.count += len(buffer)
                assert self.count <= 2 << 20
                return len(buffer)

        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
        assert main(["inspect"]) == 2

    def test_no_input_is_said_to_be_none(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "stdin", None)
        assert main(["inspect"]) == 2
        assert capsys.readouterr() == ("", "starlette-flask: there is no standard input\n")

    def test_a_set_cookie_field_may_have_no_attributes(self) -> None:
        assert inspect(f"Set-Cookie: session={self.COOKIE}")["content"] == {"user": 1}

    @pytest.mark.parametrize("text", ["\udcff", "session=\udcff"])
    def test_an_argument_that_is_no_utf_8_is_a_value_like_others(self, text: str) -> None:
        result = call("inspect", text)
        assert (result.code, result.err) == (1, "")
        assert "an unknown format" in result.out


class TestContent:
    """What a session holds is shown as JSON, with the types that JSON lacks."""

    SESSION: ClassVar[dict[str, Any]] = {
        "bytes": b"\x00hi",
        "date": NOW,
        "deep": {"list": [1, (2, [])], "nothing": None, "empty": {}},
        "html": Markup("<b>"),
        "id": UUID(int=5),
        "tag": {" t": [1]},
        "text": 'Grüße, "you"\n',
    }
    SHOWN = """{
  "bytes": bytes b'\\x00hi',
  "date": datetime "2026-03-01 12:00:00+00:00",
  "deep": {
    "empty": {},
    "list": [
      1,
      tuple [
        2,
        []
      ]
    ],
    "nothing": null
  },
  "html": Markup "<b>",
  "id": UUID "00000000-0000-0000-0000-000000000005",
  "tag": {
    " t": [
      1
    ]
  },
  "text": "Grüße, \\"you\\"\\n"
}
"""

    def test_it_is_shown_to_people(self) -> None:
        result = call("inspect", value(self.SESSION))
        assert result.out.partition("written this\n")[2] == self.SHOWN
        assert (result.code, result.err) == (0, "")

    def test_it_is_given_to_machines_as_flask_stores_it(self) -> None:
        result = call("inspect", "--json", value(self.SESSION))
        assert result.out.isascii()
        assert result.out.count("\n") == 1
        with flask.Flask(__name__).app_context():
            assert flask.sessions.session_json_serializer.loads(json.dumps(result.report["content"])) == self.SESSION

    def test_numbers_that_json_lacks_are_null_as_in_javascript(self) -> None:
        cookie = value({"a": [float("nan"), float("-inf")], "b": 1.5})
        note = "numbers that JSON does not have are null in --json: "
        for text, content, dropped in (
            (cookie, {"a": [None, None], "b": 1.5}, "-Infinity, NaN"),
            (signed(base64_encode(b'{"big":1e999}')), {"big": None}, "1e999"),
        ):
            report = json.loads(call("inspect", "--json", text).out, parse_constant=pytest.fail)
            assert (report["content"], report["notes"]) == (content, [note + dropped])
        assert "-Infinity" in call("inspect", cookie).out

    def test_compression_is_told(self) -> None:
        long, short = value({"text": "a" * 100}), value({"text": "a"})
        assert inspect(long)["compressed"] is True
        assert inspect(short)["compressed"] is False
        assert call("inspect", long).out.startswith("format   Flask's session cookie, compressed\n")
        assert call("inspect", short).out.startswith("format   Flask's session cookie\n")

    @pytest.mark.parametrize(
        "text",
        [
            "\x1b[31m",
            "\x9b31m",
            "\u202e",
            "\ud800",
            "\x7f",
            "\r",
            "\u2028",
            "\U000e0041",
            *"\u034f\u115f\u1160\u17b4\u17b5\u180b\u180f\u2800\u3164\ufe00\ufe0f\uffa0\U000e0101",
        ],
    )
    def test_nothing_in_it_steers_the_terminal(self, text: str) -> None:
        result = call("inspect", value({text: text, "html": Markup(text)}), SECRET_KEY=KEY)
        assert result.code == 0
        assert text not in result.out
        assert result.out.count(json.dumps(text)) == 3

    def test_what_the_output_cannot_encode_is_escaped(self) -> None:
        assert '"Gr\\xfc\\xdfe"' in call("inspect", value({"text": "Grüße"}), encoding="ascii").out


class TestFacts:
    """The time, the size and the keys of the report are right."""

    @pytest.mark.parametrize(
        ("age", "words"),
        [
            (0, "0 seconds ago (0 s)"),
            (1, "1 second ago (1 s)"),
            (59, "59 seconds ago (59 s)"),
            (60, "1 minute ago (60 s)"),
            (7199, "1 hour ago (7199 s)"),
            (7200, "2 hours ago (7200 s)"),
            (3 * 86400, "3 days ago (259200 s)"),
            (-3600, "1 hour ahead (-3600 s)"),
        ],
    )
    def test_when_it_was_signed(self, age: int, words: str) -> None:
        cookie = value({"user": 1}, age=age)
        at = datetime.fromtimestamp(NOW.timestamp() - age, timezone.utc).isoformat()
        assert f"signed   {at}, {words}\n" in call("inspect", cookie).out
        report = inspect(cookie)
        assert (report["signed_at"], report["age"]) == (at, age)

    @pytest.mark.parametrize("excess", [0, 1])
    def test_a_size_above_the_limit_is_told(self, excess: int) -> None:
        field = set_cookie({"user": 1})
        field += "; Path=/" + "x" * (4093 + excess - len(field) - 8)
        out = call("inspect", field).out
        large = ": TOO LARGE" * excess
        size = f"size     {4093 + excess} bytes (Set-Cookie field, limit 4093){large}\n"
        assert size in out
        assert inspect(field)["size"] == inspect(field)["size_limit"] + excess

    def test_the_report_has_the_documented_keys(self) -> None:
        described = call("inspect", "--help").out.partition("with these keys:")[2].partition("examples")[0]
        documented = set(re.findall(r"^  (\w+) ", described, re.MULTILINE))
        for text in (value({"user": 1}), *FOREIGN.values()):
            assert set(inspect(text)) == documented
        assert documented >= {"format", "content", "size_of", "size_limit", "key_source"}

    def test_formats_are_documented(self) -> None:
        doc = call("inspect", "--help").out
        for name in {"flask", "starlette", "flask-login", "flask-wtf", *(name.partition(",")[0] for name in FOREIGN)}:
            assert f'"{name}"' in doc


class TestKeys:
    """Keys come from where no other user can see them, are tried in order, and are never shown."""

    COOKIE = value({"user": 1})
    OLD = value({"user": 1}, key=OLD_KEY)

    def test_without_a_key_nothing_is_claimed(self) -> None:
        result = call("inspect", self.COOKIE)
        assert result.code == 0
        assert "\ncontent  NOT VERIFIED: anyone could have written this\n" in result.out
        how = "set FLASK_SECRET_KEY or SECRET_KEY, or give --key-env, --key-file, --ask-key or --app"
        assert f"\nopens    not tried, no key was given ({how})\n" in result.out
        report = inspect(self.COOKIE)
        assert (report["opens"], report["key"], report["key_source"]) == (None, None, None)

    def test_both_variables_are_the_default_and_the_one_that_flask_reads_comes_first(self) -> None:
        for environment in ({"FLASK_SECRET_KEY": KEY}, {"FLASK_SECRET_KEY": KEY, "SECRET_KEY": "x"}):
            assert inspect(self.COOKIE, **environment)["key_source"] == "$FLASK_SECRET_KEY"
        report = inspect(self.OLD, FLASK_SECRET_KEY=KEY, SECRET_KEY=OLD_KEY)
        assert (report["opens"], report["key"], report["keys"]) == (True, 2, ["$FLASK_SECRET_KEY", "$SECRET_KEY"])
        out = call("inspect", self.OLD, FLASK_SECRET_KEY=KEY, SECRET_KEY=OLD_KEY).out
        assert "tried    1. $FLASK_SECRET_KEY, 2. $SECRET_KEY\nkey      2 of 2, $SECRET_KEY\n" in out
        report = inspect(self.COOKIE, SECRET_KEY=KEY, FLASK_SECRET_KEY="")
        assert (report["opens"], report["key"], report["key_source"]) == (True, 1, "$SECRET_KEY")

    def test_a_named_variable_counts_alone(self) -> None:
        assert inspect("--key-env", "OTHER", self.COOKIE, OTHER=KEY, SECRET_KEY="x")["key_source"] == "$OTHER"
        result = call("inspect", "--key-env", "MISSING_HERE", self.COOKIE, SECRET_KEY=KEY)
        assert (result.code, result.out) == (2, "")
        assert "no environment variable MISSING_HERE" in result.err

    def test_two_variables_are_the_current_key_and_a_fallback(self) -> None:
        report = inspect("--key-env", "A", "--key-env", "B", self.OLD, A=KEY, B=OLD_KEY)
        assert (report["opens"], report["key"], report["key_source"]) == (True, 2, "$B")

    def test_a_file_has_the_current_key_and_fallbacks(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_bytes(f"{KEY}\r\n\n{OLD_KEY}".encode() + b"\n\xff\n")
        opens = call("inspect", "--key-file", str(path), self.COOKIE)
        assert opens.code == 0
        assert f"\nkey      1 of 3, {path} line 1\ncontent  verified\n{{" in opens.out
        assert f"\ntried    1. {path} line 1, 2. {path} line 3, 3. {path} line 4\n" in opens.out
        fallback = call("inspect", "--key-file", str(path), self.OLD, SECRET_KEY="not asked")
        assert f"\nkey      2 of 3, {path} line 3, a fallback\ncontent  verified\n{{" in fallback.out
        assert inspect("--key-file", str(path), value({"a": 1}, key=b"\xff"))["key"] == 3

    @pytest.mark.parametrize("content", [b"", b"\nkey", b"key\n \n", b"********"])
    def test_a_file_without_a_key_is_refused(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "keys"
        path.write_bytes(content)
        result = call("inspect", "--key-file", str(path), self.COOKIE)
        assert (result.code, result.out) == (2, "")
        assert f"{path} line " in result.err

    @pytest.mark.parametrize(
        ("line", "name"),
        [
            ("SECRET_KEY=hunter2", "SECRET_KEY"),
            (" export FLASK_SECRET_KEY = 'hunter2'", "FLASK_SECRET_KEY"),
            ("app_secret=hunter2", "app_secret"),
        ],
    )
    def test_a_file_of_variables_is_told_from_one_of_keys(self, tmp_path: Path, line: str, name: str) -> None:
        path = tmp_path / ".env"
        path.write_text(f"DEBUG=1\n{line}\n")
        result = call("inspect", "--key-file", str(path), self.COOKIE)
        assert (result.code, result.out) == (2, "")
        problem = (
            f"{path} line 2 sets {name}, as in a .env file, and is not a key: a key file has bare keys, one a line"
        )
        how = f"such as with 'set -a; . {path}; set +a', and give --key-env {name}"
        assert result.err == f"starlette-flask: {problem}. Load the file, {how}\n"
        assert "hunter2" not in result.err

    @pytest.mark.parametrize("key", ["SECRET_KEY", "a9fTKEY==", "SECRET_KEY=", "x=SECRET_KEY=y"])
    def test_a_key_that_resembles_a_variable_is_one(self, tmp_path: Path, key: str) -> None:
        path = tmp_path / "keys"
        path.write_text(key)
        assert inspect("--key-file", str(path), value({"user": 1}, key=key))["opens"] is True

    @pytest.mark.parametrize(
        ("option", "name", "error"),
        [
            ("--key-env", "MISSING", f"{NO_VARIABLE} MISSING"),
            ("--key-env", "hunter2", f"{NO_VARIABLE} of the name given, which may be a key"),
            ("--key-env", "Hunter", f"{NO_VARIABLE} of the name given, which may be a key"),
            *(
                ("--key-file", name, NO_FILE)
                for name in ("hunter2", "/hunter2", "gX3/abcdEFG+h1==", "gX3/abcd.h1", "h" * 300, f"{'h' * 300}/x")
            ),
            ("--key-file", "missing.txt", "[Errno 2] No such file or directory: 'missing.txt'"),
        ],
    )
    def test_a_key_in_the_place_of_a_name_is_not_shown(self, option: str, name: str, error: str) -> None:
        """A shell puts it there where one writes $SECRET_KEY."""
        assert call("inspect", option, name, self.COOKIE) == (2, "", f"starlette-flask: {error}\n")

    def test_a_file_that_cannot_be_read_is_told(self, tmp_path: Path) -> None:
        result = call("inspect", "--key-file", str(tmp_path / "\x1bno"), self.COOKIE)
        assert result.code == 2
        assert "\\u001bno" in result.err.replace("x1b", "u001b")
        assert "\x1b" not in result.err

    def test_a_key_is_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def typed(prompt: str) -> str:
            assert prompt == "Secret key: "
            return KEY

        monkeypatch.setattr("starlette_flask._cli.keys.getpass", typed)
        assert inspect("--ask-key", self.COOKIE, SECRET_KEY="x")["key_source"] == "typed in"

    def test_a_key_that_is_typed_may_be_any_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("starlette_flask._cli.keys.getpass", lambda _: "\udcff")
        assert inspect("--ask-key", value({"user": 1}, key=b"\xff"))["opens"] is True

    def test_keys_of_all_sources_are_tried_in_order(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "keys"
        path.write_text("second\nthird")
        monkeypatch.setattr("starlette_flask._cli.keys.getpass", lambda _: "fourth")
        for number, key in enumerate(("first", "second", "third", "fourth"), 1):
            argv = ("--key-env", "A", "--key-file", str(path), "--ask-key")
            assert inspect(*argv, value({"user": 1}, key=key), A="first")["key"] == number

    @pytest.mark.parametrize("option", ["--key", "--secret-key", "--secret", "-k"])
    def test_a_key_as_an_argument_is_refused_with_what_to_do(self, option: str) -> None:
        for command in ("inspect", "sign"):
            result = call(command, option, "hunter2", self.COOKIE)
            assert (result.code, result.out) == (2, "")
            why = "do not pass a key as an argument, where the process list and the shell's history would show it"
            assert result.err.endswith(f": {why}: use --key-env, --key-file or --ask-key\n")
            assert "hunter2" not in result.err

    def test_keys_are_not_shown_in_a_traceback_either(self) -> None:
        assert repr([Key("$A", b"hunter2")]) == "[Key('$A')]"

    def test_keys_are_never_shown(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_text("hunter2\nhunter2 \n'hunter3'")
        for key in ("hunter2", "hunter3", "another"):
            cookie = value({"user": 1}, key=key)
            for extra in ((), ("--json",), ("--salt", "x")):
                assert "hunter" not in "".join(map(str, call("inspect", "--key-file", str(path), cookie, *extra)))

    def test_the_settings_of_the_application_are_followed(self) -> None:
        cookie = value({"user": 1}, salt="pepper", digest_method=staticmethod(hashlib.sha512), key_derivation="concat")
        argv = ("--salt", "pepper", "--digest", "sha512", "--key-derivation", "concat")
        assert inspect(cookie, *argv, SECRET_KEY=KEY)["opens"] is True
        assert inspect(cookie, SECRET_KEY=KEY)["opens"] is False
        assert inspect(value({"user": 1}, salt=""), "--salt", "", SECRET_KEY=KEY)["opens"] is True


class TestReasons:
    """Where a cookie does not open, the report says why, and the exit code is 1."""

    def refused(self, cookie: str, *argv: str, key: str = KEY) -> Any:
        result = call("inspect", cookie, *argv, SECRET_KEY=key)
        report = inspect(cookie, *argv, SECRET_KEY=key)
        assert result.code == 1
        assert report["opens"] is False
        assert "opens    no, because\n" in result.out
        for reason in report["reasons"]:
            assert f"         - {reason}\n" in result.out.replace("\\u001b", "\x1b")
        return report

    def test_another_key(self) -> None:
        report = self.refused(value({"user": 1}), key="another")
        assert report["reasons"] == [NO_KEY]
        assert (report["content"], report["key"]) == ({"user": 1}, None)
        out = call("inspect", value({"user": 1}), SECRET_KEY="another").out
        assert ("NOT VERIFIED" in out, "\nkey " in out) == (True, False)
        two = inspect("--key-env", "A", "--key-env", "B", value({"user": 1}), A="another", B="a third")
        assert two["reasons"] == ["none of the keys signed it ($A, $B): another key did, or it was changed since"]

    @pytest.mark.parametrize(
        ("interface", "settings_found"),
        [
            ({"salt": "itsdangerous"}, "--salt itsdangerous"),
            ({"digest_method": staticmethod(hashlib.sha256)}, "--digest sha256"),
            ({"key_derivation": "django-concat"}, "--key-derivation django-concat"),
            (
                {"key_derivation": "none", "digest_method": staticmethod(hashlib.sha384)},
                "--key-derivation none --digest sha384",
            ),
        ],
    )
    def test_other_settings(self, interface: dict[str, Any], settings_found: str) -> None:
        cookie = value({"user": 1}, **interface)
        report = self.refused(cookie)
        assert report["reasons"] == [f"signed with key 1 ($SECRET_KEY), but with {settings_found}"]
        out = call("inspect", cookie, SECRET_KEY=KEY).out
        assert "content  signed with key 1, but not as a session of this application\n" in out
        assert "anyone" not in out
        assert inspect(cookie, *settings_found.split(), SECRET_KEY=KEY)["opens"] is True

    @pytest.mark.parametrize(
        ("salt", "derivation"),
        [("wtf-csrf-token", "django-concat"), ("flask-session", "hmac"), ("itsdangerous.Signer", "django-concat")],
    )
    def test_what_else_signs_with_the_same_key(self, salt: str, derivation: str) -> None:
        """Flask-WTF's token, Flask-Session's identifiers and Starlette's cookies may be taken for a session cookie."""
        (reason,) = self.refused(signed(b"e30", salt=salt, key_derivation=derivation))["reasons"]
        how = f"--salt {salt}" + f" --key-derivation {derivation}" * (derivation != "hmac")
        assert reason == f"signed with key 1 ($SECRET_KEY), but with {how}"

    def test_other_settings_beside_a_salt_that_is_known_here_only(self) -> None:
        cookie = value({"user": 1}, salt="pepper", digest_method=staticmethod(hashlib.sha512))
        (reason,) = self.refused(cookie, "--salt", "pepper")["reasons"]
        assert reason.endswith("but with --digest sha512")

    def test_settings_that_are_flasks_after_all(self) -> None:
        argv = ("--salt", "x", "--digest", "sha512", "--key-derivation", "none")
        (reason,) = self.refused(value({"user": 1}), *argv)["reasons"]
        assert reason.endswith("but with --salt cookie-session --key-derivation hmac --digest sha1")

    @pytest.mark.parametrize(
        ("made_with", "given_as", "change"),
        [
            (KEY, f" {KEY} ", " without the blanks around it"),
            (KEY, f'"{KEY}"', " without the quotes around it"),
            (f"X{KEY}X", f"'X{KEY}X'", " without the quotes around it"),
            (f"{KEY}\n", KEY, " with a line break behind it"),
        ],
    )
    def test_a_key_that_was_changed_on_its_way(self, made_with: str, given_as: str, change: str) -> None:
        (reason,) = self.refused(value({"user": 1}, key=made_with), key=given_as)["reasons"]
        assert reason == f"signed with key 1 ($SECRET_KEY){change}"

    @pytest.mark.parametrize(
        ("argv", "opens", "lifetime"),
        [
            (
                (),
                "2026-04-01T11:58:00+00:00, if the lifetime is 31 days, which is assumed: give --max-age or --app",
                "31 days (assumed, Flask's default)",
            ),
            (("--max-age", "5400"), "2026-03-01T13:28:00+00:00", "1 hour 30 minutes (--max-age)"),
            (("--max-age", "1" + "0" * 17), "the calendar ends", "1157407407407 days 9 hours 46 minutes 40 seconds"),
        ],
    )
    def test_the_lifetime_is_named(self, argv: tuple[str, ...], opens: str, lifetime: str) -> None:
        """What opens under one lifetime may be refused under another, so the report says under which, and its name."""
        cookie = value({"user": 1}, age=120)
        out = call("inspect", cookie, *argv, SECRET_KEY=KEY).out
        assert f"\nopens    yes, until {opens}\n" in out
        assert f"\nlifetime {lifetime}" in out
        assert "; PERMANENT_SESSION_LIFETIME in Flask, max_age in Starlette\n" in out
        report = inspect(cookie, *argv, SECRET_KEY=KEY)
        assert report["lifetime"] == int(argv[1] if argv else MONTH)
        assert report["lifetime_source"] == ("--max-age" if argv else "assumed")

    def test_flask_logins_remember_cookie(self) -> None:
        for key in (KEY, "clé"):
            with flask.Flask(__name__).app_context():
                cookie = flask_login.encode_cookie("7", key)
            report = self.refused(cookie, key=key)
            assert (report["format"], report["key"], report["content"]) == ("flask-login", 1, None)
            assert report["notes"] == ["it remembers the user '7', signed with $SECRET_KEY"]
            who_reads_it = "Flask-Login reads it where the session has no user"
            assert report["reasons"] == [f"Flask-Login's remember cookie, not a session: {who_reads_it}"]
            assert "\nlifetime" not in call("inspect", cookie, SECRET_KEY=key).out
        with flask.Flask(__name__).app_context():
            odd_user = flask_login.encode_cookie("a|b", KEY)
        assert self.refused(odd_user)["notes"] == ["it remembers the user 'a|b', signed with $SECRET_KEY"]
        assert call("inspect", stdin=b"\xff|" + b"a" * 128).out.startswith("format   Flask-Login's remember cookie")
        # What UTF-8 or Latin-1 lack is left out of a key, as far as anything is left.
        for environment in ({}, {"SECRET_KEY": "another"}, {"SECRET_KEY": "€€"}, {"SECRET_KEY": os.fsdecode(b"\xff")}):
            report = inspect(f"remember_token={cookie}; HttpOnly", "--name", "remember_token", **environment)
            assert (report["format"], report["key"], report["notes"]) == ("flask-login", None, [])
            assert report["reasons"][1:] == [NO_KEY] * len(environment)

    def test_flask_wtfs_token(self) -> None:
        app = flask.Flask(__name__)
        app.secret_key = KEY
        with app.test_request_context():
            token = flask_wtf.csrf.generate_csrf()
        text = "Flask-WTF's CSRF token, not a session: it belongs into a form or the header X-CSRFToken"
        how = "signed with key 1 ($SECRET_KEY), but with --salt wtf-csrf-token --key-derivation django-concat"
        report = self.refused(token)
        assert (report["format"], report["key"], report["reasons"]) == ("flask-wtf", 1, [how, text])
        report = inspect(token)
        assert (report["format"], report["key"], report["reasons"]) == ("flask-wtf", None, [text])

    @pytest.mark.parametrize("key", [KEY.encode(), b"\xff key"])
    def test_a_key_that_starlette_takes_as_bytes(self, key: bytes) -> None:
        """Starlette signs with ``str(key)``, which is ``"b'...'"`` for bytes."""
        report = self.refused(starlettes({"a": 1}, key=key), key=os.fsdecode(key))
        assert (report["format"], report["key"]) == ("starlette", 1)
        assert report["reasons"][0].startswith("signed with key 1 ($SECRET_KEY) as bytes, but in the format")

    def test_expired(self) -> None:
        assert inspect(value({"user": 1}, age=MONTH), SECRET_KEY=KEY)["opens"] is True
        report = self.refused(value({"user": 1}, age=MONTH + 1))
        age = "it is 31 days 1 second old, and the lifetime is 31 days (assumed, Flask's default)"
        assert report["reasons"] == [f"it has expired: {age}"]
        assert report["key"] == 1
        assert inspect(value({"user": 1}, age=60), "--max-age", "60", SECRET_KEY=KEY)["opens"] is True
        assert self.refused(value({"user": 1}, age=61), "--max-age", "60")["reasons"]
        assert inspect(value({"user": 1}, age=61), "--max-age", "60")["reasons"] == []

    FUTURE, CLOCKS = "it is from the future", ": the clocks differ; leeway allows for some seconds"

    def test_from_the_future(self) -> None:
        for age, by in ((-60, "1 minute"), (-1, "1 second")):
            assert self.refused(value({"user": 1}, age=age))["reasons"] == [f"{self.FUTURE}, by {by}{self.CLOCKS}"]
        for length in (7, 8, 20):
            date = base64_encode(b"\xff" * length)
            beyond_dates = Signer(KEY, "cookie-session", key_derivation="hmac").sign(b"e30." + date).decode()
            assert self.refused(beyond_dates)["opens"] is False
            assert inspect(beyond_dates)["signed_at"] is None
            if length == 7:
                assert self.FUTURE + self.CLOCKS in self.refused(beyond_dates)["reasons"]

    @pytest.mark.parametrize("content", [{"a": 1}, {"ab": 1}, {"abc": 1}, {"a": "?>~"}, {"a": {" t": [1]}}])
    def test_starlettes_own_format(self, content: dict[str, Any]) -> None:
        cookie = starlettes(content)
        report = self.refused(cookie)
        assert report["format"] == "starlette"
        assert report["content"] == content
        how = "but in the format of Starlette's own middleware; accept_starlette_cookies=True opens it"
        assert report["reasons"] == [f"signed with key 1 ($SECRET_KEY) as text, {how}"]
        assert report["key"] == 1
        other = self.refused(cookie, key="another")
        assert (other["format"], other["content"], other["key"]) == ("starlette", content, None)
        shown = call("inspect", cookie).out.partition("content  NOT VERIFIED: anyone could have written this\n")[2]
        assert json.loads(shown) == content
        assert call("inspect", cookie).code == 0
        assert inspect(cookie)["format"] == "starlette"
        assert inspect(value(content))["format"] == "flask"

    def test_an_empty_session_of_flasks_is_not_starlettes(self) -> None:
        assert inspect(signed(b"e30"), SECRET_KEY=KEY)["opens"] is True
        assert inspect(signed(b"e30"))["format"] == "flask"
        assert inspect(signed(b"e30="))["format"] == "starlette"
        assert inspect(signed(b"e30="), SECRET_KEY=KEY)["opens"] is True

    def test_an_empty_session_that_is_cut_off_is_known_all_the_same(self) -> None:
        assert inspect(signed(b"e30")[:12])["format"] == "flask"

    def test_an_age_that_nothing_has(self) -> None:
        """A cookie of this very second is not from the future."""
        assert self.refused(value({"user": 1}), "--max-age=-1")["reasons"] == [
            "it has expired: it is 0 seconds old, and the lifetime is -1 second (--max-age)"
        ]

    def test_a_time_that_looks_like_json_makes_no_jwt(self) -> None:
        cookie = call("sign", "--at", str(0x7B226162), '{"alg": 1}', SECRET_KEY=KEY).out.strip()
        assert re.match(r"eyJ\w+\.eyJ", cookie)
        assert inspect(cookie)["format"] == "flask"

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("deleted", 'no session: a deleted cookie is set to nothing or "null"'),
            ("django", "a value of Django's signing, with colons between its parts"),
            ("jwt", "a JSON Web Token, not a session cookie"),
            ("session-id", "probably the identifier of a session that a server keeps"),
            ("litestar", "Litestar's encrypted session cookie"),
            ("unknown", "an unknown format"),
        ],
    )
    def test_a_format_in_words(self, name: str, text: str) -> None:
        """A person reads what the value is, both as its format and as the reason why it is no session."""
        result = call("inspect", FOREIGN[name])
        assert result.out.startswith(f"format   {text.partition(';')[0]}\n")
        assert f"\n         - {text}\n" in result.out

    def test_starlettes_format_under_the_second_key(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_bytes(b"\xff\n" + KEY.encode())
        report = inspect("--key-file", str(path), starlettes({"a": 1}))
        assert (report["format"], report["key"]) == ("starlette", 2)
        assert inspect("--key-file", str(path), starlettes({"a": 1}, key="\ufffd"))["key"] is None

    def test_starlettes_format_in_words(self) -> None:
        result = call("inspect", starlettes({"a": 1}))
        assert result.out.startswith("format   the format of Starlette's own middleware\n")
        text = "the format of Starlette's own middleware; accept_starlette_cookies=True opens it"
        assert f"\n         - {text}\n" in result.out

    def test_quotes_are_all_that_is_taken_off(self) -> None:
        assert inspect(f"'X{'a' * 14}X'")["format"] == "session-id"

    @pytest.mark.parametrize("name", FOREIGN)
    def test_other_known_formats(self, name: str) -> None:
        report = self.refused(FOREIGN[name])
        assert report["format"] == name.partition(",")[0]
        assert len(report["reasons"]) == 1
        assert report["content"] is None
        result = call("inspect", FOREIGN[name])
        assert result.code == 1
        assert "\nopens    not tried, no key was given (" in result.out
        assert f"); it would not, because\n         - {report['reasons'][0]}\n" in result.out
        assert result.out.endswith("content  unreadable\n")

    @pytest.mark.parametrize("repeat", range(2))
    def test_every_place_where_it_may_be_cut_off(self, repeat: int) -> None:
        cookie = value({"user": 1, "long": "a" * 200 * repeat})
        assert cookie.startswith("." * repeat + "e")
        for end in range(4, len(cookie)):
            reasons = self.refused(cookie[:end])["reasons"]
            parts = "it takes payload, time and signature (27 characters with sha1)"
            assert reasons[0] == f"it is cut off or damaged: {parts}"
            assert reasons[1] == NO_KEY

    def test_a_signature_without_a_time(self) -> None:
        cookie = URLSafeSerializer(KEY, salt="cookie-session", signer_kwargs={"key_derivation": "hmac"}).dumps(
            {"a": 1}
        )
        reasons = self.refused(cookie)["reasons"]
        parts = "it takes payload, time and signature (27 characters with sha1)"
        assert reasons[0] == f"it is cut off or damaged: {parts}"
        assert reasons[1] == "signed with key 1 ($SECRET_KEY)"

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda cookie: f"'{cookie}'", "there are quotes around it"),
            (lambda cookie: cookie[:20] + "\n  " + cookie[20:], "there are blanks or line breaks in it"),
            (lambda cookie: cookie.replace(".", "%2E"), "it is URL-encoded, which no server undoes"),
        ],
    )
    def test_a_value_that_was_changed_on_its_way(self, change: Any, reason: str) -> None:
        cookie = change(value({"user": 1}))
        report = self.refused(cookie)
        assert report["reasons"] == [reason]
        assert (report["key"], report["content"]) == (1, {"user": 1})
        assert inspect(cookie)["content"] == {"user": 1}

    @pytest.mark.parametrize(
        ("payload", "reason"),
        [
            (b"eyJ1c", "BadData, Invalid base64-encoded data"),
            (b".eJyrVg", "ValueError, the zlib data is cut off"),
            (
                b"." + base64_encode(zlib.compress(b'{"a":"%b"}' % (b"a" * 5000))[:-4]),
                "ValueError, the zlib data is cut",
            ),
            (b"." + base64_encode(b"no zlib"), "error, Error -3 while decompressing data"),
            (base64_encode(b'{"a":'), "JSONDecodeError, Expecting value"),
            (base64_encode(b'{"a":"\xff"}'), "UnicodeDecodeError, "),
            (base64_encode(b'{"a":{" u":"x"}}'), "ValueError, badly formed hexadecimal UUID string"),
            (base64_encode(b'{"a":{" t":5}}'), "TypeError, "),
            (base64_encode(b"[1]"), "TypeError, it is not a JSON object"),
            (base64_encode(b'{"a":' + b"[" * 100_000), "RecursionError, "),
            (base64_encode(b'{"a":' + b"[" * 500 + b"]" * 500 + b"}"), None),
        ],
    )
    def test_damaged_content_whether_verified_or_not(self, payload: bytes, reason: str | None) -> None:
        if reason is None:  # deep, and how deep is too deep depends on the Python
            assert call("inspect", signed(payload), SECRET_KEY=KEY).code in (0, 1)
            return
        for cookie, key in ((signed(payload), 1), (signed(payload, key="another"), None)):
            report = self.refused(cookie)
            assert (report["key"], report["content"]) == (key, None)
            assert f"its content is damaged, or not Flask's: {reason}" in report["reasons"][-1]
            result = call("inspect", cookie)
            assert (result.code, result.out.splitlines()[-1]) == (1, "content  unreadable")

    @pytest.mark.parametrize(("size", "shown"), [((1 << 20) - 1, True), (3 << 19, False)])
    def test_unverified_content_is_expanded_up_to_1_mib(self, size: int, shown: bool) -> None:
        serialized = b'{"a":"' + b"a" * (size - 8) + b'"}'
        content = inspect(stdin=signed(b"." + base64_encode(zlib.compress(serialized))).encode())["content"]
        assert (content is not None) is shown

    def test_unverified_content_expands_to_a_limit_only(self) -> None:
        """A cookie of some kilobytes that stands for 64 MiB costs little, and is shown when a key vouches for it."""
        bomb = b"." + base64_encode(zlib.compress(b'{"a":"' + b"a" * (64 << 20) + b'"}', 9))
        cookie = signed(bomb).encode()
        tracemalloc.start()
        report = inspect(stdin=cookie)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 << 20
        assert report["content"] is None
        too_much = "ValueError, it is over 1 MiB, too much to expand unverified"
        assert report["reasons"] == [f"its content is damaged, or not Flask's: {too_much}"]
        large = signed(b"." + base64_encode(zlib.compress(b'{"a":"' + b"a" * (2 << 20) + b'"}', 9)))
        assert inspect(large, SECRET_KEY=KEY)["opens"] is True
        assert inspect(large)["content"] is None


class TestSign:
    """What is signed here, Flask opens."""

    @pytest.mark.parametrize("source", ["argument", "standard input"])
    def test_plain_json(self, source: str) -> None:
        content = {"user": 1, "looks like a tag": {" t": [1]}, "text": "é" * 50}
        text = json.dumps(content, ensure_ascii=False)
        argv, stdin = ((text,), b"") if source == "argument" else ((), text.encode())
        result = call("sign", *argv, stdin=stdin, SECRET_KEY=KEY)
        assert (result.code, result.err) == (0, "")
        assert opened(f"session={result.out.strip()}") == content
        assert result.out.strip() == value(content)

    def test_tagged_json_as_inspect_prints_it(self) -> None:
        cookie = value(TestContent.SESSION)
        tagged = json.dumps(inspect(cookie)["content"])
        assert call("sign", "--tagged", tagged, SECRET_KEY=KEY).out == f"{cookie}\n"

    def test_as_a_cookie_for_curl(self) -> None:
        result = call("sign", "--cookie", '{"user": 1}', SECRET_KEY=KEY)
        assert opened(result.out.strip()) == {"user": 1}
        assert call("sign", "--cookie", "--name", "__Host-s", "{}", SECRET_KEY=KEY).out.startswith("__Host-s=e30.")
        refused = call("sign", "--cookie", "--name", "a b", "{}", SECRET_KEY=KEY)
        assert (refused.code, refused.out) == (2, "")
        assert refused.err.startswith("starlette-flask: --name='a b' is not a valid cookie name; ")

    def test_a_permanent_session(self) -> None:
        cookie = call("sign", "--permanent", "--cookie", '{"user": 1}', SECRET_KEY=KEY).out.strip()
        assert opened(cookie) == {"user": 1, "_permanent": True}

    @pytest.mark.parametrize("at", [0, 1, 0x58000058, int(NOW.timestamp()) - 60])
    def test_at_another_time(self, at: int) -> None:
        cookie = call("sign", "--at", str(at), '{"user": 1}', SECRET_KEY=KEY).out.strip()
        assert cookie == value({"user": 1}, age=int(NOW.timestamp()) - at)

    @pytest.mark.parametrize("at", ["-1", str(2**64), "now"])
    def test_a_time_that_is_none_is_refused(self, at: str) -> None:
        result = call("sign", f"--at={at}", "{}", SECRET_KEY=KEY)
        assert (result.code, result.out) == (2, "")
        assert result.err

    def test_with_the_settings_of_the_application(self) -> None:
        argv = ("--salt", "pepper", "--digest", "sha512", "--key-derivation", "concat")
        interface = {"salt": "pepper", "digest_method": staticmethod(hashlib.sha512), "key_derivation": "concat"}
        assert call("sign", *argv, '{"a": 1}', SECRET_KEY=KEY).out.strip() == value({"a": 1}, **interface)

    def test_with_the_current_key_of_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "keys"
        path.write_text(f"{KEY}\n{OLD_KEY}\n")
        assert opened(call("sign", "--cookie", '{"a": 1}', "--key-file", str(path)).out.strip()) == {"a": 1}

    def test_without_a_key_it_says_where_one_could_come_from(self) -> None:
        result = call("sign", "{}")
        assert (result.code, result.out) == (2, "")
        assert "give --key-env, --key-file, --ask-key or --app, or set FLASK_SECRET_KEY or SECRET_KEY" in result.err

    def test_it_says_what_is_no_session(self) -> None:
        start = "starlette-flask: this is not valid JSON, or its tags are wrong: "
        assert call("sign", "{", SECRET_KEY=KEY).err.startswith(f"{start}Expecting property name")
        assert call("sign", "--tagged", '{" u": "x"}', SECRET_KEY=KEY).err.startswith(f"{start}badly formed")
        err = 'starlette-flask: a session is a JSON object, such as {"user": 1}\n'
        assert call("sign", "[1]", SECRET_KEY=KEY) == (2, "", err)

    @pytest.mark.parametrize(
        "argv",
        [
            ("",),
            ("{",),
            ("[1]",),
            ("{'a': 1}",),
            ("1" * 10_000,),
            ("[" * 100_000,),
            ("--tagged", '{"a": {" u": 1}}'),
            ("--tagged", '{" t": [1]}'),
            ('{"a":' + "[" * 600 + "]" * 600 + "}",),
        ],
    )
    def test_what_is_no_session_is_refused(self, argv: tuple[str, ...]) -> None:
        result = call("sign", *argv, SECRET_KEY=KEY)
        if result.code == 0:  # deep, and how deep is too deep depends on the Python
            assert argv[0].count("[") == 600
        else:
            assert (result.code, result.out) == (2, "")
            assert re.fullmatch(r"starlette-flask: .+\n", result.err)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
class TestTerminal:
    """On a terminal there are colors and prompts; elsewhere there are none."""

    COOKIE = value({"user": 1})

    def on_terminal(self, *argv: str, typed: bytes = b"", **environment: str) -> str:
        """Return what a pseudo-terminal shows."""
        ours, theirs = os.openpty()
        os.write(ours, typed)
        with (
            pytest.MonkeyPatch.context() as patch,
            open(theirs, "r+b", buffering=0, closefd=False) as raw,
            open(theirs, closefd=False) as stdin,
            io.TextIOWrapper(raw, "utf-8", write_through=True) as out,
        ):
            patch.setenv("TERM", "xterm")
            for name in ("FLASK_SECRET_KEY", "SECRET_KEY", "NO_COLOR"):
                patch.delenv(name, raising=False)
            for name, text in environment.items():
                patch.setenv(name, text)
            for name, stream in (("stdin", stdin), ("stdout", out), ("stderr", out)):
                patch.setattr(sys, name, stream)
            main(argv)
        os.close(theirs)
        return read_terminal(ours)

    def test_the_verdict_is_colored(self) -> None:
        two = self.on_terminal("inspect", f"session={self.COOKIE}; session=a", SECRET_KEY=KEY)
        assert "\x1b[32mopens    yes, until " in two
        assert "\x1b[33mnotes    - 2 cookies have this name" in two
        assert "\x1b[32mcontent  verified\x1b[0m\r\n{" in two
        refused = self.on_terminal("inspect", self.COOKIE, SECRET_KEY="x")
        assert "\x1b[31mopens    no, because\x1b[0m\r\n\x1b[31m         - none of the keys signed it" in refused
        assert "\x1b[33mcontent  NOT VERIFIED" in self.on_terminal("inspect", self.COOKIE)
        foreign = self.on_terminal("inspect", starlettes({"user": 1}), SECRET_KEY=KEY)
        assert "\x1b[33mcontent  signed with key 1, but not as a session of this application\x1b[0m" in foreign

    def test_what_a_browser_refuses_is_colored(self) -> None:
        for age, shown in (
            ("0", "\n\x1b[31mbrowser  does not keep it\x1b[0m\r\n"),
            ("1", "\nbrowser  keeps it until "),
        ):
            field = f"Set-Cookie: session={self.COOKIE}; Max-Age={age}"
            assert shown in self.on_terminal("inspect", field, SECRET_KEY=KEY)

    @pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
    def test_colors_can_be_turned_off(self, environment: dict[str, str]) -> None:
        shown = self.on_terminal("inspect", self.COOKIE, **environment)
        assert "NOT VERIFIED" in shown
        assert "\x1b" not in shown

    def test_an_empty_no_color_means_nothing(self) -> None:
        assert "\x1b[33m" in self.on_terminal("inspect", self.COOKIE, NO_COLOR="")

    def test_a_size_above_the_limit_is_colored(self) -> None:
        cookie = set_cookie({"user": 1}) + "; Path=/" + "x" * 4093
        assert "\x1b[33msize  " in self.on_terminal("inspect", f"Set-Cookie: {cookie}")

    def test_what_is_no_verdict_is_not_colored(self) -> None:
        assert "\ncontent  unreadable\r\n" in self.on_terminal("inspect", "hello")
        assert json.loads(self.on_terminal("inspect", "--json", self.COOKIE))["content"] == {"user": 1}
        assert opened(f"session={self.on_terminal('sign', '{}', SECRET_KEY=KEY).strip()}") == {}
        assert "secret_key=" in self.on_terminal("settings", "tests.command_line:make_flask()")

    def test_a_pipe_gets_no_colors(self) -> None:
        assert "\x1b" not in call("inspect", self.COOKIE, SECRET_KEY="x", TERM="xterm").out

    def test_one_who_types_is_told_that_input_is_read(self) -> None:
        shown = self.on_terminal("inspect", typed=f"{self.COOKIE}\n\x04".encode())
        assert "Reading up to Ctrl-D:" in shown
        assert '"user": 1' in shown

    def test_that_input_is_read_is_no_part_of_the_output(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        ours, theirs = os.openpty()
        os.write(ours, f"{self.COOKIE}\n\x04".encode())
        with os.fdopen(theirs) as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            assert main(["inspect", "--json"]) == 0
        os.close(ours)
        out, err = capsys.readouterr()
        assert json.loads(out)["content"] == {"user": 1}
        assert err == "Reading up to Ctrl-D:\n"

    def test_a_key_is_asked_for_without_showing_it(self) -> None:
        ours, theirs = os.openpty()
        process = start("inspect", "--ask-key", self.COOKIE, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = read_terminal(ours, "Secret key: ")
        os.write(ours, f"{KEY}\n".encode())
        shown += read_terminal(ours)
        assert "key      1 of 1, typed in" in shown
        assert KEY not in shown
        assert process.wait(30) in (0, 1)  # the clock of this process stands still, that of the other does not

    def test_ctrl_c_is_no_traceback(self) -> None:
        ours, theirs = os.openpty()
        process = start("inspect", stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        read_terminal(ours, "Ctrl-D:")
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):  # it has gone already, unless the signal came just before it began to read
            os.write(ours, b"\x04")
        assert process.wait(30) == 130
        assert "Traceback" not in read_terminal(ours)


def start(*argv: str, **options: Any) -> subprocess.Popen[bytes]:
    environment = {key: text for key, text in os.environ.items() if "SECRET_KEY" not in key and "COLOR" not in key}
    command = [sys.executable, "-W", "error", "-m", "starlette_flask", *argv]
    return subprocess.Popen(command, env={**environment, **options.pop("env", {})}, start_new_session=True, **options)


def read_terminal(descriptor: int, until: str | None = None) -> str:
    """Return what is shown up to a text, or up to the end, and then close the terminal."""
    shown = b""
    while until is None or until.encode() not in shown:
        ready, _, _ = select.select([descriptor], [], [], 30)
        try:
            data = os.read(descriptor, 65536) if ready else b""
        except OSError:  # Linux's way to say that the other side is closed
            data = b""
        if not data:
            assert until is None, shown
            os.close(descriptor)
            break
        shown += data
    return shown.decode()


class TestProcess:
    """As a program among others it behaves: output, errors, exit codes, closed pipes."""

    def test_one_signs_and_another_inspects(self) -> None:
        environment = {"SECRET_KEY": KEY}
        signing = start("sign", "--cookie", '{"user": 1}', env=environment, stdout=subprocess.PIPE)
        reading = start("inspect", env=environment, stdin=signing.stdout, stdout=subprocess.PIPE)
        out, _ = reading.communicate(timeout=30)
        signing.communicate()
        assert (signing.returncode, reading.returncode) == (0, 0)
        assert b"opens    yes" in out

    def test_it_is_run_as_a_module(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        monkeypatch.setattr(sys, "argv", ["starlette-flask", "inspect", "hello"])
        monkeypatch.delitem(sys.modules, "starlette_flask.__main__")
        with pytest.raises(SystemExit) as stop:
            runpy.run_module("starlette_flask", run_name="__main__")
        assert stop.value.code == 1
        assert "an unknown format" in capsys.readouterr().out

    @pytest.mark.parametrize("argv", [("--help",), ("-h",), ("inspect", "-h"), ("sign", "-h"), ("settings", "-h")])
    def test_help_has_examples(self, argv: tuple[str, ...]) -> None:
        result = call(*argv)
        assert result.code == 0
        assert re.search(r"examples?:\s.*starlette-flask (inspect|sign|settings)", result.out)

    @pytest.mark.parametrize("command", [[], ["inspect"], ["sign"], ["settings"]], ids=" ".join)
    def test_help_ends_with_an_example_on_one_line(self, command: list[str]) -> None:
        """Whatever the width of the terminal, so that it can be copied."""
        last = call(*command, "--help", COLUMNS="40").out.splitlines()[-1]
        assert re.fullmatch(rf"  .*starlette-flask {''.join(command) or 'settings'} .*", last)

    @pytest.mark.parametrize("command", ["inspect", "sign"])
    def test_help_has_the_options_in_groups(self, command: str) -> None:
        """Those for keys stand together, and those that follow the application, with their defaults."""
        out = call(command, "--help").out
        keys = out.partition("\nsecret keys:\n")[2].partition("\n\n")[0]
        assert re.findall(r"^  (--[\w-]+)", keys, re.MULTILINE) == ["--key-env", "--key-file", "--ask-key"]
        settings_of_it = out.partition("\nsettings of the application:\n")[2].partition("\n\n")[0]
        found = re.findall(r"^  (--[\w-]+)", settings_of_it, re.MULTILINE)
        assert found == ["--app", "--name", "--salt", "--digest", "--key-derivation"]

    @pytest.mark.parametrize(
        "argv",
        [
            (),
            ("nothing",),
            ("inspect", "--nothing"),
            ("--hel",),
            ("inspect", "--dig", "sha1"),
            ("sign", "--dig", "sha1"),
            ("inspect", "--digest", "md5", "x"),
            ("sign", "--key-derivation", "any", "{}"),
        ],
    )
    def test_wrong_usage_is_told(self, argv: tuple[str, ...]) -> None:
        result = call(*argv)
        assert (result.code, result.out) == (2, "")
        assert "usage: starlette-flask" in result.err

    @pytest.mark.parametrize(
        ("argv", "words"),
        [
            ((), "no command was given: inspect, sign, settings"),
            (("--json", "x"), "--json is not an option here, a command comes first: inspect, sign, settings"),
            (("--key=hunter2", "x"), "--key is not an option here"),
            (("insepct", "x"), "'insepct' is not a command: inspect, sign, settings\n"),
            (("e30.a.b",), "is not a command: inspect, sign, settings; for a cookie: starlette-flask inspect e30.a.b"),
            (("inspect", "--max-age", "1h", "x"), "argument --max-age: '1h' is not a whole number of seconds"),
            (("sign", "--at", "1" * 19, "{}"), "is not a whole number of seconds, such as 3600"),
            (
                ("inspect", "a", "hunter2"),
                "unrecognized arguments: not shown, as one may be a key (put COOKIE or JSON in quotes, and behind --",
            ),
            (("sign", "--password=hunter2", "{}"), "unrecognized arguments: --password (put COOKIE"),
            (("inspect", "a", "-xhunter2", "--keyy", "hunter2 --b"), "unrecognized arguments: -x, --keyy (put COOKIE"),
            (("sign", "--at", "-5", "{}"), "argument --at: -5 is before 1970: it must be 0 or more\n"),
            *(
                (("inspect", option, "", "x"), f"argument {option}: it must not be empty: give a value, or leave")
                for option in ("--name", "--app", "--key-file")
            ),
            (("inspect", "--digest", "md5", "x"), "argument --digest: invalid choice: 'md5'"),
        ],
    )
    def test_what_was_wrong_with_what_was_typed(self, argv: tuple[str, ...], words: str) -> None:
        result = call(*argv)
        assert (result.code, result.out) == (2, "")
        assert words in result.err
        assert "hunter2" not in result.err

    @pytest.mark.parametrize(
        "argv",
        [("{}",), ("inspect", "--digest", "{}"), ("sign", "--at", "{}")],
    )
    @pytest.mark.parametrize("text", ["\x1b]0;title\x07", "\u202e", "\u3164", "\udc9b"])
    def test_wrong_usage_does_not_steer_the_terminal(self, argv: tuple[str, ...], text: str) -> None:
        result = call(*(argument.format(text) for argument in argv))
        assert (result.code, result.out) == (2, "")
        assert json.dumps(text)[1:-1] in result.err.replace("\\x1b", "\\u001b").replace("\\x07", "\\u0007")
        assert text not in result.err

    def test_the_version(self, monkeypatch: pytest.MonkeyPatch) -> None:
        libraries = f"(Python {platform.python_version()}, itsdangerous {metadata.version('itsdangerous')})\n"
        assert call("--version") == (0, f"starlette-flask {metadata.version('starlette-flask')} {libraries}", "")

        def not_installed(_: str) -> str:
            raise metadata.PackageNotFoundError

        monkeypatch.setattr(metadata, "version", not_installed)
        assert call("--version").out.startswith("starlette-flask of unknown version (Python ")

    @pytest.mark.parametrize(
        ("command", "words"),
        [
            ("inspect", ["whether the\napplication opens it", "exit codes:", "with these keys:", "examples:"]),
            (
                "inspect",
                ["\nSecret keys come", "variables FLASK_SECRET_KEY and SECRET_KEY,", "\n--app takes", "\n  2   "],
            ),
            ("sign", ["signed with the current key", "exit codes:", "examples:"]),
            ("settings", ["for the day when Flask goes", "exit codes:", "example:"]),
        ],
    )
    def test_each_command_has_its_own_help(self, command: str, words: list[str]) -> None:
        result = call(command, "--help")
        assert result.code == 0
        assert all(word in result.out for word in words)

    def test_a_reader_that_goes_away_is_no_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "w") as stream:
            monkeypatch.setattr(sys, "stdout", stream)
            assert main(["inspect", value({"user": 1})]) == 141

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's device")
    def test_a_full_disk_is_told(self) -> None:
        with Path("/dev/full").open("wb") as full:
            process = start("inspect", value({"user": 1}), stdout=full, stderr=subprocess.PIPE)
            _, err = process.communicate(timeout=30)
        assert process.returncode == 2
        assert re.fullmatch(rb"starlette-flask: .*No space left.*\n", err)

    def test_no_output_is_said_to_be_none(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(sys, "stdout", None)
        assert main(["inspect", value({"user": 1})]) == 2
        assert capsys.readouterr().err == "starlette-flask: there is no standard output\n"

    def test_an_interruption_is_no_traceback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupted(_: str) -> str:
            signal.raise_signal(signal.SIGINT)
            return ""

        monkeypatch.setattr("starlette_flask._cli.keys.getpass", interrupted)
        assert main(["inspect", "--ask-key", "x"]) == 130

    def test_the_end_of_input_instead_of_a_key_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("starlette_flask._cli.keys.getpass", lambda _: input())
        assert call("inspect", "--ask-key", "x").code == 2


def check_bearing(result: Result) -> None:
    assert result.code in (0, 1, 2)
    assert result.out.replace("\n", "").isprintable()
    assert (result.code == 2) == bool(result.err)


class TestHostileInput:
    """Whatever is given, there is a report or one line that says what is wrong."""

    SPECIAL = st.sampled_from(["session=", "Cookie: ", "Set-Cookie: ", ".", ";", "=", '"', "%", "eyJ", ".eJ", "null"])

    @given(parts=st.lists(SPECIAL | st.text(max_size=20), max_size=8))
    @example(parts=["a=", "\ud800"])
    @settings(deadline=None)
    def test_text_to_inspect(self, parts: list[str]) -> None:
        for argv in (("inspect",), ("inspect", "--json")):
            check_bearing(call(*argv, "--", "".join(parts), SECRET_KEY=KEY))

    @given(text=st.binary(max_size=100))
    @settings(deadline=None)
    def test_bytes_to_inspect(self, text: bytes) -> None:
        check_bearing(call("inspect", stdin=text, SECRET_KEY=KEY))
        check_bearing(call("inspect", signed(base64_encode(text)), SECRET_KEY=KEY))
        check_bearing(call("inspect", signed(b"." + base64_encode(zlib.compress(text)))))

    @given(data=st.data(), content=st.dictionaries(st.text(max_size=5), st.text() | st.integers(), max_size=3))
    @settings(deadline=None)
    def test_a_cookie_with_one_byte_changed_never_opens_as_something_else(
        self, data: st.DataObject, content: dict[str, Any]
    ) -> None:
        cookie = call("sign", json.dumps(content), SECRET_KEY=KEY).out.strip()
        at = data.draw(st.integers(0, len(cookie) - 1))
        other = data.draw(st.characters(max_codepoint=255))
        text = cookie[:at] + other + cookie[at + 1 :]
        result = call("inspect", "--json", "--", text, SECRET_KEY=KEY)
        check_bearing(result)
        if result.code == 0:  # base64 has spare bits at its end, and blanks around a value are no part of it
            assert result.report["content"] == json.loads(json.dumps(content))

    @given(
        text=st.text(max_size=30)
        | st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from([" t", " b", " m", " u", " d", " di", "a"]), inner, max_size=2)
            ),
        ).map(json.dumps)
    )
    @settings(deadline=None)
    def test_text_to_sign(self, text: str) -> None:
        for argv in (("sign",), ("sign", "--tagged", "--permanent")):
            check_bearing(result := call(*argv, "--", text, SECRET_KEY=KEY))
            if result.code == 0:
                assert inspect(result.out.strip(), SECRET_KEY=KEY)["opens"] is True
