"""The cookie grammar, with the real Werkzeug reading and writing the same fields."""

from __future__ import annotations

import re
import string
import time
from collections.abc import Callable
from datetime import datetime, timezone
from itertools import product
from typing import Any

import pytest
import time_machine
import werkzeug.http
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.sansio.http import parse_cookie

from starlette_flask.cookies import (
    CookieWriter,
    cookie_field,
    count_pairs,
    is_cookie_value,
    parse_set_cookie,
    quote_value,
    read_cookie,
    unescape,
    with_cookie_field,
    with_pair,
)

NOW = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)


def as_werkzeug_reads(*fields: bytes, name: str = "session") -> bytes | None:
    """The value that a Flask application would see, in UTF-8 as itsdangerous takes it."""
    value = parse_cookie(";".join(field.decode("latin-1") for field in fields)).get(name)
    return None if value is None else value.encode()


def read(*fields: bytes, name: bytes = b"session") -> bytes | None:
    return read_cookie([(b"host", b"session=x"), *((b"cookie", field) for field in fields)], name)


class TestRead:
    """The value is the one that Werkzeug reads, ``None`` where Werkzeug sees no such cookie."""

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            (b"session=abc.def-_", b"abc.def-_"),
            (b"a=1; session=abc; b=2", b"abc"),
            (b"a=1;session=abc;b=2", b"abc"),
            (b"a=1; session=abc;b=2;c=3", b"abc"),
            (b"session=first; session=second", b"first"),
            (b"session=; session=second", b""),
            (b"session; session=second", b""),
            (b"session", b""),
            (b"session=", b""),
            (b"session = ", b""),
            (b"session=a=b==", b"a=b=="),
            (b"session==", b"="),
            (b" \tsession\t = \tabc \t; x=1", b"abc"),
            (b"session=a b", None),
            (b"session=a\tb", None),
            (b"x=1; session=a b", None),
            (b"x=1; session=a\tb; y=2", None),
            (b"x=1; session=ab ; y=2", b"ab"),
            (b"session=a b; session=ok", b"ok"),
            (b"session x=1", None),
            (b"x session=1", None),
            (b"xsession=1; sessionx=2; x-session=3", None),
            (b"xsession=1; session=2", b"2"),
            (b"sessionsession=1; session=2", b"2"),
            (b"x=session; session=2", b"2"),
            (b"x=session=1", None),
            (b"x=session", None),
            (b"Session=1", None),
            (b"=session", None),
            (b"=1; session=2", b"2"),
            (b";;; ;session=2;;", b"2"),
            (b"session=a,b; x=1", b"a,b"),
            (b"session=a\nb\r\x00", b"a\nb\r\x00"),
            (b"session = \x0bv\n", b"\x0bv\n"),
            (b"session =XvX ; x=1", b"XvX"),
            (b"\nsession=1", None),
            (b"session=\xe9\xff", "éÿ".encode()),
            (b'session="abc"', b"abc"),
            (b'session=""', b""),
            (b'session = "a b; c" ; x=1', b"a b; c"),
            (b'session="a;session=b"; session=c', b"a;session=b"),
            (b'x="; session=no"; session=yes', b"yes"),
            (rb'session="a\"b\\c\073\12\400\377"'.replace(rb"\377", b""), rb'a"b\c;12400'),
            (rb'session="\303\251"', "é".encode()),
            (rb'session="\377"', "\ufffd".encode()),
            (b'session="\xe9"', "é".encode()),
            ('session="\\é\\"'.encode(), None),
            (b'session="abc', None),
            (b'session="abc; session=ok', b"ok"),
            (b'session="a"b; session=ok', b"ok"),
            (b'session=a"b; session=ok', b"ok"),
            (b'session="a" b; session=ok', b"ok"),
            (b'session="\\', None),
            (b'session="a\\\nb"; session=ok', b"ok"),
            (b'"session"=1; session=ok', b"ok"),
            (b'x="1"; session', b""),
            (b'x="1"; session=; session=2', b""),
            (b'x="1"; session=bare', b"bare"),
            (b'x="1"; y=2', None),
            (b"", None),
        ],
    )
    def test_one_field(self, field: bytes, expected: bytes | None) -> None:
        assert as_werkzeug_reads(field) == expected
        assert read(field) == expected

    def test_any_character_at_the_ends_of_a_value(self) -> None:
        """Only blanks and tabs around a value are no part of it, whether it is the only cookie or one of several."""
        for character in map(chr, range(1, 0x7F)):
            if character in '";':
                continue
            for field in (f"session={character}a{character}", f"x=1; session={character}a{character};y=2"):
                assert read(field.encode()) == as_werkzeug_reads(field.encode()), field

    pieces = (b"session", b"session=", b"x", b"=", b"==", b";", b"; ", b" ", b"\t", b'"', b"\\", b"\n", b",", b"\\073")

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.sampled_from(pieces), max_size=12).map(b"".join))
    def test_any_field(self, field: bytes) -> None:
        assert read(field) == as_werkzeug_reads(field)

    def test_fields_of_one_request_are_joined(self) -> None:
        fields = [b"a=1", b"session=2", b"session=3"]
        assert read(*fields) == as_werkzeug_reads(*fields) == b"2"
        assert read(b'x="', b'"; session=1') == as_werkzeug_reads(b'x="', b'"; session=1') == b"1"

    @pytest.mark.parametrize("headers", [[], [(b"host", b"session=1")], [(b"cookies", b"session=1")]])
    def test_other_headers_do_not_count(self, headers: list[tuple[bytes, bytes]]) -> None:
        assert read_cookie(headers, b"session") is None
        assert read_cookie([*headers, (b"cookie", b"session=2")], b"session") == b"2"

    @pytest.mark.parametrize("name", [b"session", b"X", b"XXXX"])
    def test_without_a_field_there_is_no_cookie_of_any_name(self, name: bytes) -> None:
        assert read_cookie([], name) is None

    def test_headers_may_be_any_sequence(self) -> None:
        assert read_cookie(((b"cookie", b"session=1"),), b"session") == b"1"
        assert read_cookie(((b"cookie", b""), (b"cookie", b"a=1"), (b"cookie", b"session=1")), b"session") == b"1"

    @pytest.mark.parametrize("name", ["a.b", "$x", "a+b", "__Host-s", "(", "[a-z]", "*"])
    def test_a_name_is_no_pattern(self, name: str) -> None:
        field = f"aXb=0; {name}=1; ; a=2".encode()
        assert read(field, name=name.encode()) == as_werkzeug_reads(field, name=name) == b"1"

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from([b"cookie", b"host"]), st.binary(max_size=20)), max_size=3))
    def test_it_raises_nothing(self, headers: list[tuple[bytes, bytes]]) -> None:
        for name in (b"session", b"\xff", b"a"):
            value = read_cookie(headers, name)
            assert value is None or b";" not in value or any(b'"' in field for _, field in headers)

    def test_unescape_leaves_what_is_no_escape(self) -> None:
        assert unescape(rb"a\\\"\101\199\x\777") == rb"a\"A199x777"


