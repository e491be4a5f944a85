"""Each organization gets its turn: what is due was taken oldest first, so that ten thousand effects of one clinic stood
before the one of another. Built beside running code; the old questions keep their names and their arguments."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

from ehrcommerce.vault.walls import crossing

_OPEN = "state IN ('planned', 'sending', 'unknown')"
_DUE = f"{_OPEN} AND (lease_until IS NULL OR lease_until < now())"
# The organizations that have open work, from one to the next by the index: as many steps as there are of them.
_ORGANIZATIONS = f"""
    (SELECT organization_id AS id FROM outbox_effect WHERE {_OPEN} AND organization_id > %s
     ORDER BY organization_id LIMIT 1)
    UNION ALL
    SELECT (SELECT organization_id FROM outbox_effect WHERE {_OPEN} AND organization_id > one.id
            ORDER BY organization_id LIMIT 1) FROM one WHERE one.id IS NOT NULL
"""  # noqa: S608
# The oldest of each, then the second of each, and so on.
DUE = f"""
WITH RECURSIVE one AS ({_ORGANIZATIONS % "-1"})
SELECT effect.public_id FROM one CROSS JOIN LATERAL (
    SELECT public_id, next_run_at, row_number() OVER (ORDER BY next_run_at) AS place FROM outbox_effect
    WHERE organization_id = one.id AND {_DUE} AND next_run_at <= now() - make_interval(secs => p_grace_s)
    ORDER BY next_run_at LIMIT p_limit) AS effect
WHERE one.id IS NOT NULL ORDER BY effect.place, effect.next_run_at LIMIT p_limit
"""  # noqa: S608
DUE_BEFORE = """
SELECT public_id FROM outbox_effect
WHERE state IN ('planned', 'sending', 'unknown')
  AND next_run_at <= now() - make_interval(secs => p_grace_s)
  AND (lease_until IS NULL OR lease_until < now())
ORDER BY next_run_at LIMIT p_limit
"""
# Whose turn is it after this organization? The first with something due in the queue of the bell, going round; its oldest,
# or what the bell is for, where that is its own.
TURN = f"""
DECLARE
    mine bigint;
    wanted varchar;
    is_due boolean;
    whose bigint;
    oldest uuid;
BEGIN
    SELECT organization_id, queue, {_DUE} AND next_run_at <= now() INTO mine, wanted, is_due
        FROM outbox_effect WHERE public_id = p_id;
    WITH RECURSIVE one AS ({_ORGANIZATIONS % "p_after"}), again AS ({(_ORGANIZATIONS % "-1").replace("one", "again")}),
    turns AS (SELECT id FROM one UNION ALL SELECT id FROM again)
    SELECT turns.id, effect.public_id INTO whose, oldest FROM turns CROSS JOIN LATERAL (
        SELECT public_id FROM outbox_effect
        WHERE organization_id = turns.id AND queue = wanted AND {_DUE} AND next_run_at <= now()
        ORDER BY next_run_at LIMIT 1) AS effect
    WHERE turns.id IS NOT NULL LIMIT 1;
    RETURN QUERY SELECT CASE WHEN whose = mine AND is_due THEN p_id ELSE oldest END, whose WHERE whose IS NOT NULL;
END
"""  # noqa: S608


def replaced(body: str) -> str:
    return (
        "CREATE OR REPLACE FUNCTION ehrc_due_effects(p_grace_s double precision, p_limit integer) RETURNS SETOF uuid"
        f" LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $body$ {body} $body$;"
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("outbox", "0004_queue"),
    ]
    operations = [
        AddIndexConcurrently(
            "effect",
            models.Index(
                fields=["organization_id", "next_run_at"],
                name="effect_turn",
                condition=models.Q(state__in=["planned", "sending", "unknown"]),
            ),
        ),
        migrations.RunSQL(replaced(DUE), replaced(DUE_BEFORE)),
        crossing(
            "ehrc_turn", "p_id uuid, p_after bigint", "TABLE (effect_id uuid, of_organization bigint)", TURN,
            language="plpgsql",
        ),
        RemoveIndexConcurrently("effect", "effect_due"),
    ]  # fmt: skip
