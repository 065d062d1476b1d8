"""The figure of an explanation."""

import numpy as np
import pytest
import xarray as xr

from xr_dl4ds import plotting


def explanation(variables=("t2m",), predictors=3, crps=False):
    """Saliency of LR variables a, b, ... and a static field; the second is the most important."""
    names = [*"abcdefgh"[: predictors - 1], "orog"]
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(len(variables), predictors, 2, 3))
    maps[:, -1] = np.nan
    increase = rng.random((len(variables), predictors)) / 10
    increase[:, 1] = 2.0
    found = xr.Dataset(
        {
            "saliency": (("variable", "predictor", "lat", "lon"), maps),
            "saliency_size": (("variable", "predictor", "lat", "lon"), np.abs(maps)),
            "rmse": ("variable", np.full(len(variables), 0.5)),
            "rmse_increase": (("variable", "predictor"), increase),
            "rmse_increase_std": (("variable", "predictor"), increase / 10),
            "region_mean": ("variable", np.full(len(variables), 281.0)),
            "baseline_mean": ("variable", np.full(len(variables), 280.0)),
        },
        {
            "variable": list(variables),
            "predictor": names,
            "kind": ("predictor", [*["predictor"] * (predictors - 1), "static"]),
            "lat": ("lat", [50.0, 49.0], {"units": "degrees_north"}),
            "lon": ("lon", [5.0, 6.0, 7.0], {"units": "degrees_east"}),
        },
    )
    if crps:
        parts = {
            n: found[n.replace("crps", "rmse")] / 2
            for n in ("crps", "crps_increase", "crps_increase_std")
        }
        found = found.assign(parts)
    if len(variables) == 1:
        found = found.isel(variable=0)
        for one in found.data_vars.values():
            one.attrs["units"] = "K"
        return found
    return found.assign_coords(units=("variable", ["K", "mm/day"]))


def test_bars_in_order_and_maps_with_shared_colours():
    found = explanation()
    figure = plotting.plot_explanation(found)
    bars, first, second, colours = figure.axes
    assert next(t.get_text() for t in bars.get_yticklabels()) == "b"
    widths = [p.get_width() for p in bars.patches]
    np.testing.assert_allclose(widths, sorted(found.rmse_increase.to_numpy(), reverse=True))
    assert bars.get_xlabel() == "increase of the error / K"
    assert bars.get_legend().get_texts()[0].get_text() == "RMSE, 0.5 K unshuffled"
    limit = float(np.abs(found.saliency).max())
    for axes, name in ((first, "a"), (second, "b")):
        (mesh,) = axes.collections[:1]
        assert mesh.get_clim() == (-limit, limit)
        np.testing.assert_allclose(
            mesh.get_array(), found.saliency.sel(predictor=name).isel(lat=[1, 0])
        )
        total = float(found.saliency.sel(predictor=name).sum())
        assert axes.get_title() == f"{name}: {total:+.3g} K"
    assert colours.get_ylabel() == "saliency / K per LR cell"
    assert figure.get_suptitle() == "t2m: mean over the region +1 K from baseline"
    error_bars = [c for c in bars.containers if hasattr(c, "has_xerr")]
    assert error_bars[0].has_xerr


def test_one_of_several_targets_with_crps():
    found = explanation(("t2m", "pr"), crps=True)
    for variable, name, units in ((None, "t2m", "K"), ("pr", "pr", "mm/day")):
        figure = plotting.plot_explanation(found, variable)
        assert figure.get_suptitle().startswith(f"{name}: ")
        assert len(figure.axes[0].patches) == 6
        texts = [t.get_text() for t in figure.axes[0].get_legend().get_texts()]
        assert texts == [f"RMSE, 0.5 {units} unshuffled", f"CRPS, 0.25 {units} unshuffled"]
    assert "units" not in found.rmse.attrs


def test_the_largest_of_many_maps():
    found = explanation(predictors=9)
    found["saliency_size"][2] = 0.0
    titles = [a.get_title() for a in plotting.plot_explanation(found).axes[1:7]]
    assert [t.split(":")[0] for t in titles] == sorted(t.split(":")[0] for t in titles)
    assert len(titles) == 6
    assert not any(t.startswith(("c", "orog")) for t in titles)


def test_lazy_explanations_and_saliency_of_zero():
    found = explanation()
    found["saliency"] = found.saliency * 0
    figure = plotting.plot_explanation(found.chunk())
    assert figure.axes[1].collections[0].get_clim() == (-1, 1)


@pytest.mark.parametrize("gone", ["saliency", "rmse_increase"])
def test_other_datasets_are_refused(gone):
    with pytest.raises(ValueError, match=f"an explanation with '{gone}', got"):
        plotting.plot_explanation(explanation().drop_vars(gone))
