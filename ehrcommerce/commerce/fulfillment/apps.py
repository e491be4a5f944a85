"""From a paid order to a delivered parcel."""

from django.apps import AppConfig


class FulfillmentConfig(AppConfig):
    name = "ehrcommerce.commerce.fulfillment"

    def ready(self) -> None:
        from ehrcommerce.commerce.fulfillment import (
            answering,
            attention,
            cancelling,
            dispatch,
            doubles,
            erasing,
            forgetting,
            notify,
            parcels,
            receivers,
            recheck,
            relook,
            report,
            returning,
            tracking,
            untold,
        )
        from ehrcommerce.commerce.fulfillment import chores as work
        from ehrcommerce.commerce.orders import signals
        from ehrcommerce.disclosure import retention
        from ehrcommerce.outbox import chores, handlers
        from ehrcommerce.policy.keeping import CONTACT_KEPT, OFFER, SHIP_KEPT, SKELETON
        from ehrcommerce.suppliers import messages

        for handler in (
            dispatch.Dispatch,
            tracking.Look,
            tracking.Track,
            cancelling.Cancel,
            attention.Attention,
            doubles.Doubles,
            recheck.Recheck,
            relook.Relook,
            notify.Notify,
            report.Report,
            forgetting.Forget,
            tracking.LookAtParcel,
            answering.Answering,
            returning.Returned,
            untold.Untold,
        ):
            handlers.register(handler())
        from ehrcommerce.accounts import whom as contacts
        from ehrcommerce.commerce.fulfillment import whom

        contacts.register(whom.supplier_of)
        messages.told.connect(untold.heard, dispatch_uid="fulfillment")
        signals.authorized.connect(receivers.on_authorized, dispatch_uid="fulfillment")
        signals.cancel_wanted.connect(receivers.on_cancel_wanted, dispatch_uid="fulfillment")
        signals.stopped.connect(receivers.on_stopped, dispatch_uid="fulfillment")
        signals.money_moved.connect(receivers.on_money_moved, dispatch_uid="fulfillment")
        numbers = ("fulfillment.Shipment.tracking_number", "fulfillment.Shipment.tracking_digest")
        parcel = ("orders.Order.ship_to", *numbers)
        retention.register(
            "addresses",
            erasing.erase_addresses,
            dict.fromkeys(parcel, SHIP_KEPT),
        )
        helper = ("offers.Helper.name", "offers.Helper.value", "offers.Helper.masked")
        contact = ("offers.Contact.value", "offers.Contact.masked", "offers.Contact.value_digest", *helper)
        retention.register("contacts", erasing.erase_contacts, dict.fromkeys(contact, CONTACT_KEPT))
        retention.register(
            "questions",
            erasing.erase_questions,
            {"fulfillment.PharmacistQuestion.words": OFFER, "fulfillment.PharmacistQuestion.answer_words": OFFER},
        )
        retention.register("packets", erasing.erase_packets, {"offers.OfferLine.packet": OFFER})
        skeleton = ("offers.Offer.customer_key", "offers.Offer.trust_phrase", "offers.OfferLine.order_key", "orders.Fill.order_key")
        retention.register("skeletons", erasing.erase_skeletons, dict.fromkeys(skeleton, SKELETON))
        chores.register("parcel digests", every_s=3600.0, work=parcels.fill_digests)
        chores.register("complete delivered orders", every_s=600.0, work=work.complete_delivered)
