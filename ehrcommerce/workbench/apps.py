"""The workbench as a Django app: only development and tests install it, for its management commands."""

from django.apps import AppConfig


class WorkbenchConfig(AppConfig):
    name = "ehrcommerce.workbench"
