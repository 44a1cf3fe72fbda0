"""Requests of HTTP/1 for wsgi.py: limits, heads, bodies.

Always true: a request that could be read in two ways is refused, and nothing that a client sends is kept beyond LIMITS.
"""

import re
import sys
from dataclasses import dataclass
from http import HTTPStatus
from io import RawIOBase
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes


@dataclass(frozen=True)
class Limits:
    head_bytes: int = 16384
    headers: int = 100
    body_bytes: int = 16 << 20
    idle: float = 15.0  # seconds until the first byte of a request
    request: float = 15.0  # seconds for a head that has begun, and for each read of a body
    send: float = 15.0
    grace: float = 5.0


LIMITS = Limits()
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
STATUS = re.compile(r"[1-9][0-9]{2}( .*)?")
REASONS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Refused(Exception):
    """A request that is answered with a status of the server's own; then the connection is closed."""

    def __init__(self, status: int) -> None:
        super().__init__(REASONS[status])
        self.status = status


class Source(Protocol):
    """Where a body comes from."""

    def take(self, most: int) -> bytes: ...

    def line(self) -> bytes: ...

    def go_on(self) -> None: ...


class Body(RawIOBase):
    """``wsgi.input``: what is left of a request's body. Reads of it wait for the client."""

    def __init__(self, source: Source, length: int | None, expects: bool) -> None:
        self.source = source
        self.left = length or 0  # of the body, or of its present chunk
        self.chunked = length is None
        self.ended = length == 0
        self.expects = expects
        self.total = 0
        self.ahead = b""

    def readable(self) -> bool:
        return True

    def _more(self) -> bytes:
        """The next piece; empty at the end."""
        if self.ended:
            return b""
        if self.expects:
            self.expects = False
            self.source.go_on()
        if self.chunked and self.left == 0 and not self._next_chunk():
            self.ended = True
            return b""
        piece = self.source.take(self.left)
        self.left -= len(piece)
        if self.left == 0:
            if self.chunked and self.source.line() != b"":
                raise Refused(400)
            self.ended = not self.chunked
        return piece

    def _next_chunk(self) -> bool:
        size = self.source.line().partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
            raise Refused(400)
        self.left = int(size, 16)
        self.total += self.left
        if self.total > LIMITS.body_bytes:
            raise Refused(413)
        if self.left == 0:
            for _ in range(LIMITS.headers):  # trailers
                if self.source.line() == b"":
                    return False
            raise Refused(431)
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        most = sys.maxsize if size is None or size < 0 else size
        pieces, have = [self.ahead], len(self.ahead)
        while have < most and (piece := self._more()):
            pieces.append(piece)
            have += len(piece)
        data = b"".join(pieces)
        self.ahead = data[most:]
        return data[:most]

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readline(self, size: int | None = -1, /) -> bytes:
        most = sys.maxsize if size is None or size < 0 else size
        data = self.ahead
        while (end := data.find(b"\n") + 1) == 0 and len(data) < most and (piece := self._more()):
            data += piece
        end = min(end or len(data), most)
        self.ahead = data[end:]
        return data[:end]

    def drop(self) -> bool:
        """Reads what the application left, if that is little; False when the connection cannot go on."""
        if self.expects and not self.ended:
            return False
        left = 65536
        while not self.ended and left > 0:
            left -= len(self._more())
        return self.ended


_keys: dict[str, str] = {"Content-Type": "CONTENT_TYPE", "Content-Length": "CONTENT_LENGTH"}


def key_of(name: str) -> str:
    """The key of a header in the environment; empty for one that applications must not see."""
    key = _keys.get(name)
    if key is None:
        if not TOKEN.fullmatch(name):
            raise Refused(400)
        upper = name.upper().replace("-", "_")
        key = upper if upper in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + upper
        if "_" in name:
            key = ""  # it would be taken for another's
        if len(_keys) < 1000:
            _keys[name] = key
    return key


def parse(head: str, base: dict[str, Any]) -> tuple[dict[str, Any], bool, int | None]:
    """The environment of a request, whether the connection is kept, and the length of its body: None if chunked."""
    lines = head.split("\r\n")
    if head.count("\n") + head.count("\r") != 2 * (len(lines) - 1) or "\0" in head:
        raise Refused(400)
    while lines and not lines[0]:
        del lines[0]
    try:
        method, target, version = lines[0].split(" ")
    except (ValueError, IndexError):
        raise Refused(400) from None
    if not TOKEN.fullmatch(method):
        raise Refused(400)
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise Refused(505 if re.fullmatch(r"HTTP/[0-9]\.[0-9]", version) else 400)
    if len(lines) > LIMITS.headers + 1:
        raise Refused(431)
    if target[:1] != "/" and (absolute := re.match(r"https?://[^/?]*", target)):
        target = target[absolute.end() :] or "/"
    elif target[:1] != "/" and (target, method) != ("*", "OPTIONS"):
        raise Refused(400)
    path, _, query = target.partition("?")
    environ = {**base, "REQUEST_METHOD": method, "QUERY_STRING": query, "SERVER_PROTOCOL": version}
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = key_of(name)
        if not colon:
            raise Refused(400)
        value = value.strip(" \t")
        if key in environ and key:
            if key in ("HTTP_HOST", "CONTENT_LENGTH", "CONTENT_TYPE"):
                raise Refused(400)
            value = environ[key] + ("; " if key == "HTTP_COOKIE" else ", ") + value
        environ[key] = value
    environ.pop("", None)
    if version == "HTTP/1.1" and "HTTP_HOST" not in environ:
        raise Refused(400)
    return environ, wants_to_stay(environ, version), body_length(environ)


def wants_to_stay(environ: dict[str, Any], version: str) -> bool:
    asked = environ.get("HTTP_CONNECTION")
    if asked is None:
        return version == "HTTP/1.1"
    words = {word.strip().lower() for word in asked.split(",")}
    return "close" not in words and (version == "HTTP/1.1" or "keep-alive" in words)


def body_length(environ: dict[str, Any]) -> int | None:
    length = environ.get("CONTENT_LENGTH")
    coding = environ.get("HTTP_TRANSFER_ENCODING")
    if coding is not None:
        if length is not None or environ["SERVER_PROTOCOL"] == "HTTP/1.0":
            raise Refused(400)
        if coding.lower() != "chunked":
            raise Refused(501)
        return None
    if length is None:
        return 0
    if not re.fullmatch(r"[0-9]{1,15}", length):
        raise Refused(400)
    return int(length)
