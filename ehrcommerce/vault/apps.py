"""Registers the vault, so that its first migration can make the app's role before any table exists."""

from django.apps import AppConfig


class VaultConfig(AppConfig):
    name = "ehrcommerce.vault"
