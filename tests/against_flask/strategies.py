"""What is drawn: settings, values, operations on a session, and Cookie fields, sound and broken."""

from __future__ import annotations

import json
import zlib
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from itsdangerous.encoding import base64_encode, int_to_bytes
from markupsafe import Markup

from .harness import (
    CONFORMANCE,
    FLASK,
    HAS_FALLBACKS,
    HAS_NEW_GRAMMAR,
    OPERATIONS,
    WERKZEUG,
    FlaskSide,
    Operation,
    Request,
)


def examples(usual: int) -> Any:
    """Return settings for a property: ``usual`` examples, always the same; in the conformance run many, new ones."""
    profile = settings.default
    assert profile is not None
    return settings(
        # As many times more as that profile has above hypothesis' default.
        max_examples=usual * profile.max_examples // 100 if CONFORMANCE else usual,
        deadline=None,
        derandomize=not CONFORMANCE,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


# Values that a session may hold


class Colour(str, Enum):
    RED = "red"


class Number(IntEnum):
    ONE = 1


class Text(str):
    __slots__ = ()


Point = namedtuple("Point", "x y")


@dataclass
class Item:
    sku: str = "A-1"
    price: Decimal = Decimal("1.50")


@dataclass
class Html:
    """Has what makes Flask store it as Markup."""

    text: str = "<b>"

    def __html__(self) -> str:
        return self.text


@dataclass
class NotHtml:
    __html__: str = "no method"


@dataclass
class Unstorable:
    items: set[int] = field(default_factory=lambda: {1})


zones = st.sampled_from([None, timezone.utc, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=11))])
texts = st.one_of(
    st.sampled_from(["", "ada", "Zoë 北京 🍕", "\u2028\x00\x7f", "\ud800", "None", " t", " t__", "long " * 40]),
    st.text(max_size=12),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**70, -(2**64), 10**400, 0.1, 1e300, -0.0, float("inf"), float("nan")]),
    st.floats(),
    texts,
    st.binary(max_size=20),
    st.uuids(),
    st.datetimes(timezones=zones, min_value=datetime(1000, 1, 1)),
    texts.map(Markup),
)
#: Stored, but what comes back is another type.
foreign = st.one_of(
    st.dates(min_value=date(1000, 1, 1)),
    st.decimals(),
    texts.map(Text),
    texts.map(Html),
    st.sampled_from([Colour.RED, Number.ONE, Point(1, (2,)), Item(), NotHtml(), OrderedDict(b=1, a=[()])]),
    st.dictionaries(st.integers(), st.none(), max_size=2),
    st.just({None: 1}),
    st.just({True: 1.5}),
)
#: A reason for Flask to answer 500.
unstorable = st.one_of(
    st.sampled_from([Unstorable(), {1, 2}, 1j, object, Item, b"".join, {1: 0, "a": 0}, {None: 0, 1: 0}]),
    st.just({(1, 2): 0}),
    st.just({b"bytes": 0}),
    st.just(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))),  # in UTC, the year 0
)
names = st.one_of(
    st.sampled_from(["a", "b", "c", "_permanent", "_flashes", "", "é", "\udcff", " t", " di", " b__", " t__"]),
    st.text(max_size=4),
)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return what makes lists, tuples and dicts of such leaves, and dicts that read like a tag."""
    return st.one_of(
        st.lists(leaves, max_size=3),
        st.lists(leaves, max_size=3).map(tuple),
        st.dictionaries(names, leaves, max_size=3),
        st.tuples(st.sampled_from([" t", " b", " m", " u", " d", " di", " t__", " di__"]), leaves).map(
            lambda pair: {pair[0]: pair[1]}
        ),
    )


values = st.recursive(st.one_of(scalars, foreign), nested, max_leaves=6)
#: What Flask gives back as it was given.
faithful = st.recursive(scalars, nested, max_leaves=6)
contents = st.dictionaries(names, faithful, max_size=4)
values_that_change = st.one_of(st.lists(faithful, max_size=2), st.dictionaries(names, faithful, max_size=2))
any_values = st.recursive(st.one_of(scalars, scalars, foreign, unstorable), nested, max_leaves=6)


# Settings

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _is_key(key: str | bytes) -> bool:
    """Say whether this is neither empty nor a mask, which this project refuses."""
    text = key.decode("latin-1") if isinstance(key, bytes) else key
    return text.strip().strip("*").lower() not in ("", "none", "null", "undefined")


keys = st.one_of(
    st.sampled_from(["k", b"k", "a secret key", "schlüssel-鍵", b"\x00\xff\xfe", "x" * 65, b"\x80" * 64]),
    st.text(min_size=1, max_size=20).filter(_is_key),
    st.binary(min_size=1, max_size=20).filter(_is_key),
)
lifetimes = st.one_of(
    st.sampled_from([0, 1, 60, 0.5, 1.999999, 31 * 86400, timedelta(days=31), timedelta(microseconds=999_999)]),
    st.integers(0, 10**9),
    st.timedeltas(timedelta(0), timedelta(days=3650)),
)
hosts = st.one_of(
    st.sampled_from([None, "localhost", "example.com", ".example.com", "example.com:5000", "..a.b", "127.0.0.1"]),
    st.sampled_from(
        ["bücher.example", "BÜCHER.example", "EXAMPLE.com", "a_b.example", "北京。example", "straße.de:80"]
    ),
    st.from_regex(r"\.?[a-z0-9]{1,8}(-[a-z0-9]{1,3})?(\.[a-z]{2,6}){0,2}(:[0-9]{1,5})?", fullmatch=True),
)
paths = st.one_of(
    st.sampled_from(["/", "/app", "/app/", "/ü/北", "/a b", "/a%20b", "/%", "/a?b#c", '/"<>\\', "//", "/a=b,c~{|}"]),
    st.text(st.characters(exclude_characters=";\x7f", exclude_categories=("Cc", "Cs")), max_size=6).map("/".__add__),
)
cookie_names = st.one_of(
    st.just("session"),
    st.sampled_from(["s", "sess", "_session", "session.id", "app|session", "Session", "%73", "__secure", "a" * 80]),
    st.text(TOKEN, min_size=1, max_size=8).filter(lambda name: not name.startswith("__")),
)
same_sites = st.sampled_from([None, "Lax", "lax", "LAX", "sTRICT", "strict", "Strict", "None", "none", "nOnE"])


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw settings that both accept."""
    config: dict[str, Any] = {"SECRET_KEY": draw(keys)}
    optional = {
        "SESSION_COOKIE_NAME": cookie_names,
        "SESSION_COOKIE_PATH": st.none() | st.just("") | paths,
        "APPLICATION_ROOT": st.none() | paths,
        "SESSION_COOKIE_DOMAIN": hosts,
        "SESSION_COOKIE_SECURE": st.booleans(),
        "SESSION_COOKIE_HTTPONLY": st.booleans(),
        "SESSION_COOKIE_SAMESITE": same_sites,
        "PERMANENT_SESSION_LIFETIME": lifetimes,
        "SESSION_REFRESH_EACH_REQUEST": st.booleans(),
        "MAX_COOKIE_SIZE": st.sampled_from([0, 400, 4093]),
    }
    if HAS_FALLBACKS:
        optional["SECRET_KEY_FALLBACKS"] = st.none() | st.lists(keys, max_size=3) | st.tuples(keys)
    if FLASK >= (3, 1):
        optional["SESSION_COOKIE_PARTITIONED"] = st.booleans()
    for setting in draw(st.sets(st.sampled_from(sorted(optional)))):
        config[setting] = draw(optional[setting])
    if draw(st.integers(0, 9)) == 0:  # a name that browsers take with these settings only
        config.update(SESSION_COOKIE_NAME="__Host-session", SESSION_COOKIE_SECURE=True)
        config.update(SESSION_COOKIE_PATH="/", SESSION_COOKIE_DOMAIN=None)
    return config


