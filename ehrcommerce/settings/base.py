"""Settings that every site shares. Values that differ between machines come from the environment, typed, and
a missing secret fails at boot with its name: an app that holds prescriptions must not start half configured."""

import base64
import sys
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parents[2]
env = environ.Env()


def key_of(name: str) -> bytes:
    """32 random bytes, written in base64 in the environment variable `name`."""
    try:
        value = base64.b64decode(env.str(name), validate=True)
    except ValueError as problem:
        raise ImproperlyConfigured(f"{name} is not base64. Make one: openssl rand -base64 32") from problem
    if len(value) != 32:
        raise ImproperlyConfigured(f"{name} must be 32 bytes in base64. Make one: openssl rand -base64 32")
    return value


def field_keys(name: str) -> dict[str, bytes]:
    """`new:<base64>,old:<base64>`: the first key encrypts, all of them decrypt."""
    keys: dict[str, bytes] = {}
    for part in env.str(name).split(","):
        key_id, _, encoded = part.strip().partition(":")
        try:
            keys[key_id] = base64.b64decode(encoded, validate=True)
        except ValueError as problem:
            raise ImproperlyConfigured(f"{name}: key '{key_id}' is not base64.") from problem
        if len(keys[key_id]) != 32 or not 1 <= len(key_id) <= 16:
            raise ImproperlyConfigured(f"{name}: each key is `id:base64 of 32 bytes`, ids of 1 to 16 characters.")
    return keys


SECRET_KEY = env.str("EHRC_SECRET_KEY")
SECRET_KEY_FALLBACKS = env.list("EHRC_SECRET_KEY_FALLBACKS", default=[])
FIELD_KEYS = field_keys("EHRC_FIELD_KEYS")
# False only while processes of the release before still run: they cannot read what an order's key seals (docs/keys.md).
SEAL_UNDER_ORDER_KEYS = env.bool("EHRC_SEAL_UNDER_ORDER_KEYS", default=True)
BLIND_INDEX_KEY = key_of("EHRC_BLIND_INDEX_KEY")
LINK_KEY = key_of("EHRC_LINK_KEY")
AUDIT_KEY = key_of("EHRC_AUDIT_KEY")

DEBUG = False
BASE_URL = env.str("EHRC_BASE_URL").rstrip("/")
# Three host names in production, each with its own pages and cookies; empty means one host serves all (the demo).
CLINIC_HOST = env.str("EHRC_CLINIC_HOST", default="")
PATIENT_HOST = env.str("EHRC_PATIENT_HOST", default="")
ADMIN_HOST = env.str("EHRC_ADMIN_HOST", default="")
CLINIC_URL = env.str("EHRC_CLINIC_URL", default=BASE_URL).rstrip("/")
PATIENT_URL = env.str("EHRC_PATIENT_URL", default=BASE_URL).rstrip("/")

