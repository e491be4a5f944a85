"""The demo and a developer's machine: one host, plain HTTP on loopback, the sandbox as every partner."""

from ehrcommerce.settings.base import *
from ehrcommerce.settings.base import INSTALLED_APPS, env

INSTALLED_APPS = [*INSTALLED_APPS, "ehrcommerce.workbench"]
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ALLOW_LOOPBACK_PARTNERS = True
SETTLE_S = 2
SANDBOX_URL = env.str("EHRC_SANDBOX_URL", default="")
SANDBOX_PARTNER_API_KEY = env.str("SANDBOX_PARTNER_API_KEY", default="")
SANDBOX_CONTROL_TOKEN = env.str("SANDBOX_CONTROL_TOKEN", default="")
SANDBOX_CALLBACK_SECRET = env.str("SANDBOX_CALLBACK_SECRET", default="")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
