import numpy as np
import pytest
import xarray as xr

from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.plotting import plot_history
from xr_dl4ds.plotting.learning_curve import convergence, kept_position

N = np.arange(1, 21)


def history(**curves):
    count = len(next(iter(curves.values())))
    return xr.Dataset(
        {name: ("epoch", np.asarray(values, "f8")) for name, values in curves.items()},
        coords={"epoch": np.arange(1, count + 1)},
    )


def wave(size):
    """Return a scatter of 1 without a trend."""
    return np.where(np.arange(size) % 2, 1.0, -1.0)


@pytest.mark.parametrize(
    ("curves", "expected"),
    [
        (
            {"loss": 1 / N, "val_loss": 1 + 1 / N},
            "best epoch 20 of 20: validation loss hardly falls any more",
        ),
        (
            {"loss": 1 / N, "val_loss": 2 - N / 20},
            "validation loss still falls after 20 epochs: train longer",
        ),
        (
            {"loss": 1 / N, "val_loss": -N / 20},
            "validation loss still falls after 20 epochs: train longer",
        ),
        (
            {"loss": 1 / N, "val_loss": 1 + abs(N - 12) / 20},
            "validation loss rises since epoch 12: overfitting",
        ),
        ({"loss": 1 + abs(N - 12) / 20, "val_loss": 1 + abs(N - 12) / 20}, "best epoch 12 of 20"),
        ({"loss": 1 / N, "val_loss": 1 + abs(N - 17) / 20}, "best epoch 17 of 20"),
        (
            {"loss": 1 / N, "val_loss": np.r_[2 - N[:8] / 8, 1.3 + 0.2 * wave(12)]},
            "best epoch 8 of 20",
        ),
        ({"loss": 1 / N}, "no validation data: weights of the last epoch, 20, are kept"),
        ({"loss": [1.0], "val_loss": [1.0]}, "one epoch: too few to see convergence"),
    ],
)
def test_a_sentence_on_convergence(curves, expected):
    assert convergence(history(**curves)) == expected
    assert plot_history(history(**curves)).get_suptitle().replace("\n", " ") == expected


def test_curves_are_the_history_and_the_kept_epoch_is_marked():
    given = history(
        loss=1 / N, val_loss=1 + abs(N - 12) / 20, learning_rate=np.where(N < 9, 1e-3, 1e-4)
    )
    losses, rates = plot_history(given).axes
    drawn = {line.get_label(): line.get_xydata() for line in losses.lines}
    np.testing.assert_allclose(drawn["loss"], np.stack([N, given.loss], 1))
    np.testing.assert_allclose(drawn["val loss"], np.stack([N, given.val_loss], 1))
    assert "kept: epoch 12" in drawn
    for axes in (losses, rates):
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), 12)
    np.testing.assert_allclose(rates.lines[1].get_ydata(), given.learning_rate)
    assert rates.get_yscale() == "log"
    assert (losses.get_ylabel(), rates.get_ylabel()) == ("loss / 1", "learning rate / 1")
    assert rates.get_xlabel() == "epoch"


def test_the_first_of_equal_losses_is_kept():
    assert kept_position(history(loss=[3, 2, 1], val_loss=[2, 1, 1])) == 1
    assert kept_position(history(loss=[3, 2, 1])) == 2


def test_adversarial_training_has_panels_for_its_parts():
    names = ("adversarial_loss", "pixel_loss", "discriminator_loss", "val_pixel_loss", "val_ralsd")
    curves = {name: i + 1 / N for i, name in enumerate(names)}
    rates = {"learning_rate": 1e-3 / N, "discriminator_learning_rate": 1e-4 / N}
    given = history(loss=1 / N, val_loss=1 / N, **curves, **rates)
    figure = plot_history(given)
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == ["loss / 1", "parts of the loss / 1", "RALSD / dB", "learning rate / 1"]
    parts = {line.get_label().replace("\n", " "): line for line in figure.axes[1].lines[1:]}
    assert len(parts) == 4
    np.testing.assert_allclose(parts["discriminator loss"].get_ydata(), given.discriminator_loss)
    np.testing.assert_allclose(figure.axes[2].lines[1].get_ydata(), given.val_ralsd)


def test_losses_below_zero_are_not_logarithmic():
    axes = plot_history(history(loss=10.0 - N, val_loss=11.0 - N)).axes[0]
    assert axes.get_yscale() == "linear"


def test_other_data_are_no_history():
    with pytest.raises(
        VariableError, match=r"with 'loss' along 'epoch', got a\. Pass model.history"
    ):
        plot_history(xr.Dataset({"a": ("time", [1.0])}))
