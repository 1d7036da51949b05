"""Conversations of clients, good and bad ones, and what becomes of them by small changes."""

import random
from collections.abc import Iterator

HOST = b"Host: a.example\r\n"
_GET = b"GET / HTTP/1.1\r\n" + HOST
_POST = b"POST /p HTTP/1.1\r\n" + HOST
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_NEXT = b"GET /next HTTP/1.1\r\n" + HOST + b"\r\n"

GOOD = [
    _GET + b"\r\n",
    _GET + b"\r\n" + _NEXT,
    _GET + b"Connection: close\r\n\r\n" + _NEXT,
    _GET + b"Connection: keep-alive, x-hop\r\nX-Hop: 1\r\nTE: trailers\r\n\r\n" + _NEXT,
    _GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n\x81\x00",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + _NEXT,
    b"\r\n\r\nGET /after/blank HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /a%20b/../c?d=e&f=%00;g HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET http://b.example:81/x?y HTTP/1.1\r\n" + HOST + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n",
    b"DELETE /x HTTP/1.1\r\n" + HOST + b"\r\n",
    b"BREW /pot HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /\xc3\xa4 HTTP/1.1\r\n" + HOST + b"X-Text: \xe4\xff\r\n\r\n",
    _GET + b"Accept: */*\r\nUser-Agent: curl/8.0 (x86_64)\r\nCookie: a=b; c=d\r\nX-Empty:\r\nX_Under: 1\r\n\r\n",
    _GET + b"X-Spaces: \t two  words \t\r\n\r\n",
    _GET + b"Accept: a\r\nAccept: b\r\n\r\n",
    _POST + b"Content-Length: 5\r\n\r\nhello" + _NEXT,
    _POST + b"Content-Length: 0\r\n\r\n" + _NEXT,
    _POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" + _NEXT,
    _POST + b"Content-Length: 11\r\n\r\nonly five..",
    _CHUNKED + b"3\r\nabc\r\n0\r\n\r\n" + _NEXT,
    _CHUNKED + b'a;name=value;q="x y"\r\n0123456789\r\n00\r\n\r\n' + _NEXT,
    _CHUNKED + b"3 \t; name = value\r\nabc\r\n0\r\n\r\n" + _NEXT,
    _CHUNKED + b"1\r\na\r\nF\r\n0123456789abcde\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n" + _NEXT,
]

BAD = [
    # Known ways to smuggle: two servers that read these differently see different requests.
    _POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + _NEXT,
    _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" + _NEXT,
    _POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!" + _NEXT,
    _POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + _NEXT,
    _POST + b"Content-Length: 5, 5\r\n\r\nhello" + _NEXT,
    _POST + b"Content-Length: +5\r\n\r\nhello" + _NEXT,
    _POST + b"Content-Length: 05\r\n\r\nhello" + _NEXT,
    _POST + b"Content-Length : 5\r\n\r\nhello" + _NEXT,
    _POST + b"Content-Length: 18446744073709551617\r\n\r\nhello" + _NEXT,
    _POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + _NEXT,
    _POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + _NEXT,
    _POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + _NEXT,
    _POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + _NEXT,
    _POST + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello" + _NEXT,
    _POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + _NEXT,
    _POST + b"Transfer-Encoding: \r\n chunked\r\n\r\n0\r\n\r\n" + _NEXT,
    _POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + _NEXT,
    b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    _CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n" + _NEXT,
    _CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n" + _NEXT,
    _CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    _CHUNKED + b"3\nabc\n0\n\n" + _NEXT,
    _CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    _CHUNKED + b"3\r\nabcX0\r\n\r\n" + _NEXT,
    _CHUNKED + b"3;\n\r\nabc\r\n0\r\n\r\n" + _NEXT,
    _CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    _CHUNKED + b"0\r\n folded: 1\r\n\r\n" + _NEXT,
    _GET + b"X-Fold: a\r\n b\r\n\r\n",
    _GET + b"X-Bare: a\rb\r\n\r\n",
    _GET + b"X-Lf: a\nX-Next: b\r\n\r\n",
    _GET + b"X-Nul: a\0b\r\n\r\n",
    _GET + b" X-Space: a\r\n\r\n",
    _GET + b"no colon\r\n\r\n",
    _GET + b": no name\r\n\r\n",
    _GET + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.2\r\n" + HOST + b"\r\n",
    b"GET / HTTP/2.0\r\n" + HOST + b"\r\n",
    b"GET / http/1.1\r\n" + HOST + b"\r\n",
    b"GET /#fragment HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET a HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]

CORPUS = GOOD + BAD

PIECES = [
    *(bytes([c]) for c in b"\r\n\t \0:;,.-+_/?#%=\"'\\[]{}@*0159afAFxX~\x0b\x0c\x7f\x80\xa0\xff"),
    *(b"\r\n", b"\r\n\r\n", b"\n\n", b"\r\n ", b"\r\n\t", b"  ", b"0\r\n\r\n", b"\r\r\n", b"\n\r\n"),
    *(b"chunked", b"identity", b"close", b"keep-alive", b"Upgrade", b"100-continue", b"gzip, ", b", chunked"),
    *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Connection: close\r\n"),
    *(HOST, b"Host:\r\n", b"Expect: 100-continue\r\n", b"HTTP/1.1", b"HTTP/1.0", b"http://", b"GET ", b"POST "),
]


def mutations(count: int, seed: int) -> Iterator[bytes]:
    """The corpus first, as it is, then its mutations: the same ones for the same seed."""
    chance = random.Random(seed)
    for number in range(count):
        yield CORPUS[number] if number < len(CORPUS) else _mutated(chance)


def _mutated(chance: random.Random) -> bytes:
    data = chance.choice(GOOD if chance.random() < 0.75 else BAD)
    for _ in range(chance.choice((1, 1, 1, 1, 1, 1, 2, 3))):
        data = chance.choice(_CHANGES)(chance, data)
    return data


def _insert(chance: random.Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + chance.choice(PIECES) + data[at:]


def _replace(chance: random.Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + chance.choice(PIECES) + data[at + chance.choice((1, 1, 1, 2, 5)) :]


def _any_byte(chance: random.Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def _visible(chance: random.Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + bytes([chance.randrange(0x21, 0x7F)]) + data[at + chance.randint(0, 1) :]


def _delete(chance: random.Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + data[at + chance.choice((1, 1, 2, 4, 12)) :]


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randint(0, len(data))]


def _case(chance: random.Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    end = at + chance.randint(1, 8)
    return data[:at] + data[at:end].swapcase() + data[end:]


def _lines(chance: random.Random, data: bytes) -> bytes:
    """One line twice, or elsewhere."""
    lines = data.split(b"\r\n")
    line = chance.choice(lines)
    if chance.random() < 0.5:
        lines.remove(line)
    lines.insert(chance.randint(0, len(lines)), line)
    return b"\r\n".join(lines)


def _splice(chance: random.Random, data: bytes) -> bytes:
    other = chance.choice(CORPUS)
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


_CHANGES = (_insert, _insert, _replace, _any_byte, *[_visible] * 4, _delete, _case, _lines, _splice, _cut)
