"""Ada's EHR on loopback, its connection row, and a browser that was sent to it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from ehrcommerce.accounts.models import Organization
from ehrcommerce.ehr.models import EhrConnection
from tests import factories
from tests.ehr.fake_ehr import FakeEhr, running


@pytest.fixture
def ehr() -> Iterator[FakeEhr]:
    with running() as fake:
        yield fake


@pytest.fixture
def connection(clinic: Organization, ehr: FakeEhr) -> EhrConnection:
    return factories.ehr_connection(clinic, fhir_base=ehr.base, frame_origins=ehr.url)


@dataclass
class Browser:
    """One browser profile: launches, and comes back from the EHR's sign-in."""

    ehr: FakeEhr
    connection: EhrConnection
    client: Client = field(default_factory=Client)

    def launch(self, **query: Any) -> Any:
        return self.client.get("/ehr/launch", {"iss": self.ehr.base, "launch": "launch-1", **query})

    def sign_in(self) -> dict[str, str]:
        """Launch, and what the EHR's sign-in was asked; the EHR remembers the nonce."""
        response = self.launch()
        assert response.status_code == 302, response.content.decode()
        asked = {name: values[0] for name, values in parse_qs(urlsplit(response["Location"]).query).items()}
        self.ehr.nonce = asked["nonce"]
        return asked

    def come_back(self, *, slug: str = "", headers: dict[str, str] | None = None, **query: Any) -> Any:
        return self.client.get(f"/ehr/callback/{slug or self.connection.slug}/", query, headers=headers)

    def open(self) -> Any:
        """A whole launch."""
        return self.come_back(code="code-1", state=self.sign_in()["state"])

    def launch_cookies(self) -> list[str]:
        return [
            name for name in self.client.cookies if name.startswith("__Host-l-") and self.client.cookies[name].value
        ]


@pytest.fixture
def browser(ehr: FakeEhr, connection: EhrConnection) -> Browser:
    return Browser(ehr, connection)


def page(response: Any) -> str:
    """The text of a page."""
    return str(response.content.decode())
