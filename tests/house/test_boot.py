"""Production boots without the demo's other site and without the workbench, and not at all with half its secrets."""

import base64
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = base64.b64encode(bytes(range(32))).decode()
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "ehrcommerce.settings.production",
    "EHRC_SECRET_KEY": KEY * 2, "EHRC_FIELD_KEYS": f"k1:{KEY}", "EHRC_BLIND_INDEX_KEY": KEY, "EHRC_LINK_KEY": KEY,
    "EHRC_AUDIT_KEY": KEY, "EHRC_BASE_URL": "https://clinic.example", "EHRC_PATIENT_URL": "https://patient.example",
    "EHRC_CLINIC_HOST": "clinic.example", "EHRC_PATIENT_HOST": "patient.example", "EHRC_ADMIN_HOST": "admin.example",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0",
}  # fmt: skip
SECRETS = [
    "EHRC_SECRET_KEY", "EHRC_FIELD_KEYS", "EHRC_BLIND_INDEX_KEY", "EHRC_LINK_KEY", "EHRC_AUDIT_KEY",
    "EHRC_BASE_URL", "DATABASE_URL", "REDIS_URL",
]  # fmt: skip
SETTINGS_ALONE = "import ehrcommerce.settings.production"
BOOT = """
import sys, importlib
from ehrcommerce.wsgi import application
from ehrcommerce.celery import app
app.loader.import_default_modules()
for site in ("clinic", "patient", "admin", "hooks", "everything"):
    importlib.import_module(f"ehrcommerce.urls.{site}")
print(" ".join(sorted(sys.modules)))
"""


def child(code: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    words = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(words, cwd=ROOT, env={**base, **environment}, capture_output=True, text=True, timeout=60)


def test_production_boots_without_the_sandbox_and_the_workbench() -> None:
    done = child(BOOT, ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    modules = done.stdout.split()
    assert "ehrcommerce.ehr.views.clinician" in modules
    strangers = ("ehrcommerce.sandbox", "ehrcommerce.workbench", "pytest")
    assert [name for name in modules if name.startswith(strangers)] == []


@pytest.mark.parametrize("name", SECRETS)
def test_a_missing_secret_is_named_at_boot(name: str) -> None:
    done = child(SETTINGS_ALONE, {key: value for key, value in ENVIRONMENT.items() if key != name})
    assert done.returncode != 0
    assert name in done.stderr


@pytest.mark.parametrize("name", ["EHRC_BLIND_INDEX_KEY", "EHRC_LINK_KEY", "EHRC_AUDIT_KEY", "EHRC_FIELD_KEYS"])
@pytest.mark.parametrize("value", ["", "short", "c2hvcnQ="])
def test_a_secret_that_is_no_key_is_named_and_never_repeated(name: str, value: str) -> None:
    done = child(SETTINGS_ALONE, {**ENVIRONMENT, name: value})
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert name in last
    assert not value or value not in last
