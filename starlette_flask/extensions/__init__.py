"""What Flask's own extensions keep in a session, read and written without Flask.

One module for each: ``flask_login``, ``flask_wtf`` and ``flashing`` (Flask's own ``flash``). They work on any
mutable mapping, or on an ASGI scope that carries one as ``scope["session"]``, and import no framework.
"""
