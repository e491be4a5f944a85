"""All addresses of the EHR."""

from django.urls import URLPattern, URLResolver, include, path

from ehrcommerce.sandbox.ehr import control, control_events, discovery, fhir_views, oauth_views, pages, signing_page

AUTH: list[URLPattern | URLResolver] = [
    path("authorize", oauth_views.authorize),
    path("token", oauth_views.token),
    path("revoke", oauth_views.revoke),
    path("introspect", oauth_views.introspect),
    path("jwks", oauth_views.jwks),
]
FHIR: list[URLPattern | URLResolver] = [
    path(".well-known/smart-configuration", discovery.smart_configuration),
    path(".well-known/openid-configuration", discovery.openid_configuration),
    path("metadata", discovery.metadata),
    path("", fhir_views.base),
    path("<path:path>", fhir_views.resource),
]
PROFILE: list[URLPattern | URLResolver] = [
    path("auth/", include(AUTH)),
    path("fhir", fhir_views.base),
    path("fhir/", include(FHIR)),
    path("ehr/smart-style.json", pages.smart_style),
    path(".well-known/openid-configuration", discovery.openid_configuration),
    path("<path:issuer>/.well-known/openid-configuration", discovery.openid_configuration),
]
"""The addresses of one EHR; the middleware has entered the profile before any of them is called."""

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
    path("ehr/chart/<str:patient_id>/card", signing_page.open_card, name="ehr-card"),
    path("ehr/chart/<str:patient_id>/<str:kind>/<str:order_id>/sign", signing_page.sign, name="ehr-sign"),
    path("ehr/chart/<str:patient_id>/<str:kind>/<str:order_id>/act", pages.act, name="ehr-act"),
    path("auth/", include(AUTH)),
    path("fhir/R4", fhir_views.base),
    path("fhir/R4/", include(FHIR)),
    path("profiles/<slug:profile>/", include(PROFILE)),
    path("control/profiles", control.profiles),
    path("control/launch", control.launch),
    path("control/fhir", control.fhir),
    path("control/users", control.users),
    path("control/clients", control.clients),
    path("control/knobs", control.knobs),
    path("control/subscriptions", control_events.subscriptions),
    path("control/notices", control_events.messages),
]