def werkzeug_writes(
    value: str = "v", expires: float | None = None, max_age: int | None = None, **kwargs: Any
) -> bytes:
    kwargs["samesite"] = kwargs.pop("same_site")
    text = werkzeug.http.dump_cookie("s", value, max_age, expires, sync_expires=False, **kwargs)
    return text.encode("ascii")


SETTINGS = [
    {
        "path": path,
        "domain": domain,
        "secure": secure,
        "httponly": httponly,
        "same_site": same_site,
        "partitioned": chips,
    }
    for path, domain, secure, httponly, same_site, chips in product(
        [None, "/", "/a b/é%20%zz\"<>?#'()*+,:=@!$&[]~"],
        [None, "example.com", ".example.com", "Example.COM:8000", "bücher.example", "localhost", "127.0.0.1", "a_b.c"],
        [False, True],
        [False, True],
        [None, "lax", "STRICT", "None"],
        [False, True],
    )
]


class TestWrite:
    """A Set-Cookie field has the bytes of ``werkzeug.http.dump_cookie``."""

    def test_every_combination_of_attributes(self) -> None:
        for kwargs in SETTINGS:
            writer = CookieWriter("s", **kwargs)
            assert writer.name == b"s"
            for expires, max_age in ((None, None), (1700000000, None), (None, 60), (0, 0)):
                field = writer.field(b"v", expires=expires, max_age=max_age)
                assert field == werkzeug_writes(expires=expires, max_age=max_age, **kwargs)

    def test_the_deletion(self) -> None:
        for kwargs in SETTINGS:
            assert CookieWriter("s", **kwargs).deletion == werkzeug_writes("", 0, 0, **kwargs)

    def test_the_defaults(self) -> None:
        assert CookieWriter("s").field(b"v") == b"s=v; HttpOnly; Path=/"

    def test_a_domain_keeps_its_first_letter(self) -> None:
        """Of what a domain begins with, only dots are no part of it."""
        for letter in string.ascii_letters + string.digits:
            field = CookieWriter("s", domain=f".{letter}.example").field(b"v")
            assert field == f"s=v; Domain={letter}.example; HttpOnly; Path=/".encode()

    def test_true_and_false_may_be_other_things(self) -> None:
        """Flask's configuration may hold ``1`` and ``0``, from the environment."""
        on: Any = {"secure": 1, "httponly": "yes", "partitioned": 1}
        off: Any = {"secure": 0, "httponly": "", "partitioned": None}
        assert CookieWriter("s", **on).field(b"v") == b"s=v; Secure; HttpOnly; Path=/; Partitioned"
        assert CookieWriter("s", **off).field(b"v") == b"s=v; Path=/"
        assert CookieWriter("s", **on).is_set_by(CookieWriter("s", partitioned=True).field(b"v"), "/")

    @settings(max_examples=100, deadline=None)
    @given(
        st.text("abcAB019-_.:=/@", min_size=1),
        st.integers(0, 2 * 10**11),
        st.none() | st.integers(-5, 10**9),
        st.text(max_size=8).map(lambda text: "/" + "".join(c for c in text if c.isprintable() and c != ";")),
    )
    @example("v", 1, 1, "/\x80\x9f\xa0")
    def test_any_value_date_age_and_path(self, value: str, expires: int, max_age: int | None, path: str) -> None:
        field = CookieWriter("s", path=path).field(value.encode(), expires=expires, max_age=max_age)
        assert field == werkzeug_writes(value, expires, max_age, path=path, httponly=True, same_site=None)

    def test_a_value_that_needs_no_quotes_is_known(self) -> None:
        for value in ["", "abc.DEF-_0", *map(chr, range(0x180)), "é", "a b", "ﬀ", "٣", "a\n", "\ud800"[:0]]:
            is_bare = werkzeug.http.dump_cookie("k", value).startswith(f"k={value};")
            assert is_cookie_value(value) is is_bare, value

    @given(st.text())
    @example("".join(map(chr, range(0x180))))
    def test_any_value_in_quotes(self, value: str) -> None:
        """Werkzeug lets 0x1A to 0x1F pass, which no header may have."""
        escaped = re.sub(
            "[\x1a-\x1f]", lambda m: f"\\{ord(m[0]):03o}", werkzeug.http.dump_cookie("k", value, path=None)
        )
        assert b"k=%b" % quote_value(value) == escaped.encode()


