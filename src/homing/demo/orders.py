"""What the buttons of a phone do: one name for each, with the values that it takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from .cast import BRANDS, PEOPLE
from .phone import DemoPhone
from .stage import Stage

Value = str | bool | int | None


class BadOrder(Exception):
    """The page (or somebody else) asked for something that is not understood."""


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """What a button asks for."""

    do: str
    value: Value = None


def _anything(_: Value) -> bool:
    return True


def _switch(value: Value) -> bool:
    return isinstance(value, bool)


def _person(value: Value) -> bool:
    return isinstance(value, str) and value in PEOPLE


def _brand(value: Value) -> bool:
    return isinstance(value, str) and value in BRANDS


def _number(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


Do = Callable[[Stage, DemoPhone, Any], Awaitable[Any]]

_ORDERS: Final[dict[str, tuple[Callable[[Value], bool], Do]]] = {
    "lock": (_switch, lambda _, phone, on: phone.lock() if on else phone.unlock()),
    "open": (_anything, lambda _, phone, __: phone.open()),
    "background": (_anything, lambda _, phone, __: phone.background()),
    "kill": (_anything, lambda _, phone, __: phone.kill()),
    "log_in": (_person, lambda _, phone, who: phone.log_in(who)),
    "log_out": (_anything, lambda _, phone, __: phone.log_out()),
    "elsewhere": (_anything, lambda stage, phone, _: stage.log_in_elsewhere(phone.slot)),
    "notifications": (_switch, lambda _, phone, on: phone.set_notifications(on)),
    "offline": (_switch, lambda _, phone, on: phone.set_offline(on)),
    "install": (_switch, lambda _, phone, on: phone.install(on)),
    "brand": (_brand, lambda stage, phone, brand: stage.give(phone.slot, brand, phone.account or phone.person)),
    "chat": (lambda value: value is None or _person(value), lambda _, phone, peer: phone.show_chat(peer)),
    "tap": (_number, lambda _, phone, item: phone.tap(item)),
}


async def obey(stage: Stage, slot: str, order: Order) -> dict[str, Any]:
    """Do it; what a tap opened. Raises ``BadOrder``, ``CannotDoThat``, ``CallFailed``."""
    phone, known = stage.phones.get(slot), _ORDERS.get(order.do)
    if phone is None:
        raise BadOrder("there are two phones, left and right")
    if known is None or not known[0](order.value):
        raise BadOrder(f"no phone can do {order.do[:40]!r} with {str(order.value)[:40]!r}")
    answer = await known[1](stage, phone, order.value)
    stage.changed()
    return answer if isinstance(answer, dict) else {}
