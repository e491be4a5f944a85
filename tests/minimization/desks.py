"""The staff of the clinic: an account for each role, and a walk through all pages that the role can reach."""

import json
import re
import secrets
from urllib.parse import urlsplit

from ehrcommerce.workbench.live import Live
from tests.admin.crawl import crawl
from tests.journeys.clerk import code
from tests.journeys.visitor import Page
from tests.minimization.accounts import Account
from tests.minimization.driving import Drive
from tests.minimization.visitors import Watched

MAKE = """
import base64, json, sys
from django.db import transaction
from django_otp.plugins.otp_totp.models import TOTPDevice
from ehrcommerce.accounts.models import User
from ehrcommerce.accounts.organizations import organization_ids
from ehrcommerce.vault import walls
wish = json.loads({wish!r})
organization = organization_ids()[0]
walls.enter(organization)
told = {{}}
for role, password in wish.items():
    user = User(username="proof-" + role + "-" + password[:6].lower(), organization_id=organization, role=role, is_staff=True,
                is_superuser=role == "administrator")
    user.display_name = "Proof " + role
    user.set_password(password)
    user.save()
    device = TOTPDevice.objects.create(user=user, name="proof", tolerance=0)
    told[role] = [user.username, password, base64.b32encode(device.bin_key).decode().rstrip("=")]
walls.leave()
print("STAFF" + json.dumps(told))
"""


def make_staff(live: Live, roles: tuple[str, ...]) -> dict[str, Account]:
    """One account for each role, by the app's own shell."""
    wish = json.dumps({role: secrets.token_urlsafe(24) for role in roles})
    said = live.run("shell", "-v", "0", "-c", MAKE.format(wish=wish))
    found = re.search(r"^STAFF(\{.*\})$", said, re.M)
    assert found, said[-800:]
    return {role: Account(*told) for role, told in json.loads(found[1]).items()}


def walk(drive: Drive, role: str, account: Account) -> int:
    """Sign in, and open what links lead to; of pages that are alike a few. Returns how many there were."""
    visitor = Watched(drive.basin, drive.live, f"admin pages: {role}")
    page = visitor.get(f"{drive.live.app_url}/admin/")
    page = visitor.submit(
        page, "", username=account.username, password=account.password, otp_token=code(account.secret)
    )
    assert page.path == "/admin/", (page.status, page.text[:300])

    def get(address: str) -> str:
        found: Page = visitor.get(f"{drive.live.app_url}{address}")
        return found.body if urlsplit(found.url).path.startswith("/admin/") else ""

    return len(crawl(get, alike=2))
