"""What a verified value holds is kept for the next request, and nobody gets more out of it by that."""

from __future__ import annotations

import hashlib
import logging
import sys
import time
import tracemalloc
import zlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, ClassVar
from uuid import UUID

import flask
import msgspec
import pytest
import time_machine
from itsdangerous import BadPayload

from starlette_flask import JSONTag, SessionCodec, SessionMiddleware, TaggedJSONSerializer
from starlette_flask.contents import Stored, stored
from starlette_flask.verified import VerifiedValues
from tests.asgi import KEY, Fickle, app_that, call, flask_reader, opened, signed

NOW = 1_700_000_000
DAY = 24 * 3600
CONTENTS: dict[str, Any] = {
    "flat": {"name": "ada", "nothing": None, "user": 7},
    "flat, with tags": {"at": datetime(2001, 9, 9, tzinfo=timezone.utc), "raw": b"\x00"},
    "nested": {"cart": [{"sku": "a"}, (1, 2)], "user": 7},
    "nested, with tags": {"seen": [datetime(2001, 9, 9, tzinfo=timezone.utc)]},
    "empty": {},
}


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def spy(monkeypatch: pytest.MonkeyPatch, middleware: SessionMiddleware, name: str) -> list[str]:
    """The calls of a method of the middleware's codec, which works on."""
    calls: list[str] = []
    method = getattr(middleware._codec, name)
    monkeypatch.setattr(middleware._codec, name, lambda *args: calls.append(name) or method(*args))
    return calls


