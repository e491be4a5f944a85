"""What can be bought."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "ehrcommerce.commerce.catalog"

    def ready(self) -> None:
        from ehrcommerce.commerce.catalog.services import erase_words
        from ehrcommerce.disclosure import retention
        from ehrcommerce.policy.keeping import UNMAPPED

        retention.register("catalog_words", erase_words, {"catalog.UnmappedCode.display": UNMAPPED})
