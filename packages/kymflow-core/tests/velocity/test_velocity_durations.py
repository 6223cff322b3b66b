"""How long stalls last, those that are cut off included."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import (
    IntervalKind,
    duration_survival,
    estimate_velocity,
    find_intervals,
)
from kymflow.core.errors import AnalysisParameterError

Flowing = Callable[..., NDArray[np.float64]]


def test_the_estimate_is_that_of_a_worked_example() -> None:
    # 6 stalls: 5 at risk at 2 s, of which one ends; 3 at 4 s, of which two do.
    found = duration_survival(
        [1.0, 2.0, 3.0, 4.0, 4.0, 6.0], [True, False, True, False, False, True]
    )
    assert found.duration_s.tolist() == [2.0, 4.0]
    assert found.share == pytest.approx([0.8, 0.8 / 3])
    assert found.standard_error == pytest.approx(
        [0.8 * np.sqrt(1 / 20), 0.8 / 3 * np.sqrt(1 / 20 + 2 / 3)]
    )
    assert (found.median_s, found.n, found.n_censored) == (4.0, 6, 3)


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=30))
def test_without_censoring_it_is_the_share_that_lasts_longer(durations: list[float]) -> None:
    found = duration_survival(durations, [False] * len(durations))
    longer = [np.mean(np.array(durations) > t) for t in found.duration_s]
    assert found.share == pytest.approx(longer)
    assert found.median_s is not None


def test_durations_cut_off_do_not_shorten_the_estimate() -> None:
    rng = np.random.default_rng(0)
    true, limit = rng.exponential(2.0, 4000), rng.uniform(0.5, 4.0, 4000)
    found = duration_survival(np.minimum(true, limit), true > limit)
    assert found.median_s == pytest.approx(2.0 * np.log(2.0), rel=0.08)
    assert duration_survival([3.0, 5.0], [True, True]).median_s is None


def test_what_is_not_a_duration_is_refused() -> None:
    with pytest.raises(AnalysisParameterError, match="duration_s"):
        duration_survival([1.0, np.nan], [False, False])
    with pytest.raises(AnalysisParameterError, match="censored"):
        duration_survival([1.0], [False, True])


def test_stalls_are_censored_where_the_recording_cuts_them_off(flowing: Flowing) -> None:
    velocity = np.full(4000, 2.2)
    velocity[:400] = velocity[1500:2100] = velocity[3500:] = 0.0
    result = estimate_velocity(flowing(velocity), seconds_per_line=1e-3, um_per_pixel=0.5)
    stalls = find_intervals(result).of_kind(IntervalKind.TRANSIENT)
    assert [stall.censored for stall in stalls] == [True, False, True]