INSTALLED_APPS = [
    "ehrcommerce.vault",
    "ehrcommerce.audit",
    "ehrcommerce.outbox",
    "ehrcommerce.accounts",
    "ehrcommerce.suppliers",
    "ehrcommerce.disclosure",
    "ehrcommerce.commerce.catalog",
    "ehrcommerce.commerce.offers",
    "ehrcommerce.commerce.orders",
    "ehrcommerce.commerce.fulfillment",
    "ehrcommerce.commerce.checkout",
    "ehrcommerce.ehr",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "axes",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "ehrcommerce.urls.hosts.HostMiddleware",
    "ehrcommerce.urls.headers.HeadersMiddleware",
    "ehrcommerce.accounts.tenancy.WallsMiddleware",
    "ehrcommerce.accounts.areas.AreaSessionMiddleware",
    "ehrcommerce.accounts.areas.AreaLocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "ehrcommerce.accounts.areas.AreaCsrfMiddleware",
    "ehrcommerce.accounts.areas.AreaAuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "ehrcommerce.urls.everything"
WSGI_APPLICATION = "ehrcommerce.wsgi.application"
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "ehrcommerce.accounts.login.StaffBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
OTP_TOTP_ISSUER = "ehrcommerce"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 1
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_ENABLE_ADMIN = False
# What a failed sign-in posted is kept for the lockout, without the secrets in it.
AXES_SENSITIVE_PARAMETERS = ["password", "otp_token"]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# The tables belong to an owner. The running app logs in as somebody else, whom row-level security holds;
# only the commands that change the schema log in as the owner.
OWNER_COMMANDS = frozenset({"migrate", "sqlmigrate", "showmigrations", "makemigrations", "flush"})
AS_OWNER = len(sys.argv) > 1 and sys.argv[1] in OWNER_COMMANDS
DATABASE_VARIABLE = "DATABASE_OWNER_URL" if AS_OWNER and env.str("DATABASE_OWNER_URL", default="") else "DATABASE_URL"
DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url(DATABASE_VARIABLE)}
DATABASES["default"].update(CONN_MAX_AGE=None, CONN_HEALTH_CHECKS=True)
DATABASES["default"].setdefault("OPTIONS", {})["application_name"] = "ehrcommerce"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_NAME = "__Host-staff"
SESSION_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 8 * 3600
CSRF_USE_SESSIONS = True
# A cookie of messages would be one for all launches in the browser: what one chart said could show in another's tab.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
CSRF_COOKIE_SECURE = True
LAUNCH_SESSION_AGE_S = 8 * 3600
LAUNCH_IDLE_S = 15 * 60

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "templates" / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = env.str("EHRC_STATIC_ROOT", default=str(BASE_DIR / ".static"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 262_144
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200

# Who answers commerce's questions about the chart (the port `suppliers.chart.Chart`), by name: commerce never imports it.
CHART = "ehrcommerce.ehr.chart.EhrChart"
# Private and loopback addresses are refused as partners, but in development, where the sandbox lives on one.
ALLOW_LOOPBACK_PARTNERS = False

# Client certificates by name, as `name=/path/to/pem`: a row names one, the file stays on the machine.
CLIENT_CERTIFICATES = env.dict("EHRC_CLIENT_CERTIFICATES", default={})
# Launches from one network address within a minute; a clinic behind one address has many clinicians.
LAUNCHES_A_MINUTE = env.int("EHRC_LAUNCHES_A_MINUTE", default=240)
# By one clinician. No hand is so quick: beyond it a script uses the account, and somebody should look.
LINKS_A_MINUTE = env.int("EHRC_LINKS_A_MINUTE", default=60)
# How many proxies of ours stand before the app; each adds one address to X-Forwarded-For. 0: it is not looked at.
TRUSTED_PROXIES = 0

# Host names that suppliers may live on (`pharmacy.example,*.lab.example`); empty: whatever an administrator registers.
PARTNER_HOSTS = env.list("EHRC_PARTNER_HOSTS", default=[])
# Who ends TLS before us, by address, and the header in which it hands on the certificate that it verified. Both empty: no
# client certificate is ever believed.
PROXY_ADDRESSES = env.list("EHRC_PROXY_ADDRESSES", default=[])
CLIENT_CERTIFICATE_HEADER = env.str("EHRC_CLIENT_CERTIFICATE_HEADER", default="")
# `manage.py mllp`: PEM files of its own certificate and key, and of who signs the certificates of senders.
MLLP_CERTIFICATE = env.str("EHRC_MLLP_CERTIFICATE", default="")
MLLP_KEY = env.str("EHRC_MLLP_KEY", default="")
MLLP_CLIENT_CA = env.str("EHRC_MLLP_CLIENT_CA", default="")

CELERY_BROKER_URL = REDIS_URL
# What a monitor of another machine shows at /metrics; without it only this machine gets an answer.
METRICS_TOKEN = env.str("EHRC_METRICS_TOKEN", default="")
FRESHNESS_S = 60
EFFECT_LEASE_S = 60
# How long an act in doubt may still be on its way: before that, a partner's "never heard of it" is not believed.
SETTLE_S = 60
TRACK_EVERY_S = 60

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "ehrcommerce.settings.logs.ValuelessFormatter"}},
    "filters": {
        "faults only": {"()": "ehrcommerce.settings.logs.FaultsOnly"},
        "names only": {"()": "ehrcommerce.settings.logs.NamesOnly"},
    },
    "handlers": {"stderr": {"class": "ehrcommerce.settings.logs.Unhurried", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # These write request bodies, tokens, verifiers or paths with tokens below WARNING.
        "authlib": {"level": "WARNING"},
        "fhirclient": {"level": "ERROR"},
        "urllib3": {"level": "WARNING"},
        "requests": {"level": "WARNING"},
        "stripe": {"level": "ERROR"},
        "paramiko": {"level": "CRITICAL"},
        "django.request": {"level": "ERROR", "filters": ["faults only"]},
        "django.server": {"level": "WARNING"},
        "celery": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING", "filters": ["names only"]},
        "celery.worker.request": {"level": "WARNING", "filters": ["names only"]},
        "axes": {"level": "ERROR"},
    },
}