interfaces = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {},
        optional={
            "salt": st.sampled_from(["cookie-session", "another", "sälze", b"\xff bytes", ""]),
            "key_derivation": st.sampled_from(["hmac", "concat", "django-concat", "none"]),
            "digest_method": st.sampled_from(["sha1", "sha256", "sha512", "blake2b", "sha3_256"]).map(
                lambda name: getattr(__import__("hashlib"), name)
            ),
        },
    ),
)


# Operations


def _operation(name: str, *args: st.SearchStrategy[Any]) -> st.SearchStrategy[Operation]:
    return st.tuples(st.just(name), st.tuples(*args)).map(lambda pair: Operation(*pair))


session_keys = st.one_of(st.sampled_from(["a", "a", "a", "b", "b", "c", "_permanent"]), names)
any_keys = st.one_of(session_keys, session_keys, session_keys, st.sampled_from([1, None, (1, 2), 1.5, b"k"]))
mappings = st.dictionaries(session_keys, values, max_size=3)
pairs = st.lists(st.tuples(session_keys, values), max_size=3)
words = st.dictionaries(st.sampled_from(["a", "b", "c", "key", "default", "arg", "_permanent"]), scalars, max_size=2)
flags = st.one_of(st.booleans(), st.booleans(), st.sampled_from([0, 1, "", "yes", None]))
stored = st.one_of(values, values, values, values, unstorable)

