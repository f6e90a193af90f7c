"""The environment, a file and the terminal -> secret keys, the current one first. No key is ever shown."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from getpass import getpass
from pathlib import Path
from typing import NamedTuple

from ..codec import reveal_secret

VARIABLES = ("FLASK_SECRET_KEY", "SECRET_KEY")  # the first is what Flask's from_prefixed_env reads
#: A line of a .env file. A key hardly ever looks like one: it would begin with a variable's name and "=".
_ASSIGNMENT = re.compile(rb"\s*(?:export\s+)?([A-Za-z_]*(?:KEY|SECRET)[A-Za-z0-9_]*)\s*=\s*[^=\s]", re.IGNORECASE)


class Key(NamedTuple):
    """A secret key, and where it is from."""

    source: str
    secret: bytes
    is_fallback: bool = False

    def __repr__(self) -> str:
        """Show the source alone."""
        return f"Key({self.source!r})"

    def forms(self) -> dict[str, str | bytes]:
        """Return it as text, if it can be, and as bytes: to Starlette these are two keys."""
        try:
            return {"text": self.secret.decode(), "bytes": self.secret}
        except UnicodeDecodeError:
            return {"bytes": self.secret}


def read_keys(variables: Sequence[str], path: str | None, ask: bool) -> list[Key]:
    """Return the keys of environment variables, of a file and of who sits at the terminal; all but one are fallbacks.

    Without any of these, return the keys of :data:`VARIABLES` as far as they are set; either may be the current one.
    Raises ``ValueError`` for a key that is none, ``OSError`` for a file that cannot be read.
    """
    if not (variables or path or ask):
        return [_variable(name) for name in VARIABLES if os.environ.get(name)]
    keys = [_variable(name) for name in variables]
    if path:
        keys += _lines(path)
    if ask:
        keys.append(_key("typed in", getpass("Secret key: ").encode("utf-8", "surrogateescape")))
    return [key._replace(is_fallback=number > 0) for number, key in enumerate(keys)]


def _variable(name: str) -> Key:
    if name not in os.environ:
        # A name in other letters may be a key, put there by a shell that replaced $SECRET_KEY.
        shown = name if re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) else "of the name given, which may be a key"
        raise ValueError(f"--key-env takes a variable's name, and there is no environment variable {shown}")
    return _key(f"${name}", os.fsencode(os.environ[name]))


def _lines(path: str) -> list[Key]:
    if not _exists(Path(path)) and not _is_path(path):  # as in _variable
        raise ValueError("--key-file takes a file's path, and there is no file of the name given, which may be a key")
    lines = Path(path).read_bytes().splitlines() or [b""]
    for number, line in enumerate(lines, 1):
        if assignment := _ASSIGNMENT.match(line):
            name, file = assignment[1].decode(), shlex.quote(str(Path.cwd() / path))
            raise ValueError(
                f"{path} line {number} sets {name}, as in a .env file, and is not a key: a key file has bare keys, "
                f"one a line. Load the file, such as with 'set -a; . {file}; set +a', and give --key-env {name}"
            )
    return [_key(f"{path} line {number}", line) for number, line in enumerate(lines, 1) if line or number == 1]


def _is_path(text: str) -> bool:
    """Return whether a text that names no file is a path all the same, in a folder that is there.

    Slashes alone make none: base64 has them, too, also as its first character.
    """
    folder = Path(text).parent
    return ("." in text or folder.name != "") and _exists(folder)


def _exists(path: Path) -> bool:
    """Do as ``path.exists()``, which raises an error that shows the path where it is too long for one."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def _key(source: str, secret: bytes) -> Key:
    reveal_secret(secret, source)  # refuses an empty one
    return Key(source, secret)
