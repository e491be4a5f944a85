"""Walls, and the two questions that cross them: what is due, and may I have it."""

from django.db import migrations

from ehrcommerce.vault.walls import crossing, wall

DUE = """
SELECT public_id FROM outbox_effect
WHERE state IN ('planned', 'sending', 'unknown')
  AND next_run_at <= now() - make_interval(secs => p_grace_s)
  AND (lease_until IS NULL OR lease_until < now())
ORDER BY next_run_at LIMIT p_limit
"""
CLAIMED = "TABLE (pk bigint, organization_id bigint, kind varchar, was varchar, attempt integer, fence bigint)"
# An expired `sending` is unknown: somebody may have sent it and died. Time is the database's clock.
CLAIM = """
UPDATE outbox_effect AS e SET
    state = CASE WHEN e.state = 'sending' THEN 'unknown' ELSE e.state END,
    lease_until = now() + make_interval(secs => p_lease_s),
    attempt = e.attempt + 1,
    fence = e.fence + 1
WHERE e.id = (
    SELECT c.id FROM outbox_effect AS c
    WHERE c.public_id = p_id AND c.state IN ('planned', 'sending', 'unknown') AND c.next_run_at <= now()
      AND (c.lease_until IS NULL OR c.lease_until < now())
    FOR UPDATE SKIP LOCKED)
RETURNING e.id, e.organization_id, e.kind, e.state, e.attempt, e.fence
"""


class Migration(migrations.Migration):
    dependencies = [
        ("vault", "0001_app_role"),
        ("outbox", "0001_initial"),
    ]
    operations = [
        wall("outbox_effect", "outbox_note"),
        crossing("ehrc_due_effects", "p_grace_s double precision, p_limit integer", "SETOF uuid", DUE),
        crossing("ehrc_claim_effect", "p_id uuid, p_lease_s integer", CLAIMED, CLAIM),
    ]
