"""The tables of the EHR, in four files: the chart, who may ask, who is told of changes, and the site itself."""

from ehrcommerce.sandbox.ehr.models.chart import Resource
from ehrcommerce.sandbox.ehr.models.events import Message, Subscriber
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
    "Message",
    "Profile",
    "Resource",
    "SigningKey",
    "Subscriber",
]
