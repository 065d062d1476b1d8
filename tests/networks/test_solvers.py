import numpy as np
import pytest

from xr_dl4ds.config.choices import SOLVERS
from xr_dl4ds.networks import solvers
from xr_dl4ds.networks.solvers import integrated


def test_each_name_is_known():
    assert set(SOLVERS) == set(solvers.SOLVERS)


@pytest.mark.parametrize("solver", SOLVERS)
def test_error_is_of_second_order(solver):
    # x' = x cos(t): x(1) = exp(sin(1))
    def error(steps):
        return abs(integrated(lambda x, t: x * np.cos(t), 1.0, steps, solver) - np.exp(np.sin(1)))

    assert error(40) < 5e-4
    assert error(20) / error(40) == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("solver", SOLVERS)
def test_straight_paths_are_exact_in_one_step(solver):
    start, end = np.array([1.0, -2.0]), np.array([4.0, 0.5])
    np.testing.assert_allclose(integrated(lambda x, t: end - start, start, 1, solver), end)


@pytest.mark.parametrize("solver", SOLVERS)
def test_times_of_two_steps(solver):
    # the second step begins at (1 / 2) ** 1.5
    seen, second = [], 0.5**1.5
    integrated(lambda x, t: seen.append(t) or x, 1.0, 2, solver)
    middle = [0, second / 2, second, (second + 1) / 2]
    expected = {"midpoint": middle, "heun": [0, second, second, 1]}[solver]
    assert seen == pytest.approx(expected)
