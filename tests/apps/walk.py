"""The demo's check: a visitor with a real HTTP client and a cookie jar, who looks at both sides after each step."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx

PREFIX = {"FastAPI": "", "Flask": "/flask"}


class StepError(Exception):
    """What does not hold."""


def expect(holds: object, otherwise: str) -> None:
    if not holds:
        raise StepError(otherwise)


class Visitor:
    """One browser: every request may change its cookies."""

    def __init__(self, base_url: str) -> None:
        self.client = httpx.Client(base_url=base_url, trust_env=False)
        self.session: dict[str, Any] = {}
        self.steps = 0
        self.step = "start"

    def page(self, side: str) -> str:
        response = self.client.get(f"{PREFIX[side]}/")
        expect(response.status_code == 200, f"{side}'s page answers {response.status_code}")
        return response.text

    def token(self, side: str) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.page(side))
        expect(found, f"{side}'s page has no form with a token")
        assert found
        return found[1]

    def send(self, side: str, path: str, token: str | None = None, **fields: str) -> None:
        """Fill in a form on a side's page and send it; the answer leads back, a message's to its reader."""
        fields["csrf_token"] = token or self.token(side)
        response = self.client.post(PREFIX[side] + path, data=fields)
        expect(response.status_code == 303, f"{side} answers {response.status_code} to {path}")
        location = response.headers["location"]
        (other,) = PREFIX.keys() - {side}
        expect(
            location == f"{PREFIX[other if path == '/flash' else side]}/",
            f"{side} redirects to {location} after {path}",
        )

    def begin(self, step: str) -> None:
        self.steps += 1
        self.step = step
        print(f"\n{self.steps:2}. {step}")

    def look(self) -> None:
        """Both sides report the same session, and reporting it sets no cookie; print it, with what changed marked."""
        seen = {}
        for side, prefix in PREFIX.items():
            response = self.client.get(f"{prefix}/debug/session")
            seen[side] = response.json()["session"]
            expect("set-cookie" not in response.headers, f"{side} set a cookie when it was only read")
        expect(canonical(seen["Flask"]) == canonical(seen["FastAPI"]), "the two sides do not see the same session")
        before, self.session = self.session, seen["Flask"]
        print(*marked(entries(before), entries(self.session)), sep="\n")

    def basket(self) -> dict[str, int]:
        return {item["name"]: item["count"] for item in self.session.get("basket", [])}


def walk(base_url: str) -> int:
    """Walk through the whole demo; 0 if every step held, else 1, with the failing step printed."""
    print("After each step, both sides were asked for their session and gave this one: + new, ~ changed, - gone.")
    visitor = Visitor(base_url)
    try:
        with visitor.client:
            _steps(visitor)
    except Exception as error:  # whatever it is, it happened in a step, and the reader wants to know in which
        reason = str(error) if isinstance(error, StepError) else repr(error)
        print(f"\nFAILED in step {visitor.steps}, {visitor.step!r}: {reason}")
        return 1
    print(f"\nAll {visitor.steps} steps held: one session, on both sides.")
    return 0


def _steps(visitor: Visitor) -> None:
    cookies = visitor.client.cookies

    visitor.begin("A new visitor has no session, and looking makes none")
    visitor.look()
    expect(visitor.session == {} and not cookies, "there is a session or a cookie")

    visitor.begin("Both pages open, and know nobody")
    for side in PREFIX:
        expect("Nobody is signed in" in visitor.page(side), f"{side} does not say that nobody is signed in")
    visitor.look()
    expect("session" in cookies, "there is no session cookie")

    visitor.begin("Both pages show the cookie as the browser has it")
    for side in PREFIX:
        shown = re.sub(r"<[^>]+>", "", visitor.page(side))
        expect(cookies["session"] in shown, f"{side} shows another cookie")
    visitor.look()

    visitor.begin("A form without its token gets a page that says why, on both sides, and changes nothing")
    before = visitor.session
    for side, prefix in PREFIX.items():
        answer = visitor.client.post(f"{prefix}/basket/add", data={"name": "forged"})
        expect(answer.status_code == 400, f"{side} answers {answer.status_code}")
        expect(f"{side} refused this form" in answer.text, f"{side} does not say why")
    visitor.look()
    expect(visitor.session == before, "the session has changed")

    visitor.begin("FastAPI puts tea in the basket; Flask shows it")
    visitor.send("FastAPI", "/basket/add", name="tea")
    expect("tea (1)" in visitor.page("Flask"), "Flask does not show the tea")
    visitor.look()

    visitor.begin("Ada signs in on Flask's side; FastAPI greets her, and her basket is kept")
    visitor.send("Flask", "/sign-in", customer="1")
    expect("Hello, Ada Lovelace!" in visitor.page("FastAPI"), "FastAPI does not greet Ada")
    visitor.look()
    expect(visitor.session["_user_id"] == "1" and visitor.session["_fresh"], "it is not a fresh login of Ada's")
    expect(visitor.basket() == {"tea": 1}, "the basket is lost")
    expect(visitor.session["csrf_token"] != before["csrf_token"], "the CSRF token from before is still valid")

    visitor.begin("Flask puts coffee in the basket, with FastAPI's token; FastAPI shows it")
    visitor.send("Flask", "/basket/add", token=visitor.token("FastAPI"), name="coffee")
    expect("coffee (1)" in visitor.page("FastAPI"), "FastAPI does not show the coffee")
    visitor.look()

    visitor.begin("FastAPI counts up an item deep in the session, with Flask's token")
    visitor.send("FastAPI", "/basket/add", token=visitor.token("Flask"), name="coffee")
    visitor.look()
    expect(visitor.basket() == {"tea": 1, "coffee": 2}, "FastAPI's change is lost")

    visitor.begin("Flask counts it up, too, and every type is what it was")
    visitor.send("Flask", "/basket/add", name="coffee")
    visitor.look()
    expect(visitor.basket() == {"tea": 1, "coffee": 3}, "Flask's change is lost")
    tea, coffee = visitor.session["basket"]
    by = {"<tuple>": ["Flask", "FastAPI", "Flask"]}
    expect(coffee["by"] == by and "<datetime>" in tea["added"], "types were lost on the way")

    visitor.begin("FastAPI takes out what Flask put in")
    visitor.send("FastAPI", "/basket/remove", id=coffee["id"]["<UUID>"])
    visitor.look()
    expect(visitor.basket() == {"tea": 1}, "the coffee is still there")

    visitor.begin("Flask takes out what FastAPI put in")
    visitor.send("Flask", "/basket/remove", id=tea["id"]["<UUID>"])
    visitor.look()
    expect(visitor.basket() == {}, "the tea is still there")

    for side, other in (("Flask", "FastAPI"), ("FastAPI", "Flask")):
        visitor.begin(f"A message is left on {side}'s side")
        visitor.send(side, "/flash", message="<b>ü & 'you'</b>")
        visitor.look()
        expected = {"<tuple>": [f"from {side}", "<b>ü & 'you'</b>"]}
        expect(visitor.session.get("_flashes") == [expected], "the message is not in the session")

        visitor.begin(f"{other} shows it, once, with its HTML escaped")
        shown = 'role="status">&lt;b&gt;ü &amp; &#39;you&#39;&lt;/b&gt; '
        expect(shown in visitor.page(other), f"{other} does not show it, or not escaped")
        visitor.look()
        expect("_flashes" not in visitor.session, "the message is still in the session")
        for each in PREFIX:
            expect('role="status"' not in visitor.page(each), f"{each} shows it again")

    visitor.begin("FastAPI puts milk in the basket")
    visitor.send("FastAPI", "/basket/add", name="milk")
    visitor.look()

    visitor.begin("Ada signs out on FastAPI's side; Flask has signed her out, and the basket is kept")
    visitor.send("FastAPI", "/sign-out")
    expect("Nobody is signed in" in visitor.page("Flask"), "Flask still greets somebody")
    visitor.look()
    expect("_user_id" not in visitor.session and visitor.basket() == {"milk": 1}, "the session is another")

    visitor.begin("Grace signs in on FastAPI's side; Flask-Login greets her, and the basket is kept")
    visitor.send("FastAPI", "/sign-in", customer="2")
    expect("Hello, Grace Hopper!" in visitor.page("Flask"), "Flask does not greet Grace")
    visitor.look()
    expect(visitor.session["_user_id"] == "2" and visitor.session["_fresh"], "it is not a fresh login of Grace's")
    expect(visitor.basket() == {"milk": 1}, "the basket is lost")

    visitor.begin("Grace signs out on Flask's side; FastAPI has signed her out")
    visitor.send("Flask", "/sign-out")
    expect("Nobody is signed in" in visitor.page("FastAPI"), "FastAPI still greets somebody")
    visitor.look()

    for side, other in (("Flask", "FastAPI"), ("FastAPI", "Flask")):
        visitor.begin(f"Zoë signs in on {side}'s side, to be remembered")
        visitor.send(side, "/sign-in", customer="3", remember="yes")
        expect("remember_token" in cookies, f"{side} did not set the remember cookie")
        visitor.look()

        visitor.begin(f"The browser forgets its session; {other} knows Zoë by the remember cookie, and so does {side}")
        cookies.delete("session")
        for each in (other, side):
            expect("Hello, Zoë &lt;Łukasz&gt; &amp; Co.!" in visitor.page(each), f"{each} does not greet Zoë")
        visitor.look()
        expect(visitor.session["_fresh"] is False, "it passes for a fresh login")

        visitor.begin(f"Zoë signs out on {other}'s side for good")
        visitor.send(other, "/sign-out")
        expect("remember_token" not in cookies, "the remember cookie is still there")
        for each in PREFIX:
            expect("Nobody is signed in" in visitor.page(each), f"{each} still greets somebody")
        visitor.look()

    for side in PREFIX:
        visitor.begin(f"{side} puts honey in the basket, then forgets the whole session: the cookie is gone")
        visitor.send(side, "/basket/add", name="honey")
        visitor.send(side, "/forget")
        expect(not cookies, "there is still a cookie")
        visitor.look()
        expect(visitor.session == {}, "there is still a session")


def canonical(value: object) -> str:
    """JSON text by which 1, 1.0 and true differ; they are equal in Python."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def entries(session: dict[str, Any]) -> dict[str, str]:
    """The lines by which a session is printed: one for each key, and for each item of a list."""
    lines = {}
    for key, value in sorted(session.items()):
        if value and isinstance(value, list):
            lines.update({f"{key}[{place}]": shortened(item) for place, item in enumerate(value)})
        else:
            lines[key] = shortened(value)
    return lines


def marked(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """What is there and what is gone, each line with a mark for what happened to it."""
    lines = []
    for name in sorted(before.keys() | now.keys()):
        mark = "-" if name not in now else "+" if name not in before else " " if now[name] == before[name] else "~"
        lines.append(f"  {mark} {name:11} {now.get(name, before.get(name))}")
    return lines or ["    no session"]


def shortened(value: object) -> str:
    """For the eye: a hash of 128 letters says no more than its first ones, nor does a UUID."""
    return re.sub(r'"([0-9a-f]{8})[0-9a-f-]{28,}"', r'"\1…"', canonical(value))
