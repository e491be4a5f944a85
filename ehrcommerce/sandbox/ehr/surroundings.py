"""Where a request stands: at which EHR of this sandbox, within which launch, and how the knobs are turned there.

The default EHR lives under /fhir/R4 and /auth; each profile is one more EHR under /profiles/<name>. A middleware
enters the profile; the endpoints adopt the launch as soon as a launch value, a code or a token names it.
"""

from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from ehrcommerce.sandbox.ehr import profiles
from ehrcommerce.sandbox.ehr.models import Knobs, Launch
from ehrcommerce.sandbox.journal.strangers import stranger_origin


class Unread(Enum):
    """A request that has not asked yet where it stands."""

    DEFAULT = "default"


@dataclass(frozen=True)
class Surroundings:
    """One EHR as one launch meets it."""

    profile: str = ""
    knobs: dict[str, Any] = field(default_factory=dict)
    launch: Launch | None = None

    @property
    def root(self) -> str:
        """What all addresses of this EHR begin with."""
        return f"{settings.BASE_URL}/profiles/{self.profile}" if self.profile else str(settings.BASE_URL)

    @property
    def fhir_base(self) -> str:
        """`iss` of a launch, and `aud`."""
        return f"{self.root}/fhir" if self.profile else str(settings.FHIR_BASE)

    @property
    def auth(self) -> str:
        """The authorization server."""
        return f"{self.root}/auth"

    @property
    def token_url(self) -> str:
        """The token endpoint."""
        return f"{self.auth}/token"

    @property
    def issuer(self) -> str:
        """`iss` of the id_tokens, which need not be the FHIR base."""
        return self.issuer_at(str(self.knobs.get("issuer") or ""))

    def issuer_at(self, wish: str) -> str:
        """The issuer that a value of the knob means."""
        if wish.startswith("/"):
            return f"{self.root}{wish}"
        return f"{self.fhir_base}/" if wish == "+/" else wish or self.fhir_base

    @property
    def counter(self) -> str:
        """In whose name uses of a knob are counted."""
        return f"{self.profile}|{self.launch.pk if self.launch else ''}"

    def filled(self, value: Any) -> Any:
        """A value of a knob with the addresses of this EHR put in."""
        if isinstance(value, str) and "{" in value:
            for name, text in self._words().items():
                value = value.replace(f"{{{name}}}", text)
            return value
        if isinstance(value, dict):
            return {name: self.filled(item) for name, item in value.items()}
        return [self.filled(item) for item in value] if isinstance(value, list) else value

    def _words(self) -> dict[str, str]:
        return {
            "base": settings.BASE_URL,
            "fhir": self.fhir_base,
            "issuer": self.issuer,
            "auth": self.auth,
            "stranger": stranger_origin(),
            "stranger_host": urlsplit(stranger_origin()).netloc,
            "patient": self.launch.patient if self.launch else "",
        }


_present: ContextVar[Surroundings | Unread | None] = ContextVar("surroundings", default=None)


def here() -> Surroundings:
    """Where the present request stands; outside any request, the default EHR."""
    known = _present.get()
    if isinstance(known, Surroundings):
        return known
    read = of_profile("")
    if known is Unread.DEFAULT:
        _present.set(read)
    return read


def of_profile(name: str) -> Surroundings:
    """An EHR outside any launch. Raises profiles.NoProfile."""
    own = profiles.knobs_of(name) if name else {}
    return Surroundings(name, {**Knobs.current(), **own})


def of_launch(launch: Launch) -> Surroundings:
    """The EHR of a launch as the launch meets it."""
    return _within(of_profile(launch.profile), launch)


def _within(around: Surroundings, launch: Launch) -> Surroundings:
    return replace(around, knobs={**around.knobs, **launch.knobs}, launch=launch)


def enter(name: str) -> None:
    """The request is for this EHR. Raises profiles.NoProfile.

    The default EHR is looked up when somebody asks: most requests to this site are not for an EHR at all.
    """
    _present.set(of_profile(name) if name else Unread.DEFAULT)


def leave() -> None:
    """The request is answered."""
    _present.set(None)


def adopt(launch: Launch | None) -> None:
    """The request belongs to this launch; one of another EHR is none of this one's."""
    around = here()
    if launch is not None and launch.profile == around.profile:
        _present.set(_within(around, launch))
