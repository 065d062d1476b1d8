import numpy as np
import pytest

from xr_dl4ds.config import Adversarial, Supervised
from xr_dl4ds.config.choices import LR_SCALINGS
from xr_dl4ds.training.rates import SCALINGS, Rates


def rates(workers, steps=4, **options):
    return Rates(training=Supervised(**options), workers=workers, steps=steps)


def test_the_table_is_that_of_the_option():
    assert set(SCALINGS) == {None, *LR_SCALINGS}


def test_alone_the_rates_are_those_asked_for():
    every = [rates(1, learning_rate=0.1).at(epoch, step) for epoch in range(7) for step in range(4)]
    assert set(every) == {(0.1,)}
    assert not rates(1).warms_up(0)


@pytest.mark.parametrize(("scaling", "times"), [("linear", 4), ("sqrt", 2), (None, 1)])
def test_after_the_warm_up_they_are_scaled(scaling, times):
    found = rates(4, learning_rate=0.1, lr_scaling=scaling, lr_warmup=2)
    np.testing.assert_allclose(found.at(2), [0.1 * times])
    np.testing.assert_allclose(found.at(9, 3), [0.1 * times])


def test_in_the_warm_up_they_grow_by_the_same_amount_in_every_step():
    # Goyal et al. 2017: from the rate of one worker to that of four in 2 epochs of 4 steps
    found = rates(4, learning_rate=0.1, lr_warmup=2)
    every = [found.at(epoch, step)[0] for epoch in range(3) for step in range(4)]
    expected = [*(0.1 + 0.3 * i / 8 for i in range(8)), 0.4, 0.4, 0.4, 0.4]
    np.testing.assert_allclose(every, expected)
    assert [found.warms_up(epoch) for epoch in range(3)] == [True, True, False]


def test_without_warm_up_they_are_full_at_once():
    assert rates(4, learning_rate=0.1, lr_warmup=0).at(0) == (0.4,)


def test_two_rates_and_two_networks_are_scaled_alike():
    options = {"learning_rates": ((0.1, 0.02), (0.2, 0.01)), "lr_decay_after": 1, "lr_warmup": 0}
    found = Rates(training=Adversarial(**options), workers=2, steps=3)
    np.testing.assert_allclose(found.at(0), (0.2, 0.4))
    np.testing.assert_allclose(found.at(1), (0.04, 0.02))


def test_an_epoch_is_known_by_its_first_step():
    found = rates(4, learning_rate=0.1, lr_warmup=2)
    assert found.at(0) == found.at(0, 0) != found.at(0, 1)
