"""The Cookie field alone: for any bytes and any name, the value that Flask's request has."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.sansio.request import Request as FieldsRequest
from werkzeug.wrappers import Request

from starlette_flask.cookies import read_cookie

from .harness import HAS_NEW_GRAMMAR, count
from .strategies import TOKEN, examples

NAMES = ["session", "s", "a", "e", "session2", "\xe9"]


def ours(fields: list[bytes], name: str) -> bytes | None:
    headers = [(b"host", b"x"), *((b"cookie", field) for field in fields)]
    return read_cookie(headers, name.encode())


def same(fields: list[bytes]) -> None:
    """Compare what the two read for each name that there is, and for some more."""
    # An HTTP/2 server joins the fields, and hands them over as text in Latin-1.
    present = Request({"HTTP_COOKIE": b"; ".join(fields).decode("latin-1")}).cookies
    for name in {*NAMES, *present}:
        value = present.get(name)
        assert ours(fields, name) == (None if value is None else value.encode())
    count("cookie fields", fields)


#: What means something to the grammar, in many more combinations than chance has.
pieces = st.one_of(
    st.sampled_from([*'=";\\ \t,', *"sae1", "session", "session=", '"', "\\", ";", " "]).map(str.encode),
    st.sampled_from(
        [
            b"session=v",
            b'session="v',
            b'"; ',
            b'\\"',
            b"\\\\",
            b"\\042",
            b"\\377",
            b"\\400",
            b"\\303\\251",
            b"\\8",
            b"\\",
        ]
    ),
    st.sampled_from(["\xe9", "\u2028", "\xa0", "\x85", "\u5317", "\U0001f355"]).map(str.encode),
    st.binary(min_size=1, max_size=1),
)
fields = st.one_of(
    st.lists(pieces, max_size=14).map(b"".join),
    st.text('="; \\se1', max_size=16).map(str.encode),
    st.binary(max_size=16),
)

new_grammar = pytest.mark.skipif(not HAS_NEW_GRAMMAR, reason="read otherwise before Werkzeug 3.1.9")


class TestReadCookie:
    """``read_cookie`` returns what Flask's ``request.cookies.get`` returns."""

    @new_grammar
    @examples(400)
    @given(fields)
    @example(b"session")
    @example(b"session=")
    @example(b'session=""')
    @example(b'session="')
    @example(b'session="\n"')
    @example(b'session="\\\n"')
    @example(b'session="\\377\\400\\777\\08\\8"')
    @example(b'session="a" b; session=c')
    @example(b'session="a;session=b;c"')
    @example(b'x="; session=a"; session=b')
    @example(b'x=y"; session=a; z="')
    @example(b"session = a b; session=c")
    @example(b"session==")
    @example(b"xsession=a;session=b")
    @example(b"sessionx=a;session=b")
    @example(b"session=a;session=b")
    @example(b"\xe9=\xff; session=a")
    def test_any_field(self, field: bytes) -> None:
        same([field])

    @new_grammar
    @examples(150)
    @given(st.lists(fields, max_size=4))
    @example([b"session", b"=a"])
    @example([b'x="', b'session=a"', b"session=b"])
    @example([b"", b"session=a", b""])
    def test_several_fields(self, several: list[bytes]) -> None:
        same(several)
        # What an application sees that gets the fields themselves, as Quart does; they hold no newline there, and
        # nothing but a value in quotes that were split can tell what they are joined with.
        if any(b'"' in field for field in several):
            return
        one_line = [field.replace(b"\n", b"").replace(b"\r", b"") for field in several]
        headers = Headers([("Cookie", field.decode("latin-1")) for field in one_line])
        present = FieldsRequest("GET", "http", None, "", "/", b"", headers, None).cookies
        for name in {*NAMES, *present}:
            value = present.get(name)
            assert ours(one_line, name) == (None if value is None else value.encode())

    @examples(100)
    @given(st.lists(st.tuples(st.text(TOKEN, min_size=1, max_size=3), st.text(TOKEN, max_size=3)), max_size=5))
    def test_what_browsers_send(self, cookies: list[tuple[str, str]]) -> None:
        """Then the first of a name counts, and both sides of it come back."""
        field = "; ".join("=".join(pair) for pair in cookies).encode()
        same([field])
        for name, value in dict(reversed(cookies)).items():
            assert ours([field], name) == value.encode()

    @new_grammar
    @pytest.mark.parametrize(
        "field",
        [
            b'session="\\"' + b"\\" * 20_000,
            b'session="' + b'\\"' * 20_000,
            b" " * 40_000,
            b'session=" ;' * 4_000,
            b"session;" + b"session\t" * 4_000,
        ],
        ids=range(5),
    )
    def test_a_long_field_without_an_end(self, field: bytes) -> None:
        same([field])
