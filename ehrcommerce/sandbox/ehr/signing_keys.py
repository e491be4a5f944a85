"""The key set that clients fetch, right or in one of the ways in which key sets are wrong."""

from typing import Any

from joserfc.jwk import ECKey, RSAKey

from ehrcommerce.sandbox.ehr.models import SigningKey
from ehrcommerce.sandbox.ehr.surroundings import here

KIND_OF = {"ES256": "P-256", "ES384": "P-384"}
ALG_OF = {kind: alg for alg, kind in KIND_OF.items()} | {"RSA": "RS256"}
WRONG = 900
"""Generations from here on sign nothing; their keys are published in the name of others."""


def signing_key() -> RSAKey | ECKey:
    """The key that signs the id_tokens of the present launch."""
    return SigningKey.of(_kind(), int(here().knobs["key_generation"]))


def _kind() -> str:
    return KIND_OF.get(str(here().knobs["id_token_alg"]), "RSA")


def public_keys() -> dict[str, Any]:
    """What is published."""
    generation = int(here().knobs["key_generation"])
    match here().knobs["jwks_keys"]:
        case "one":
            keys = [_public(_kind(), generation)]
        case "no_kid":
            keys = [_without(key, "kid") for key in _of_generation(generation)]
        case "one_no_kid":
            keys = [_without(_public(_kind(), generation), "kid")]
        case "two_no_kid":
            keys = [_without(_public(_kind(), number), "kid") for number in (generation + 1, generation)]
        case "enc":
            keys = [{**_public(_kind(), generation), "use": "enc"}]
        case "enc_beside":
            keys = [{**_public(_kind(), generation + 1), "use": "enc"}, *_of_generation(generation)]
        case "wrong":
            keys = [{**_public(kind, WRONG), "kid": _public(kind, generation)["kid"]} for kind in SigningKey.KINDS]
        case "with_unknown":
            keys = [{"kty": "AKP", "kid": "future", "alg": "ML-DSA-65", "pub": "AA"}, *_of_generation(generation)]
        case "empty":
            keys = []
        case _:
            keys = [key for number in _generations(generation) for key in _of_generation(number)]
    return {"keys": keys}


def _generations(present: int) -> list[int]:
    return [present, *(int(number) for number in here().knobs["more_generations"])]


def _of_generation(generation: int) -> list[dict[str, Any]]:
    return [_public(kind, generation) for kind in SigningKey.KINDS]


def _public(kind: str, generation: int) -> dict[str, Any]:
    key = _without(dict(SigningKey.of(kind, generation).as_dict(private=False)), "alg")
    return {**key, "alg": ALG_OF[kind]} if here().knobs["jwks_alg"] == "named" else key


def _without(key: dict[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in key.items() if each != name}
