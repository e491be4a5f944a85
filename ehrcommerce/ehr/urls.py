"""Addresses below /ehr/. `launch`, `start/<slug>/` and `callback/<slug>/` are registered in the EHRs and never change."""

from django.urls import path

from ehrcommerce.ehr.views import clinician, launch, made, questions, session

app_name = "clinic"
_KEY = "c/<str:launch_key>/"

urlpatterns = [
    path("launch", launch.launch, name="launch"),
    path("start/<slug:slug>/", launch.start, name="start"),
    path("callback/<slug:slug>/", launch.callback, name="callback"),
    path("window/<slug:slug>/<str:once>/", launch.window, name="window"),
    path(_KEY, clinician.orders, name="orders"),
    path(f"{_KEY}style.css", session.style, name="style"),
    path(f"{_KEY}leave/", session.leave, name="leave"),
    path(f"{_KEY}values/", clinician.values, name="values"),
    path(f"{_KEY}send/", clinician.send, name="send"),
    path(f"{_KEY}sent/<uuid:offer_id>/", made.sent, name="sent"),
    path(f"{_KEY}sent/<uuid:offer_id>/sheet/", made.sheet, name="sheet"),
    path(f"{_KEY}sent/<uuid:offer_id>/sheet/paper/", made.sheet_paper, name="sheet_paper"),
    path(f"{_KEY}links/", made.links, name="links"),
    path(f"{_KEY}links/<uuid:link_id>/revoke/", made.revoke, name="revoke"),
    path(f"{_KEY}links/<uuid:link_id>/resend/", made.resend, name="resend"),
    path(f"{_KEY}links/<uuid:link_id>/withdraw/", made.withdraw, name="withdraw"),
    path(f"{_KEY}automatic/<uuid:act_id>/undo/", made.undo, name="undo"),
    path(f"{_KEY}questions/<uuid:question_id>/", questions.question, name="question"),
    path(f"{_KEY}questions/<uuid:question_id>/answer/", questions.answer, name="answer"),
]
