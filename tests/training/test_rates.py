import math

import numpy as np
import pytest

from tests.conftest import analytic
from tests.training import fit, tiny, toy
from xr_dl4ds.config import Adversarial, Supervised
from xr_dl4ds.config.choices import LR_SCALINGS, SCHEDULES
from xr_dl4ds.training.rates import LAST, SCALINGS, SHARES, STARTS, Rates


def rates(workers, steps=4, **options):
    given = {"schedule": "constant", **options}
    return Rates(training=Supervised(**given), workers=workers, steps=steps)


def every(found):
    """The rate of each step of the training."""
    return [
        found.at(epoch, step)[0]
        for epoch in range(found.training.epochs)
        for step in range(found.steps)
    ]


def test_the_tables_are_those_of_the_options():
    assert set(SCALINGS) == {None, *LR_SCALINGS}
    assert set(SHARES) == set(STARTS) == set(SCHEDULES)


# --- workers --------------------------------------------------------------------------------


def test_alone_the_rates_are_those_asked_for():
    assert set(every(rates(1, learning_rate=0.1, epochs=7))) == {0.1}
    assert not rates(1).vary_in(0)


@pytest.mark.parametrize(("scaling", "times"), [("linear", 4), ("sqrt", 2), (None, 1)])
def test_after_the_warm_up_they_are_scaled(scaling, times):
    found = rates(4, learning_rate=0.1, lr_scaling=scaling, lr_warmup=2)
    np.testing.assert_allclose(found.at(2), [0.1 * times])
    np.testing.assert_allclose(found.at(9, 3), [0.1 * times])


def test_in_the_warm_up_they_grow_by_the_same_amount_in_every_step():
    # Goyal et al. 2017: from the rate of one worker to that of four in 2 epochs of 4 steps
    found = rates(4, learning_rate=0.1, lr_warmup=2, epochs=3)
    expected = [*(0.1 + 0.3 * i / 8 for i in range(8)), 0.4, 0.4, 0.4, 0.4]
    np.testing.assert_allclose(every(found), expected)
    assert [found.vary_in(epoch) for epoch in range(3)] == [True, True, False]


def test_the_usual_warm_up_of_workers_has_five_epochs():
    found = rates(2, learning_rate=0.1, epochs=60)
    assert [found.vary_in(epoch) for epoch in (0, 4, 5, 59)] == [True, True, False, False]
    assert found.at(5) == (0.2,)


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


# --- cosine ---------------------------------------------------------------------------------


def cosine(workers=1, steps=4, **options):
    return rates(workers, steps, **{"schedule": "cosine", "learning_rate": 0.1, **options})


def test_a_cosine_falls_from_the_full_rate_to_its_end_in_the_last_step():
    # 2 epochs of 3 steps: cos(0), cos(36), cos(72), ... degrees
    found = every(cosine(steps=3, epochs=2, lr_warmup=0))
    shares = [1.0, 0.9045085, 0.6545085, 0.3454915, 0.0954915, 0.0]
    np.testing.assert_allclose(found, [0.1 * (0.005 + 0.995 * s) for s in shares], rtol=1e-6)
    assert LAST == 0.005


def test_a_cosine_is_the_function_of_keras():
    import keras

    steps, warm = 40, 2  # a twentieth of 40 steps
    found = every(cosine(steps=2, epochs=20))
    theirs = keras.optimizers.schedules.CosineDecay(
        0.1 * 0.05, steps - 1 - warm, alpha=0.005, warmup_target=0.1, warmup_steps=warm
    )
    np.testing.assert_allclose(found, [float(theirs(i)) for i in range(steps)], rtol=1e-5)


def test_the_warm_up_of_a_cosine_serves_workers_too():
    # 2 epochs of 4 steps, from 0.05 x 0.1 for one worker to 4 x 0.1 for four
    found = every(cosine(workers=4, epochs=8, lr_warmup=2))
    np.testing.assert_allclose(found[:9], [0.005 + 0.395 * i / 8 for i in range(9)])
    assert max(found) == found[8] == 0.4
    np.testing.assert_allclose(found[-1], 0.4 * LAST)
    assert np.all(np.diff(found[8:]) < 0)


def test_the_usual_warm_up_of_a_cosine_is_a_twentieth():
    found = cosine(steps=5, epochs=40)
    assert found.warmup == 10
    assert every(found)[10] == 0.1
    assert all(found.vary_in(epoch) for epoch in range(40))


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (1, 2), (3, 1), (1, 19)])
def test_a_short_cosine_starts_at_the_full_rate(steps, epochs):
    found = every(cosine(steps=steps, epochs=epochs))
    assert found[0] == 0.1
    if len(found) > 1:
        np.testing.assert_allclose(found[-1], 0.1 * LAST)


def test_a_warm_up_as_long_as_training_leaves_no_cosine():
    np.testing.assert_allclose(
        every(cosine(steps=2, epochs=2, lr_warmup=2)), [0.005 + 0.095 * i / 4 for i in range(4)]
    )


def test_both_networks_follow_one_cosine():
    training = Adversarial(learning_rates=(0.1, 0.2), schedule="cosine", epochs=3, lr_warmup=0)
    found = Rates(training=training, workers=1, steps=1)
    share = 0.005 + 0.995 * (1 + math.cos(math.pi / 2)) / 2
    np.testing.assert_allclose(found.at(1), (0.1 * share, 0.2 * share))


# --- what training does with them -----------------------------------------------------------


def test_training_sets_the_rate_of_every_step(monkeypatch):
    from xr_dl4ds.training.step import Step

    seen = []
    monkeypatch.setattr(Step, "set_rates", lambda self, found: seen.append(found[0]))
    given = {"schedule": "cosine", "learning_rate": 0.1, "epochs": 3}
    fit(tiny(), toy(8), sampling={"batch_size": 4}, **given)
    # once at the start of an epoch, and once in each of its two steps
    expected = every(cosine(steps=2, epochs=3))
    np.testing.assert_allclose(seen, np.insert(expected, [0, 2, 4], expected[::2]))


def test_the_history_has_the_rate_of_the_last_step():
    history = fit(tiny(), toy(8), schedule="cosine", learning_rate=0.01, epochs=3).history
    expected = every(cosine(steps=1, epochs=3, learning_rate=0.01))
    np.testing.assert_allclose(history["learning_rate"], expected, rtol=1e-6)


def test_fit_has_the_default_rate_of_the_network():
    options = {"n_filters": 64, "n_blocks": 1, "epochs": 2, "verbose": False}
    model = analytic()[["t2m"]].downscale.fit(scale=2, **options)
    # one step an epoch: the full rate of 64 filters, and the end of the cosine
    np.testing.assert_allclose(model.history["learning_rate"], [4e-3, 4e-3 * LAST], rtol=1e-6)
    assert model.options.training.learning_rate is None  # so that fine-tuning has its own default
