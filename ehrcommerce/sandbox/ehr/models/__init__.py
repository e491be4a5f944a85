"""The tables of the EHR, in three files: the chart, who may ask, and the site itself."""

from ehrcommerce.sandbox.ehr.models.chart import Resource
from ehrcommerce.sandbox.ehr.models.oauth import AccessToken, AssertionId, AuthorizationCode, Client, SigningKey
from ehrcommerce.sandbox.ehr.models.site import EhrUser, Knobs, Launch, Profile

__all__ = [
    "AccessToken",
    "AssertionId",
    "AuthorizationCode",
    "Client",
    "EhrUser",
    "Knobs",
    "Launch",
    "Profile",
    "Resource",
    "SigningKey",
]
