import keras
import numpy as np
import pytest

from tests.tiers import thinned
from tests.training import TARGETS, compete, constant, judge, line, samples_of, tiny, toy
from xr_dl4ds.config import Adversarial, Sampling, Scale
from xr_dl4ds.training import TrainingTask, train
from xr_dl4ds.training.adversarial import AdversarialStep
from xr_dl4ds.training.batches import Batches

# --- one step by hand -----------------------------------------------------------------------

# lr 1, truth 3, generated w * lr with w = 1. The discriminator says a * hr with a = 0.5: 1.5 of the
# truth, 0.5 of what is generated.
TRUE, FAKE = 1.5, 0.5


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def judge_of_value(weight=0.5):
    """``weight * hr`` of each cell."""
    lr = keras.Input((None, None, 1), name="lr")
    hr = keras.Input((None, None, 1), name="hr")
    start = keras.initializers.Constant(weight)
    out = keras.layers.Dense(1, use_bias=False, kernel_initializer=start)(hr)
    return keras.Model({"lr": lr, "hr": hr}, out)


def weight_of(network):
    return network.get_weights()[0].item()


def stepped(samples=None, **options):
    """The two weights after one step of 0.1."""
    network, against = line(), judge_of_value()
    given = {"optimizer": "sgd", "learning_rate": 0.1, "noise_channels": 0, "epochs": 1, **options}
    trained = compete(network, against, samples or constant(1, 3), **given)
    return weight_of(network), weight_of(against), trained.history


@pytest.mark.parametrize(
    ("loss", "generator", "discriminator"),
    [
        # d softplus(-a w) / dw = -sigmoid(-0.5) a; half of softplus(-3 a) and softplus(a)
        ("bce", -sigmoid(-FAKE) * 0.5, 0.5 * (-sigmoid(-TRUE) * 3 + sigmoid(FAKE) * 1)),
        # -a w; the truth is beyond the margin of 1, the other is not: half of 1 + a w
        ("hinge", -0.5, 0.5 * 1),
    ],
)
@pytest.mark.parametrize("pixel_weight", [0, 2])
def test_one_step_by_hand(loss, generator, discriminator, pixel_weight):
    # the pixel loss falls by 1 for each unit of w
    w, a, _ = stepped(loss=loss, pixel_weight=pixel_weight)
    np.testing.assert_allclose(w, 1 - 0.1 * (generator - pixel_weight), rtol=1e-5)
    np.testing.assert_allclose(a, 0.5 - 0.1 * discriminator, rtol=1e-5)


def test_pixel_loss_is_the_one_asked_for():
    # d (w - 3)**2 / dw = -4
    w, _, _ = stepped(loss="hinge", pixel_weight=2, pixel_loss="mse")
    np.testing.assert_allclose(w, 1 - 0.1 * (-0.5 - 8), rtol=1e-5)


def test_each_network_has_its_learning_rate():
    w, a, history = stepped(
        loss="hinge", pixel_weight=0, learning_rate=None, learning_rates=(0.1, 0.2)
    )
    np.testing.assert_allclose(w, 1 + 0.1 * 0.5, rtol=1e-5)
    np.testing.assert_allclose(a, 0.5 - 0.2 * 0.5, rtol=1e-5)
    np.testing.assert_allclose(history["learning_rate"], 0.1, rtol=1e-6)
    np.testing.assert_allclose(history["discriminator_learning_rate"], 0.2, rtol=1e-6)


def test_gradient_penalty_by_hand():
    # the judgement of a true cell changes by a for each unit: 0.3 / 2 * a**2 has the slope 0.3 a
    _, a, history = stepped(loss="hinge", pixel_weight=0, gradient_penalty=0.3)
    np.testing.assert_allclose(a, 0.5 - 0.1 * (0.5 + 0.3 * 0.5), rtol=1e-5)
    hinge = 0.5 * (1 + FAKE)
    np.testing.assert_allclose(history["discriminator_loss"], hinge + 0.15 * 0.25, rtol=1e-5)


