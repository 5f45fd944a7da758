"""Parts of the demo that need nothing running: what letters become, what is found in extras, which orders are understood."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.client import custom_message, image_message, text_message
from homing.demo.app import find_push_id
from homing.demo.orders import BadOrder, Order, obey
from homing.demo.run import free_port
from homing.demo.words import Letter, bubble_of
from homing.model.messages import Element

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


class Phone:
    slot = "right"
    phone_id = "phone-1"

    def __init__(self) -> None:
        self.done: list[str] = []

    async def lock(self) -> None:
        self.done.append("lock")

    async def unlock(self) -> None:
        self.done.append("unlock")

    async def tap(self, item: int) -> dict[str, Any]:
        return {"activity": f"Activity{item}"}


class Stage:
    def __init__(self) -> None:
        self.phones = {"right": Phone()}
        self.changes = 0

    def changed(self) -> None:
        self.changes += 1


@pytest.mark.parametrize(
    "extras",
    [
        {"push_id": "12"},
        {"push_id": 12},
        {"key_message": {"extra": {"push_id": "12"}}},
        {"key_message": json.dumps({"extra": {"push_id": "12"}})},
    ],
)
def test_the_push_id_is_found_wherever_a_vendor_puts_it(extras: Any) -> None:
    assert find_push_id(extras) == "12"


@given(json_values)
def test_extras_of_any_shape_are_searched_without_an_error(extras: Any) -> None:
    assert isinstance(find_push_id(extras), str)


def test_a_letter_without_wishes_sends_none() -> None:
    letter = Letter("bob", text="hi")
    assert letter.wishes() is None
    assert letter.elements() == (text_message("hi"),)


def test_a_letter_carries_the_senders_wishes() -> None:
    wishes = Letter("bob", "custom", "Order 1", "shipped", no_push=True).wishes()
    assert wishes is not None
    assert (wishes.Desc, wishes.PushFlag) == ("shipped", 1)


@pytest.mark.parametrize("letter", [Letter("bob", "text", "hi"), Letter("bob", "custom", "Order 1"), Letter("bob", "picture")])
def test_what_a_letter_says_is_what_the_bubble_shows(letter: Letter) -> None:
    bubble = bubble_of("1", "alice", letter.elements(), 0)
    assert (bubble.kind, bubble.text) == (letter.kind, letter.text)


@pytest.mark.parametrize(
    ("elements", "text"),
    [([], "[]"), ([Element("TIMFaceElem", {"Index": 1})], "[TIMFaceElem]"), ([custom_message("no json")], "no json")],
)
def test_a_message_that_the_app_cannot_draw_shows_something(elements: list[Element], text: str) -> None:
    assert bubble_of("1", "alice", elements, 0).text == text


def test_a_picture_has_no_text() -> None:
    assert bubble_of("1", "alice", [image_message("https://pictures.example/1.jpg")], 0).kind == "picture"


async def test_an_order_is_obeyed_and_everybody_hears_of_it() -> None:
    stage: Any = Stage()
    assert await obey(stage, "right", Order("lock", True)) == {}
    assert await obey(stage, "right", Order("lock", False)) == {}
    assert stage.phones["right"].done == ["lock", "unlock"]
    assert await obey(stage, "right", Order("tap", 3)) == {"activity": "Activity3"}
    assert stage.changes == 3


@pytest.mark.parametrize(
    ("slot", "order"),
    [
        ("middle", Order("lock", True)),
        ("right", Order("explode")),
        ("right", Order("lock", "yes")),
        ("right", Order("tap", True)),
        ("right", Order("tap", "1")),
        ("right", Order("log_in", "mallory")),
        ("right", Order("brand", "nokia")),
        ("right", Order("chat", 1)),
    ],
)
async def test_what_is_not_understood_is_refused_and_changes_nothing(slot: str, order: Order) -> None:
    stage: Any = Stage()
    with pytest.raises(BadOrder):
        await obey(stage, slot, order)
    assert stage.changes == 0
    assert stage.phones["right"].done == []


def test_a_port_that_is_taken_gives_way_to_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) == 0
    assert free_port(port) == port
