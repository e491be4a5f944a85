"""What machines call: callbacks of suppliers and of the payment page, notifications of EHRs, our key set, health. No cookie is
read or set."""

from django.urls import include, path

from ehrcommerce.commerce.fulfillment.urls import urlpatterns as suppliers
from ehrcommerce.commerce.orders.urls import urlpatterns as payments
from ehrcommerce.ehr.hooks import urlpatterns as notifications
from ehrcommerce.ehr.views.cds_hooks import urlpatterns as cds_hooks
from ehrcommerce.ehr.views.keys import jwks
from ehrcommerce.suppliers.urls import urlpatterns as messages
from ehrcommerce.urls import health

urlpatterns = [
    path("hooks/", include(([*payments, *suppliers, *messages, *notifications, *cds_hooks], "hooks"))),
    path(".well-known/jwks.json", jwks, name="jwks"),
    *health.urlpatterns,
]
