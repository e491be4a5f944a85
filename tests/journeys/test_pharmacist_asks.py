"""A pharmacist asks through the partner's interface, the clinician answers from the chart, the pharmacy has the answer."""

import json
from collections.abc import Callable

from tests.journeys.cast import Ada, Cy, Desk, at, wait_for
from tests.journeys.test_clinician_pages import links_page


def test_the_clinician_answers_from_this_patients_links(ada: Ada, desk: Desk, patient: Callable[..., Cy]) -> None:
    cy, other = patient("prescription"), patient("device")
    mark = desk.mark()
    page = ada.send(ada.launch(cy.chart.patient), "metformin", routing_proof="e_prescription")
    cy.pay(cy.to_payment(at(cy.prove(), "/c/check/"), plan=False))
    placed = wait_for(lambda: [one for one in desk.journal("pharmacy", mark) if one["method"] == "POST"], "the order")
    reference = json.loads(placed[-1]["body"])["reference"]
    asks = {"question": "dose", "question_text": "Is 500 mg right?"}
    desk.advance(partner="pharmacy", reference=reference, to="accepted", **asks)
    found = wait_for(lambda: [one for one in [links_page(ada, page)] if "has a question" in one.text], "the question")[
        0
    ]
    address = next(link for link in found.links if "/questions/" in link)
    question = ada.visitor.get(ada.live.app_url + address)
    assert "Is the dose right?" in question.text
    assert "Is 500 mg right?" in question.text
    assert "Choose an answer" in ada.visitor.submit(question, "/answer/", answer="").text
    elsewhere = ada.launch(other.chart.patient)
    key = elsewhere.url.split("/c/")[1].split("/")[0]
    assert ada.visitor.get(f"{ada.live.app_url}/ehr/c/{key}/questions/{address.split('/')[-2]}/").status == 404
    done = ada.visitor.submit(question, "/answer/", answer="as_written", words="500 mg is right.")
    assert "Your answer goes to the pharmacy" in done.text
    sent = wait_for(
        lambda: [one for one in desk.journal("pharmacy", mark) if one["path"].endswith("/answer")], "the answer"
    )
    assert json.loads(sent[-1]["body"]) == {"answer": "as_written", "text": "500 mg is right."}
