"""Whatever stands in the body of a CDS Hooks call: the door reads it, or refuses it by name."""

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ehrcommerce.disclosure import extract, hook_calls
from tests import factories
from tests.ehr.cds import bundle, device

_leaf = st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.sampled_from(
    ["Patient/cy-1", "DeviceRequest/mask-1", "draft", "order", "active", "DeviceRequest", "../x", "\x00"]
)  # fmt: skip
_json = st.recursive(_leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
    st.sampled_from(["resourceType", "id", "status", "subject", "reference", "code", "coding", "entry", "resource"]),
    inner, max_size=4), max_leaves=12)  # fmt: skip


@given(order=st.dictionaries(st.sampled_from(sorted(device())), _json, max_size=5), context=st.dictionaries(
    st.sampled_from(["draftOrders", "selections", "dispatchedOrders", "userId", "patientId"]), _json, max_size=3),
    hook=st.sampled_from(sorted(hook_calls.HOOKS)), seed=st.integers())  # fmt: skip
@examples(max_examples=150)
def test_whatever_stands_in_a_call_is_answered(order: Any, context: Any, hook: str, seed: int) -> None:
    entries = bundle({**device(), **order}, *([order] if random.Random(seed).random() < 0.3 else []))
    said = {"patientId": "cy-1", "userId": "Practitioner/ada", "draftOrders": entries, **context}
    body = json.dumps({"hook": hook, "context": said}).encode()
    try:
        call = hook_calls.opened(body, hook)
    except hook_calls.BadHookCall:
        return
    base = "https://ehr.example.org/fhir"
    chart = extract.Chart(base, call.patient_id, lambda kind, name: f"{kind}/{name}", factories.NOW.date())
    for place, raw in enumerate(hook_calls.drafts(call, hook, base)):
        if extract.belongs(raw, chart) == "ours":
            extract.order(raw, chart, place=place)
    list(hook_calls.resources(call))
    hook_calls.dispatched(call, base)
