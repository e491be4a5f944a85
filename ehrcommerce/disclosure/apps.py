"""The door."""

from django.apps import AppConfig


class DisclosureConfig(AppConfig):
    name = "ehrcommerce.disclosure"
