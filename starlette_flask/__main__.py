"""Inspect or sign a session cookie, or print a Flask application's settings: starlette-flask.

The same as python -m starlette_flask. Each command has its own help, such as starlette-flask inspect --help.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import metadata
from time import time
from typing import Any, NoReturn, cast

from ._cli.application import told
from ._cli.code import code
from ._cli.cookie_text import find_cookie
from ._cli.examination import examine
from ._cli.expectation import DERIVATIONS, DIGESTS, expectation
from ._cli.keys import VARIABLES
from ._cli.report import lines
from ._cli.terminal import Lines, show
from ._cli.terminal import printable as _printable
from .cookies import CookieWriter
from .tagged_json import TaggedJSONSerializer, is_dict

_MOST = 1 << 20  # bytes to read
_OPTION = re.compile("--[a-z][a-z0-9-]*|-[a-z]")  # its name alone

_KEYS = f"""\
Secret keys come from --key-env, --key-file (one a line, the current key first,
then the fallbacks) and --ask-key; without these, from --app; without that, from
the environment variables {" and ".join(VARIABLES)}, both if both are
set. A key is never an argument, where the process list and the shell's history
would show it, and is never printed.
"""
_APP = """\
--app takes a Flask or Quart application, or an ASGI application that has
SessionMiddleware in it, as uvicorn and flask name them: MODULE:ATTRIBUTE, or
MODULE:FACTORY() for a function without arguments. The module is imported, from
the current folder if it is there.
"""
_OTHER_CODES = """\
  2    usage, input without what is looked for, an unreadable file, an
       application that cannot be imported
  130  interrupted
  141  the output was closed
"""
_INSPECT = f"""\
Print what a session cookie holds, when it was signed, and whether the
application opens it; if not, why. Of a Set-Cookie field, print what a browser
makes of it as well.

COOKIE is a value, NAME=VALUE, or text with Cookie or Set-Cookie fields, such as
the headers that "curl -si" prints, or a curl command line, as browsers copy it.
Without COOKIE, or with "-", standard input is read.

{_KEYS}
{_APP}"""
_INSPECT_END = f"""\
exit codes:
  0    the cookie opens; without a key: its content can be read, and a browser
       keeps it
  1    it does not
{_OTHER_CODES}
--json prints one line of ASCII, an object with these keys:
  format           "flask", "starlette", "flask-login" (a remember cookie),
                   "flask-wtf" (a CSRF token), "django", "jwt", "litestar",
                   "session-id" (of a session that a server keeps), "deleted"
                   or "unknown"
  compressed       whether the payload is marked as compressed by zlib
  signed_at        ISO 8601 in UTC, or null; only true where there is a "key"
  age              seconds since then, negative where that is in the future,
                   or null
  size             bytes of what "size_of" says
  size_of          "value" or "Set-Cookie field"
  size_limit       bytes of a Set-Cookie field that Flask allows
  opens            whether the next request finds this session: the application
                   opens it, and a browser keeps it; null where no key was given
  lifetime         seconds after which a signature no longer opens
  lifetime_source  what says so: "--max-age", a setting of --app, or "assumed"
  keys             where each key is from, in the order in which they were tried
  key              number of the key that signed it, from 1, or null
  key_source       where that key is from, or null
  reasons          list of texts: why it does not open, or would not
  notes            list of texts: what else is worth knowing
  browser          null where there was no Set-Cookie field, or an object: keeps
                   (true or false), until (ISO 8601, null for as long as the
                   browser is open), domain (null for the host that set it),
                   path (null for the folder of the path that set it), secure,
                   http_only, same_site, partitioned
  content          the tagged JSON as Flask stores it, which "sign --tagged"
                   takes, or null; verified where there is a "key"

examples:
  curl -si https://example.com/login | starlette-flask inspect
  starlette-flask inspect --app shop.main:app "session=$VALUE"
  starlette-flask inspect --key-file keys.txt "session=$VALUE"
"""
_SIGN = f"""\
Print the cookie value of a JSON object, signed with the current key, for tests
and for curl. Without JSON, or with "-", standard input is read.

{_KEYS}
{_APP}"""
_SIGN_END = f"""\
exit codes:
  0    the value was printed
{_OTHER_CODES}
examples:
  starlette-flask sign --ask-key '{{"user": 1}}'
  curl -b "$(starlette-flask sign --ask-key --cookie '{{"user": 1}}')" https://example.com/
