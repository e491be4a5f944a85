"""Organizations, users, agreements."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "ehrcommerce.accounts"
