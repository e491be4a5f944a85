"""The seeds of one-time codes, which django-otp keeps in clear: sealed in the database, open only in the hand that
checks a code. A seed that was stored in clear before is still read; rotate_encryption_keys seals it.

django-otp's own column is kept, widened to hold a seal, so that its forms, its device lookup and its throttling stay
as they are. The seal is bound to the user: copied to another user's device it does not open."""

import base64
from typing import Any

from django.db.models.signals import post_init, post_save, pre_save
from django_otp.plugins.otp_totp.models import TOTPDevice

from ehrcommerce.vault import keys, rotation

MARK = "sealed:"


def place(user_id: int) -> str:
    """The additional data of a user's seed."""
    return f"otp_totp_totpdevice.key:{user_id}"


def sealed(seed: str, user_id: int) -> str:
    return MARK + base64.b64encode(keys.seal(seed.encode(), place(user_id))).decode()


def opened(stored: str, user_id: int) -> str:
    """Raises UnknownKey or Tampered."""
    if not stored.startswith(MARK):
        return stored
    return keys.open_sealed(base64.b64decode(stored[len(MARK) :]), place(user_id)).decode()


def _after_init(instance: Any, **_: Any) -> None:
    if "key" in instance.__dict__ and instance.__dict__["key"].startswith(MARK):
        instance.key = opened(instance.key, instance.user_id)


def _before_save(instance: Any, **_: Any) -> None:
    if "key" in instance.__dict__:
        instance.key = sealed(instance.key, instance.user_id)


def connect() -> None:
    """Called in AppConfig.ready."""
    post_init.connect(_after_init, sender=TOTPDevice, dispatch_uid="sealed seeds")
    pre_save.connect(_before_save, sender=TOTPDevice, dispatch_uid="sealed seeds")
    post_save.connect(_after_init, sender=TOTPDevice, dispatch_uid="sealed seeds")
    rotation.OTHERS["otp_totp_totpdevice.key"] = reseal


def reseal(write: bool) -> int:
    """Seeds in clear or under an old key: how many were sealed anew, or would be."""
    count = 0
    for pk, user_id, stored in TOTPDevice.objects.values_list("pk", "user_id", "key"):
        known = base64.b64decode(stored[len(MARK) :]) if stored.startswith(MARK) else b""
        if keys.key_id_of(known) == rotation.current():
            continue
        if not write:
            count += 1
            continue
        again = sealed(opened(stored, user_id), user_id)
        count += TOTPDevice.objects.filter(pk=pk, key=stored).update(key=again)
    return count
