import keras
import numpy as np
import pytest

from tests.conftest import analytic
from tests.training import constant, fit, line, tiny, toy
from xr_dl4ds.exceptions import TrainingError
from xr_dl4ds.training import callbacks


def mae(network, samples):
    """Mean absolute error over all valid cells, in double precision."""
    inputs = {"lr": samples.lr}
    for name, field in samples.fixed.items():
        inputs[name] = np.stack([field] * len(samples))
    prediction = np.asarray(network(inputs), "f8")
    return np.nanmean(np.abs(prediction - samples.target))


def same(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


# --- one step by hand -----------------------------------------------------------------------

# prediction = w * 1, target 3, w begins at 1: d mse / dw = 2 (w - 3) = -4, d mae / dw = -1.
# Adam's first step has the length of the learning rate whatever the gradient (m / sqrt(v) = 1);
# AdamW takes 0.004 * rate * w off besides.


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"optimizer": "sgd", "loss": "mse", "learning_rate": 0.1}, 1.4),
        ({"optimizer": "sgd", "loss": "mse", "learning_rate": 0.02}, 1.08),
        ({"optimizer": "sgd", "loss": "mae", "learning_rate": 0.1}, 1.1),
        # 0.5 * -1 + 0.25 * -4 = -1.5
        ({"optimizer": "sgd", "loss": {"mae": 0.5, "mse": 0.25}, "learning_rate": 0.1}, 1.15),
        ({"optimizer": "adam", "loss": "mse", "learning_rate": 0.1}, 1.1),
        ({"optimizer": "adamw", "loss": "mse", "learning_rate": 0.1}, 1.0996),
    ],
    ids=str,
)
def test_one_step_by_hand(options, expected):
    network = line()
    trained = fit(network, constant(1, 3), epochs=1, **options)
    assert trained.network is network
    np.testing.assert_allclose(network.get_weights()[0].item(), expected, rtol=1e-5)
    np.testing.assert_allclose(trained.history["learning_rate"], options["learning_rate"], 1e-6)


def test_masked_cells_do_not_move_the_weights():
    # two of four cells are masked: the mean over the valid ones keeps the step of 0.4
    samples = constant(1, 3)
    samples.target[0, 0] = np.nan
    network = line()
    fit(network, samples, epochs=1, optimizer="sgd", loss="mse", learning_rate=0.1)
    np.testing.assert_allclose(network.get_weights()[0].item(), 1.4, rtol=1e-5)


# Of a normal distribution with mean m and spread s: d / dm = -(3 - m) / s^2 and d / ds = 1 / s -
# (3 - m)^2 / s^3. At m = 1, s = 0.5 these are -8 and -30, cut to the norm 1: -0.257663, -0.966235.
# At m = 1, s = 4: -0.125 and 0.1875, of the norm 0.23, which stay.


@pytest.mark.parametrize(
    ("spread", "expected"), [(0.5, [1.0257663, 0.5966235]), (4.0, [1.0125, 3.98125])]
)
def test_gradients_of_a_likelihood_are_cut_together(spread, expected):
    lr = keras.Input((None, None, 1), name="lr")
    out = keras.layers.Dense(2, use_bias=False)(lr)
    network = keras.Model({"lr": lr}, out)
    network.set_weights([np.array([[1.0, spread]])])
    given = {"optimizer": "sgd", "loss": "gaussian_nll", "learning_rate": 0.1}
    fit(network, constant(1, 3), epochs=1, **given)
    np.testing.assert_allclose(network.get_weights()[0].ravel(), expected, rtol=1e-5)


# --- history --------------------------------------------------------------------------------


def uneven():
    """Three samples with 4, 4 and 1 valid cells, 1, 1 and 7 away from the prediction 1 * 1."""
    samples = constant(1, 2, n=3)
    samples.target[2] = np.nan
    samples.target[2, 1, 0] = 8
    return samples