"""
_SETTINGS = """\
Print the session settings of a Flask or Quart application as Python code that
gives them to an ASGI application, for the day when Flask goes, and those of
Flask-Login where the application has it. Keys are left out; what cannot be
written as code is noted in a comment.

APPLICATION is MODULE:ATTRIBUTE, or MODULE:FACTORY() for a function without
arguments. The module is imported, from the current folder if it is there.
"""
_SETTINGS_END = f"""\
exit codes:
  0    the settings were printed
{_OTHER_CODES}
example:
  starlette-flask settings "shop.main:create_app()"
"""

_END = """\
examples:
  curl -si https://example.com/login | starlette-flask inspect
  starlette-flask settings shop.main:app
"""


def _read(argument: str | None) -> bytes:
    if argument is not None and argument != "-":
        return argument.encode("utf-8", "backslashreplace")
    if not sys.stdin:
        raise ValueError("there is no standard input")
    if sys.stdin.isatty():
        print("Reading up to Ctrl-D:", file=sys.stderr)
    text = sys.stdin.buffer.read(_MOST + 1)
    if len(text) > _MOST:
        raise ValueError("standard input holds more than 1 MiB, and no cookie does")
    return text


def _inspect(options: argparse.Namespace) -> tuple[Lines, int]:
    notes: list[str] = []
    expected = expectation(options, notes)
    cookie = find_cookie(_read(options.text), expected.name.encode("utf-8", "backslashreplace"))
    report = examine(cookie, expected, notes)
    is_readable = report.content is not None and not (report.verdict and report.verdict.reasons)
    is_fine = report.opens if expected.keys else is_readable
    return [("", report.json())] if options.json else lines(report), 0 if is_fine else 1


def _sign(options: argparse.Namespace) -> tuple[Lines, int]:
    text = _read(options.text)
    try:
        content = (TaggedJSONSerializer() if options.tagged else json).loads(text)
    except Exception as error:  # a tag may raise anything
        raise ValueError(f"this is not valid JSON, or its tags are wrong: {error}") from error
    if not is_dict(content):
        raise ValueError('a session is a JSON object, such as {"user": 1}')
    if options.permanent:
        content["_permanent"] = True
    expected = expectation(options, [])
    if not expected.keys:
        raise ValueError(f"no key: give --key-env, --key-file, --ask-key or --app, or set {' or '.join(VARIABLES)}")
    codec = expected.codec(expected.keys[0])
    now = int(time()) if options.at is None else options.at
    with told("the serializer refuses this content"):  # one of the application's own may raise anything
        payload = codec.pack(codec.serialize(content))
    value = codec.sign(payload, now).decode()
    if options.cookie:
        value = f"{CookieWriter(expected.name, secure=True, name_setting='--name').name.decode()}={value}"
    return [("", value)], 0


def _settings(options: argparse.Namespace) -> tuple[Lines, int]:
    return [("", line) for line in code(options.application)], 0


class _Parser(argparse.ArgumentParser):
    """A parser whose errors show nothing that steers a terminal."""

    def error(self, message: str) -> NoReturn:
        super().error(_printable(message))


class _Version(argparse.Action):
    """Print the version, which is looked up only then: that takes some milliseconds."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        ours, itsdangerous = map(_version_of, ("starlette-flask", "itsdangerous"))
        print(f"starlette-flask {ours} (Python {platform.python_version()}, itsdangerous {itsdangerous})")
        parser.exit()