class TestPath:
    """A browser sends the cookie back to its path and what is below it."""

    @pytest.mark.parametrize(
        ("path", "request_path", "covers"),
        [
            (None, "/a", True),
            ("/", "", True),
            ("/", "/a", True),
            ("/a", "/a", True),
            ("/a", "/a/", True),
            ("/a", "/a/b", True),
            ("/a/", "/a/b", True),
            ("/a/", "/a", False),
            ("/a", "/ab", False),
            ("/aX", "/a/b", False),
            ("/a", "/", False),
            ("/a b", "/a b/c", True),
        ],
    )
    def test_covers(self, path: str | None, request_path: str, covers: bool) -> None:
        assert CookieWriter("s", path=path).covers(request_path) is covers


class TestSettings:
    """A setting that no browser would take is refused, by its name and with what was given."""

    def test_names(self) -> None:
        """A cookie's name is a token of RFC 9110 5.6.2, neither more nor less."""
        token = {*string.ascii_letters, *string.digits, *"!#$%&'*+-.^_`|~"}
        for character in map(chr, range(0x180)):
            for name in (character, f"a{character}b", f"ab{character}"):
                if character in token:
                    assert CookieWriter(name).field(b"v") == f"{name}=v; HttpOnly; Path=/".encode()
                    continue
                with pytest.raises(ValueError, match="session_cookie=") as caught:
                    CookieWriter(name)
                assert repr(name) in str(caught.value)

    @pytest.mark.parametrize("name", ["", "a\r\nSet-Cookie: b", "a=1; Domain=b", "\uff41"])
    def test_more_names(self, name: str) -> None:
        with pytest.raises(ValueError, match="session_cookie="):
            CookieWriter(name)

    @pytest.mark.parametrize("name", ["session", "__host", "_Host-a", "__Host", "x__Host-", "__Hosta-"])
    def test_names_without_a_prefix_need_nothing(self, name: str) -> None:
        assert CookieWriter(name, path="/a", httponly=False).field(b"v") == f"{name}=v; Path=/a".encode()

    @pytest.mark.parametrize("path", ["", "a", "a/b", " /", "/a;b", "/\r\nX: y", "/\x00", "/\x1f", "/\x7f", "\\", "*"])
    def test_paths(self, path: str) -> None:
        with pytest.raises(ValueError, match="path=") as caught:
            CookieWriter("s", path=path)
        assert repr(path) in str(caught.value)

    @pytest.mark.parametrize(
        "domain",
        [
            *("", ".", ":8000", "[::1]", "a..b", "-a.com", "a-.com", "a.-b", "a.b-", "a.com.", "x" * 64 + ".com"),
            *("a b.com", "a.com/x", "a;b", "a,b", "a=b", "a@b", "*.a.com", "a\n", "a.com\r\nX: y", "a\x00", "\x7f"),
        ],
    )
    def test_domains(self, domain: str) -> None:
        with pytest.raises(ValueError, match="domain=") as caught:
            CookieWriter("s", domain=domain)
        assert repr(domain) in str(caught.value)

    @pytest.mark.parametrize("same_site", ["", "lux", " lax", "lax;", "strict\r\n", "no"])
    def test_same_site(self, same_site: str) -> None:
        with pytest.raises(ValueError, match="same_site=") as caught:
            CookieWriter("s", same_site=same_site)
        assert repr(same_site) in str(caught.value)

    @pytest.mark.parametrize(
        ("make", "setting", "kind"),
        [
            (lambda: CookieWriter(b"s"), "session_cookie must be a str,", "bytes"),  # type: ignore[arg-type]
            (lambda: CookieWriter(None), "session_cookie must be a str,", "NoneType"),  # type: ignore[arg-type]
            (lambda: CookieWriter("s", path=b"/"), "path must be a str or None", "bytes"),  # type: ignore[arg-type]
            (lambda: CookieWriter("s", domain=False), "domain must be a str or None", "bool"),  # type: ignore[arg-type]
            (lambda: CookieWriter("s", same_site=0), "same_site must be a str or None", "int"),  # type: ignore[arg-type]
        ],
    )
    def test_types(self, make: Callable[[], CookieWriter], setting: str, kind: str) -> None:
        with pytest.raises(TypeError, match=setting) as caught:
            make()
        assert str(caught.value).endswith(f"not {kind}")

    prefixes = (
        ("__Secure-", {"https_only=True"}),
        ("__Host-", {"https_only=True", "path='/' and domain=None"}),
        ("__Http-", {"https_only=True", "httponly=True"}),
        ("__Host-Http-", {"https_only=True", "httponly=True", "path='/' and domain=None"}),
    )

    @pytest.mark.parametrize(("prefix", "needs"), prefixes)
    @pytest.mark.parametrize("spelling", [str, str.upper, str.lower])
    def test_prefixes(self, prefix: str, needs: set[str], spelling: Callable[[str], str]) -> None:
        """Browsers keep a cookie with such a name only if its attributes are those that the name promises."""
        name = spelling(prefix) + "s"
        for secure, partitioned, httponly, path, domain in product(
            [False, True], [False, True], [False, True], ["/", "/a", None], [None, "a.com"]
        ):
            missing = needs & {
                *(() if secure or partitioned else ("https_only=True",)),
                *(() if httponly else ("httponly=True",)),
                *(() if path == "/" and domain is None else ("path='/' and domain=None",)),
            }
            kwargs: dict[str, Any] = {"secure": secure, "partitioned": partitioned, "httponly": httponly}
            if not missing:
                field = CookieWriter(name, **kwargs, path=path, domain=domain).field(b"v")
                assert field.startswith(f"{name}=v; ".encode())
                continue
            with pytest.raises(ValueError, match="session_cookie=") as caught:
                CookieWriter(name, **kwargs, path=path, domain=domain)
            _, _, named = str(caught.value).partition(" without ")
            assert sorted(named.split(" and ")) == sorted(" and ".join(missing).split(" and "))


