"""One request from this site to somebody who listens: no redirects, no proxies of the environment, five seconds."""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

ANSWER_WITHIN_S = 5.0
LARGEST_ANSWER = 4096


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the receiver answered; status 0 when it did not."""

    status: int
    body: str

    @property
    def taken(self) -> bool:
        """Only a 2xx means that it was taken."""
        return 200 <= self.status < 300


def send(
    url: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST", most: int = LARGEST_ANSWER
) -> Reply:
    """Send it once."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    line = kind(parts.hostname or "", parts.port, timeout=ANSWER_WITHIN_S)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        line.request(method, target, body, dict(headers))
        answer = line.getresponse()
        return Reply(status=answer.status, body=answer.read(most).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as fault:
        return Reply(status=0, body=type(fault).__name__)
    finally:
        line.close()
