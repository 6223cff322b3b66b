"""The windowed Radon transform that laboratories use, as they define it, for comparison.

For every window: subtract its mean, take the Radon transform at 0..179 degrees by 1 degree, keep
the angle whose projection varies most, repeat within 2 degrees of it by 0.25 degrees. A texture
that moves ``v`` pixels per line is a stripe at angle ``theta`` from the time axis with ``v =
tan(theta)``. Source: P. J. Drew, P. Blinder, G. Cauwenberghs, A. Y. Shih, D. Kleinfeld, "Rapid
determination of particle velocity from space-time images using the Radon transform", J. Comput.
Neurosci. 29 (2010).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kymflow.core.errors import MissingExtraError

_COARSE_DEGREES = np.arange(0.0, 180.0, 1.0)
_FINE_DEGREES = np.arange(-2.0, 2.0 + 0.125, 0.25)
#: Nearer to 90 degrees than half a fine step there is no finite velocity.
_VERTICAL_DEGREES = 0.125


def radon_velocity(
    pixels: NDArray[np.generic], window_lines: int, starts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the velocity of some windows in px/line, NaN where the angle has none.

    Args:
        pixels: The recording, ``(time, space)``.
        window_lines: Lines per window.
        starts: First line of each window, ``(windows,)``.

    Raises:
        MissingExtraError: scikit-image is not installed.
    """
    if importlib.util.find_spec("skimage") is None:
        raise MissingExtraError("scikit-image", "radon", "method='radon'")
    from skimage.transform import radon

    transform: Callable[..., NDArray[np.float64]] = radon
    velocity = np.full(starts.size, np.nan)
    for k, start in enumerate(starts):
        window = pixels[start : start + window_lines].astype(np.float64)
        window -= window.mean()
        if not window.any():
            continue
        spread = transform(window, theta=_COARSE_DEGREES, circle=False).var(axis=0)
        near = _COARSE_DEGREES[spread.argmax()] + _FINE_DEGREES
        spread = transform(window, theta=near, circle=False).var(axis=0)
        angle = float(near[spread.argmax()])
        if abs((angle % 180.0) - 90.0) >= _VERTICAL_DEGREES:
            velocity[k] = np.tan(np.deg2rad(angle))
    return velocity
