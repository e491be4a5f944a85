"""What was offered keeps the name and number that it had then, whatever the catalog learns later. Lines of before get
today's, which is what would be sent for them today. The database fills the columns in for code of before."""

from django.db import migrations, models

FILL = """
UPDATE offers_offerline AS l SET sku = p.sku, name_en = p.name_en, name_es = p.name_es
FROM catalog_product AS p WHERE p.id = l.product_id AND l.sku = ''
"""


class Migration(migrations.Migration):
    dependencies = [("offers", "0003_printed_links"), ("catalog", "0002_walls")]
    operations = [
        migrations.AddField("offerline", "sku", models.CharField(blank=True, db_default="", default="", max_length=40)),
        migrations.AddField(
            "offerline", "name_en", models.CharField(blank=True, db_default="", default="", max_length=160)
        ),
        migrations.AddField(
            "offerline", "name_es", models.CharField(blank=True, db_default="", default="", max_length=160)
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
