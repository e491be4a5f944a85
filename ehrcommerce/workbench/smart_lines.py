"""The numbered lines that SMART tests are named after, in the project's own words, so that a clone stands alone.

A test says with `@pytest.mark.smart("L1", "H4")` which lines it proves; docs/smart-conformance.md is made from both
by `manage.py test --write-conformance`. Sources: SMART App Launch 2.2 (https://hl7.org/fhir/smart-app-
launch/STU2.2/), OpenID Connect Core 1.0, RFC 6749, 7009, 7523, 7636, 7662, 9207, 9700, FHIR R4, and Inferno's SMART
client suite."""

LAUNCH = {
    "L1": "An EHR launch is answered with the way to that issuer's sign-in, and to nothing else.",
    "L2": "`iss` missing, doubled or unknown: a page, no request to anybody, nothing of the input shown unescaped.",
    "L3": "`iss` is compared as a whole, in one canonical form, with registered rows; user names, queries, dots, "
    "escapes, literal addresses and plain http are refused.",
    "L4": "`aud` is the registered FHIR base, or what the row says in its place.",
    "L5": "`launch` goes on unchanged, also when it is a long token; the scope `launch` is asked with it.",
    "L6": "A standalone start sends no `launch` and asks for `launch/patient`.",
    "L7": "A new launch inherits no patient, token or order of an earlier one; two tabs stay two launches.",
    "L8": "Launch and redirect addresses are fixed; each connection has its own redirect address.",
}
DISCOVERY = {
    "D1": "The document is asked below the FHIR base, also where the base has a path, as JSON.",
    "D2": "Relative endpoints are resolved against the base; each must be https on an origin of the row.",
    "D3": "Not 200, not JSON, a list, too large, redirected, or without its two endpoints: the launch is refused with "
    "a cause for the administrator.",
    "D4": "PKCE methods named without S256: refused. None named: S256 is sent all the same.",
    "D5": "Published capabilities decide the dialect of the scopes, a start without the EHR's button, and a sign-in by form;"
    " an EHR that launches the app without listing that is believed by what it does.",
    "D6": "Kept between five minutes and a day; an endpoint that leaves its pinned value is not used and is reported.",
    "D7": "The CapabilityStatement is never needed to sign in.",
}
AUTHORIZE = {
    "A1": "The authorization request has exactly the fields of the specification.",
    "A2": "`state` is random, new for each attempt, used once, short-lived, bound to the browser, and holds no data.",
    "A3": "`code_verifier` is new for each attempt, stays on the server, and stands in no log.",
    "A4": "A query that the authorization endpoint already has is kept.",
    "A5": "Scopes are the minimum, in the dialect of the EHR, with v2 letters in order, never a wildcard.",
    "A6": "Granular scopes are read into level, type, permissions and constraint.",
    "A7": "An address that would be too long goes as a form where the EHR takes it, and the page may post there only.",
    "A8": "`online_access` and `offline_access` are asked only where a feature needs them.",
}
CALLBACK = {
    "B1": "State is checked before anything else; missing, unknown, old, used or of another browser: no token request.",
    "B2": "An error with a sound state closes the attempt with a fixed text for its code.",
    "B3": "Doubled parameters, or a code beside an error, are refused.",
    "B4": "RFC 9207: `iss` of the answer is exactly the pinned issuer, and must be there where the EHR promised it.",
    "B5": "The code is exchanged at once and once; then a clean address, `no-store`, `no-referrer`.",
    "B6": "The session key changes at success; no target of a redirect comes from a parameter.",
}
TOKEN = {
    "T1": "The token request is a form POST with code, redirect address and verifier; redirects are not followed.",
    "T2": "`client_id` stands in the body for public clients only, unless the row says otherwise.",
    "T3": "A secret goes in the Basic header, raw or form-encoded as the row says, in the body only if it says so.",
    "T4": "A signed assertion is the usual way; where the EHR offers it beside a secret, Test connection says so, and one "
    "button changes to it.",
    "T5": "A usable answer has a bearer token; odd or missing `scope` and `expires_in` are read by rule.",
    "T6": "Granted scopes are compared with what was asked; what was not granted is not tried.",
    "T7": "With patient scopes a patient must be named, by a sound id.",
    "T8": "Tokens are sealed in the database and stand in no cookie, address, log, page or task.",
}
CONTEXT = {
    "X1": "Context ids are sound FHIR ids, from the token answer only.",
    "X2": "`fhirContext` is read item by item; bad items are left out.",
    "X3": "The patient banner is shown in full unless the EHR clearly says that it shows one; then one slim line stays.",
    "X4": "The `intent` `links` opens what was sent before; an unknown one leads to the usual page.",
    "X5": "Styles come from the EHR only, without a token, capped, value by value, and stay readable.",
    "X6": "`tenant` is recorded; another one than before is reported.",
    "X7": "Unknown names in the answer have no effect.",
}
IDENTITY = {
    "I1": "The id_token is checked whole: signature, issuer, audience, times, nonce, listed algorithms.",
    "I2": "Keys come from the pinned issuer; an unknown key id makes us look again at most once in five minutes.",
    "I3": "Clocks may differ by a minute.",
    "I4": "No id_token: no sign-in.",
    "I5": "`fhirUser` lies below the row's base and is a person who works there; another server is never asked.",
    "I6": "A user is the issuer and the subject, never a name, an e-mail or a number.",
    "I7": "An id_token that comes with a refresh names the same person.",
}
REFRESH = {
    "R1": "A refresh asks for no scope.",
    "R2": "A new refresh token takes the place of the old one at once; an answer without one keeps the old.",
    "R3": "One refresh at a time for each launch, over all processes (decision 0012).",
    "R4": "`invalid_grant` deletes the tokens and asks for a new launch.",
    "R5": "A refresh that names another patient ends the launch.",
    "R6": "Signing out takes the tokens back at the EHR, and deletes them here even if that fails.",
    "N1": "Introspection is asked with client authentication; `active: false` ends the launch, whatever stands beside.",
}
KEYS = {
    "K1": "The key set is public and holds public members of an RS384 and an ES384 key.",
    "K2": "Current and next key are published; a key that is no longer used stays until all caches are old.",
    "K3": "An assertion's header names algorithm, key and type.",
    "K4": "An assertion is for the token address, lives at most four minutes, and has a `jti` of its own.",
    "K5": "Backend Services sends `client_credentials`, the scopes and the assertion.",
    "K6": "A token is kept for its scopes until shortly before its end, asked for by one caller.",
    "K7": "Each job asks only for the scopes that it needs.",
    "K8": "`invalid_client` is not tried again in a loop.",
}
FHIR = {
    "F1": "The token goes in the header only.",
    "F2": "No reference, next page or location elsewhere ever gets the token.",
    "F3": "401: one renewal, one more try. 403: said. Fewer results than expected are normal.",
}
HOSTILE = {
    "H1": "A launch without `iss`.", "H2": "A launch with `iss` and no `launch`.",
    "H3": "An `iss` that is unknown, or registered and switched off.", "H4": "An `iss` with a user name in front.",
    "H5": "Look-alike hosts: longer, shorter, other letters.", "H6": "An `iss` of another scheme.",
    "H7": "An `iss` that is an address or a local name, in production.",
    "H8": "An `iss` with a query, a fragment, escapes, control characters, or too long.",
    "H9": "The same `iss` in another spelling.", "H10": "Two `iss`.", "H11": "A `launch` of odd characters and length.",
    "H12": "The launch address by POST, HEAD, or fetched ahead by the browser.",
    "H13": "A thousand launches a minute from one address.",
    "H14": "A discovery document that is missing, broken, endless or slow.",
    "H15": "A discovery document that redirects.", "H16": "Endpoints that are relative, http, foreign, or hide a user name.",
    "H17": "PKCE offered as `plain` only.", "H18": "Discovery that tries to set our own options.",
    "H19": "Another issuer than the pinned one.", "H20": "Discovery that offers unsigned id_tokens.",
    "H21": "JSON with doubled names, NaN, a byte order mark, or deep nesting.",
    "H22": "A callback whose state is missing, unknown or old.", "H23": "A callback a second time.",
    "H24": "A callback in another browser.", "H25": "A state at another connection's callback.",
    "H26": "A callback that names another authorization server.", "H27": "An error with a script as its description.",
    "H28": "An error without a sound state.", "H29": "A code that is doubled, empty, huge, or with line ends.",
    "H30": "A code of another session.", "H31": "A token endpoint that redirects a POST elsewhere.",
    "H32": "A token answer that is HTML, a list, an error inside 200, or a form.",
    "H33": "`invalid_grant`, `invalid_client`, 429, 503 from the token endpoint.",
    "H34": "An access token that is missing, empty, or has a line end.", "H35": "Another or no token type.",
    "H36": "Odd values of `expires_in`.", "H37": "Odd values of `scope`.", "H38": "No patient, though patient scopes.",
    "H39": "A patient that is a list, a number, a path or another server's.", "H40": "Two different patients named.",
    "H41": "A refresh with another patient, or wider scopes.",
    "H42": "An encounter, of another patient or not: none is kept (decision 0011).",
    "H43": "Broken items in `fhirContext`.", "H44": "Odd values of `need_patient_banner`.",
    "H45": "Styles from elsewhere, too large, or with functions in them.", "H46": "No id_token.",
    "H47": "An id_token that is unsigned, or signed with a shared secret.", "H48": "An id_token for others.",
    "H49": "An id_token of another issuer, or nearly the same.", "H50": "A wrong or missing nonce.",
    "H51": "Odd times in an id_token.", "H52": "Odd key sets and key ids.", "H53": "Odd headers of an id_token.",
    "H54": "An id_token that is encrypted, null, or garbage.", "H55": "An odd `fhirUser`.",
    "H56": "The same subject at two issuers.", "H57": "A clock that is ten minutes off.",
    "H58": "A FHIR answer that is an outcome, null, a list, HTML, or empty.",
    "H59": "A read that answers with another resource.", "H60": "Another patient's resource in a Bundle.",
    "H61": "Bundles with outcomes, without entries, with wrong totals, with doubles.",
    "H62": "A next page elsewhere, over http, the same again, or endless.",
    "H63": "References that lead out, to nothing, or in a circle.",
    "H64": "Medications missing or doubled, and odd states.", "H65": "Plans, prohibitions and unknown modifiers.",
    "H66": "Odd quantities and dates.", "H67": "Names with markup, direction marks, a megabyte, NUL.",
    "H68": "A patient who is deceased, inactive or merged.", "H69": "Restricted labels.",
    "H70": "401, 403, 404, 410 and 429 in the middle of reading.", "H71": "Two tabs, two patients, a stale form.",
    "H72": "The EHR shows another chart while the old frame lives.", "H73": "Cookies blocked in the frame.",
    "H74": "Framed by somebody unknown.",
    "H75": "A notification that is unsigned, altered, repeated, huge, or of another subscription.",
    "H76": "A notification about something foreign.", "H77": "Event numbers with gaps, repeats, resets.",
    "H78": "CDS Hooks calls with bad signatures, or about another patient.",
    "H79": "The key set asked a hundred times a second, or for private parts.",
    "H80": "Write-back that times out, conflicts, or is answered for something else.",
}  # fmt: skip
INFERNO = {
    "IN1": "Authorization request: response type, client, registered redirect address, launch, state, exact audience, "
    "S256, scope.",
    "IN2": "Token request: code, redirect address and PKCE belong together.",
    "IN3": "A symmetric client authenticates with Basic of the raw id and secret.",
    "IN4": "An asymmetric client's assertion: type, issuer, subject, audience, end, single `jti`, signature.",
    "IN5": "A public client names itself in the body.",
    "IN6": "A backend client: `client_credentials` with an assertion and system scopes.",
    "IN7": "The token that was given is used, and a refresh token only where one was given.",
}
VENDORS = {
    "V1": "Epic", "V2": "Oracle Health", "V3": "athenahealth", "V4": "eClinicalWorks", "V5": "Veradigm", "V6": "Medplum",
    "V7": "SMART launcher", "V8": "Inferno", "V9": "HAPI", "V10": "MEDENT: no patient is named, so a named refusal",
}  # fmt: skip
ADVISORIES = {
    "AD1": "Sign-in with a state that another browser's login left in a shared cache.",
    "AD2": "A critical header that is not understood.",
    "AD3": "A key inside the token's own header.",
    "AD4": "Hash claims of the id_token (`at_hash`, `c_hash`) that do not fit, or cannot be checked.",
    "AD5": "Discovery of one issuer that speaks for another.",
    "AD6": "A token that switches the nonce off.",
    "AD7": "A public key used as a shared secret.",
}
# Lines of features that do not exist yet, with the reason: nothing of theirs is claimed.
NOT_BUILT: dict[str, str] = {}

GROUPS = (
    ("Launch", LAUNCH), ("Discovery", DISCOVERY), ("Authorization request", AUTHORIZE), ("Callback", CALLBACK),
    ("Token", TOKEN), ("Launch context", CONTEXT), ("Identity", IDENTITY), ("Refresh and introspection", REFRESH),
    ("Keys", KEYS), ("FHIR requests", FHIR), ("Inferno's client checks", INFERNO), ("EHRs, as they answer", VENDORS),
    ("Authlib's advisories, replayed", ADVISORIES), ("Hostile and odd inputs", HOSTILE),
)  # fmt: skip
