"""A client that talks through the edge as a browser would: host names, cookies, forms, redirects."""

import contextlib
import http.client
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    path: str

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def hidden(self, name: str) -> str:
        """The value of a hidden form field, such as a CSRF token."""
        found = _HiddenFields.of(self.text).get(name)
        assert found is not None, f"{self.path} has no hidden field {name!r}: {self.text[:500]}"
        return found

    def link(self, pattern: str) -> str:
        """The first attribute value that matches."""
        found = re.search(rf'"({pattern})"', self.text)
        assert found, f"{self.path} has no link {pattern!r}: {self.text[:500]}"
        return found[1]

    def __str__(self) -> str:
        return f"{self.status} for {self.path}\n{self.body[:2000].decode(errors='replace')}"


class _HiddenFields(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}

    @staticmethod
    def of(page: str) -> dict[str, str]:
        parser = _HiddenFields()
        parser.feed(page)
        return parser.values

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden" and given.get("name"):
            self.values[str(given["name"])] = given.get("value") or ""


@dataclass(frozen=True)
class Upload:
    """A file of a multipart form."""

    name: str
    content: bytes
    type: str = "application/octet-stream"


class Browser:
    """One visitor of one site: keeps cookies, follows redirects, opens a connection per request."""

    def __init__(self, port: int, host: str, *, timeout: float = 30) -> None:
        self.port = port
        self.host = host
        self.timeout = timeout
        self.cookies: dict[str, str] = {}

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    def get(self, path: str, **headers: str) -> Answer:
        return self.follow(self.request("GET", path, headers=_header_names(headers)))

    def post(self, path: str, fields: Mapping[str, str | Upload], **headers: str) -> Answer:
        body, content_type = encode_form(fields)
        given = {"Content-Type": content_type, "Referer": self.origin + path, **_header_names(headers)}
        return self.follow(self.request("POST", path, body, given))

    def post_json(self, path: str, value: object, **headers: str) -> Answer:
        given = {"Content-Type": "application/json", **_header_names(headers)}
        return self.request("POST", path, json.dumps(value).encode(), given)

    def follow(self, answer: Answer) -> Answer:
        for _ in range(5):
            if answer.status not in REDIRECTS:
                return answer
            target = urlsplit(urljoin(answer.path, answer.headers["Location"]))
            assert target.netloc in ("", f"{self.host}:{self.port}"), f"redirected to another site: {target.geturl()}"
            answer = self.request("GET", target._replace(scheme="", netloc="").geturl())
        raise AssertionError(f"redirected in a circle at {answer.path}")

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        with self.open(method, path, body, headers) as response:
            return Answer(response.status, response.headers, response.read(), path)

    @contextlib.contextmanager
    def open(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer while its body still arrives."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            # A server may answer before it has read everything, and close: then the answer counts.
            with contextlib.suppress(BrokenPipeError):
                connection.request(method, path, body, {**self._headers(), **(headers or {})})
            response = connection.getresponse()
            self._keep_cookies(response.headers)
            yield response
        finally:
            connection.close()

    def _headers(self) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Host": f"{self.host}:{self.port}"} | ({"Cookie": cookies} if cookies else {})

    def _keep_cookies(self, headers: http.client.HTTPMessage) -> None:
        for line in headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(line).items():
                if morsel.value and morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)


def _header_names(given: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in given.items()}


def encode_form(fields: Mapping[str, str | Upload]) -> tuple[bytes, str]:
    """The body and its type: multipart as soon as a file is among the fields."""
    if not any(isinstance(value, Upload) for value in fields.values()):
        return urlencode({name: str(value) for name, value in fields.items()}).encode(), (
            "application/x-www-form-urlencoded"
        )
    boundary = secrets.token_hex(16)
    parts = b"".join(_part(boundary, name, value) for name, value in fields.items())
    return parts + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _part(boundary: str, name: str, value: str | Upload) -> bytes:
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
    if isinstance(value, str):
        return f"{head}\r\n\r\n{value}\r\n".encode()
    head += f'; filename="{value.name}"\r\nContent-Type: {value.type}'
    return f"{head}\r\n\r\n".encode() + value.content + b"\r\n"


def smallest_png() -> bytes:
    """A picture of one pixel."""
    return bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc00000030101"
        "00c9fe92ef0000000049454e44ae426082"
    )
