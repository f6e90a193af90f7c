"""Mangum: the cookie goes through each form of AWS Lambda's events."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI, Request
from mangum import Mangum

from starlette_flask import SessionMiddleware

from .beside_flask import make_flask

FLASK = make_flask()


def gateway_v2(cookies: list[str]) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/count",
        "rawQueryString": "",
        "cookies": cookies,
        "headers": {"host": "shop.test"},
        "requestContext": {"http": {"method": "GET", "path": "/count", "sourceIp": "127.0.0.1"}, "stage": "$default"},
        "isBase64Encoded": False,
    }


def gateway_v1(cookies: list[str]) -> dict[str, Any]:
    return {
        "resource": "/{proxy+}",
        "path": "/count",
        "httpMethod": "GET",
        "headers": {"Host": "shop.test", "Cookie": "; ".join(cookies)},
        "multiValueHeaders": {"Host": ["shop.test"], "Cookie": ["; ".join(cookies)]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"identity": {"sourceIp": "127.0.0.1"}, "stage": "test"},
        "body": None,
        "isBase64Encoded": False,
    }


def load_balancer(cookies: list[str]) -> dict[str, Any]:
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:test"}},
        "httpMethod": "GET",
        "path": "/count",
        "multiValueQueryStringParameters": {},
        "multiValueHeaders": {"host": ["shop.test"], "cookie": ["; ".join(cookies)]},
        "body": "",
        "isBase64Encoded": False,
    }


def set_cookies(answer: Any) -> list[str]:
    """The Set-Cookie fields of an answer, which each form has at another place."""
    single = {name: [value] for name, value in answer.get("headers", {}).items()}
    return answer.get("cookies") or {**single, **answer.get("multiValueHeaders", {})}["set-cookie"]


@pytest.mark.parametrize("event", [gateway_v1, gateway_v2, load_balancer])
def test_flask_and_a_lambda_count_on_in_turn(event: Any) -> None:
    app = FastAPI()

    @app.get("/count")
    async def count(request: Request) -> int:
        request.session["count"] = request.session.get("count", 0) + 1
        return request.session["count"]

    app.add_middleware(SessionMiddleware.from_flask, flask_app=FLASK)
    handler = Mangum(app, lifespan="off")

    browser = FLASK.test_client()
    with browser.session_transaction() as session:
        session["count"] = 1
    for expected in ("2", "3"):
        cookie: Any = browser.get_cookie("session")
        answer: Any = handler(event(["other=1", f"session={cookie.value}"]), {})
        assert answer["body"] == expected
        (field,) = set_cookies(answer)
        assert "HttpOnly" in field
        browser.set_cookie("session", field.partition(";")[0].partition("=")[2])
        assert browser.get("/flask/session").json == {"count": int(expected)}
