"""Look into a session cookie, or make one: starlette-flask, or python -m starlette_flask.

inspect [COOKIE]  print what a cookie holds, when it was signed, and whether it opens or why it does not
sign [JSON]       print the cookie value of a JSON object, for tests and curl

Without COOKIE or JSON, or with "-", standard input is read. COOKIE is a value, NAME=VALUE, or text with Cookie or
Set-Cookie fields, such as the headers that "curl -si" prints.

Secret keys come from --key-env, --key-file (one a line, the current key first, then the fallbacks) and --ask-key;
without these, from the first environment variable of FLASK_SECRET_KEY and SECRET_KEY that is set. A key is never an
argument, where the list of processes and the shell's history would show it, and never printed.

Exit codes: 0 the cookie opens, or no key was given and its content can be read; 1 it does not open, or cannot be
read; 2 usage, an unreadable file, no such cookie, no JSON; 130 interrupted; 141 the output was closed.

"inspect --json" prints one line of ASCII, an object with these keys:
  format      "flask", "starlette", "django", "jwt", "litestar", "session-id" (of a session that a server keeps),
              "deleted" or "unknown"
  compressed  whether the payload is marked as compressed by zlib
  signed_at   ISO 8601 in UTC, or null; only true where there is a "key"
  age         seconds since then, negative where that is in the future, or null
  size        bytes of "size_of": "value" or "Set-Cookie field"; "size_limit" is what Flask allows the latter
  opens       true, false, or null where no key was given
  key         number of the key that made the signature, from 1, or null; "key_source" says where that key is from
  reasons     list of texts: why it does not open, or would not
  content     the tagged JSON as Flask stores it, which "sign --tagged" takes, or null; verified where there is a "key"

Examples:
  curl -si https://example.com/login | starlette-flask inspect
  starlette-flask inspect --key-file keys.txt "session=$VALUE"
  curl -b "$(starlette-flask sign --ask-key --cookie '{"user": 1}')" https://example.com/
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from getpass import getpass
from itertools import product
from pathlib import Path
from time import time
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from itsdangerous import BadData, BadPayload, BadSignature, SignatureExpired, Signer
from itsdangerous.encoding import base64_decode, base64_encode

from .codec import SessionCodec, reveal_secret
from .cookies import CookieWriter, parse_set_cookie, read_cookie
from .tagged_json import TaggedJSONSerializer, is_dict

_MOST = 1 << 20  # bytes to read, and to expand what nobody vouches for: a few bytes of zlib can stand for gigabytes
_SIZE_LIMIT = 4093  # Flask's MAX_COOKIE_SIZE
_KEY_VARIABLES = ("FLASK_SECRET_KEY", "SECRET_KEY")  # the first is what Flask's from_prefixed_env reads
_COLOURS = {"red": 31, "green": 32, "yellow": 33}
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_TYPES = {"tuple", "bytes", "UUID", "datetime", "Markup"}  # what JSON does not have

# What signatures are tried with, beside what was asked for. The salts: Flask and Quart, Starlette, what itsdangerous'
# serializers have by default, Flask-WTF's token, Flask-Session's identifiers.
_SALTS = ("cookie-session", "itsdangerous.Signer", "itsdangerous", "wtf-csrf-token", "flask-session")
_DERIVATIONS = ("hmac", "django-concat", "concat", "none")
_DIGESTS = {"sha1": 27, "sha256": 43, "sha384": 64, "sha512": 86}  # and the length of a signature
_KEY_CHANGES: dict[str, Callable[[bytes], bytes]] = {  # what becomes of a key on its way through files and shells
    "": bytes,
    " without the blanks around it": bytes.strip,
    " without the quotes around it": lambda key: key.strip(b"\"'"),
    " with a line break behind it": lambda key: key + b"\n",
}
_VALUE_CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "there are blanks or line breaks in it": lambda value: b"".join(value.split()),
    "there are quotes around it": lambda value: value.strip(b"\"'"),
    "it is URL-encoded, which no server undoes": unquote_to_bytes,
}
_FORMATS = {
    "deleted": 'no session: a deleted cookie is set to nothing or "null"',
    "django": "a value of Django's signing, with colons between its parts",
    "jwt": "a JSON Web Token, not a session cookie",
    "session-id": "probably the identifier of a session that a server keeps",
    "litestar": "Litestar's encrypted session cookie",
    "unknown": "no format that is known here",
    "flask": "Flask's session cookie",
    "starlette": "the format of Starlette's own middleware; accept_starlette_cookies=True opens it",
}
_PATTERNS = {
    "deleted": rb"(null)?",
    "django": rb"\.?[\w-]+:[\w-]+:[\w-]+",
    "jwt": rb"eyJ[\w-]+\.eyJ[\w-]{4,}\.[\w-]*",
    "session-id": rb"(?!eyJ|e30)[\w-]{16,64}(\.[\w-]{27})?",
}

_Lines = list[tuple[str, str]]  # pairs of a colour, or nothing, and a line
_Keys = list[tuple[str, bytes]]  # pairs of where a key is from, and the key; the current one first


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


def _keys(options: argparse.Namespace) -> _Keys:
    keys: _Keys = []
    variables: list[str] = options.key_env
    if not (variables or options.key_file or options.ask_key):
        variables = [name for name in _KEY_VARIABLES if os.environ.get(name)][:1]
    for name in variables:
        if name not in os.environ:
            raise ValueError(f"there is no environment variable {name}")
        keys.append((f"${name}", os.fsencode(os.environ[name])))
    if options.key_file:
        lines = enumerate(Path(options.key_file).read_bytes().splitlines() or [b""], 1)
        keys += [(f"{options.key_file} line {number}", line) for number, line in lines if line or number == 1]
    if options.ask_key:
        keys.append(("typed in", getpass("Secret key: ").encode("utf-8", "surrogateescape")))
    for source, key in keys:
        reveal_secret(key, source)  # refuses an empty one
    return keys


def _codec(key: bytes, options: argparse.Namespace) -> SessionCodec:
    signing = {"key_derivation": options.key_derivation, "digest_method": getattr(hashlib, options.digest)}
    return SessionCodec(key, salt=options.salt, signer_kwargs=signing)


# inspect: text -> the cookie's value -> a report -> lines

_FIELD = re.compile(rb"[<> ]*(set-)?cookie[ \t]*:[ \t]*(.*)", re.IGNORECASE)
_PAIR = re.compile(rb"""(?!eyJ|e30)[^\s=;"]+[ \t]*=[^=]""")  # '=' at the end of base64 belongs to the value
_ATTRIBUTE = re.compile(rb";\s*(path|domain|expires|max-age|secure|httponly|samesite|partitioned)\b", re.IGNORECASE)