reading = st.one_of(
    _operation("session[key]", any_keys),
    _operation("get", any_keys),
    _operation("get", any_keys, scalars),
    _operation("in", any_keys),
    *[
        _operation(name)
        for name in (
            *("len", "bool", "list", "reversed", "keys", "values", "items", "dict", "unpack", "copy"),
            *("permanent", "modified"),
        )
    ],
    _operation("==", mappings),
    _operation("!=", mappings),
    _operation("session |", mappings),
    _operation("| session", mappings),
)
writing = st.one_of(
    _operation("session[key] =", session_keys, stored),
    _operation("session[key] =", any_keys, values),
    _operation("del", any_keys),
    _operation("pop", any_keys),
    _operation("pop", any_keys, scalars),
    _operation("popitem"),
    _operation("clear"),
    _operation("pop(key=, default=)", any_keys, scalars),
    _operation("setdefault(key=, default=)", session_keys, stored),
    _operation("setdefault", any_keys),
    _operation("setdefault", session_keys, stored),
    _operation("update"),
    _operation("update", mappings),
    _operation("update", pairs),
    _operation("update(**)", words),
    _operation("update(**)", words, mappings),
    _operation("permanent =", flags),
    _operation("permanent =", st.just(True)),
    _operation("modified =", st.booleans()),
    _operation("change nested, modified =", st.sampled_from(["a", "b"]), st.booleans()),
    *([_operation("|=", mappings), _operation("|=", pairs)] if "|=" in OPERATIONS else []),
    *([_operation("accessed =", st.booleans())] if "accessed =" in OPERATIONS else []),
)
#: These fail while they run, at once or half way.
failing = st.one_of(
    _operation("session[key]", st.just([])),
    _operation("in", st.just({})),
    _operation("pop", st.just([]), st.none()),
    _operation("setdefault", st.just([]), st.none()),
    _operation("del", st.just([])),
    _operation("session |", st.just(5)),
    _operation("| session", st.just(5)),
)
operations = st.one_of(reading, writing, writing, failing)
programs = st.one_of(st.lists(operations, max_size=6), st.lists(reading, max_size=2)).map(tuple)


# Cookies


@dataclass(frozen=True)
class Value:
    """A signed value to be: what it holds, how it is spelt, by which key and when it is signed, and its damage."""

    content: Any
    spelling: str = "flask"
    key: int = 0  #: counted from the current one on; where there is none, it is a key that nobody knows
    age: int = 0  #: seconds
    at_edge: bool = False  #: whether the age is counted from the lifetime's end
    damage: tuple[tuple[str, int, bytes], ...] = ()

    def render(self, side: FlaskSide, now: int) -> bytes:
        with side.flask.app_context():
            signing = side.signing()
            payload = self._payload(signing)
        signing.secret_keys = [*reversed(signing.secret_keys), b"nobody knows this"][self.key : self.key + 1] or [b"-"]
        age = self.age + (int(side.flask.permanent_session_lifetime.total_seconds()) if self.at_edge else 0)
        signer: Any = signing.make_signer()
        signed = payload + b"." + base64_encode(int_to_bytes(max(now - age, 0)))
        value = signed + b"." + signer.get_signature(signed)
        for kind, place, junk in self.damage:
            value = _damaged(value, kind, place % (len(value) + 1), junk)
        return value

    def _payload(self, signing: Any) -> bytes:
        if self.spelling == "raw":  # bytes that no serializer wrote, yet with a good signature
            return self.content
        if self.spelling == "flask":
            return signing.dump_payload(self.content)
        text = json.dumps(signing.serializer.tag(self.content), indent=1, default=str)
        if self.spelling == "compressed":
            return b"." + base64_encode(zlib.compress(text.encode(), 1))
        return base64_encode(text.encode())


