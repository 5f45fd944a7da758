"""Identifiers: unique and growing, whatever the clock and the threads do."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.model.clock import Ids, SystemClock, id_time_ms


class Steps:
    """A clock that shows what it is told, one reading after another."""

    def __init__(self, readings: list[int]) -> None:
        self._readings = iter(readings)

    def now_ms(self) -> int:
        return next(self._readings)

    def monotonic(self) -> float:
        return 0.0


@given(st.lists(st.integers(Ids.EPOCH_MS, Ids.EPOCH_MS + 2**40), min_size=2, max_size=50))
def test_identifiers_grow_even_when_the_clock_steps_back(readings: list[int]) -> None:
    ids = Ids(Steps(readings), 7)
    made = [ids.next() for _ in readings]
    assert made == sorted(set(made))


def test_more_identifiers_than_a_millisecond_has_borrow_from_the_next() -> None:
    ids = Ids(Steps([Ids.EPOCH_MS + 5] * 10_000), 1)
    made = [ids.next() for _ in range(10_000)]
    assert len(set(made)) == 10_000
    assert id_time_ms(made[-1]) <= Ids.EPOCH_MS + 5 + 2


def test_two_nodes_never_make_the_same_identifier() -> None:
    readings = [Ids.EPOCH_MS + 9] * 2000
    one, two = Ids(Steps(readings), 1), Ids(Steps(readings), 2)
    assert not {one.next() for _ in readings} & {two.next() for _ in readings}


def test_threads_share_a_generator() -> None:
    ids, made = Ids(SystemClock(), 3), list[int]()

    def work() -> None:
        made.extend([ids.next() for _ in range(20_000)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 80_000


@pytest.mark.parametrize("node", [-1, 1024])
def test_a_node_number_has_ten_bits(node: int) -> None:
    with pytest.raises(ValueError, match="ten bits"):
        Ids(SystemClock(), node)