def test_losses_are_means_over_valid_cells():
    # (8 * 1 + 7) / 9 cells = 5 / 3. Batches of two: their means, averaged, give 4 or, when the
    # third is beside another, (1 + 11 / 5) / 2 = 1.6; all cells, with the masked ones, 15 / 12
    trained = fit(
        line(),
        uneven(),
        uneven(),
        sampling={"batch_size": 2},
        epochs=6,
        optimizer="sgd",
        learning_rate=1e-30,  # nothing moves, so that every epoch has the same loss
    )
    np.testing.assert_allclose(trained.history["loss"], [5 / 3] * 6, rtol=1e-6)
    np.testing.assert_allclose(trained.history["val_loss"], [5 / 3] * 6, rtol=1e-6)


def test_history_has_a_row_for_each_epoch():
    trained = fit(tiny(), toy(), epochs=3, learning_rate=0.01)
    history = trained.history
    assert set(history) == {"loss", "learning_rate", "seconds"}
    np.testing.assert_array_equal(history["epoch"], [1, 2, 3])
    np.testing.assert_allclose(history["learning_rate"], 0.01, rtol=1e-6)
    assert (history["seconds"] > 0).all()
    assert trained.best_epoch == 3
    assert {v.attrs["units"] for v in history.values()} == {"1", "s"}


@pytest.mark.traced
def test_loss_falls_on_what_can_be_learned():
    # the target is the field + 0.5 sign + 1: the skip alone is 1 off in the mean
    trained = fit(tiny(), toy(), toy(4, seed=5), epochs=40, learning_rate=0.02)
    assert trained.history["loss"][0] > 0.8
    assert trained.history["loss"][-1] < 0.4
    assert trained.history["val_loss"].min() < 0.45


@pytest.mark.traced
def test_static_fields_and_patches_are_trained_with():
    samples = toy(static=True)
    samples.target[...] = samples.fixed["static"]  # to be learned from the static field alone
    arrays = {"lr": samples.lr, "target": samples.target, "static": samples.fixed["static"]}
    before = {name: array.copy() for name, array in arrays.items()}
    network = tiny(n_static=1, activation="linear", interpolation_skip=False)
    trained = fit(
        network,
        samples,
        samples,
        epochs=40,
        learning_rate=0.03,
        sampling={"patch_size": 4, "batch_size": 4},
    )
    assert trained.history["val_loss"].min() < 0.2 < trained.history["val_loss"][0]
    # validation is on whole fields, whatever the patches
    np.testing.assert_allclose(mae(network, samples), trained.history["val_loss"].min(), rtol=1e-5)
    for name, expected in before.items():
        np.testing.assert_array_equal(arrays[name], expected)


# --- best weights and stopping --------------------------------------------------------------


@pytest.mark.traced
def test_the_best_weights_are_restored():
    # defect 8 of DL4DS: its best model was the last one
    validation = toy(4, seed=5)
    trained = fit(tiny(), toy(), validation, epochs=12, learning_rate=0.2)
    losses = trained.history["val_loss"].to_numpy()
    assert trained.best_epoch == losses.argmin() + 1
    assert trained.best_epoch < 12  # or the last weights would do
    np.testing.assert_allclose(mae(trained.network, validation), losses.min(), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # `val_loss` stays as it is: epoch 1 is the best, and `patience` more are waited for
        ({"early_stopping": True, "patience": 2}, 3),
        ({"early_stopping": True, "patience": 4}, 5),
        ({"early_stopping": False, "patience": 2}, 8),
    ],
)
def test_early_stopping_waits_for_patience(options, expected):
    samples = constant(1, 3)
    trained = fit(
        line(), samples, samples, epochs=8, optimizer="sgd", learning_rate=1e-30, **options
    )
    assert trained.history.sizes["epoch"] == expected
    assert trained.best_epoch == 1


@pytest.mark.parametrize(
    ("patience", "min_delta", "expected"),
    # the mae falls by 0.1 in each epoch: more than 0.05, and than 0.15 over two epochs alone
    [(1, 0.05, 8), (1, 0.15, 2), (2, 0.15, 8)],
)
def test_early_stopping_counts_falls_above_min_delta(patience, min_delta, expected):
    trained = fit(
        line(),
        constant(1, 3),
        constant(1, 3),
        epochs=8,
        optimizer="sgd",
        learning_rate=0.1,
        early_stopping=True,
        patience=patience,
        min_delta=min_delta,
    )
    np.testing.assert_allclose(trained.history["val_loss"][:2], [1.9, 1.8], rtol=1e-5)
    assert trained.history.sizes["epoch"] == expected


