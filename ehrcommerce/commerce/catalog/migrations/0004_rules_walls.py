"""Walls around the rules; and for clinics that sold before there were any, what held until then said as rules: no tax
and no shipping fee. An administrator ends them with a last day and writes better ones."""

from datetime import date
from typing import Any

from django.db import migrations

from ehrcommerce.vault.walls import wall

TAXED = ("otc_drug", "medical_device", "lab_kit", "general", "shipping")
SINCE = date(2020, 1, 1)


def as_it_was(apps: Any, schema_editor: Any) -> None:
    """As the owner, who stands above the walls."""
    tax, shipping = apps.get_model("catalog", "TaxRule"), apps.get_model("catalog", "ShippingRule")
    for organization in apps.get_model("accounts", "Organization").objects.order_by("pk"):
        for tax_class in TAXED:
            tax.objects.create(organization=organization, tax_class=tax_class, rate_ppm=0, starts_on=SINCE)
        shipping.objects.create(organization=organization, fee_cents=0, starts_on=SINCE)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_walls"),
        ("catalog", "0003_tax_shipping_stock"),
    ]
    operations = [
        wall("catalog_taxrule", "catalog_shippingrule"),
        migrations.RunPython(as_it_was, migrations.RunPython.noop),
    ]
