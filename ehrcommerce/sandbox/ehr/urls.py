"""All addresses of the EHR."""

from django.urls import path

from ehrcommerce.sandbox.ehr import control, discovery, fhir_views, oauth_views, pages

urlpatterns = [
    path("", pages.start, name="start"),
    path("sandbox.css", pages.style, name="sandbox-style"),
    path("ehr/smart-style.json", pages.smart_style),
    path("ehr/login", pages.login, name="ehr-login"),
    path("ehr/logout", pages.logout, name="ehr-logout"),
    path("ehr/pick", pages.pick, name="ehr-pick"),
    path("ehr/", pages.patients, name="ehr-patients"),
    path("ehr/chart/<str:patient_id>/", pages.chart, name="ehr-chart"),
    path("ehr/chart/<str:patient_id>/launch", pages.launch, name="ehr-launch"),
    path("ehr/chart/<str:patient_id>/app/<str:value>/", pages.app, name="ehr-app"),
    path("ehr/chart/<str:patient_id>/<str:kind>/<str:order_id>/", pages.change, name="ehr-change"),
    path("ehr/chart/<str:patient_id>/<str:kind>/<str:order_id>/act", pages.act, name="ehr-act"),
    path("auth/authorize", oauth_views.authorize),
    path("auth/token", oauth_views.token),
    path("auth/revoke", oauth_views.revoke),
    path("auth/introspect", oauth_views.introspect),
    path("auth/jwks", oauth_views.jwks),
    path("fhir/R4/.well-known/smart-configuration", discovery.smart_configuration),
    path("fhir/R4/.well-known/openid-configuration", discovery.openid_configuration),
    path("fhir/R4/metadata", discovery.metadata),
    path("fhir/R4", fhir_views.base),
    path("fhir/R4/", fhir_views.base),
    path("fhir/R4/<path:path>", fhir_views.resource),
    path("control/launch", control.launch),
    path("control/fhir", control.fhir),
    path("control/users", control.users),
    path("control/clients", control.clients),
    path("control/knobs", control.knobs),
]
