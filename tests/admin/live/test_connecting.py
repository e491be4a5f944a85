"""docs/connect-an-ehr.md, step by step over HTTP: an administrator connects a new EHR with the pages alone, and a
clinician launches from it. The EHR's administrator is the sandbox's control desk, who is told only what the page says."""

import re
import secrets
import time
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from ehrcommerce.workbench.supervisor import ChildFailed
from tests.admin.live.conftest import Cleo, approve
from tests.journeys.cast import Ada, Desk
from tests.journeys.charts import new_chart
from tests.journeys.visitor import Page

SECONDS = 300
PAGE = Path(__file__).resolve().parents[3] / "docs" / "connect-an-ehr.md"
LIST = "/admin/ehr/ehrconnection/"
# Ours -> the sandbox's own word for a vendor's manners.
VENDORS = {
    "epic": "epic", "oracle": "oracle", "athenahealth": "athenahealth", "eclinicalworks": "eclinicalworks",
    "veradigm": "veradigm", "medplum": "medplum", "smart_launcher": "smart_launcher", "hapi": "hapi", "inferno": "inferno",
}  # fmt: skip


def handed_over(page: Page) -> dict[str, str]:
    """The table for the EHR's administrator."""
    rows = re.findall(r'<th scope="row">(.*?)</th><td><code>(.*?)</code>', page.body, re.S)
    return {unescape(name): unescape(value) for name, value in rows}


def register(desk: Desk, told: dict[str, str], client_id: str) -> None:
    """What the EHR's administrator does with it."""
    scopes = [next(value for name, value in told.items() if "as this connection asks" in name)]
    scopes += [value for name, value in told.items() if "own access" in name]
    client = {
        "client_id": client_id, "name": "ehrcommerce", "auth_method": "private_key_jwt", "scope": " ".join(scopes),
        "jwks_uri": told["Key set address (JWKS)"], "redirect_uris": [told["Redirect address"]],
        "launch_url": told["Launch address"],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
    }  # fmt: skip
    desk.call("POST", "/control/clients", client)


def sentences(page: Page) -> dict[str, tuple[str, str]]:
    """Code -> (state, sentence) of the findings."""
    rows = re.findall(
        r'<tr class="ec-(\w+)"><td>.*?</td><td>.*?</td><td>(.*?)</td><td>([\w-]+)</td></tr>', page.body, re.S
    )
    return {code: (state, unescape(re.sub(r"<[^>]+>", "", sentence))) for state, sentence, code in rows}


def launched(ada: Ada, desk: Desk, patient: str, profile: str, client_id: str) -> Page:
    """The app's button in a chart of this EHR."""
    wish = {"patient": patient, "user": "ada", "profile": profile, "client_id": client_id}
    told = desk.call("POST", "/control/launch", wish)
    ada.visitor.cookies.setdefault("localhost", {})[told["cookie"]["name"]] = told["cookie"]["value"]
    return ada.visitor.get(told["url"])


def test_an_administrator_connects_an_ehr_with_the_page_alone(cleo: Cleo, dara: Cleo, ada: Ada, desk: Desk) -> None:
    began, slug = time.monotonic(), f"hill-{secrets.token_hex(3)}"
    base = desk.call("POST", "/control/profiles", {"name": slug, "vendor": "epic"})["fhir_base"]
    # 1. Add the row.
    page = cleo.see(f"{LIST}add/")
    page = cleo.visitor.submit(page, "/add/", name="Hill Clinic", slug=slug, vendor="epic", fhir_base=base)
    assert page.path.endswith("/test/")
    assert "Saved with the values of Epic" in page.text
    # 2. Hand over.
    client_id = f"app-{slug}"
    register(desk, handed_over(page), client_id)
    # 3. Record the agreement.
    (record,) = {unescape(link) for link in page.links if "/agreement/add/?" in link}
    form = cleo.visitor.get(f"{cleo.live.app_url}{record}")
    day = time.strftime("%Y-%m-%d", time.gmtime())
    done = cleo.visitor.submit(
        form, "/agreement/add/", document="folder 7", effective=day, signed_off_by="Cleo", services=["all"],
        document_sha256="5f" * 32, breach_contact="+1 555 0100",
    )  # fmt: skip
    assert done.path == "/admin/accounts/agreement/", done.text[:500]
    assert "in force." in put_in_force(cleo, done).text
    # 4. Enter the client id.
    change = page.path.removesuffix("test/") + "change/"
    form = cleo.see(change)
    saved = cleo.visitor.submit(form, "", values=values_of(form, client_id=client_id, enabled="on"))
    assert saved.path == LIST, saved.text[:900]
    # A second person lets it be switched on.
    assert "Waits for a second person" in saved.text
    assert "changed successfully" not in saved.text
    assert "Approved, and done" in approve(dara).text
    # 5. Test connection, then launch.
    page = cleo.visitor.submit(cleo.see(change), "/test/")
    found = sentences(page)
    assert {code: one for code, one in found.items() if one[0] == "error"} == {}
    assert found["B-READ"][0] == "ok"
    assert "ok" in cleo.see(LIST).text
    chart = new_chart("prescription")
    desk.put(*chart.resources)
    page = launched(ada, desk, chart.patient, slug, client_id)
    assert re.match(r"/ehr/c/[\w-]+/", page.path), page.text[:600]
    assert chart.family in page.text
    assert time.monotonic() - began < SECONDS


def given(page: str, name: str) -> str:
    """What the demo's steps say to enter: the code after this name."""
    found = re.search(rf"{name} `([^`]+)`", page)
    assert found, name
    return found[1]


