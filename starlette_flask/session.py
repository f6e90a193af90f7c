"""The change-tracking dict behind ``scope["session"]``. Independent of cookies and ASGI."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from typing import Any, cast

from .contents import IMMUTABLE

_MISSING: Any = object()

# Past the tracking; a module's name is found faster than super() makes its object.
_dict: Any = dict
_get, _contains = _dict.get, _dict.__contains__
_getitem, _setitem = _dict.__getitem__, _dict.__setitem__
#: A value, looked up past the tracking.
peek: Callable[[dict[str, Any], str], Any] = _get
_items: Callable[[dict[str, Any]], ItemsView[str, Any]] = _dict.items


class Session(dict[str, Any]):
    """A session: a real ``dict`` that knows whether it was read and whether it was changed.

    The content is stored in the dict itself, so serializers written in C see it. They read it without calling a
    method: where a response is made of ``scope["session"]`` alone, call :meth:`mark_accessed`.

    - Every method that reads marks the session :attr:`accessed`, also where the key is missing, so that the
      response varies on ``Cookie``. Flask does so at any use of ``flask.session`` (``RequestContext.session``).
    - The methods that write mark it :attr:`modified` exactly when Werkzeug's ``CallbackDict`` calls its
      ``on_update``: ``pop`` and ``setdefault`` only where they change something, the others whenever they succeed.
    - A change inside a nested value is found by the middleware when the response starts.

    ``copy()``, ``|``, ``copy.copy`` and pickling give a plain ``dict``. ``repr`` shows no content, because what
    it shows ends up in logs; print ``dict(session)`` to see it.
    """

    # What the middleware gives to every session. With attributes instead of slots, each would have a __dict__, and an
    # untouched session would take 2.8 us instead of 2.2.
    __slots__ = ("__dict__", "__weakref__", "_new", "_report")
    _new: bool  # no cookie opened
    _report: Callable[[Session], bool] | None  # for a change after the request has ended: whether it was one

    #: Whether the session was read. The response then has ``Vary: Cookie``.
    accessed: bool = False
    _modified: bool | None = None  # None until a method writes or somebody assigns: then values are compared
    _exposed: frozenset[str] = frozenset()  # keys whose values the application may have changed in place
    _dirty: bool = False  # written to since it was saved

    def mark_accessed(self) -> None:
        """Mark the session as read. Starlette calls this whenever ``request.session`` is used."""
        self.accessed = True

    def mark_modified(self) -> None:
        """Mark the session as changed, so that the response sets the cookie."""
        self.accessed = self._modified = self._dirty = True
        report = getattr(self, "_report", None)
        if report is not None and report(self):
            self._report = None  # once is enough

    @property
    def modified(self) -> bool:
        """Whether a method changed the session, or the application said so. A nested change does not show here.

        ``True`` sets the cookie in any case. With ``False``, what was changed so far is not saved; from then on, only
        a method's change counts, as in Flask (``flask.sessions.SecureCookieSession.modified``).
        """
        self.accessed = True
        return bool(self._modified)

    @modified.setter
    def modified(self, value: bool) -> None:
        if value:
            self.mark_modified()
        else:
            self.accessed = True
            self._modified = self._dirty = False

    @property
    def permanent(self) -> bool:
        """Whether the cookie outlives the browser: the key ``_permanent``, as in ``flask.sessions.SessionMixin``.

        A permanent session's cookie has ``Expires`` and, unless ``refresh_each_request`` is off, is set again by
        every response. Assigning to it marks the session modified.
        """
        return cast("bool", self.get("_permanent", False))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self["_permanent"] = bool(value)

    @property
    def new(self) -> bool:
        """Whether the request had no valid session cookie. (Flask's cookie session always says ``False``.)"""
        self.accessed = True
        return getattr(self, "_new", True)

    # For the middleware, which looks past the tracking.

    @classmethod
    def _opened(cls, content: dict[str, Any]) -> Session:
        """Return a session that is not new."""
        session = cls(content)
        session._new = False
        return session

    def _content(self) -> dict[str, Any]:
        return dict(_items(self))

    def _replace(self, content: dict[str, Any]) -> None:
        super().clear()
        super().update(content)
        self._expose_all()

    def _mark_saved(self) -> None:
        self._dirty = False

    def _end(self, report: Callable[[Session], bool]) -> None:
        self._report = report

    # Values that can be changed in place. The middleware compares those that the application got hold of.

    def _expose(self, key: str) -> None:
        self._exposed |= {key}

    def _expose_all(self) -> None:
        self._exposed = frozenset(key for key, value in _items(self) if type(value) not in IMMUTABLE)

    # Reading. `__iter__` being a method of ours makes `dict(session)` and `{**session}` go through `keys`.

    def __getitem__(self, key: str) -> Any:
        self.accessed = True
        value = _getitem(self, key)
        if type(value) not in IMMUTABLE:
            self._expose(key)
        return value

    def get(self, key: str, default: Any = None, /) -> Any:
        self.accessed = True
        value = _get(self, key, default)
        if type(value) not in IMMUTABLE:
            self._expose(key)
        return value

    def __contains__(self, key: object) -> bool:
        self.accessed = True
        return cast("bool", _contains(self, key))

    def __len__(self) -> int:
        self.accessed = True
        return super().__len__()

    def __iter__(self) -> Iterator[str]:
        self.accessed = True
        return super().__iter__()

    def __reversed__(self) -> Iterator[str]:
        self.accessed = True
        return super().__reversed__()

    def keys(self) -> KeysView[str]:  # type: ignore[override]  # the stubs name CPython's own view class
        self.accessed = True
        return super().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        self.accessed = True
        self._expose_all()
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self.accessed = True
        self._expose_all()
        return super().items()

    def copy(self) -> dict[str, Any]:
        self.accessed = True
        self._expose_all()
        return super().copy()

    def __eq__(self, other: object) -> bool:
        self.accessed = True
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        self.accessed = True
        return super().__ne__(other)

    def __or__(self, other: Any, /) -> Any:
        self.accessed = True
        self._expose_all()
        return super().__or__(other)

    def __ror__(self, other: Any, /) -> Any:
        self.accessed = True  # also where it fails
        self._expose_all()
        return super().__ror__(other)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {super().__len__()} keys{', modified' if self._modified else ''}>"

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)

    # Writing. Each marks after the fact, so that a call that raises is no change.

    def __setitem__(self, key: str, value: Any) -> None:
        self.accessed = True
        _setitem(self, key, value)
        if type(value) not in IMMUTABLE:
            self._expose(key)
        self.mark_modified()

    def __delitem__(self, key: str) -> None:
        self.accessed = True
        super().__delitem__(key)
        self.mark_modified()

    def __ior__(self, other: Any, /) -> Session:  # type: ignore[override]
        self.accessed = True
        super().__ior__(other)
        self._expose_all()
        self.mark_modified()
        return self

    def clear(self) -> None:
        super().clear()
        self.mark_modified()

    def popitem(self) -> tuple[str, Any]:
        self.accessed = True
        item = super().popitem()
        self.mark_modified()
        return item

    def update(self, other: Any = None, /, **kwargs: Any) -> None:  # Werkzeug's takes None, too
        self.accessed = True
        super().update(() if other is None else other, **kwargs)
        self._expose_all()
        self.mark_modified()

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        present = key in self
        value = super().pop(key) if default is _MISSING else super().pop(key, default)
        if present:
            self.mark_modified()
        return value

    def setdefault(self, key: str, default: Any = None) -> Any:
        present = key in self
        value = super().setdefault(key, default)
        if type(value) not in IMMUTABLE:
            self._expose(key)
        if not present:
            self.mark_modified()
        return value
