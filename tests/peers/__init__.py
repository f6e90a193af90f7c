"""What other session middlewares do in the cases that this package is about: `python -m tests.peers` tries it."""
