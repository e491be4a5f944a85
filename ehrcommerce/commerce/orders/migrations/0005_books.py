"""Walls around fees; and books that balance for every order, not for every cause alone: a cause that touched two orders
could sum to zero and leave both crooked. All entries of one cause stand at one moment, so every day sums to zero too."""

from django.db import migrations

from ehrcommerce.vault.walls import wall

BALANCES = """
CREATE OR REPLACE FUNCTION orders_ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(amount_cents) FROM orders_ledgerentry
        WHERE organization_id = NEW.organization_id AND order_id = NEW.order_id AND cause = NEW.cause
          AND at = NEW.at) <> 0 THEN
        RAISE EXCEPTION 'the ledger entries of one cause must sum to zero, for one order and at one moment';
    END IF;
    RETURN NULL;
END $$;
"""
BEFORE = """
CREATE OR REPLACE FUNCTION orders_ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(amount_cents) FROM orders_ledgerentry
        WHERE organization_id = NEW.organization_id AND cause = NEW.cause) <> 0 THEN
        RAISE EXCEPTION 'the ledger entries of one cause must sum to zero';
    END IF;
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0004_delivery"),
    ]
    operations = [
        wall("orders_orderfee"),
        migrations.RunSQL(BALANCES, BEFORE),
    ]
