"""Why a launch did not begin, or a session went no further. The first sentence of a docstring is what the reader sees,
the rest is what they can do; `code` is what they read out on the phone."""

from typing import ClassVar


class EhrError(Exception):
    """Something between an EHR and us is not as agreed."""

    status: ClassVar[int] = 502
    code: ClassVar[str] = "EHR"

    @property
    def sentence(self) -> str:
        return self._text().split(". ")[0].rstrip(".") + "."

    @property
    def remedy(self) -> str:
        return self._text().partition(". ")[2]

    @classmethod
    def _text(cls) -> str:
        return " ".join((cls.__doc__ or "").split())


class LaunchRefused(EhrError):
    """The app could not be opened. Open it again from the patient's chart."""

    status = 400
    code = "L-00"


# ------------------------------------------------------------------------------------------------ the launch request
class BadIssuer(LaunchRefused):
    """The address of the EHR is missing or not in the agreed form. Open the app from the patient's chart, not from a
    bookmark or a copied address."""

    code = "L-ISS"


class IssuerNotHttps(BadIssuer):
    """The address of the EHR is http and not https, so whoever is on the way could read along. The people who run the
    EHR give it a certificate and launch the app with the https address."""

    code = "L-HTTP"


class BadLaunch(LaunchRefused):
    """The launch is missing, given twice, or too long. Open the app from the patient's chart, not from a bookmark or a
    copied address."""

    code = "L-LAUNCH"


class UnknownIssuer(LaunchRefused):
    """This EHR is not registered here. An administrator adds it under EHR connections."""

    status = 403
    code = "L-UNKNOWN"


class ConnectionDisabled(LaunchRefused):
    """The connection to this EHR is switched off. An administrator can switch it on under EHR connections."""

    status = 403
    code = "L-OFF"


class TooManyLaunches(LaunchRefused):
    """Too many launches came from this address within a minute. Wait a minute, then open the app again from the
    patient's chart; if nobody here launched so often, tell your administrator."""

    status = 429
    code = "L-RATE"


class NoStandalone(LaunchRefused):
    """There is no EHR here that may be started without its own button by this address. Open the app from the patient's
    chart; an administrator can allow the other way at the EHR connection."""

    status = 403
    code = "L-START"


class ClinicianUnsaid(NoStandalone):
    """This EHR does not say who is a clinician, so nobody can start without its own button. Open the app from the
    patient's chart; an administrator corrects 'Name of the user' or the start at the EHR connection."""

    code = "L-WHO"


class ScopesMisset(LaunchRefused):
    """The scopes written at the EHR connection are not among those that the app may ask for. An administrator corrects
    or empties them there."""

    status = 502
    code = "L-SCOPES"


class CertificateMissing(LaunchRefused):
    """The certificate that the EHR connection names is not installed here. An administrator enters it in the
    environment (EHRC_CLIENT_CERTIFICATES) or takes the name out of the EHR connection."""

    status = 502
    code = "L-CERT"


class AgreementMissing(LaunchRefused):
    """There is no agreement in force with this EHR, so nothing may be read from it. An administrator records the
    business associate agreement under Agreements."""

    status = 403
    code = "L-BAA"


# --------------------------------------------------------------------------------------------- what the EHR publishes
class EhrUnreachable(LaunchRefused):
    """The EHR did not answer. Try again in a minute; if it stays so, tell the people who run the EHR."""

    status = 502
    code = "D-DOWN"


class BadDiscovery(LaunchRefused):
    """The EHR's SMART configuration is missing or not usable. An administrator compares it with the EHR connection."""

    status = 502
    code = "D-CONF"


class NoSmartConfiguration(BadDiscovery):
    """The EHR publishes no SMART configuration at the address of this connection. An administrator compares the FHIR
    address, then asks the people who run the EHR to switch on SMART App Launch; its OpenID document alone is not enough."""

    code = "D-NONE"


class EndpointElsewhere(BadDiscovery):
    """The EHR names an address that is not registered for it. Nothing was sent there. An administrator checks the EHR
    connection's origins with the people who run the EHR."""

    code = "D-ADDR"


class PkceDowngrade(BadDiscovery):
    """The EHR does not offer the protection of sign-in codes that we require (PKCE S256). It must be set up there."""

    code = "D-PKCE"


class IssuerChanged(BadDiscovery):
    """The EHR gives another issuer than the one that was recorded. An administrator asks the people who run the EHR,
    then corrects the EHR connection."""

    code = "D-ISS"


class LacksCapability(BadDiscovery):
    """The EHR says that it does not offer a start without its own button. Open the app from the patient's chart."""

    code = "D-CAP"


# ------------------------------------------------------------------------------------------------------ the way back
class StateUnknown(LaunchRefused):
    """This sign-in does not belong to a launch that is waiting, or it took too long. Open the app again from the
    patient's chart."""

    code = "C-STATE"