def _damaged(value: bytes, kind: str, place: int, junk: bytes) -> bytes:
    if kind == "cut":
        return value[:place]
    if kind == "insert":
        return value[:place] + junk + value[place:]
    if kind == "replace":
        return value[:place] + junk + value[place + len(junk) :]
    return value + junk


junk = st.one_of(
    st.sampled_from([b".", b"=", b"==", b"A", b"+", b"/", b"-", b"%", b"\\", b"!!!!"]), st.binary(max_size=4)
)
damages = st.one_of(
    st.just(()),
    st.just(()),
    st.lists(
        st.tuples(st.sampled_from(["cut", "insert", "replace", "append"]), st.integers(0, 400), junk),
        min_size=1,
        max_size=2,
    ).map(tuple),
)
ages = st.sampled_from([0, 0, 0, 0, 1, -1, -2, 59, 60, 61, 86400, 10**9, -(10**9)])
spellings = st.sampled_from(["flask", "flask", "loose", "compressed"])
#: Payloads with a good signature that hold no session: Flask answers 500 or sees an empty one.
no_sessions = st.one_of(
    st.sampled_from(["null", "1", '"text"', "[1]", "true", "{", "", "\ufeff{}", "nan", '{" t":[1]}', '{" d":null}']),
    st.sampled_from(
        ['{"a":{" b":1}}', '{"a":{" u":"x"}}', '{"a":{" di":{}}}', '{"a":{" t":null}}', '{"a":{" b":"é"}}']
    ),
    st.sampled_from(
        ['{"a":{"\\u0020t":[1]}}', '{"\\u0020di":{"\\u0020t__":1}}', ' {" t": [{" t" : []}]} ', '{"a": "x\\u0020"}']
    ),
    # A session, which cannot be written again: the date is of the year 10000 in UTC.
    st.just('{"a":[1,{" d":"Fri, 31 Dec 9999 23:59:59 -0500"}]}'),
    st.text(max_size=6),
).map(lambda text: base64_encode(text.encode()))
raw_payloads = st.one_of(
    no_sessions, st.sampled_from([b"", b".", b"A", b".A", b".eJwA", b"e30=", b"e30"]), st.binary(max_size=8)
)

sessions = st.one_of(
    contents,
    st.fixed_dictionaries(
        {"a": st.one_of(values_that_change, faithful)},
        optional={"b": values_that_change, "c": scalars, "_permanent": flags},
    ),
)
#: What a browser that comes back soon brings.
good = st.builds(Value, sessions, spellings, st.sampled_from([0, 0, 0, 1]), st.sampled_from([0, 0, 0, 1, 59]))
signed = st.builds(
    Value,
    sessions,
    spellings,
    st.sampled_from([0, 0, 0, 0, 1, 2, 3]),
    ages,
    st.sampled_from([False, False, False, True]),
    damages,
)
signed_junk = st.builds(Value, raw_payloads, st.just("raw"))

