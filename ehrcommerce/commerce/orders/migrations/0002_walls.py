"""Walls, and books that balance: an entry is never changed, and the amounts of one cause sum to zero at commit."""

from django.db import migrations

from ehrcommerce.vault.walls import wall

LEDGER = """
CREATE FUNCTION orders_ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger entries are never changed or removed';
END $$;
CREATE TRIGGER orders_ledger_append_only BEFORE UPDATE OR DELETE ON orders_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION orders_ledger_append_only();
CREATE FUNCTION orders_ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(amount_cents) FROM orders_ledgerentry
        WHERE organization_id = NEW.organization_id AND cause = NEW.cause) <> 0 THEN
        RAISE EXCEPTION 'the ledger entries of one cause must sum to zero';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER orders_ledger_balances AFTER INSERT ON orders_ledgerentry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION orders_ledger_balances();
"""
UNDO = """
DROP TRIGGER orders_ledger_balances ON orders_ledgerentry;
DROP TRIGGER orders_ledger_append_only ON orders_ledgerentry;
DROP FUNCTION orders_ledger_balances();
DROP FUNCTION orders_ledger_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("vault", "0001_app_role"),
        ("orders", "0001_initial"),
    ]
    operations = [
        wall("orders_order", "orders_orderline", "orders_payment", "orders_ledgerentry", "orders_orderevent"),
        migrations.RunSQL(LEDGER, UNDO),
    ]