class StateUsed(LaunchRefused):
    """This sign-in was used already. If the app is open in another tab, go on there; else open it again from the
    patient's chart."""

    code = "C-USED"


class OtherBrowser(LaunchRefused):
    """This sign-in began in another browser or window. Open the app again from the patient's chart."""

    code = "C-BROWSER"


class CookiesBlocked(LaunchRefused):
    """The browser keeps no cookie for the app here. Open the app in a window of its own, or ask your IT department to
    allow cookies for it."""

    code = "C-COOKIE"


class MixedUp(LaunchRefused):
    """The answer came from another EHR than the one that was asked. Nothing was sent. Tell your administrator."""

    code = "C-MIX"


class BadCallback(LaunchRefused):
    """The EHR's answer is not in the agreed form. Open the app again from the patient's chart."""

    code = "C-FORM"


class SignInRefused(LaunchRefused):
    """The EHR did not let the app in. You may lack the permission for it there; ask the people who run the EHR."""

    status = 403
    code = "C-DENIED"


class EhrSetup(LaunchRefused):
    """The EHR refused the app's request as set up wrongly. An administrator compares client id, redirect address and
    scopes with the registration in the EHR."""

    status = 502
    code = "C-SETUP"


class ScopeRefused(EhrSetup):
    """The EHR refused one of the permissions that the app asks for. An administrator sets the scopes of the EHR
    connection to those that the EHR knows, or lets the app ask once more with the fewest."""

    code = "C-SCOPE"


class EhrBusy(LaunchRefused):
    """The EHR's sign-in is busy or down. Open the app again from the patient's chart in a minute."""

    status = 502
    code = "C-BUSY"
    # For how long it wants to be left alone; None where asking once more makes no sense.
    wait_s: float | None = None


# --------------------------------------------------------------------------------------------------------- the tokens
class TokenRefused(LaunchRefused):
    """The EHR did not accept the sign-in code. Open the app again from the patient's chart."""

    status = 502
    code = "T-GRANT"


class ClientRefused(LaunchRefused):
    """The EHR does not accept the app's own sign-in. An administrator checks client id, key set address and secret with
    the registration in the EHR."""

    status = 502
    code = "T-CLIENT"


class BadToken(LaunchRefused):
    """The EHR's token answer is not in the agreed form. Tell the people who run the EHR."""

    status = 502
    code = "T-FORM"


class NoPatient(LaunchRefused):
    """The EHR did not say which patient's chart is open. Open the app from a patient's chart."""

    code = "T-PATIENT"


class PatientNotNamed(NoPatient):
    """The EHR said who signed in, but not whose chart is open. Open the app from a patient's chart. If a chart was
    open, this EHR names the patient only in `fhirUser` (as MEDENT does), which would open a chart by who signed in: an
    administrator asks the people who run the EHR for the launch context `patient`; without it this EHR cannot be used."""

    code = "T-USER"


class BadIdentity(LaunchRefused):
    """The EHR's statement about who signed in cannot be trusted. Tell your administrator; nothing was read."""

    status = 502
    code = "I-TOKEN"


class AlgorithmRefused(BadIdentity):
    """The EHR signs its sign-ins in a way that its connection here does not list. An administrator presses Test
    connection, which names the right value of 'Its signatures' and sets it with one button."""

    code = "I-ALG"


class ClockApart(BadIdentity):
    """The EHR's clock and ours are more than a minute apart. The people who run the two systems set their clocks."""

    code = "I-CLOCK"


class NotAClinician(LaunchRefused):
    """The EHR says that you are not a clinician. These pages are for clinicians only."""

    status = 403
    code = "I-ROLE"


class UserDisabled(LaunchRefused):
    """Your account here is switched off. An administrator can switch it on under Users."""

    status = 403
    code = "I-USER"


class NotLetInYet(UserDisabled):
    """Your EHR does not say that you are a clinician, so an administrator must let you in first. They find you under
    Users and tick Active; then open the app again from the patient's chart."""

    code = "I-WAITS"


# ------------------------------------------------------------------------------------------------------------- later
class SessionOver(EhrError):
    """This launch is over. Open the app again from the patient's chart."""

    status = 403
    code = "S-OVER"


class NoBackendServices(EhrError):
    """This EHR connection has no access without a clinician (Backend Services). An administrator switches it on where
    the EHR offers it."""

    code = "B-OFF"


class BackendRefused(EhrError):
    """The EHR refused the app's own access (Backend Services). An administrator checks the registration in the EHR; one
    attempt was made and is not repeated by itself."""

    code = "B-REFUSED"


class BackendUnanswered(EhrError):
    """The EHR's token service did not answer. Waiting work goes on by itself."""

    code = "B-DOWN"
