"""Production: TLS everywhere, three host names, no default that is unsafe."""

from ehrcommerce.settings.base import *
from ehrcommerce.settings.base import ADMIN_HOST, CLINIC_HOST, PATIENT_HOST, env

ALLOWED_HOSTS = [host for host in (CLINIC_HOST, PATIENT_HOST, ADMIN_HOST) if host] or env.list("EHRC_ALLOWED_HOSTS")
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
# Only behind a proxy that always sets (and never passes on) this header.
if env.bool("EHRC_BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    TRUSTED_PROXIES = 1
# Framing and CSRF are decided for each area (urls/headers.py, accounts/areas.py), which Django's own checks cannot see.
SILENCED_SYSTEM_CHECKS = ["security.W002", "security.W003"]
