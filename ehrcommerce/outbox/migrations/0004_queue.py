"""Who looks after a stuck effect, what a restored database must ask first, and the mark of the sweeper."""

from django.db import migrations, models

from ehrcommerce.vault.walls import crossing

# Kinds and states only: what waits is counted without saying whose it is. Both indexes are partial, so this reads the
# open rows and no others.
AGES = """
SELECT e.queue, e.kind, e.state, count(*),
  extract(epoch FROM now() - min(e.created_at))::double precision,
  greatest(extract(epoch FROM now() - min(e.next_run_at)), 0)::double precision
FROM outbox_effect AS e WHERE e.state IN ('planned', 'sending', 'unknown', 'needs_human')
GROUP BY e.queue, e.kind, e.state ORDER BY e.queue, e.kind, e.state
"""
ROW = (
    "TABLE (queue varchar, kind varchar, state varchar, number bigint, oldest_s double precision,"
    " late_s double precision)"
)


class Migration(migrations.Migration):
    dependencies = [("outbox", "0003_recipient")]
    operations = [
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=32, unique=True)),
                ("at", models.DateTimeField()),
                (
                    "skew_s",
                    models.FloatField(default=0.0, help_text="How far that machine's clock is from the database's."),
                ),
            ],
        ),
        migrations.AddField(
            model_name="effect",
            name="ask_first",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="The database was restored: it may have happened already.",
            ),
        ),
        migrations.AddField(
            model_name="effect",
            name="owner",
            field=models.CharField(
                blank=True, db_default="", default="", help_text="Who looks after it.", max_length=80
            ),
        ),
        crossing("ehrc_effect_ages", "", ROW, AGES),
    ]
