"""ASGI middleware. ``starlette_flask.middleware.sessions`` is the module that users of Starlette's change to."""
