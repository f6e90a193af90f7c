"""Attacked, loaded and broken on purpose. ``fuzz`` and ``soak`` are long runs of their own: ``nox -s fuzz soak``."""