class TestParseSetCookie:
    """A Set-Cookie field is read as a browser reads it: which cookie it sets, and whether it removes it."""

    @pytest.mark.parametrize(
        ("field", "name", "value"),
        [
            (b"s=v", b"s", b"v"),
            (b" s\t= v ;x", b"s", b"v"),
            (b"s=a=b; Path=/", b"s", b"a=b"),
            (b"s=; Path=/", b"s", b""),
            (b"s", b"s", b""),
            (b"", b"", b""),
            (b"\x0cs=\x0bv\x0b", b"\x0cs", b"\x0bv\x0b"),
            (b's="a b"', b"s", b"a b"),
            (rb's="a\073\"b"', b"s", b'a;"b'),
            (b's=""', b"s", b""),
            (b's="', b"s", b'"'),
            (b's="a', b"s", b'"a'),
            (b's=a"', b"s", b'a"'),
        ],
    )
    def test_name_and_value(self, field: bytes, name: bytes, value: bytes) -> None:
        parsed = parse_set_cookie(field)
        assert (parsed.name, parsed.value) == (name, value)

    @pytest.mark.parametrize(
        ("attributes", "request_path", "path"),
        [
            (b"Path=/a", "/x/y", "/a"),
            (b"pAtH = /a ", "/x/y", "/a"),
            (b"Path=/a; Path=/b", "/x/y", "/b"),
            (b"Path=/a=b", "/x/y", "/a=b"),
            (b"Path=a", "/x/y", "/x"),
            (b"Path=", "/x/y", "/x"),
            (b"Path", "/x/y", "/x"),
            (b"", "/x/y/", "/x/y"),
            (b"", "/x", "/"),
            (b"", "/", "/"),
            (b"", "", "/"),
        ],
    )
    def test_path(self, attributes: bytes, request_path: str, path: str) -> None:
        assert parse_set_cookie(b"s=v; " + attributes, request_path).path == path

    @pytest.mark.parametrize(
        ("attributes", "domain", "partitioned"),
        [
            (b"Secure", "", False),
            (b"Domain=A.Example", "a.example", False),
            (b"DOMAIN=.a.example;Domain=.b.example", "b.example", False),
            (b"Domain=a; Partitioned", "a", True),
            (b"partitioned=0", "", True),
            (b"x=Partitioned", "", False),
        ],
    )
    def test_domain_and_partitioning(self, attributes: bytes, domain: str, partitioned: bool) -> None:
        parsed = parse_set_cookie(b"s=v; " + attributes, "/")
        assert (parsed.domain, parsed.partitioned) == (domain, partitioned)
        assert parsed.attributes.keys() == {part.split(b"=")[0].lower().decode() for part in attributes.split(b"; ")}

    @pytest.mark.parametrize(
        ("attributes", "deletes"),
        [
            (b"", False),
            (b"Max-Age=0", True),
            (b"max-age = 000", True),
            (b"Max-Age=-1", True),
            (b"Max-Age=-0", True),
            (b"Max-Age=1", False),
            (b"Max-Age=10", False),
            (b"Max-Age=0; Max-Age=5", False),
            (b"Max-Age=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT", False),
            (b"Max-Age=0; Expires=Thu, 01 Jan 2099 00:00:00 GMT", True),
            (b"Max-Age=zero; Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),
            (b"Max-Age=0.5; Expires=Thu, 01 Jan 2099 00:00:00 GMT", False),
            (b"Max-Age=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),
            (b"Expires=Thu, 01 Jan 1970 00:00:00 GMT", True),
            (b"Expires=Thu, 29 Feb 2024 11:59:59 GMT", True),
            (b"Expires=Thu, 29 Feb 2024 12:00:00 GMT", True),
            (b"Expires=Thu, 29 Feb 2024 12:00:01 GMT", False),
            (b"Expires=Thu, 29 Feb 2024 12:00:00 -0000", True),
            (b"Expires=Thu, 29 Feb 2024 12:00:01 -0000", False),
            (b"Expires=Thu, 29 Feb 2024 13:00:00 +0100", False),
            (b"Expires=Thu, 29 Feb 2024 12:00:00 EST", True),
            (b"Expires=Thu, 29 Feb 2024 11:30:00 -0100", True),
            (b"Expires=0", False),
            (b"Expires=never", False),
            (b"Expires", False),
            (b"Expires=\xff", False),
        ],
    )
    @time_machine.travel(NOW, tick=False)
    def test_deletion(self, attributes: bytes, deletes: bool) -> None:
        assert parse_set_cookie(b"s=v; " + attributes, "/").deletes is deletes

    @time_machine.travel(NOW, tick=False)
    @pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows cannot change its time zone for one process")
    @pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
    def test_dates_are_no_matter_of_the_local_time_zone(self, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            assert parse_set_cookie(b"s=v; Expires=Thu, 29 Feb 2024 11:59:59 -0000", "/").deletes
            assert not parse_set_cookie(b"s=v; Expires=Thu, 29 Feb 2024 12:00:01 -0000", "/").deletes
        finally:
            monkeypatch.undo()
            time.tzset()

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=40), st.text(max_size=5))
    @example(b"s=v;Domain=\xff;Path=/\xff;Max-Age=\xb2;Expires=\xb2 Jan \xb2", "")
    def test_it_raises_nothing(self, field: bytes, request_path: str) -> None:
        parsed = parse_set_cookie(field, request_path)
        assert parsed.path
        assert b";" not in parsed.name + parsed.value or b'"' in field


class TestIsSetBy:
    """A field sets this very cookie where name, domain, path and partitioning are the same, however it is spelt."""

    identity = tuple(
        {"path": path, "domain": domain, "partitioned": partitioned}
        for path, domain, partitioned in product(["/", "/a b", None], [None, "a.com", "b.a.com"], [False, True])
    )

    def test_its_own_fields_and_werkzeug_s(self) -> None:
        for kwargs in SETTINGS:
            writer = CookieWriter("s", **kwargs)
            for field in (writer.deletion, writer.field(b"v"), werkzeug_writes('"v"', 0, 5, **kwargs)):
                assert writer.is_set_by(field, "/x/y")

    def test_those_of_another_cookie_are_told_apart(self) -> None:
        for ours, theirs in product(self.identity, self.identity):
            field = CookieWriter("s", **theirs, secure=True, same_site="lax").field(b"v")
            assert CookieWriter("s", **ours, secure=True).is_set_by(field, "/x/y") is (ours == theirs)

    @pytest.mark.parametrize(
        ("field", "same"),
        [
            (b"session=v; Path=/", True),
            (b" \tsession = v;path=/", True),
            (b"session; Path=/", True),
            (b"sessions=v; Path=/", False),
            (b"Session=v; Path=/", False),
            (b"x=session; Path=/", False),
            (b"x; session=v; Path=/", False),
            (b"sess=v; Path=/", False),
            (b"session=v; Path=/; Domain=a.com", False),
            (b"session=v; Path=/; Domain=", True),
            (b"session=v; Path=/a; Path=/", True),
            (b"", False),
        ],
    )
    def test_spellings(self, field: bytes, same: bool) -> None:
        assert CookieWriter("session").is_set_by(field, "/a/b") is same

    @pytest.mark.parametrize(
        ("request_path", "path", "same"),
        [("/a/b", b"Path=/a", True), ("/a/b", b"Path=/", False), ("/b", b"Path=/", True), ("/b", b"", True)],
    )
    def test_without_a_path_the_request_s_counts(self, request_path: str, path: bytes, same: bool) -> None:
        assert CookieWriter("s", path=None).is_set_by(b"s=v; " + path, request_path) is same

    @pytest.mark.parametrize(("request_path", "same"), [("/a", True), ("/a/b", False), ("/", True)])
    def test_a_field_without_a_path_has_the_request_s(self, request_path: str, same: bool) -> None:
        assert CookieWriter("s").is_set_by(b"s=v", request_path) is same

    def test_a_domain_in_any_case_and_with_a_dot(self) -> None:
        for domain, field in product(
            ["Bücher.Example", ".BÜCHER.example:80"], [b"xn--bcher-kva.example", b".XN--BCHER-kva.example"]
        ):
            assert CookieWriter("s", domain=domain).is_set_by(b"s=v; Path=/; Domain=" + field, "/")


class TestOddInput:
    """What no browser and no server sends still raises nothing, or is refused when the application is built."""

    def test_a_date_beyond_all_dates(self) -> None:
        odd = parse_set_cookie(b"a=b; Expires=99 Jan +99999999999999999999 1.2.3 -0000", "/")
        assert (odd.value, odd.deletes) == (b"b", False)

    def test_a_path_without_slash(self) -> None:
        assert parse_set_cookie(b"a=b", "no/leading").path == "/"

    @pytest.mark.parametrize("domain", ["https://example.com", "example.com:", "example.com:x"])
    def test_a_url_is_no_domain(self, domain: str) -> None:
        with pytest.raises(ValueError, match="domain="):
            CookieWriter("s", domain=domain)

    def test_a_second_before_the_epoch(self) -> None:
        assert b"; Expires=Wed, 31 Dec 1969 23:59:59 GMT" in CookieWriter("s").field(b"v", expires=-1)


#: Pieces of which fields are made that look like cookies, and some that do not.
odd_pieces = (
    b"session", b"session=1", b'session="1"', b'session="\\";"',
    b" session = 2 ", b"a=b", b'a="', b'b"', b'"', b"a=x y",
    b"; ", b";", b" ", b"\\", b"=", b"\xe4=\xff",
)  # fmt: skip
odd_fields = st.lists(st.sampled_from(odd_pieces), max_size=8).map(b"".join) | st.binary(max_size=20)


class TestWithPair:
    """Who reads the Cookie field then, reads the new value, and everything else as before."""

    @settings(max_examples=300, deadline=None)
    @example(b'a="x; session="1"; b"; c', b"new")
    @example(b'session=1; a="x', None)
    @example(b"session=1; session=2; a=b", b"new")
    @given(odd_fields, st.none() | st.just(b"new.value-_"))
    def test_any_field(self, field: bytes, value: bytes | None) -> None:
        before = parse_cookie(field.decode("latin-1")).to_dict(flat=False)
        after = parse_cookie(with_pair(field, b"session", value).decode("latin-1")).to_dict(flat=False)
        assert after.pop("session", None) == (None if value is None else [value.decode()])
        assert count_pairs(field, b"session") == len(before.pop("session", []))
        assert after == before

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            (b"X=1; s=2; a=X", b"s=3; X=1; a=X"),
            (b"a=1; s=2", b"s=3; a=1"),
            (b'a="x; s=1;y"; s=2', b's=3; a="x; s=1;y"'),
            (b"", b"s=3"),
        ],
    )
    def test_nothing_else_is_touched(self, field: bytes, expected: bytes) -> None:
        assert with_pair(field, b"s", b"3") == expected

    @pytest.mark.parametrize(
        ("fields", "expected"),
        [([], (b"", False)), ([b"a=1"], (b"a=1", False)), ([b""], (b"", False)), ([b"", b"a=1"], (b"; a=1", True))],
    )
    def test_how_many_fields_there_are(self, fields: list[bytes], expected: tuple[bytes, bool]) -> None:
        assert cookie_field([(b"host", b"a"), *((b"cookie", field) for field in fields)]) == expected

    def test_the_field_takes_the_place_of_the_first(self) -> None:
        headers = [(b"a", b"1"), (b"cookie", b"x=1"), (b"b", b"2"), (b"cookie", b"y=2")]
        assert cookie_field(headers) == (b"x=1; y=2", True)
        assert with_cookie_field(headers, b"z=3") == [(b"a", b"1"), (b"cookie", b"z=3"), (b"b", b"2")]
        assert with_cookie_field(headers, b"") == [(b"a", b"1"), (b"b", b"2")]
        assert with_cookie_field([(b"a", b"1")], b"z=3") == [(b"a", b"1"), (b"cookie", b"z=3")]