def _find(text: bytes, name: bytes) -> tuple[bytes, int, str]:
    """Return the cookie's value, a size, and what that is the size of."""
    fields = [match.groups() for line in text.splitlines() if (match := _FIELD.fullmatch(line.strip()))]
    text = text.strip()
    if not fields:
        if not (text.startswith(name + b"=") or _PAIR.match(text)):
            return text, len(text), "value"
        fields = [(_ATTRIBUTE.search(text), text)]
    set_cookies = {parse_set_cookie(field, "/").name: field for is_set, field in fields if is_set}
    if name in set_cookies:
        return parse_set_cookie(set_cookies[name], "/").value, len(set_cookies[name]), "Set-Cookie field"
    cookies = [field for is_set, field in fields if not is_set]
    value = read_cookie([(b"cookie", field) for field in cookies], name)
    if value is None:
        raise ValueError(f"no cookie {name.decode()!r} can be read from this; --name names another")
    return value, len(value), "value"


def _format(value: bytes, pieces: list[bytes]) -> str:
    for name, pattern in _PATTERNS.items():
        if re.fullmatch(pattern, value):
            return name
    if value.startswith((b"eyJ", b"e30", b".eJ")) or (len(pieces) == 3 and len(pieces[2]) in _DIGESTS.values()):
        return "flask"
    try:
        return "litestar" if b"additional_authenticated_data=" in base64_decode(value) else "unknown"
    except BadData:
        return "unknown"


