"""The old application: Flask-Login with strong protection and remember-me, Flask-WTF, flashes, a basket."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask, flash, get_flashed_messages, jsonify, redirect, render_template, request, session, url_for
from flask_login import (
    LoginManager,
    UserMixin,
    current_user,
    decode_cookie,
    fresh_login_required,
    login_required,
    login_user,
    logout_user,
)
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from .catalog import CUSTOMERS, add_to_basket
from .keys import CSRF_KEY, FALLBACKS, SECRET_KEY

app = Flask(__name__)
app.config.update(
    SECRET_KEY=SECRET_KEY,
    SECRET_KEY_FALLBACKS=FALLBACKS,
    WTF_CSRF_SECRET_KEY=CSRF_KEY,
    SESSION_COOKIE_SECURE=True,
    SESSION_COOKIE_SAMESITE="Lax",
    SESSION_PROTECTION="strong",
    REMEMBER_COOKIE_DURATION=timedelta(days=30),
    REMEMBER_COOKIE_SECURE=True,
    REMEMBER_COOKIE_SAMESITE="Lax",
)
app.wsgi_app = ProxyFix(app.wsgi_app)
CSRFProtect(app)
login = LoginManager(app)
login.login_view = "log_in"


class Customer(UserMixin):
    def __init__(self, number: str) -> None:
        self.id, self.name = number, CUSTOMERS[number]


@login.user_loader
def load_customer(number: str) -> Customer | None:
    return Customer(number) if number in CUSTOMERS else None


@app.before_request
def remember_customer() -> None:
    cookie = request.cookies.get("remember_token")
    if cookie is None or "_user_id" in session or session.get("_remember") == "clear":
        return
    for key in (SECRET_KEY, *FALLBACKS):
        number = decode_cookie(cookie, key)
        if number is not None and (customer := load_customer(number)):
            login_user(customer, fresh=False, remember=key != SECRET_KEY)  # under an old key: a new cookie
            return


def page(title: str) -> str:
    return render_template(
        "page.html",
        side="Flask",
        title=title,
        user=current_user.name if current_user.is_authenticated else None,
        session=session,
        messages=get_flashed_messages(),
    )


@app.get("/")
def shop() -> str:
    return page("shop")


@app.post("/basket")
def add() -> Any:
    add_to_basket(session, request.form["item"], "Flask")
    session.modified = True
    return redirect(url_for("shop"))


@app.route("/account", methods=["GET", "POST"])
@login_required
def account() -> Any:
    if request.method == "POST":
        session["name"] = request.form["name"]
        flash("saved by Flask")
        return redirect(url_for("account"))
    return page("account")


@app.post("/account/crash")
def crash() -> None:
    session["name"] = "before the crash"
    raise RuntimeError("a page that crashes")


@app.route("/login", methods=["GET", "POST"])
def log_in() -> Any:
    if request.method == "POST" and (customer := load_customer(request.form["user"])):
        login_user(customer, remember="remember" in request.form)
        flash(f"Flask greets {customer.name}")
        return redirect(url_for("shop"))
    return page("login")


@app.post("/logout")
def log_out() -> Any:
    logout_user()
    flash("logged out by Flask")
    return redirect(url_for("shop"))


@app.get("/password")
@fresh_login_required
def password() -> str:
    return page("password")


@app.get("/docs")
def docs() -> Any:
    return jsonify("how to order")
