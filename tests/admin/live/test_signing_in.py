"""Password and one-time code together, or nothing. [SEC-B11]"""

import re
import secrets
from html import unescape

from ehrcommerce.workbench.live import Live
from tests.admin.live.conftest import Cleo
from tests.journeys.database import Database
from tests.journeys.visitor import Page

REFUSED = "Not signed in. Check username, password"


def second(cleo: Cleo) -> Cleo:
    """Another administrator, made by the first one on the pages."""
    name, password = f"ops-{secrets.token_hex(4)}", "a long enough passphrase"
    page = cleo.see("/admin/accounts/user/add/")
    page = cleo.visitor.submit(
        page, "/add/", username=name, display_name="Ops", role="operations", is_active="on", new_password=password
    )
    found = re.search(r"otpauth://\S*?secret=([A-Z2-7]+)", unescape(page.body))
    assert found, page.text[:600]
    return Cleo(cleo.live, cleo.database, username=name, password=password, secret=found[1])


def comparable(page: Page) -> str:
    return re.sub(r'(csrfmiddlewaretoken" value="[^"]*|name="username" value="[^"]*)', "", page.body)


def test_a_password_alone_shows_nothing_not_even_that_it_is_right(live: Live, database: Database) -> None:
    right = Cleo(live, database).sign_in(otp_token="")
    wrong = Cleo(live, database, password="a wrong passphrase").sign_in(otp_token="")
    assert REFUSED in right.text
    assert comparable(right) == comparable(wrong)
    assert live.admin["password"] not in right.body


def test_a_wrong_code_is_refused_and_opens_no_page(live: Live, database: Database) -> None:
    cleo = Cleo(live, database)
    code = cleo.code()
    page = cleo.sign_in(otp_token=f"{(int(code) + 500_000) % 1_000_000:06}")
    assert REFUSED in page.text
    assert cleo.see("/admin/orders/order/").path == "/admin/login/"
    database.rows("DELETE FROM axes_accessattempt RETURNING id")


def test_somebody_made_in_the_admin_signs_in_with_the_code_that_was_handed_over(cleo: Cleo) -> None:
    other = second(cleo)
    page = other.sign_in()
    assert page.path == "/admin/"
    assert other.username in page.text
    assert "otpauth" not in cleo.see("/admin/").body
    assert other.see("/admin/accounts/user/").status == 403


def test_guessing_a_password_locks_the_door_for_the_right_one_too(cleo: Cleo) -> None:
    other = second(cleo)
    for number in range(5):
        other.sign_in(password=f"wrong passphrase {number}")
    page = other.sign_in()
    assert page.status == 429
    assert other.see("/admin/").path == "/admin/login/"
    assert cleo.see("/admin/").status == 200


def test_guessing_codes_locks_it_as_well(cleo: Cleo) -> None:
    other = second(cleo)
    for _ in range(5):
        other.sign_in(otp_token="000000")
    assert other.sign_in().status == 429


def test_somebody_of_the_ehr_cannot_sign_in_even_with_password_and_code(cleo: Cleo, database: Database) -> None:
    other = second(cleo)
    database.rows("UPDATE accounts_user SET role = 'clinician' WHERE username = %s RETURNING id", other.username)
    other.sign_in()
    assert other.see("/admin/").path == "/admin/login/"
    assert other.see("/admin/orders/order/").path == "/admin/login/"
