"""Student's t distribution, for intervals of means of few values."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

_STEPS = 2001


@lru_cache(maxsize=256)
def t_quantile(share: float, degrees: float) -> float:
    """The value below which a `share` above 0.5 of a t distribution lies, to about 1e-6.

    Its density, ``(1 + t**2 / n)**(-(n + 1) / 2)`` up to a factor, becomes ``cos(a)**(n - 1)`` with
    ``t = sqrt(n) tan(a)``; that is integrated (Simpson), and the angle is found by bisection.

    Args:
        share: Between 0.5 and 1.
        degrees: Degrees of freedom ``n``, at least 1; not only whole numbers.

    Raises:
        ValueError: One of them is outside its range.
    """
    if not 0.5 <= share < 1.0 or not degrees >= 1.0:
        raise ValueError(
            f"share={share!r} and degrees={degrees!r} cannot be used; "
            "give a share from 0.5 to below 1 and at least one degree of freedom"
        )
    factor = math.exp(math.lgamma((degrees + 1.0) / 2.0) - math.lgamma(degrees / 2.0))
    factor /= math.sqrt(math.pi)

    def below(angle: float) -> float:
        values = np.cos(np.linspace(0.0, angle, _STEPS)) ** (degrees - 1.0)
        weights = np.where(np.arange(_STEPS) % 2, 4.0, 2.0)
        weights[[0, -1]] = 1.0
        return 0.5 + factor * float(weights @ values) * angle / (3.0 * (_STEPS - 1))

    low, high = 0.0, 0.5 * math.pi
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if below(middle) < share else (low, middle)
    return math.sqrt(degrees) * math.tan(0.5 * (low + high))