@pytest.mark.smart("L6")
def test_the_demo_s_steps_of_the_page_lead_to_a_chart(cleo: Cleo, dara: Cleo, ada: Ada) -> None:
    """Word by word: names, addresses and users are read from the page."""
    steps = PAGE.read_text().partition("## Try it in the demo")[2].partition("\n## ")[0]
    live, base = cleo.live, given(steps, "FHIR address").replace("http://localhost:8701", cleo.live.sandbox_url)
    slug, client_id, wish = (
        given(steps, "short name"),
        given(steps, "client id"),
        {"vendor": given(steps, "vendor").lower()},
    )
    page = cleo.see(f"{LIST}add/")
    wish |= {"name": given(steps, "name"), "slug": slug, "fhir_base": base, "client_id": client_id}
    page = cleo.visitor.submit(page, "/add/", values={**wish, "enabled": []})
    assert page.path.endswith("/test/"), page.text[:600]
    (record,) = {unescape(link) for link in page.links if "/agreement/add/?" in link}
    form = cleo.visitor.get(f"{live.app_url}{record}")
    done = cleo.visitor.submit(
        form, "/agreement/add/", document="folder 7", effective=time.strftime("%Y-%m-%d", time.gmtime()),
        signed_off_by="Cleo", services=["all"], document_sha256="5f" * 32, breach_contact="+1 555 0100",
    )  # fmt: skip
    assert "in force." in put_in_force(cleo, done).text
    change = page.path.removesuffix("test/") + "change/"
    form = cleo.see(change)
    saved = cleo.visitor.submit(form, "", values=values_of(form, enabled="on", standalone="on"))
    assert "Waits for a second person, under Proposed changes" in saved.text
    assert "The rest was saved." in saved.text
    start = given(steps, "Open").replace("http://127.0.0.1:8700", live.app_url)
    assert "L-OFF" in ada.visitor.get(start).text
    assert dara.username == given(steps, "demo is the user")
    assert "Approved, and done" in approve(dara).text
    found = sentences(cleo.visitor.submit(cleo.see(change), "/test/"))
    assert {code: one for code, one in found.items() if one[0] == "error"} == {}
    page = ada.visitor.get(start)
    page = ada.visitor.submit(page, "login", username=given(steps, "sandbox as"), password=given(steps, "the password"))
    page = ada.visitor.submit(page, "pick", patient=re.findall(r'name="patient" value="([^"]+)"', page.body)[0])
    assert re.match(r"/ehr/c/[\w-]+/", page.path), page.text[:600]


def put_in_force(cleo: Cleo, listing: Page) -> Page:
    """The second step of an agreement: the newest draft of the list, by the list's own action."""
    newest = cleo.database.one("SELECT max(id) AS id FROM accounts_agreement")["id"]
    rows = (form for form in listing.forms if "_selected_action" in {name for name, _ in [*form.fields, *form.boxes]})
    listing.forms[:] = [next(rows)]
    wanted: dict[str, str | list[str]] = {"action": "put_in_force", "_selected_action": str(newest), "index": "0"}
    return cleo.visitor.submit(listing, "", values=wanted)


def values_of(page: Page, **changes: str) -> dict[str, str | list[str]]:
    """The fields of the connection's own form, which is not the first one of its page."""
    form = next(each for each in page.forms if each.value("slug"))
    page.forms[:] = [form]
    return {**{name: value for name, value in form.fields if not name.startswith("_")}, **changes}


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_values_of_a_vendor_fit_an_ehr_of_its_manners(cleo: Cleo, desk: Desk, ada: Ada, vendor: str) -> None:
    """The row as `ehr_connect` writes it, without a knob turned by hand, launches."""
    slug = f"v-{vendor.replace('_', '-')}-{secrets.token_hex(3)}"
    made: dict[str, Any] = desk.call("POST", "/control/profiles", {"name": slug, "vendor": VENDORS[vendor]})
    said = cleo.live.run(
        "ehr_connect", made["fhir_base"], f"--vendor={vendor}", f"--slug={slug}", f"--client-id=app-{slug}",
        "--client-auth=private_key_jwt",
    )  # fmt: skip
    assert "The connection was written." in said
    row = cleo.database.one("SELECT id, public_id, organization_id FROM ehr_ehrconnection WHERE slug = %s", slug)
    page = cleo.see(f"{LIST}{row['id']}/test/")
    register(desk, handed_over(page), f"app-{slug}")
    cleo.database.rows(
        "INSERT INTO accounts_agreement (organization_id, party, party_name, document, effective, signed_off_by,"
        " services, state) VALUES (%s, %s, 'x', 'x', '2026-01-01', 'x', 'all', 'active') RETURNING id",
        row["organization_id"], f"ehr:{row['public_id']}",
    )  # fmt: skip
    page = cleo.visitor.submit(cleo.see(f"{LIST}{row['id']}/change/"), "/test/")
    assert {code: one for code, one in sentences(page).items() if one[0] == "error"} == {}
    chart = new_chart("prescription")
    desk.put(*chart.resources)
    page = launched(ada, desk, chart.patient, slug, f"app-{slug}")
    assert re.match(r"/ehr/c/[\w-]+/", page.path), page.text[:600]
    assert chart.family in page.text


def test_the_shell_says_plainly_that_an_ehr_of_another_version_is_not_connected(cleo: Cleo, desk: Desk) -> None:
    name = f"old-{secrets.token_hex(3)}"
    base = desk.call("POST", "/control/profiles", {"name": name, "knobs": {"fhir_version": "3.0.2"}})["fhir_base"]
    with pytest.raises(ChildFailed):
        cleo.live.run("ehr_connect", base, "--vendor=epic")
    assert "names FHIR 3.0.2, and the app reads FHIR R4 (4.0.1) alone" in cleo.live.log("command-ehr_connect")
