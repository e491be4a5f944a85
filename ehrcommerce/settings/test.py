"""Tests in this process. They log in as the owner to make the test database, then step down to the app's role
(`tests/conftest.py`), so that a test meets the same walls between organizations as production does."""

from ehrcommerce.settings.base import *
from ehrcommerce.settings.base import INSTALLED_APPS, env

INSTALLED_APPS = [*INSTALLED_APPS, "ehrcommerce.workbench"]
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
ALLOW_LOOPBACK_PARTNERS = True
SETTLE_S = 2
LINKS_A_MINUTE = 100_000
LAUNCHES_A_MINUTE = 100_000  # all tests launch from one address; those about the limit set their own
SANDBOX_URL = env.str("EHRC_SANDBOX_URL", default="")
SANDBOX_PARTNER_API_KEY = env.str("SANDBOX_PARTNER_API_KEY", default="")
SANDBOX_CONTROL_TOKEN = env.str("SANDBOX_CONTROL_TOKEN", default="")
SANDBOX_CALLBACK_SECRET = env.str("SANDBOX_CALLBACK_SECRET", default="")
DATABASES = {"default": {**env.db_url("DATABASE_OWNER_URL"), "CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": False}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AXES_ENABLED = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