def _version_of(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:  # copied, not installed
        return "of unknown version"


def _no_key(_: str) -> NoReturn:
    raise argparse.ArgumentTypeError(
        "do not pass a key as an argument, where the process list and the shell's history would show it: "
        "use --key-env, --key-file or --ask-key"
    )


def _not_empty(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("it must not be empty: give a value, or leave the option out")
    return text


def _seconds(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds, such as 3600")
    return int(text)


def _unix_seconds(text: str) -> int:
    seconds = _seconds(text)
    if seconds < 0:
        raise argparse.ArgumentTypeError(f"{seconds} is before 1970: it must be 0 or more")
    return seconds


_FORM: Any = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}


def _shared_arguments() -> _Parser:
    """Return what parses the arguments that ``inspect`` and ``sign`` share."""
    shared = _Parser(add_help=False)
    add = shared.add_argument_group("secret keys").add_argument
    add("--key-env", metavar="NAME", action="append", default=[], help="a key is in this environment variable")
    add("--key-file", metavar="PATH", type=_not_empty, help="keys are in this file, one a line, the current one first")
    add("--ask-key", action="store_true", help="ask for a key on the terminal")
    add("--key", "--secret-key", "--secret", "-k", type=_no_key, help=argparse.SUPPRESS)
    add = shared.add_argument_group("settings of the application").add_argument
    add(
        "--app",
        metavar="MODULE:ATTRIBUTE",
        type=_not_empty,
        help="take the keys and all that follows from this application",
    )
    add("--name", type=_not_empty, help="the cookie's name (default: session)")
    add("--salt", help="(default: cookie-session)")
    add("--digest", choices=DIGESTS, help="(default: sha1)")
    add("--key-derivation", choices=DERIVATIONS, help="(default: hmac)")
    return shared


def _add_command(commands: Any, name: str, run: Callable[..., Any], **given: Any) -> Callable[..., Any]:
    """Add a command, and what runs it. Return what adds its arguments."""
    added = commands.add_parser(name, **given, **_FORM)
    added.set_defaults(run=run)
    return cast("Callable[..., Any]", added.add_argument)


def _arguments() -> tuple[_Parser, Sequence[str]]:
    """Return what parses the arguments, and the names of the commands."""
    parser = _Parser("starlette-flask", description=__doc__, epilog=_END, **_FORM)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    shared = [_shared_arguments()]
    command = partial(_add_command, commands)

    add = command(
        "inspect",
        _inspect,
        parents=shared,
        help="print what a cookie holds, and whether it opens or why not",
        description=_INSPECT,
        epilog=_INSPECT_END,
    )
    add("text", metavar="COOKIE", nargs="?", help="(default: standard input)")
    add("--max-age", metavar="SECONDS", type=_seconds, help="how old it may be (default: that of --app, or 31 days)")
    add("--json", action="store_true", help="print one line of JSON, for machines")

    add = command(
        "sign",
        _sign,
        parents=shared,
        help="print the cookie value of a JSON object, for tests and curl",
        description=_SIGN,
        epilog=_SIGN_END,
    )
    add("text", metavar="JSON", nargs="?", help="(default: standard input)")
    add("--tagged", action="store_true", help="the JSON has Flask's tags, as the content of inspect --json")
    add("--permanent", action="store_true", help="make it a permanent session")
    add("--at", metavar="SECONDS", type=_unix_seconds, help="sign it with this date, in Unix seconds (default: now)")
    add("--cookie", action="store_true", help="print NAME=VALUE")

    add = command(
        "settings",
        _settings,
        help="print a Flask application's session settings as code",
        description=_SETTINGS,
        epilog=_SETTINGS_END,
    )
    add("application", metavar="APPLICATION", help="MODULE:ATTRIBUTE or MODULE:FACTORY()")
    return parser, list(commands.choices)


def _require_command(parser: _Parser, commands: Sequence[str], first: str | None) -> None:
    """Raise ``SystemExit``, and say what to type, where the first argument is not a command and asks for no help."""
    names = ", ".join(commands)
    if first is None:
        parser.error(f"no command was given: {names} (or --help)")
    if first.startswith("-"):
        if first not in ("-h", "--help", "--version"):
            parser.error(f"{first.partition('=')[0]} is not an option here, a command comes first: {names}")
    elif first not in commands:
        hint = f"; for a cookie: starlette-flask inspect {first}" if re.search("[.=]", first) else ""
        parser.error(f"{first!r} is not a command: {names}{hint}")


def _refuse_unknown(parser: _Parser, unknown: Sequence[str]) -> None:
    """Raise ``SystemExit`` where arguments were not recognized. Of options it shows the name, of others nothing."""
    if unknown:
        options = [name[0] for argument in unknown if (name := _OPTION.match(argument))]
        shown = ", ".join(options) or "not shown, as one may be a key"
        parser.error(
            f"unrecognized arguments: {shown} (put COOKIE or JSON in quotes, and behind -- if it begins with -)"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of ``argv``, by default the process's. Return the exit code; usage raises ``SystemExit``."""
    argv = sys.argv[1:] if argv is None else argv
    parser, commands = _arguments()
    _require_command(parser, commands, argv[0] if argv else None)
    options, unknown = parser.parse_known_args(argv)
    _refuse_unknown(parser, unknown)
    status: int
    try:
        shown, status = options.run(options)
        show(shown)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    except (EOFError, OSError, ValueError) as error:
        print(f"starlette-flask: {_printable(str(error))}", file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
