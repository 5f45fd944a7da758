"""The id of a push in Apple's records."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from homing.channels.apns_message import apns_id


@given(push_id=st.integers(0, 2**63 - 1))
def test_the_id_is_the_name_based_uuid_of_the_push(push_id: int) -> None:
    assert apns_id(push_id) == str(uuid.uuid5(uuid.UUID("6f1d2a54-3c0b-5d3e-9f57-0a8a5d1e77c2"), str(push_id)))