#: Cookie fields around the session's name and value. In the first ones it is found, in some of the others.
SOUND = [
    b"%(name)s=%(value)s",
    b"%(name)s=%(value)s",
    b"%(name)s=%(value)s",
    b"theme=dark; %(name)s=%(value)s; _ga=GA1.2.3",
    b"x%(name)s=1; %(name)sx=2; x=%(name)s; %(name)s=%(value)s; %(name)s=3",
    b'%(name)s="%(value)s"',
    b'%(name)s="%(escaped)s"',
    b' \t%(name)s \t=\t %(value)s \t; x = "y"',
    b"n\xc3\xa4me=w\xc3\xa9rt; %(name)s=%(value)s",
    b"n\xe4me=w\xe9rt; \xff; %(name)s=%(value)s",
    b"x=%(value)s;%(name)s=%(value)s",
    b";;%(name)s=%(value)s;",
    b'a="b" c; %(name)s=%(value)s',
]
TEMPLATES = [
    *SOUND,
    b"x%(name)s=%(value)s",
    b"%(name)sx=%(value)s",
    b"x; %(name)s",
    b"%(name)s; x=%(name)s",
    b"%(name)s=",
    b'%(name)s=""',
    b'"%(name)s=%(value)s',
    b'"%(name)s"=%(value)s',
    b'a="; %(name)s=%(value)s',
    b'a="\\"; %(name)s=%(value)s"',
    b"%(name)s==%(value)s",
    b"=%(name)s=%(value)s",
    b"%(name)s=%(value)s x",
    b'%(name)s="%(value)s" x',
    b'%(name)s="%(value)s',
    b"%(name)s %(name)s=%(value)s",
    b"x=%(value)s;%(name)s",
    b"%(name)s\x00=%(value)s",
    b"\r%(name)s=%(value)s",
    b"%(name)s=%(value)s\n",
    b"",
]


@dataclass(frozen=True)
class Cookie:
    """One Cookie field to be. ``None`` for a value: the cookie that the last response set."""

    value: Value | None
    template: bytes = TEMPLATES[0]

    def render(self, side: FlaskSide, now: int, kept: bytes | None) -> bytes | None:
        value = kept if self.value is None else self.value.render(side, now)
        if value is None:
            return None
        words = {b"name": side.name, b"value": value, b"escaped": escaped(value)}
        return self.template % words


def escaped(value: bytes) -> bytes:
    """Return a value with every other byte as an octal escape, as ``http.cookies`` writes unusual ones."""
    return b"".join(b"\\%03o" % byte if index % 2 else bytes([byte]) for index, byte in enumerate(value))


cookies = st.one_of(
    st.tuples(st.builds(Cookie, good, st.sampled_from(SOUND))),
    st.tuples(st.builds(Cookie, good, st.sampled_from(SOUND)), st.builds(Cookie, signed)),
    st.tuples(st.builds(Cookie, st.none(), st.sampled_from(SOUND))),
    st.lists(
        st.builds(
            Cookie,
            st.one_of(signed, signed, signed_junk, st.none()),
            st.sampled_from(TEMPLATES if HAS_NEW_GRAMMAR else SOUND),
        ),
        max_size=2,
    ).map(tuple),
)


# Requests


@dataclass(frozen=True)
class Visit:
    """A request to be: it is put together with the settings and the cookie that the response before it set."""

    cookies: tuple[Cookie, ...]
    operations: tuple[Operation, ...]
    headers: tuple[tuple[str, str], ...]
    wait: int  #: seconds since the one before

    def render(self, side: FlaskSide, now: int, kept: bytes | None) -> Request:
        fields = [cookie.render(side, now, kept) for cookie in self.cookies]
        return Request(tuple(field for field in fields if field is not None), self.operations, self.headers)


varies = st.one_of(
    st.sampled_from(
        ["Accept-Encoding", "accept,  Origin", "Cookie", "Accept, cookie", "*", "COOKIE,a", "", "a ,b"]
        + (["a,,b", ",", " , a"] if WERKZEUG >= (3, 1, 7) else [])  # which made quotes of nothing before
    ),
    st.lists(st.text(TOKEN, min_size=1, max_size=6), max_size=3).map(", ".join),
).map(lambda value: ("Vary", value))
#: Of Vary, one field at most; see the deliberate differences.
response_headers = st.one_of(
    st.just(()),
    st.just(()),
    st.tuples(varies),
    st.tuples(st.just(("Set-Cookie", "other_cookie=1; Path=/"))),
    st.tuples(st.just(("SET-COOKIE", "other_cookie=1")), st.just(("Set-Cookie", "another_cookie=2; Secure"))),
)
visits = st.builds(Visit, cookies, programs, response_headers, st.sampled_from([0, 0, 1, 60, 61, 10**6]))