def test_early_stopping_without_validation_is_refused():
    hr = analytic()
    with pytest.raises(ValueError, match=r"early_stopping.*validation"):
        hr.downscale.fit(
            scale=2, validation=None, early_stopping=True, epochs=1, n_filters=4, verbose=False
        )


# --- seeds ----------------------------------------------------------------------------------


def trained_with(seed, shuffle_seed=0, before=None, **options):
    keras.utils.set_random_seed(before or 1)  # the caller's own must not matter
    return fit(
        tiny(seed),
        toy(),
        sampling={"batch_size": 5, "patch_size": 4, "seed": shuffle_seed},
        **options,
    ).network


def test_the_same_seed_gives_the_same_bits():
    assert same(trained_with(1, before=1), trained_with(1, before=2))


def test_other_seeds_give_other_weights():
    first = trained_with(1)
    assert not same(first, trained_with(2))
    assert not same(first, trained_with(1, shuffle_seed=2))


# --- precision ------------------------------------------------------------------------------


@pytest.mark.sparse(2)
@pytest.mark.traced
@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_learns_the_same(precision):
    validation = toy(4, seed=5)
    expected = fit(tiny(), toy(), validation, epochs=10, learning_rate=0.02).history
    trained = fit(tiny(precision=precision), toy(), validation, epochs=10, learning_rate=0.02)
    assert {v.dtype for v in trained.network.trainable_variables} == {"float32"}
    assert all(np.isfinite(w).all() for w in trained.network.get_weights())
    np.testing.assert_allclose(trained.history["loss"], expected["loss"], rtol=0.05)
    np.testing.assert_allclose(trained.history["val_loss"], expected["val_loss"], rtol=0.05)
    np.testing.assert_allclose(trained.history["learning_rate"], 0.02, rtol=1e-6)


def test_small_gradients_survive_float16():
    # the gradient of each output cell is 1e-7 * 2 * error / 960 cells < 1e-9, which float16 rounds
    # to 0 (its smallest is 6e-8), unless the loss is scaled up before
    network = tiny(precision="mixed_float16", interpolation_skip=False)
    layer = network.get_layer("backbone_first")
    before = layer.get_weights()[0]
    fit(network, toy(), epochs=1, loss={"mse": 1e-7}, optimizer="sgd", learning_rate=1e5)
    assert (layer.get_weights()[0] != before).any()


# --- errors and output ----------------------------------------------------------------------


def test_a_loss_that_is_not_finite_ends_training():
    with pytest.raises(TrainingError, match=r"'loss': (inf|nan).* in epoch \d.*learning_rate"):
        fit(tiny(), toy(), epochs=5, loss="mse", optimizer="sgd", learning_rate=1e30)


def test_the_bar_is_closed_when_training_ends_with_an_error(monkeypatch):
    # one that stays open takes the line of the next
    bars = []
    real = callbacks.tqdm
    monkeypatch.setattr(callbacks, "tqdm", lambda **o: bars.append(real(**o)) or bars[-1])
    with pytest.raises(TrainingError):
        fit(tiny(), toy(), loss="mse", optimizer="sgd", learning_rate=1e30, verbose=True)
    assert [bar.disable for bar in bars] == [True]  # what tqdm sets when it closes


def test_quiet(capfd):
    fit(tiny(), toy(), toy(2), verbose=False)
    assert capfd.readouterr() == ("", "")


def test_a_bar_shows_epochs_and_losses(capsys):
    trained = fit(tiny(), toy(), toy(2), verbose=True, epochs=3)
    shown = capsys.readouterr()
    assert shown.out == ""
    last = shown.err.split("\r")[-1]
    assert "3/3" in last
    for name in ("loss", "val_loss"):
        assert f"{name}={float(trained.history[name][-1]):.4f}" in last