def test_history_by_hand():
    _, _, history = stepped(pixel_weight=2)
    fooling = np.log1p(np.exp(-FAKE))
    np.testing.assert_allclose(history["adversarial_loss"], fooling, rtol=1e-5)
    np.testing.assert_allclose(history["pixel_loss"], 2, rtol=1e-5)
    np.testing.assert_allclose(history["loss"], fooling + 2 * 2, rtol=1e-5)
    telling = 0.5 * (np.log1p(np.exp(-TRUE)) + np.log1p(np.exp(FAKE)))
    np.testing.assert_allclose(history["discriminator_loss"], telling, rtol=1e-5)


def test_the_generator_is_the_first_of_the_networks():
    network, against = line(), judge_of_value()
    step = AdversarialStep(network, against, lambda *_: 0.0, Adversarial(), seed=0, shape=(2, 2, 1))
    assert step.trained == [network, against]


# --- masks ----------------------------------------------------------------------------------


def test_masked_cells_are_judged_in_neither_field():
    """What stands under the mask changes nothing, neither truth nor what is generated there."""
    samples = constant(1, 3)
    samples.target[0, 0] = np.nan
    expected = stepped(loss="bce", pixel_weight=2)[:2]
    np.testing.assert_allclose(stepped(samples, loss="bce", pixel_weight=2)[:2], expected, 1e-5)


def test_lr_cells_without_a_valid_cell_do_not_count():
    one = samples_of(
        lr=np.ones((1, 1, 2, 1), "f4"), target=np.full((1, 2, 4, 1), 3.0, "f4"), scale=2
    )
    one.target[:, :, 2:] = np.nan
    network, against = tiny(constraint=None), judge()
    compete(network, against, one, epochs=1, noise_channels=0)
    for weights in (network.get_weights(), against.get_weights()):
        assert all(np.isfinite(w).all() for w in weights)


# --- epochs ---------------------------------------------------------------------------------


def networks(n_static=0, n_noise=0, **options):
    return tiny(n_static=n_static, n_noise=n_noise), judge(n_static=n_static, **options)


@pytest.mark.traced
@pytest.mark.parametrize(
    ("static", "n_noise"),
    thinned([(False, 0), (False, 2), (True, 0), (True, 2)], [(False, 2), (True, 0)]),
)
def test_it_learns_with_and_without_static_fields(static, n_noise):
    """Defect 4 of DL4DS: its adversarial training crashes without static variables."""
    training, held = toy(24, static=static), toy(6, seed=5, static=static)
    held = samples_of(lr=held.lr, target=held.target, fixed=training.fixed, scale=2)
    history = compete(
        *networks(int(static), n_noise),
        training,
        held,
        epochs=25,
        learning_rate=5e-3,
        noise_channels=n_noise,
        sampling={"batch_size": 6},
    ).history
    assert float(history.val_pixel_loss.min()) < 0.5 * float(history.val_pixel_loss[0])
    assert np.isfinite(history.to_array()).all()


@pytest.mark.sparse(2)
@pytest.mark.parametrize(
    "options",
    [
        {"spectral_normalization": True},
        {"gradient_penalty": 0.5},
        {"loss": "hinge", "spectral_normalization": True, "gradient_penalty": 0.5},
        {"pixel_loss": "dssim_mae"},
        {"precision": "mixed_bfloat16"},
    ],
    ids=str,
)
def test_every_option_trains(options):
    samples = toy(6, y=6, x=7)
    precision = options.get("precision", "float32")
    network = tiny(n_noise=2, precision=precision)
    against = judge(
        precision=precision, spectral_normalization=options.get("spectral_normalization", False)
    )
    before = [w.copy() for w in against.get_weights()]
    trained = compete(network, against, samples, toy(2, y=6, x=7), noise_channels=2, **options)
    assert np.isfinite(trained.history.to_array()).all()
    pairs = zip(before, against.get_weights(), strict=True)
    assert any(not np.array_equal(a, b) for a, b in pairs)


