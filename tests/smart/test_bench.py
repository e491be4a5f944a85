"""The bench itself: a usual EHR launches, so what the other files see refused was refused for its reason."""

import pytest

from ehrcommerce.workbench.rotation import rotating
from tests.smart.conftest import Ehr, Make

pytestmark = pytest.mark.django_db


def test_an_ehr_of_usual_manners_launches(ehr: Ehr) -> None:
    assert "Launchwell" in ehr.page()


@pytest.mark.parametrize(
    "method", rotating(["client_secret_basic", "client_secret_post", "private_key_jwt", "none"], keep=1)
)
def test_each_way_of_client_authentication_launches(make_ehr: Make, method: str) -> None:
    make_ehr(client_auth=method).open()
