"""The form of the administrators' sign-in: username, password and one-time code together, and one refusal for all of
them. Whoever has the password alone learns nothing, not even that it is right. [SEC-B11]"""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.utils import timezone
from django_otp import devices_for_user
from django_otp.admin import OTPAdminAuthenticationForm
from django_otp.oath import TOTP

from ehrcommerce.accounts import glass
from ehrcommerce.accounts.backup_codes import BackupCodes
from ehrcommerce.accounts.models import User
from ehrcommerce.audit import services as audit

if TYPE_CHECKING:
    from django.contrib.admin.forms import AdminAuthenticationForm as _Form
else:
    _Form = OTPAdminAuthenticationForm

REFUSAL = (
    "Not signed in. Check username, password and the six digits that your authenticator app shows now; each code works "
    "once. After five wrong tries, wait an hour."
)

LOCKED = (
    "This account is shut: its break-glass access was not reviewed within 72 hours. Ask your privacy officer to review "
    "it; then sign in again."
)


class SignInForm(_Form):
    """django-otp's, without its second step that would show that the password was right."""

    otp_device = forms.CharField(required=False, widget=forms.HiddenInput)
    otp_token = forms.CharField(
        required=False,
        label="One-time code",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": "12"}),
    )

    def clean(self) -> dict[str, Any]:
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError as problem:
            self._refuse()
            raise ValidationError(REFUSAL, code="refused") from problem
        if isinstance(self.user_cache, User):
            if glass.standing(self.user_cache, at=timezone.now()).late:
                _record(self.user_cache, "staff.review_overdue", outcome="refused")
                self.user_cache = None
                raise ValidationError(LOCKED, code="review overdue")
            _record(self.user_cache, "staff.signed_in")
        return cleaned

    def _refuse(self) -> None:
        """A wrong code counts like a wrong password; neither the password nor the user comes back in the page."""
        user, self.user_cache = self.user_cache, None
        self.fields["password"].widget.render_value = False
        if isinstance(user, User):
            _record(user, "staff.code_refused", outcome="refused")
            user_login_failed.send(sender=__name__, credentials={"username": user.get_username()}, request=self.request)

    def _chosen_device(self, user: User) -> Any:
        """The user's device. Of several, the one that is named, or whose code it is; a wrong try always counts."""
        if self.cleaned_data.get("otp_device"):
            return super()._chosen_device(user)  # type: ignore[misc]
        return device_that_shows(list(devices_for_user(user)), str(self.cleaned_data.get("otp_token") or ""))


def device_that_shows(devices: list[Any], token: str) -> Any:
    """Of several devices the one whose code it is, else the first, on which the wrong try then counts."""
    ordered = sorted(devices, key=lambda device: isinstance(device, BackupCodes))
    return next((device for device in ordered if _shows(device, token)), ordered[0] if ordered else None)


def _shows(device: Any, token: str) -> bool:
    """Whether this device shows that code now; asked without counting a try against the others."""
    if isinstance(device, BackupCodes):
        return device.shows(token)
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    totp.time = timezone.now().timestamp()
    return token.isdigit() and bool(totp.verify(int(token), device.tolerance))


def _record(user: User, action: str, outcome: str = "success") -> None:
    audit.record(
        organization_id=user.organization_id, by=user.actor, action=action, entity=f"user:{user.public_id}",
        at=timezone.now(), outcome=outcome,
    )  # fmt: skip
