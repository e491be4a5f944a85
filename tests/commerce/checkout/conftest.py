"""Cy opens the link that Ada sent. Each test has a clinic with all partners, one offer, and a browser."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from ehrcommerce.accounts.models import Organization
from ehrcommerce.commerce.catalog.models import Product, ProductCode
from ehrcommerce.commerce.offers import services as offers
from ehrcommerce.commerce.offers.models import PurchaseLink
from ehrcommerce.commerce.offers.tokens import token_of
from ehrcommerce.policy.packets import ChartOrder, Coding, ContactPoint, OrderedItem, OrderState, RecipientFacts
from ehrcommerce.suppliers import chosen
from ehrcommerce.suppliers.models import Supplier
from ehrcommerce.vault import walls
from ehrcommerce.vault.keys import identity_digest
from tests import factories
from tests.commerce.checkout.doubles import Chart, Outside

BORN = {"month": "3", "day": "14", "year": "1968"}
CHILD = {**BORN, "year": "2015"}
PHONE, EMAIL = ContactPoint("phone", "+12065550142", "mobile"), ContactPoint("email", "cy@mail.example")
HTML = Any


@dataclass
class Shop:
    """A clinic, its partners and its things to buy."""

    clinic: Organization
    outside: Outside
    products: dict[str, Product] = field(default_factory=dict)

    def offer(
        self, *items: tuple[str, OrderedItem], contacts: tuple[ContactPoint, ...] = (PHONE, EMAIL), language: str = "en",
        needs_helper: bool = False, born: str = "",
    ) -> PurchaseLink:  # fmt: skip
        """A link for these products, sent to the first contact. Who needs a helper is a child."""
        born = born or ("2015-03-14" if needs_helper else "1968-03-14")
        key = "customer-cy"
        recipient = RecipientFacts(
            customer_key=key, birth_digest=identity_digest("birth", key, born),
            family_digest=identity_digest("family", key, "Rivera"),
            postal_digest=identity_digest("postal", key, "98101"),
            contacts=contacts, language=language, needs_helper=needs_helper,
        )  # fmt: skip
        lines = [
            offers.NewLine(ChartOrder(item, OrderState("1", "", "active")), self.products[sku], "e_prescription")
            for sku, item in items or [("MET", METFORMIN)]
        ]
        Chart.orders |= {line.order.item.key: line.order for line in lines}
        with walls.organization(self.clinic.pk):
            ada = factories.clinician(self.clinic, subject=f"ada-{timezone.now().timestamp()}")
            return offers.make_offer(
                lines=lines, recipient=recipient, send_to=contacts[0] if contacts else None, by=ada, at=timezone.now()
            )


METFORMIN = OrderedItem(
    key="order-1", kind="prescription", name="metformin 500 MG", directions="Take 1 tablet by mouth twice a day",
    dose="1 tablet", timing="2 per 1 d", route="Oral", quantity="180", quantity_unit="tablet",
    orderer_name="Dr. Okafor",
    codings=(Coding("http://www.nlm.nih.gov/research/umls/rxnorm", "861007"),),
)  # fmt: skip
METER = OrderedItem(key="order-2", kind="device", name="Blood glucose monitor", orderer_name="Dr. Okafor")


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Outside:
    made = Outside()
    Chart.begin()
    settings.CHART = "tests.commerce.checkout.doubles.Chart"
    monkeypatch.setattr(chosen, "adapter_of", made.adapter_of)
    return made


@pytest.fixture
def shop(transactional_db: None, outside: Outside) -> Shop:
    clinic = factories.organization(alias="Lakeside Clinic")
    shop = Shop(clinic, outside)
    for port, name, states in (
        ("messaging", "Messages", ""), ("eligibility", "Plan desk", ""), ("payment", "Pay desk", ""),
        ("pharmacy", "Lakeside Pharmacy", "WA,OR"), ("device", "Harbor Devices", ""), ("kit", "Kit lab", ""),
    ):  # fmt: skip
        row = Supplier.objects.create(
            organization=clinic, port=port, adapter=f"{port}_double", name=name, base_url="https://partner.example",
            licensed_states=states, needs_birth_date=port == "pharmacy",
        )  # fmt: skip
        factories.agreement(clinic, row.party)
        outside.rows[port] = row
    for sku, kind, english, spanish, cents in (
        ("MET", "prescription", "Metformin 500 mg tablets", "Metformina 500 mg, tabletas", 4800),
        ("GLU", "device", "Blood glucose meter kit", "Kit de medidor de glucosa", 2495),
    ):
        product = Product.objects.create(
            organization=clinic, sku=sku, kind=kind, name_en=english, name_es=spanish, price_cents=cents,
            quantity_basis="180 tablets", service_type="88",
        )  # fmt: skip
        ProductCode.objects.create(organization=clinic, product=product, system="urn:codes", code=f"code-{sku}")
        shop.products[sku] = product
    return shop


@dataclass
class Cy:
    """The patient with a phone."""

    shop: Shop
    link: PurchaseLink
    browser: Client = field(default_factory=Client)

    @property
    def address(self) -> str:
        return f"/l/{token_of(self.link)}/"

    def get(self, path: str, **more: Any) -> HTML:
        return self.browser.get(path, **more)

    def post(self, path: str, **values: str) -> HTML:
        if path == "/c/pay/" and "quote" not in values:
            values["quote"] = self.quote(path)
        return self.browser.post(path, values)

    def answer(self, **changes: str) -> HTML:
        return self.post(self.address, **{**self.born, **changes})

    @property
    def born(self) -> dict[str, str]:
        return BORN

    def prove(self) -> HTML:
        assert self.answer().status_code == 302
        return self.post("/c/code/", code=self.shop.outside.code)

    def choose(self, *, plan: bool = False) -> HTML:
        self.prove()
        return self.use_plan() if plan else self.post("/c/check/", pay_with="full")

    def use_plan(self) -> HTML:
        """Choose the plan and tick its box."""
        found = re.search(r'name="plan_ok" value="([0-9a-f]+)"', self.get("/c/check/").content.decode())
        assert found is not None
        return self.post("/c/check/", pay_with="plan", plan_ok=found[1])

    def agree(self, *, plan: bool = False) -> HTML:
        self.choose(plan=plan)
        return self.post("/c/price/", **self.boxes(), quote=self.quote())

    def boxes(self) -> dict[str, str]:
        """The consent boxes of the price page, all ticked."""
        return dict(re.findall(r'name="(agree_\w+)" value="([0-9a-f]+)"', self.get("/c/price/").content.decode()))

    def quote(self, path: str = "/c/price/") -> str:
        """The version that stands on the price page, or on another; "" where none does."""
        found = re.search(r'name="quote" value="([0-9a-f]+)"', self.get(path).content.decode())
        return found[1] if found else ""

    def ship(self, *, plan: bool = False) -> HTML:
        self.agree(plan=plan)
        return self.post("/c/where/", place="file")


@pytest.fixture
def cy(shop: Shop) -> Cy:
    return Cy(shop, shop.offer())


@pytest.fixture
def inside(shop: Shop) -> Iterator[None]:
    """In the clinic's walls, to look at its rows."""
    with walls.organization(shop.clinic.pk):
        yield
    connection.ehrc_organization = None  # type: ignore[attr-defined]


def words(response: HTML) -> str:
    """The page as one line of text, tags taken out."""

    text = re.sub(r"<(script|style|svg|title).*?</\1>", " ", response.content.decode(), flags=re.S)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())