class TestOpening:
    """A value is verified once, and every request finds the same in it."""

    @pytest.mark.parametrize("name", CONTENTS)
    def test_it_is_verified_once(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        content, seen = CONTENTS[name], []
        middleware = SessionMiddleware(app_that(lambda session: seen.append((dict(session), session.new))), KEY)
        verified, cookie = spy(monkeypatch, middleware, "open"), signed(content)
        for _ in range(5):
            assert call(middleware, cookie=cookie).set_cookies == []
        assert [repr(found) for found in seen] == [repr((content, False))] * 5
        assert verified == ["open"]

    def test_it_grows_old(self, clock: time_machine.Traveller) -> None:
        seen: list[Any] = []
        middleware = SessionMiddleware(app_that(lambda session: seen.append(dict(session))), KEY, leeway=3)
        cookie = signed({"user": 7})
        for age, opens in ((0, 1), (0, 1), (31 * DAY, 1), (31 * DAY + 1, 0), (-3, 1), (-4, 0), (10**9, 0), (60, 1)):
            clock.move_to(NOW + age, tick=False)
            call(middleware, cookie=cookie)
            assert seen.pop() == ({"user": 7} if opens else {})

    @pytest.mark.parametrize("other", [{"secret_key": "another"}, {"salt": "x"}, {"max_age": 5}])
    def test_another_middleware_knows_nothing_of_it(
        self, other: dict[str, Any], clock: time_machine.Traveller
    ) -> None:
        seen: list[Any] = []
        app = app_that(lambda session: seen.append(dict(session)))
        one, two = SessionMiddleware(app, KEY), SessionMiddleware(app, **{"secret_key": KEY, **other})
        cookie = signed({"user": 7}, age=60)
        for middleware in (one, one, two, two, one):
            call(middleware, cookie=cookie)
        assert seen == [{"user": 7}, {"user": 7}, {}, {}, {"user": 7}]

    def test_what_does_not_open_opens_no_better_the_next_time(self) -> None:
        seen: list[Any] = []
        middleware = SessionMiddleware(app_that(lambda session: seen.append(dict(session))), KEY)
        for content in ([1], 5, "text"):
            for _ in range(3):
                call(middleware, cookie=signed(content))
        for _ in range(3):
            call(middleware, cookie=signed({"user": 7})[:-3])
        assert seen == [{}] * 12

    def test_what_cannot_be_parsed_again_is_an_empty_session(self) -> None:
        """A serializer of an application's own may change its mind; that is its matter, and no error."""

        seen: list[Any] = []
        middleware = SessionMiddleware(
            app_that(lambda session: seen.append(dict(session))), KEY, serializer=(serializer := Fickle())
        )
        cookie = signed({"user": 7})
        call(middleware, cookie=cookie)
        serializer.broken = True
        call(middleware, cookie=cookie)
        assert seen == [{"user": 7}, {}]


def test_what_is_kept_and_cannot_be_read_again_is_an_empty_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """As from deep within a stack, on the Pythons that count it: a date in a list is kept as text."""
    seen: list[Any] = []
    middleware = SessionMiddleware(app_that(lambda s: seen.append(dict(s))), KEY)
    cookie = signed({"days": [datetime(2001, 9, 9, tzinfo=timezone.utc)]})
    call(middleware, cookie=cookie)

    def fail(*_: Any) -> Any:
        raise BadPayload("too deep")

    monkeypatch.setattr(SessionCodec, "deserialize", fail)
    call(middleware, cookie=cookie)
    assert ("days" in seen[0], seen[1]) == (True, {})


class TestIsolation:
    """Each request has objects of its own, whatever is shared behind them."""

    @pytest.mark.parametrize("content", [{"cart": [1, {"deep": [2]}], "user": 7}, {"user": 7}], ids=["nested", "flat"])
    def test_nobody_gets_another_requests_objects(self, content: dict[str, Any]) -> None:
        """Users of one shared cookie, each of whom changes in place what they got."""
        before, got = repr(content), []

        def change(session: Any) -> None:
            got.append(session)
            assert repr(dict(session)) == before
            for value in session.values():
                if isinstance(value, list):
                    value[1]["deep"].append("mine")
                    value.append(len(got))
            dict.__setitem__(session, "user", "eve")
            session["mine"] = len(got)

        cookie = signed(content)
        middleware = SessionMiddleware(app_that(change), KEY)
        for number in range(1, 6):
            saved = call(middleware, cookie=cookie).saved
            assert (saved["mine"], saved["user"]) == (number, "eve")
            assert "cart" not in saved or saved["cart"] == [1, {"deep": [2, "mine"]}, number]
        assert len({id(session) for session in got}) == 5

    @pytest.mark.parametrize(
        ("content", "change"),
        [
            ({"n": 0}, lambda s: dict.__setitem__(s, "user", "eve")),
            ({"cart": []}, lambda s: (s["cart"].append("eve"), setattr(s, "accessed", False))),
        ],
        ids=["past the tracking", "accessed taken back"],
    )
    def test_nobody_gets_what_another_changed_unseen(self, content: dict[str, Any], change: Any) -> None:
        """Two users of one cookie, who got it in one second: what one of them changes is nobody else's."""
        content = {**content, "_permanent": True}
        cookie, eve = signed(content, age=5), [False, True, False, True, False]
        middleware = SessionMiddleware(app_that(lambda session: change(session) if eve.pop(0) else None), KEY)
        for is_eve in [*eve]:
            saved = call(middleware, cookie=cookie).saved
            assert is_eve or saved == content

    def test_own_tags_give_what_they_gave_at_first(self) -> None:
        class TagBytearray(JSONTag):
            __slots__ = ()
            key = " ba"

            def check(self, value: Any) -> bool:
                return isinstance(value, bytearray)

            def to_json(self, value: Any) -> Any:
                return value.hex()

            def to_python(self, value: Any) -> Any:
                return bytearray.fromhex(value)

        (serializer := TaggedJSONSerializer()).register(TagBytearray)
        seen: list[Any] = []
        middleware = SessionMiddleware(app_that(lambda s: seen.append(s["a"])), KEY, serializer=serializer)
        cookie = middleware._codec.dumps({"a": bytearray(b"xy")})
        for _ in range(4):
            call(middleware, cookie=cookie)
        assert [type(value) for value in seen] == [bytearray] * 4


class TestRefreshing:
    """A permanent session is set by every response: Flask's bytes, each second anew, whatever was remembered."""

    #: What a browser has at first: also of writers who sort no keys, as Quart.
    texts: ClassVar[dict[str, str]] = {
        **{name: TaggedJSONSerializer().dumps({**content, "_permanent": True}) for name, content in CONTENTS.items()},
        "unsorted": '{"b":1,"_permanent":true,"a":2}',
        "unsorted, nested": '{"b":{"d":1,"c":[2]},"_permanent":true,"a":2}',
        "unsorted, nested, with tags": '{"b":{"d":1,"c":2},"_permanent":true,"a":{" m":"x"}}',
        "unsorted, nested, with tags inside": '{"b":{"d":{" m":"x"},"c":2},"_permanent":true,"a":1}',
    }

    @pytest.mark.parametrize("times", [1, 2, 3])
    @pytest.mark.parametrize("name", texts)
    @pytest.mark.parametrize("reads", [False, True], ids=["untouched", "read"])
    def test_as_flask(self, name: str, reads: bool, times: int, clock: time_machine.Traveller) -> None:
        """The bytes, and the session that is found: the order of its keys, too. Each cookie comes some times."""
        found: dict[str, list[str]] = {"ours": [], "theirs": []}

        def use(session: Any, whose: str = "ours") -> str:
            if reads:
                found[whose].append(repr(dict(session)))
            return ""

        flask_app = flask_reader()
        flask_app.add_url_rule("/", "view", lambda: use(flask.session, "theirs"))
        middleware = SessionMiddleware(app_that(use), KEY, same_site=None)
        codec = middleware._codec
        value = codec.sign(codec.pack(self.texts[name].encode()), NOW).decode()
        for second in range(1, 4):
            for _ in range(times):
                clock.move_to(NOW + second // 2, tick=False)
                theirs = flask_app.test_client(use_cookies=False).get("/", headers={"Cookie": f"session={value}"})
                ours = call(middleware, cookie=value)
                assert ours.set_cookies == theirs.headers.getlist("Set-Cookie")
                assert ours.vary == ["Cookie"]
            value = ours.set_cookies[0].partition(";")[0].partition("=")[2]
        assert found["ours"] == found["theirs"]
        assert len(found["ours"]) == 3 * times * reads

    def test_the_new_value_need_not_be_verified(
        self, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "starlette_flask")
        middleware = SessionMiddleware(app_that(dict), KEY)
        verified = spy(monkeypatch, middleware, "open")
        value = signed({"_permanent": True, "user": 7})
        for second in range(5):
            clock.move_to(NOW + second, tick=False)
            (field,) = call(middleware, cookie=value).set_cookies
            value = field.partition(";")[0].partition("=")[2]
        assert verified == ["open"]
        assert all("opened with the current key" in line for line in caplog.messages)

    @pytest.mark.parametrize("text", ["x" * 100, hashlib.shake_256(b"").hexdigest(3000)], ids=["small", "large"])
    def test_it_is_packed_once(self, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A page's requests bring the same cookie side by side, the next page's a renewed one."""
        middleware = SessionMiddleware(app_that(dict), KEY, max_cookie_size=0)
        content = {"_permanent": True, "text": text, "now": time.time()}
        value, packed = signed(content, age=60), []
        compress = zlib.compress
        monkeypatch.setattr(zlib, "compress", lambda data: packed.append(data) or compress(data))
        for _ in range(5):
            response = call(middleware, cookie=value)
            assert response.saved == content
            assert [name for name, _ in response.start["headers"]] == [b"set-cookie", b"vary"]
        renewed = response.set_cookies[0].partition(";")[0].partition("=")[2]
        assert call(middleware, cookie=renewed).saved == content
        assert len(packed) == 1

    @pytest.mark.parametrize("times", [1, 2, 3])
    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            (lambda s: s["cart"].append(2), {"cart": [1, 2]}),
            (lambda s: s.update(user=7), {"user": 7}),
            (lambda s: s.pop("cart"), {"cart": None}),
        ],
        ids=["nested", "a key", "a key less"],
    )
    def test_a_change_is_saved(self, change: Callable[[Any], object], expected: dict[str, Any], times: int) -> None:
        cookie = signed({"_permanent": True, "cart": [1]})
        middleware = SessionMiddleware(app_that(change), KEY)
        wanted = {key: value for key, value in {"cart": [1], **expected}.items() if value is not None}
        for _ in range(times):
            assert call(middleware, cookie=cookie).saved == {"_permanent": True, **wanted}

    def test_numbers_as_keys_keep_flasks_order(self, clock: time_machine.Traveller) -> None:
        """As text, which they are in the cookie, they have another; who does not touch them writes that one."""

        def change(session: Any) -> None:
            session["scores"].update({int(key): session["scores"].pop(key) for key in ["9", "10"]})

        changes: list[Any] = []
        flask_app = flask_reader()
        flask_app.add_url_rule("/", "view", lambda: changes[-1](flask.session) or "")
        middleware = SessionMiddleware(app_that(lambda session: changes[-1](session)), KEY, same_site=None)
        value = signed({"_permanent": True, "scores": {9: 1, 10: 2}})
        for second, changed in enumerate([True, True, False, False, True, True]):
            changes.append(change if changed else dict)
            clock.move_to(NOW + second, tick=False)
            theirs = flask_app.test_client(use_cookies=False).get("/", headers={"Cookie": f"session={value}"})
            ours = call(middleware, cookie=value)
            assert ours.set_cookies == theirs.headers.getlist("Set-Cookie")
            value = ours.set_cookies[0].partition(";")[0].partition("=")[2]

    def test_a_change_that_was_taken_back_is_saved_with_the_rest(self) -> None:
        """As in Flask: what is set again is the whole session, also what ``modified = False`` had left unsaved."""

        def change(session: Any) -> None:
            session["user"] = 7
            session.modified = False

        flask_app = flask_reader()
        flask_app.add_url_rule("/", "view", lambda: change(flask.session) or "")
        cookie = signed({"_permanent": True, "user": 1})
        middleware = SessionMiddleware(app_that(change), KEY)
        for _ in range(3):
            client = flask_app.test_client(use_cookies=False)
            (theirs,) = client.get("/", headers={"Cookie": f"session={cookie}"}).headers.getlist("Set-Cookie")
            saved = call(middleware, cookie=cookie).saved
            assert saved == opened(theirs.partition(";")[0].partition("=")[2]) == {"_permanent": True, "user": 7}

    def test_what_cannot_be_read_again_is_set_all_the_same(self) -> None:
        class TagOnce(JSONTag):
            """Reads one value and then no more."""

            key = " once"
            read = False

            def check(self, value: Any) -> bool:
                return isinstance(value, complex)

            def to_json(self, value: Any) -> Any:
                return [value.real, value.imag]

            def to_python(self, value: Any) -> Any:
                if TagOnce.read:
                    raise LookupError
                TagOnce.read = True
                return complex(*value)

        serializer = TaggedJSONSerializer()
        serializer.register(TagOnce)
        middleware = SessionMiddleware(app_that(), KEY, serializer=serializer)
        cookie = middleware._codec.dumps({"_permanent": True, "z": 1j})
        (field,) = call(middleware, cookie=cookie).set_cookies
        value = field.partition(";")[0].partition("=")[2]
        assert opened(value) == {"_permanent": True, "z": {" once": [0.0, 1.0]}}

    def test_an_own_serializer_is_asked_each_time(self) -> None:
        class Counting(TaggedJSONSerializer):
            written = 0

            def dumps(self, value: Any) -> str:
                self.written += 1
                return super().dumps({**value, "written": self.written} if value else value)

        middleware = SessionMiddleware(app_that(), KEY, serializer=Counting())
        cookie, saved = signed({"_permanent": True}), []
        for _ in range(3):
            saved.append(call(middleware, cookie=cookie).saved["written"])
        assert saved == sorted(set(saved))


SHAPES: dict[str, dict[str, Any]] = {
    "small": {"user": 7},
    "a log-in": {"_fresh": True, "_id": "a" * 128, "_user_id": "4711", "csrf_token": "b" * 40, "locale": "en_GB"},
    "one long text": {"noise": hashlib.shake_256(b"noise").hexdigest(1100)},
    "many keys": {f"k{number}": f"{number} {'text ' * 4}" for number in range(40)},
    # One character beyond the rest makes Python hold all with four bytes each.
    "a wide text": {"name": "\U0001f600" + "a" * 7000},
    "wide texts": {f"\U0001f600{number}": "\U0001f600" + "a" * 200 for number in range(24)},
    "UUIDs": {f"k{number}": UUID(int=number << 100) for number in range(30)},
    "datetimes": {f"k{number}": datetime(2001, 9, 9, tzinfo=timezone.utc) for number in range(30)},
    "hundreds of numbers": {f"k{number}": number + 0.5 for number in range(300)},
    "nested": {"list": [{"a": number, "b": "text"} for number in range(130)]},
    "many empty lists": {"list": [[] for _ in range(1000)]},
    "what marshal does not know": {"list": [datetime(2001, 9, 9, tzinfo=timezone.utc)] * 30},
}
CODEC = SessionCodec(KEY)


def kept(number: int, content: dict[str, Any]) -> tuple[bytes, Stored]:
    """A value of its own, and what it holds, as objects of their own."""
    serialized = CODEC.serialize({**content, "number": number})
    value = CODEC.sign(CODEC.pack(serialized), NOW)
    return value, stored(CODEC.deserialize(serialized), serialized, CODEC.deserialize, NOW, value)


class TestMemory:
    """What is kept takes no more memory than there is room, whatever users send; the oldest goes first."""

    @pytest.mark.parametrize("name", SHAPES)
    def test_is_bounded(self, name: str) -> None:
        _, holds = kept(-1, SHAPES[name])
        room = 200 * holds.size()
        values = VerifiedValues(room)
        values.add(holds)  # what the first use allocates once
        tracemalloc.start()
        try:
            before, most = tracemalloc.get_traced_memory()[0], 0
            for number in range(300):
                _, holds = kept(number, SHAPES[name])
                values.add(holds)
                msgspec.json.encode(holds.content())  # text keeps the UTF-8 that was made of it
                most = max(most, tracemalloc.get_traced_memory()[0] - before)
        finally:
            tracemalloc.stop()
        found = [number for number in range(300) if values.get(kept(number, SHAPES[name])[0])]
        assert found == list(range(300 - len(found), 300))
        assert most < room
        assert most > room / 2
        assert len(found) < 300

    def test_a_text_counts_twice_where_its_utf_8_may_be_kept_beside_it(self) -> None:
        """Also where there is no UTF-8 of it: half a surrogate."""
        sizes = [Stored({"a": text}, dict).size() - sys.getsizeof(text) for text in ("x" * 90, "\ud800" * 30)]
        assert sizes[1] - sizes[0] == 90 + 1  # and a byte behind it

    def test_ten_thousand_log_ins_fit_into_16_mebibytes(self) -> None:
        values = VerifiedValues(16 << 20)
        cookies = []
        for number in range(10_000):
            content = {**SHAPES["a log-in"], "_id": f"{number:0128x}", "_user_id": f"{number:04}"}
            serialized = CODEC.serialize(content)
            assert len(serialized) == 243
            value = CODEC.sign(CODEC.pack(serialized), NOW)
            values.add(stored(CODEC.deserialize(serialized), serialized, CODEC.deserialize, NOW, value))
            cookies.append(value)
        assert all(values.get(value) for value in cookies)

    def test_who_came_last_stays(self) -> None:
        values, entries = VerifiedValues(1 << 16), [kept(number, SHAPES["small"]) for number in range(200)]
        for entry in entries:
            values.add(entry[1])
            assert values.get(entries[0][0]) is entries[0][1]
        assert values.get(entries[1][0]) is None

    @pytest.mark.parametrize(("less", "stays"), [(0, 64), (1, 0)])
    def test_no_value_takes_more_than_a_small_part(self, less: int, stays: int) -> None:
        """To the byte, with 280 for the table: of equal ones, each a 64th of the room, that many fit."""
        entries = [kept(number, {}) for number in range(100, 165)]
        values = VerifiedValues(64 * (280 + entries[0][1].size()) - less)
        for entry in entries:
            values.add(entry[1])
        assert [entry for entry in entries if values.get(entry[0])] == entries[65 - stays :]

    def test_a_value_is_counted_once(self) -> None:
        values, holds = VerifiedValues(1 << 16), kept(1, SHAPES["small"])[1]
        other = kept(2, SHAPES["small"])
        values.add(other[1])
        for _ in range(1000):
            values.add(holds)
        assert values.get(other[0])

    def test_another_thread_may_add_the_same_while_this_one_waits(self) -> None:
        """It is counted once, too: as many others fit beside it."""
        entries = [kept(number, {}) for number in range(100, 164)]
        values = VerifiedValues(64 * (280 + entries[0][1].size()))
        lock, waited = values._lock, []

        class Taken:
            def __enter__(self) -> None:
                values._lock = lock
                values.add(entries[0][1])
                waited.append(True)

            def __exit__(self, *_: object) -> None: ...

        values._lock = Taken()  # type: ignore[assignment]
        for entry in entries:
            values.add(entry[1])
        assert waited
        assert all(values.get(entry[0]) for entry in entries)

    def test_without_room_nothing_is_kept(self) -> None:
        values, (value, holds) = VerifiedValues(0), kept(1, SHAPES["small"])
        values.add(holds)
        assert values.get(value) is None

    def test_another_thread_may_remove_what_was_just_found(self) -> None:
        values, (value, holds) = VerifiedValues(1 << 16), kept(1, SHAPES["small"])

        class Removing(OrderedDict[bytes, Stored]):
            def get(self, key: bytes, default: Any = None) -> Any:
                return self.pop(key, default)

        values.add(holds)
        values._values = Removing(values._values)
        assert values.get(value) is holds
        assert values.get(value) is None