def test_members_of_the_pixel_loss_are_drawn_from_noise():
    network, against = networks(n_noise=2)
    trained = compete(
        network,
        against,
        toy(8),
        toy(4, seed=3),
        pixel_loss="crps",
        loss_realizations=3,
        noise_channels=2,
        epochs=3,
    )
    assert np.isfinite(trained.history.to_array()).all()


def test_the_criterion_is_pixel_loss_and_spectrum():
    history = compete(*networks(), toy(8), toy(4, seed=3), epochs=4, noise_channels=0)
    found = history.history
    expected = found.val_pixel_loss * (1 + found.val_ralsd)
    np.testing.assert_allclose(found.val_loss, expected, rtol=1e-5)
    assert history.best_epoch == int(found.val_loss.values.argmin()) + 1
    assert found.val_ralsd.attrs == {
        "long_name": "distance of power spectra (RALSD) of the validation data",
        "units": "dB",
    }


def test_the_best_weights_come_back():
    network, against = networks()
    held = toy(4, seed=3)
    # steps so long that the last epoch is not the best
    trained = compete(network, against, toy(8), held, epochs=8, noise_channels=0, learning_rate=0.3)
    assert trained.best_epoch < 8
    prediction = np.asarray(network({"lr": held.lr}))
    best = trained.history.val_pixel_loss.sel(epoch=trained.best_epoch)
    np.testing.assert_allclose(np.abs(prediction - held.target).mean(), best, rtol=1e-4)


def test_one_seed_gives_one_result_and_another_another():
    def weights(seed):
        network, against = networks(n_noise=2)
        compete(network, against, toy(8), sampling={"seed": seed}, noise_channels=2)
        return network.get_weights()

    first, again, other = weights(0), weights(0), weights(1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


# --- defect 5 of DL4DS: not compiled, not validated, not reshuffled -------------------------


@pytest.mark.traced
def test_a_step_is_compiled(monkeypatch):
    calls = []
    original = AdversarialStep.train_step
    monkeypatch.setattr(
        AdversarialStep,
        "train_step",
        lambda self, data: calls.append(1) or original(self, data),
    )
    compete(
        *networks(), toy(12), epochs=10, noise_channels=0, sampling={"batch_size": 4}
    )  # 30 steps
    assert 1 <= len(calls) <= 3


def test_every_epoch_is_validated():
    trained = compete(*networks(), toy(8), toy(4), epochs=3, noise_channels=0)
    assert trained.history.val_loss.sizes == {"epoch": 3}


def test_samples_are_shuffled_anew_in_every_epoch(monkeypatch):
    seen = []
    original = Batches.__getitem__

    def spied(self, index):
        if self.shuffle:
            seen.append((self.epoch, tuple(self._source.order.numbers)))
        return original(self, index)

    monkeypatch.setattr(Batches, "__getitem__", spied)
    compete(*networks(), toy(12), epochs=3, noise_channels=0, sampling={"batch_size": 12})
    orders = dict(seen)
    assert {0, 1, 2} <= set(orders)
    assert len({orders[epoch] for epoch in (0, 1, 2)}) == 3
    assert all(sorted(order) == list(range(12)) for order in orders.values())


# --- sequences ------------------------------------------------------------------------------


def test_sequences():
    from xr_dl4ds.config import Network, settled
    from xr_dl4ds.networks import Ports, discriminator, generator

    samples = toy(12)
    windows = samples_of(lr=samples.lr, target=samples.target, scale=2, window=3)
    ports = Ports(n_lr=1, n_static=0, lr_channels=(0,), scale=Scale.of(2), sequence=True, n_noise=1)
    sampling, training = (
        Sampling(time_window=3),
        Adversarial(
            epochs=2, verbose=False, precision="float32", noise_channels=1, gradient_penalty=0.1
        ),
    )
    network = generator(settled(Network(n_filters=2, n_blocks=1), sampling), ports)
    task = TrainingTask(
        network=network, targets=TARGETS, discriminator=discriminator(training, ports)
    )
    trained = train(task, windows, windows, sampling=sampling, training=training)
    assert np.isfinite(trained.history.to_array()).all()
