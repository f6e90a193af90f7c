"""The Flask side of the demo: an ordinary Flask app that knows nothing of the other side."""

from __future__ import annotations

from flask import (
    Blueprint,
    Flask,
    abort,
    current_app,
    flash,
    get_flashed_messages,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf
from itsdangerous import URLSafeTimedSerializer
from werkzeug import Response

from tests.apps import shop

blueprint = Blueprint("shop", __name__)


class Customer(UserMixin):
    def __init__(self, customer_id: str) -> None:
        self.id = customer_id
        self.name = shop.CUSTOMERS[customer_id]


def load_customer(customer_id: str) -> Customer | None:
    return Customer(customer_id) if customer_id in shop.CUSTOMERS else None


def create_flask_app(secret_key: str) -> Flask:
    app = Flask(__name__, template_folder=str(shop.TEMPLATES))
    app.config["SECRET_KEY"] = secret_key
    login_manager = LoginManager(app)
    login_manager.user_loader(load_customer)
    CSRFProtect(app)
    app.register_blueprint(blueprint)
    return app


@blueprint.get("/")
def page() -> str:
    return render_template(
        "page.html",
        **shop.page("Flask", request.script_root),
        cookie=shop.received(request.cookies.get(shop.COOKIE), serializer()),
        basket=session.get("basket", []),
        customer=current_user.name if current_user.is_authenticated else None,
        messages=get_flashed_messages(with_categories=True),
        csrf_token=generate_csrf(),
    )


@blueprint.app_errorhandler(CSRFError)
def refuse_form(error: CSRFError) -> tuple[str, int]:
    return render_template("refused.html", **shop.page("Flask", request.script_root), reason=error.description), 400


@blueprint.get("/debug/session")
def debug_session() -> dict[str, object]:
    return {"side": "Flask", "session": shop.describe(dict(session))}


@blueprint.post("/sign-in")
def sign_in() -> Response:
    customer = load_customer(request.form.get("customer", ""))
    if customer is None:
        abort(400)
    session.pop("csrf_token")  # the basket stays; a token that somebody may have planted does not
    login_user(customer, remember="remember" in request.form)
    return back()


@blueprint.post("/sign-out")
def sign_out() -> Response:
    logout_user()
    return back()


@blueprint.post("/basket/add")
def basket_add() -> Response:
    basket = session.setdefault("basket", [])
    if not shop.put(basket, request.form.get("name", ""), "Flask"):
        flash("There is no room for that in the basket.", "error")
    session.modified = True  # Flask does not notice a change inside a value
    return back()


@blueprint.post("/basket/remove")
def basket_remove() -> Response:
    shop.take_out(session.setdefault("basket", []), request.form.get("id", ""))
    session.modified = True
    return back()


@blueprint.post("/flash")
def leave_message() -> Response:
    flash(request.form.get("message", "")[: shop.LONGEST_TEXT], "from Flask")
    return redirect("/", 303)  # to who is to read it


@blueprint.post("/forget")
def forget() -> Response:
    session.clear()
    return back()


def back() -> Response:
    return redirect(url_for("shop.page"), 303)


def serializer() -> URLSafeTimedSerializer:
    """Flask's own, which reads and signs its session cookie."""
    return current_app.session_interface.get_signing_serializer(current_app)  # type: ignore[attr-defined]
