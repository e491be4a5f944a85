"""Settings of the sandbox site alone; nothing is shared with the app, not even a cookie name."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

BASE_DIR = Path(__file__).resolve().parent


def _database(url: str) -> dict[str, Any]:
    """`?schema=name` keeps a second sandbox apart in the same database."""
    parts = urlsplit(url)
    schema = dict(parse_qsl(parts.query)).get("schema")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": {"options": f"-c search_path={schema}"} if schema else {},
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }


SECRET_KEY = os.environ.get("SANDBOX_SECRET_KEY", "sandbox-only-not-a-secret")
DEBUG = False
ALLOWED_HOSTS = ["*"]
BASE_URL = os.environ.get("SANDBOX_BASE_URL", "http://localhost:8701").rstrip("/")
APP_URL = os.environ.get("SANDBOX_APP_URL", "http://127.0.0.1:8700").rstrip("/")
FHIR_BASE = f"{BASE_URL}/fhir/R4"
CONTROL_TOKEN = os.environ.get("SANDBOX_CONTROL_TOKEN", "sandbox-control")
PARTNER_API_KEY = os.environ.get("SANDBOX_PARTNER_API_KEY", "sandbox-partner-key")
CALLBACK_SECRET = os.environ.get("SANDBOX_CALLBACK_SECRET", "sandbox-callback-secret")
CALLBACKS: dict[str, str] = json.loads(os.environ.get("SANDBOX_CALLBACKS") or "{}")
STEP_S = float(os.environ.get("SANDBOX_STEP_S") or 0)
TOKEN_LIFE_S = int(os.environ.get("SANDBOX_TOKEN_LIFE_S") or 300)

# Plain http on loopback is what this site is for; Authlib's server side asks to be told so.
os.environ.setdefault("AUTHLIB_INSECURE_TRANSPORT", "1")

INSTALLED_APPS = [
    "ehrcommerce.sandbox.journal",
    "ehrcommerce.sandbox.ehr",
    "ehrcommerce.sandbox.partners",
]
MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",
    "ehrcommerce.sandbox.journal.strangers.StrangerMiddleware",
    "ehrcommerce.sandbox.journal.middleware.JournalMiddleware",
    "ehrcommerce.sandbox.journal.middleware.FaultMiddleware",
    "ehrcommerce.sandbox.ehr.middleware.PageHeadersMiddleware",
    "ehrcommerce.sandbox.ehr.middleware.SurroundingsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
]
ROOT_URLCONF = "ehrcommerce.sandbox.urls"
WSGI_APPLICATION = "ehrcommerce.sandbox.server.application"
APPEND_SLASH = False

DATABASES = {"default": _database(os.environ.get("SANDBOX_DATABASE_URL", "postgresql:///sandbox"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Signed cookies: no session table, and a test can be handed a signed-in cookie.
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_COOKIE_NAME = "sandbox_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_USE_SESSIONS = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s sandbox %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"django.request": {"level": "ERROR"}},
}
# The passwords of this site are printed on its first page: a slow hash protects nothing here, and costs a quarter of a
# second at each Basic authentication. The second one reads what an older demo kept.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.MD5PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
