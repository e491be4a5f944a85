"""From a paid order to a delivered parcel."""

from django.apps import AppConfig


class FulfillmentConfig(AppConfig):
    name = "ehrcommerce.commerce.fulfillment"

    def ready(self) -> None:
        from ehrcommerce.commerce.fulfillment import (
            cancelling,
            dispatch,
            erasing,
            notify,
            receivers,
            recheck,
            report,
            tracking,
        )
        from ehrcommerce.commerce.fulfillment import chores as work
        from ehrcommerce.commerce.orders import signals
        from ehrcommerce.disclosure import retention
        from ehrcommerce.outbox import chores, handlers

        for handler in (
            dispatch.Dispatch,
            tracking.Look,
            tracking.Track,
            cancelling.Cancel,
            recheck.Recheck,
            notify.Notify,
            report.Report,
        ):
            handlers.register(handler())
        signals.authorized.connect(receivers.on_authorized, dispatch_uid="fulfillment")
        signals.cancel_wanted.connect(receivers.on_cancel_wanted, dispatch_uid="fulfillment")
        signals.stopped.connect(receivers.on_stopped, dispatch_uid="fulfillment")
        signals.money_moved.connect(receivers.on_money_moved, dispatch_uid="fulfillment")
        retention.register("addresses", erasing.erase_addresses)
        retention.register("contacts", erasing.erase_contacts)
        retention.register("packets", erasing.erase_packets)
        chores.register("complete delivered orders", every_s=600.0, work=work.complete_delivered)
