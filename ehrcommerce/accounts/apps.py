"""Organizations, users, agreements."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "ehrcommerce.accounts"

    def ready(self) -> None:
        from ehrcommerce.accounts import agreements, seeds
        from ehrcommerce.outbox import chores

        seeds.connect()
        chores.register("watch agreements", every_s=3600.0, work=agreements.watch)
