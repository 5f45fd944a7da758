"""What can be worked out once per certificate: URLs, header tuples, parsed keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from homing.model.certificates import Certificate

T = TypeVar("T")


class Statics(Generic[T]):
    """A bounded cache of one value per certificate version.

    An unsaved certificate has no number of its own yet, so a hit counts only for the same credentials and options.
    """

    def __init__(self, make: Callable[[Certificate], T], size: int = 512) -> None:
        self._make = make
        self._size = size
        self._kept: dict[tuple[int, int, int], tuple[Certificate, T]] = {}

    def get(self, certificate: Certificate) -> T:
        """The value of this certificate, made now or kept."""
        key = (certificate.sdkappid, certificate.business_id, certificate.version)
        hit = self._kept.get(key)
        if hit is not None and (hit[0] is certificate or _same(hit[0], certificate)):
            return hit[1]
        value = self._make(certificate)
        self._kept.pop(key, None)
        if len(self._kept) >= self._size:
            self._kept.pop(next(iter(self._kept)), None)
        self._kept[key] = (certificate, value)
        return value


def _same(kept: Certificate, asked: Certificate) -> bool:
    return bool(kept.credentials == asked.credentials and kept.options == asked.options and kept.receipt_path == asked.receipt_path)
