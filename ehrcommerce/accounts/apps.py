"""Organizations, users, agreements."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "ehrcommerce.accounts"

    def ready(self) -> None:
        from ehrcommerce.accounts import seeds

        seeds.connect()
