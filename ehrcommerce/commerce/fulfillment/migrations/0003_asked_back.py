"""Cancels that are under way, or ended in trouble, when this comes: their lines are marked as the code marks them now."""

from django.db import migrations

MARK = """
UPDATE orders_orderline SET asked_back = true
WHERE id IN (
    SELECT l.order_line_id FROM fulfillment_fulfillmentline AS l
    JOIN fulfillment_fulfillment AS f ON f.id = l.fulfillment_id
    WHERE f.state = 'cancel_requested'
       OR (f.state = 'exception' AND f.reason LIKE 'cancel\\_%' AND f.reason <> 'cancel_too_late'))
"""


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0002_walls"), ("orders", "0003_asked_back")]
    operations = [migrations.RunSQL(MARK, migrations.RunSQL.noop)]
