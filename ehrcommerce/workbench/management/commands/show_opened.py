"""Every row of every table with its sealed values opened, for the search of the minimization proof. Lives in the
workbench, which production does not install: nobody has a command that opens everything there."""

import json
from typing import Any

from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.management.base import BaseCommand
from django.db import models

from ehrcommerce.accounts.organizations import organization_ids
from ehrcommerce.vault import walls


class Command(BaseCommand):
    help = "Print all rows as JSON lines (table, column, value), sealed values opened. For the proof, on a test system."

    def handle(self, *args: Any, **options: Any) -> None:
        seen: set[tuple[str, Any]] = set()
        for organization_id in [None, *organization_ids()]:
            walls.enter(organization_id)
            for model in apps.get_models(include_auto_created=True):
                self._show(model, seen)
        walls.leave()

    def _show(self, model: type[models.Model], seen: set[tuple[str, Any]]) -> None:
        for row in model._base_manager.all():
            mark = (model._meta.db_table, row.pk)
            if mark in seen:
                continue
            seen.add(mark)
            # An effect's bytes are kept until it is final: whether it is stands beside each column.
            state = f":{getattr(row, 'state', '')}" if model._meta.db_table == "outbox_effect" else ""
            for field in model._meta.concrete_fields:
                value = getattr(row, field.attname)
                if value not in (None, "", b"", {}, []):
                    self._say(model._meta.db_table, f"{field.column}{state}", value)
            if isinstance(row, Session):
                self._say("django_session", "decoded", row.get_decoded())

    def _say(self, table: str, column: str, value: Any) -> None:
        shown = bytes(value).hex() if isinstance(value, bytes | memoryview) else value
        self.stdout.write(json.dumps([table, column, shown], default=str, ensure_ascii=False))
