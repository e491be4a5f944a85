"""An EHR's CDS client, of a few lines: it signs calls as CDS Hooks 2.0 says, or in one way wrong."""

import json
import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.test import Client
from joserfc import jwt

from ehrcommerce.commerce.catalog.models import Product, ProductCode
from ehrcommerce.ehr.models import EhrConnection, HookClient
from ehrcommerce.policy.packets import DEVICE
from ehrcommerce.vault import walls
from tests.ehr.fake_ehr import EC, SIGNER, FakeEhr

ISSUER = "https://cds.ehr.example.org"
MASK = {"coding": [{"system": "urn:codes", "code": "A7034", "display": "mask"}]}


def device(name: str = "mask-1", *, patient: str = "cy-1", **more: Any) -> dict[str, Any]:
    found = {"resourceType": "DeviceRequest", "id": name, "status": "draft", "intent": "order", "codeCodeableConcept": MASK}
    return {**found, "subject": {"reference": f"Patient/{patient}"}, **more}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}


def sell_masks(connection: EhrConnection) -> Product:
    names = {"name_en": "Mask", "name_es": "Mascarilla", "price_cents": 6990}
    made = Product.objects.create(organization_id=connection.organization_id, sku="MASK", kind=DEVICE, **names)
    ProductCode.objects.create(
        organization_id=connection.organization_id, product=made, system="urn:codes", code="A7034"
    )
    return made


@dataclass
class Cds:
    """`row` is what the clinic registered of it."""

    ehr: FakeEhr
    connection: EhrConnection
    row: HookClient

    def url(self, service: str = "order-sign", rest: str = "") -> str:
        return f"/hooks/cds/{self.connection.slug}/cds-services/{service}{rest}"

    def token(self, url: str, *, key: Any = EC, header: dict[str, Any] | None = None, **claims: Any) -> str:
        now = int(time.time())
        said = {"iss": ISSUER, "aud": f"{settings.CLINIC_URL}{url}", "iat": now, "exp": now + 300, "jti": uuid4().hex}
        alg = "ES384" if key is EC else "RS384"
        head = {"alg": alg, "kid": key.kid, "typ": "JWT", "jku": self.row.jku}
        head = {name: value for name, value in {**head, **(header or {})}.items() if value is not None}
        kept = {name: value for name, value in {**said, **claims}.items() if value is not None}
        return str(jwt.encode(head, kept, key, algorithms=["ES384", "RS384", "RS256", "ES256"]))

    def body(self, hook: str = "order-sign", *orders: dict[str, Any], **more: Any) -> dict[str, Any]:
        context = {"patientId": "cy-1", "userId": "Practitioner/ada", "draftOrders": bundle(*orders)}
        context |= more.pop("context", {})
        return {"hook": hook, "hookInstance": str(uuid4()), "context": context, "fhirServer": self.ehr.base, **more}

    def post(self, url: str, body: Any, *, token: str | None = None) -> Any:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        token = self.token(url) if token is None else token
        headers = {"Authorization": f"Bearer {token}"}
        answer = Client().post(url, sent, content_type="application/json", headers=headers)
        walls.enter(self.connection.organization_id)  # the request left them; the test looks at rows
        return answer

    def call(self, *orders: dict[str, Any], hook: str = "order-sign", **more: Any) -> Any:
        return self.post(self.url(hook), self.body(hook, *orders, **more))

    def cards(self, *orders: dict[str, Any], hook: str = "order-sign", **more: Any) -> list[dict[str, Any]]:
        answer = self.call(*orders, hook=hook, **more)
        assert answer.status_code == 200, answer.content
        return list(answer.json()["cards"])


def registered(ehr: FakeEhr, connection: EhrConnection) -> Cds:
    ehr.keys = [SIGNER, EC]
    row = HookClient.objects.create(
        organization_id=connection.organization_id, connection=connection, enabled=True, issuer=ISSUER,
        hooks="order-sign order-select order-dispatch patient-view", jku=f"{ehr.url}/jwks",
    )  # fmt: skip
    return Cds(ehr, connection, row)
