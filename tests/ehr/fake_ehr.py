"""An EHR of a few lines on loopback: it says what a test told it to say, and notes what it was asked."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

Reply = tuple[int, dict[str, str], bytes]
SIGNER = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
OTHER = RSAKey.generate_key(2048, {"kid": "two"}, private=True)
EC = ECKey.generate_key("P-384", {"kid": "ec"}, private=True)


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON answer."""
    return status, {"Content-Type": "application/json", **headers}, json.dumps(value).encode()


@dataclass
class FakeEhr:
    """`document`, `token`, `claims` are what it would say; `replies` by path win over them; `asked` is its journal, `heard`
    the headers of each request."""

    url: str = ""
    document: dict[str, Any] = field(default_factory=dict)
    token: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    keys: list[Any] = field(default_factory=lambda: [SIGNER])
    replies: dict[str, Reply] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    heard: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    nonce: str = ""
    slow_s: float = 0.0
    # How answers are put on the line: "" is as usual, else "chunked", "http_1_0", "no_type", "spaced" or "lower_case".
    manner: str = ""

    @property
    def base(self) -> str:
        return f"{self.url}/fhir/R4"

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.asked]

    def reply(self, path: str) -> Reply:
        if path in self.replies:
            return self.replies[path]
        if path == "/fhir/R4/.well-known/smart-configuration":
            return as_json(self._document())
        if path == "/jwks":
            return as_json({"keys": [key.as_dict(private=False) for key in self.keys]})
        if path == "/token":
            return as_json(self._token())
        return 404, {}, b""

    def _document(self) -> dict[str, Any]:
        said = {
            "issuer": self.base, "jwks_uri": f"{self.url}/jwks",
            "authorization_endpoint": f"{self.url}/authorize?tenant=7",
            "token_endpoint": f"{self.url}/token", "code_challenge_methods_supported": ["S256"],
            "capabilities": ["launch-ehr", "authorize-post"], "scopes_supported": ["online_access"],
        }  # fmt: skip
        return {name: value for name, value in {**said, **self.document}.items() if value is not None}

    def _token(self) -> dict[str, Any]:
        said = {
            "access_token": "token-1", "token_type": "Bearer", "expires_in": 300, "scope": "openid patient/Patient.r",
            "patient": "cy-1", "id_token": self.id_token(), "fhirContext": [{"reference": "MedicationRequest/7"}],
        }  # fmt: skip
        return {name: value for name, value in {**said, **self.token}.items() if value is not None}

    def id_token(self) -> str:
        now = int(time.time())
        said = {"iss": self.base, "aud": "ehrcommerce", "sub": "ada", "iat": now, "exp": now + 300, "nonce": self.nonce}
        said |= {"fhirUser": f"{self.base}/Practitioner/ada"}
        claims = {name: value for name, value in {**said, **self.claims}.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, SIGNER)


@contextmanager
def running() -> Iterator[FakeEhr]:
    """It listens on a free port of loopback until the end of the block."""
    ehr = FakeEhr()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(ehr))
    ehr.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield ehr
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(ehr: FakeEhr) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            ehr.asked.append((self.command, self.path, dict(parse_qsl(body.decode()))))
            ehr.heard.append((self.path, dict(self.headers)))
            time.sleep(ehr.slow_s)
            status, headers, answer = ehr.reply(self.path)
            version = "HTTP/1.0" if ehr.manner == "http_1_0" else "HTTP/1.1"
            head = [f"{version} {status} X", "Connection: close"]
            fields = {"Content-Length": str(len(answer)), **headers}
            if ehr.manner == "no_type":
                fields.pop("Content-Type", None)
            if ehr.manner in ("chunked", "http_1_0"):
                del fields["Content-Length"]
            if ehr.manner == "spaced":
                answer = b"\r\n\t " + answer + b" \n\n" if answer else answer
                fields["Content-Length"] = str(len(answer))
            if ehr.manner == "lower_case":
                fields = {name.lower(): f"  {value} " for name, value in fields.items()}
            if ehr.manner == "chunked":
                fields["Transfer-Encoding"] = "chunked"
                cut = [answer[at : at + 7] for at in range(0, len(answer), 7)]
                answer = b"".join(b"%x;x=1\r\n%s\r\n" % (len(part), part) for part in cut) + b"0\r\nX-T: 1\r\n\r\n"
            head += [f"{name}: {value}" for name, value in fields.items()]
            self.wfile.write("\r\n".join([*head, "", ""]).encode() + answer)
            self.close_connection = True

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler
