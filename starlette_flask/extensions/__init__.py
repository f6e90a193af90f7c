"""What Flask's own extensions keep in a session, read and written without Flask.

One module for each: ``flask_login``, ``flask_wtf`` and ``flashing`` (Flask's own ``flash``). They import no framework.

Every function, but for the two that encode and decode a remember cookie's value, takes as its first argument whichever
of these is at hand: the session, the ASGI scope that has it as ``scope["session"]``, or the request or WebSocket
object of a framework that keeps its scope as ``.scope`` (Starlette, FastAPI, Litestar, Quart). Functions that look at
the client or its cookies need the scope or the object. A plain mapping counts as a scope if its ``type`` is ``"http"``
or ``"websocket"`` and it has ``headers``, as no other session does; a session with attributes of its own, as
``SessionMiddleware`` provides, may have any keys.

Secret keys are taken as ``SessionMiddleware`` takes them: ``str``, ``bytes``, or an object that reveals one, such as
pydantic's ``SecretStr`` and Starlette's ``Secret``; an empty or masked one is a ``TypeError`` or ``ValueError``.
"""