def _check(value: bytes, keys: _Keys, options: argparse.Namespace, reasons: list[str]) -> int | None:
    """Return the number of the key that made the signature, and add to ``reasons`` what else is wrong with it."""
    for number, (_, key) in enumerate(keys, 1):
        try:
            _codec(key, options).loads(value, options.max_age)
        except SignatureExpired as error:
            future = error.date_signed is None or error.date_signed.timestamp() > time()
            late = f"it has expired: --max-age is {options.max_age}"
            reasons.append("it is from the future: clocks differ" if future else late)
        except BadSignature:
            continue
        except BadPayload:
            pass  # for _content to say what is wrong
        return number
    salts = (options.salt, *_SALTS)
    ways = product(enumerate(keys, 1), _KEY_CHANGES.items(), salts, _DERIVATIONS, _DIGESTS)
    for (number, (source, key)), (changes, change), salt, derivation, digest in ways:
        if Signer(change(key), salt, ".", derivation, getattr(hashlib, digest)).validate(value):
            settings = f"--salt {salt} --key-derivation {derivation} --digest {digest}"
            reasons.append(f"key {number} ({source}){changes} made its signature, with {settings}")
            return None
    if keys:
        reasons.append("none of the keys made its signature: another key did, or it was changed since")
    return None


def _content(payload: bytes, compressed: bool, most: int) -> tuple[str, str]:
    """Return the JSON in a payload and how it reads with types. Expands ``most`` bytes, or any number if that is 0.

    Raises anything: the tags and the nesting may be an attacker's.
    """
    data = base64_decode(payload)
    if compressed:
        expanding = zlib.decompressobj()
        data = expanding.decompress(data, most)
        if not expanding.eof:
            cut = not most or len(data) < most
            raise ValueError("the zlib data is cut off" if cut else "it is over 1 MiB, too much to expand unverified")
    content = TaggedJSONSerializer().loads(data.decode())
    if not is_dict(content):
        raise TypeError("it is no JSON object")
    return data.decode(), _render(content)


