"""How surely a code means a product, and who said so. What stood before was set by people of the catalog."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0004_rules_walls"),
    ]

    operations = [
        migrations.AddField(
            model_name="productcode",
            name="approved_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="productcode",
            name="approved_by",
            field=models.CharField(blank=True, db_default="system:earlier", default="", max_length=80),
        ),
        migrations.AddField(
            model_name="productcode",
            name="confidence",
            field=models.CharField(
                choices=[
                    ("certain", "Certain: exactly this"),
                    ("likely", "Likely: a person must look"),
                    ("weak", "Weak: a hint, never sold by it"),
                ],
                db_default="certain",
                default="certain",
                max_length=8,
            ),
        ),
        migrations.AddField(
            model_name="unmappedcode",
            name="reason",
            field=models.CharField(
                choices=[("no_product", "No product"), ("ambiguous", "Several products")],
                db_default="no_product",
                default="no_product",
                max_length=12,
            ),
        ),
        migrations.AddConstraint(
            model_name="productcode",
            constraint=models.CheckConstraint(
                condition=models.Q(("confidence__in", ["certain", "likely", "weak"])),
                name="product_code_confidence_known",
            ),
        ),
    ]