def _examine(value: bytes, keys: _Keys, options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Return the report of ``--json``, but for the size, and the content as it reads with types."""
    reasons: list[str] = []
    for reason, change in _VALUE_CHANGES.items():
        if (changed := change(value)) != value:
            reasons.append(reason)
            value = changed
    compressed = value.startswith(b".")
    pieces = value[compressed:].split(b".")
    name = _format(value, pieces)
    key = signed_at = content = None
    text = ""
    if name != "flask":
        reasons.append(_FORMATS[name])
    else:
        try:
            _, stamp, signature = pieces
            signed_at = datetime.fromtimestamp(int.from_bytes(base64_decode(stamp), "big"), timezone.utc)
            whole = len(signature) in _DIGESTS.values()
        except (BadData, OSError, OverflowError, ValueError):
            whole = False
        if not whole:
            reasons.append("it is cut off or damaged: payload, time and signature (27 characters with sha1) make it")
        key = _check(value, keys, options, reasons)
        try:
            serialized, text = _content(pieces[0], compressed, 0 if key else _MOST)
        except Exception as error:
            reasons.append(f"its content is damaged, or not Flask's: {type(error).__name__}, {error}")
        else:
            content = json.loads(serialized)
            # Starlette's base64 is padded; where it happens to need none, there are still blanks in its JSON.
            if not key and (set(b"=+/") & set(pieces[0]) or (content and json.dumps(content) == serialized)):
                name = "starlette"
                reasons.append(_FORMATS[name])
    report: dict[str, Any] = {
        "format": name,
        "compressed": compressed,
        "signed_at": signed_at and signed_at.isoformat(),
        "age": signed_at and int(time()) - int(signed_at.timestamp()),
        "opens": bool(key and not reasons) if keys else None,
        "key": key,
        "key_source": key and keys[key - 1][0],
        "reasons": reasons,
        "content": content,
    }
    return report, text


def _render(value: Any, line: str = "\n") -> str:
    """Return ``value`` as JSON, with the type's name before what JSON has no type for."""
    kind = f"{name} " if (name := type(value).__name__) in _TYPES else ""
    deeper = line + "  "
    if is_dict(value):
        items, ends = [f"{_render(key)}: {_render(item, deeper)}" for key, item in value.items()], "{}"
    elif isinstance(value, (list, tuple)):
        items, ends = [_render(item, deeper) for item in cast("Sequence[Any]", value)], "[]"
    else:
        return kind + (repr(value) if kind == "bytes " else json.dumps(value, ensure_ascii=False, default=str))
    return kind + ends[0] + (deeper + f",{deeper}".join(items) + line if items else "") + ends[1]


def _lines(report: dict[str, Any], text: str, count: int) -> _Lines:
    """Return the report for people to read; ``count`` is the number of keys."""
    age, key, reasons = report["age"], report["key"], report["reasons"]
    lines = [("", f"format   {_FORMATS[report['format']].partition(';')[0]}{', compressed' * report['compressed']}")]
    if age is not None:
        size, unit = next((pair for pair in _UNITS if abs(age) >= pair[0]), _UNITS[-1])
        words = f"{abs(age) // size} {unit}{'s' * (abs(age) // size != 1)} {'ago' if age >= 0 else 'ahead'}"
        lines.append(("", f"signed   {report['signed_at']}, {words} ({age} s)"))
    size_text = f"size     {report['size']} bytes, the {report['size_of']}; a Set-Cookie field may have {_SIZE_LIMIT}"
    lines.append(("", size_text) if report["size"] <= _SIZE_LIMIT else ("yellow", f"{size_text}: TOO LARGE"))
    if not count:
        lines.append(("", "opens    not tried, no key was given" + "; it would not, because" * bool(reasons)))
    else:
        lines.append(("green", "opens    yes") if report["opens"] else ("red", "opens    no, because"))
    lines += [("red", f"         - {reason}") for reason in reasons]
    if key:
        lines.append(("", f"key      {key} of {count}, {report['key_source']}{', a fallback' * (key > 1)}"))
    if not text:
        return [*lines, ("", "content  none that can be read")]
    title = ("green", "content  verified") if key else ("yellow", "content  NOT VERIFIED, anyone can have written it")
    return [*lines, title, *(("", line) for line in text.split("\n"))]


def _inspect(options: argparse.Namespace) -> tuple[_Lines, int]:
    value, size, size_of = _find(_read(options.text), options.name.encode("utf-8", "backslashreplace"))
    keys = _keys(options)
    report, text = _examine(value, keys, options)
    report |= {"size": size, "size_of": size_of, "size_limit": _SIZE_LIMIT}
    lines = [("", json.dumps(report))] if options.json else _lines(report, text, len(keys))
    return lines, 0 if report["opens"] or (not keys and report["content"] is not None) else 1


def _sign(options: argparse.Namespace) -> tuple[_Lines, int]:
    text = _read(options.text)
    try:
        content = (TaggedJSONSerializer() if options.tagged else json).loads(text)
    except Exception as error:  # a tag may raise anything
        raise ValueError(f"this is no JSON, or its tags are wrong: {error}") from error
    if not is_dict(content):
        raise ValueError('a session is a JSON object, such as {"user": 1}')
    if options.permanent:
        content["_permanent"] = True
    if not (keys := _keys(options)):
        raise ValueError(f"no key: give --key-env, --key-file or --ask-key, or set {' or '.join(_KEY_VARIABLES)}")
    codec = _codec(keys[0][1], options)
    value = codec.dumps(content)
    if options.at is not None:
        stamp = base64_encode(options.at.to_bytes(8, "big").lstrip(b"\0"))
        # The codec's own signer would add the time of now.
        value = Signer.sign(codec.make_signer(), codec.dump_payload(content) + b"." + stamp).decode()
    if options.cookie:
        value = f"{CookieWriter(options.name, secure=True).name.decode()}={value}"
    return [("", value)], 0


def _arguments() -> argparse.ArgumentParser:
    def no_key(_: str) -> None:
        raise argparse.ArgumentTypeError(
            "a key is no argument, the list of processes and the shell's history would show it: "
            "use --key-env, --key-file or --ask-key"
        )

    shared = argparse.ArgumentParser(add_help=False)
    add = shared.add_argument_group("secret keys").add_argument
    add("--key-env", metavar="NAME", action="append", default=[], help="a key is in this environment variable")
    add("--key-file", metavar="PATH", help="keys are in this file, one a line, the current one first")
    add("--ask-key", action="store_true", help="ask for a key on the terminal")
    add("--key", "--secret-key", "--secret", "-k", type=no_key, help=argparse.SUPPRESS)
    add = shared.add_argument_group("settings of the application").add_argument
    add("--name", default="session", help="the cookie's name (default: session)")
    add("--salt", default="cookie-session", help="(default: cookie-session)")
    add("--digest", choices=_DIGESTS, default="sha1", help="(default: sha1)")
    add("--key-derivation", choices=_DERIVATIONS, default="hmac", help="(default: hmac)")

    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("starlette-flask", description=__doc__, formatter_class=form, allow_abbrev=False)
    commands = parser.add_subparsers(metavar="inspect|sign", required=True)

    example = "example: curl -si https://example.com/login | starlette-flask inspect --key-file keys.txt"
    command = commands.add_parser(
        "inspect", parents=[shared], epilog=example, formatter_class=form, allow_abbrev=False
    )
    command.set_defaults(run=_inspect)
    add = command.add_argument
    add("text", metavar="COOKIE", nargs="?", help="(default: standard input)")
    add("--max-age", metavar="SECONDS", type=int, default=31 * 86400, help="how old it may be (default: 31 days)")
    add("--json", action="store_true", help="print one line of JSON, for machines")

    example = """example: starlette-flask sign --ask-key --cookie '{"user": 1}'"""
    command = commands.add_parser("sign", parents=[shared], epilog=example, formatter_class=form, allow_abbrev=False)
    command.set_defaults(run=_sign)
    add = command.add_argument
    add("text", metavar="JSON", nargs="?", help="(default: standard input)")
    add("--tagged", action="store_true", help="the JSON has Flask's tags, as the content of inspect --json")
    add("--permanent", action="store_true", help="make it a permanent session")
    add("--at", metavar="SECONDS", type=int, help="date it so, in Unix seconds (default: now)")
    add("--cookie", action="store_true", help="print NAME=VALUE")
    return parser


def _printable(line: str) -> str:
    """Return ``line`` with everything escaped that could steer a terminal or hide: a cookie may hold anything."""
    return re.sub(r"[^ -~]", lambda match: match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1], line)


def _print(lines: _Lines) -> None:
    if not sys.stdout:
        raise ValueError("there is no standard output")
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    try:
        for colour, line in lines:
            text = _printable(line).encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding)
            print(f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if coloured and colour else text)
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's own flush at exit
        raise


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command of ``argv``, by default the process's. Return the exit code; usage raises ``SystemExit``."""
    options = _arguments().parse_args(argv)
    code: int
    try:
        lines, code = options.run(options)
        _print(lines)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141
    except (EOFError, OSError, OverflowError, RecursionError, ValueError) as error:
        print(f"starlette-flask: {_printable(str(error))}", file=sys.stderr)
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
