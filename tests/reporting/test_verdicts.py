import numpy as np
import pytest
import xarray as xr

from xr_dl4ds.reporting.verdicts import (
    described,
    losing_parts,
    number,
    on_members,
    units_of,
    verdicts,
)


def scores(rmse, interval=(0.1, 0.3)):
    """Scores of a prediction and one baseline."""
    return xr.Dataset(
        {
            "rmse": ("product", list(rmse), {"units": "K"}),
            "rmse_skill": ("reference", [1 - rmse[0] / rmse[1]]),
            "rmse_skill_interval": (("reference", "bound"), [list(interval)]),
        },
        {
            "product": ["prediction", "bilinear"],
            "reference": ["bilinear"],
            "bound": ["lower", "upper"],
            "variable": "t2m",
        },
    )


def sentences(scores):
    """The verdicts with plain spaces."""
    found = verdicts(scores)
    return {k: [one.replace("\u00a0", " ") for one in v] for k, v in found.items() if v}


def test_a_better_prediction():
    text = "RMSE: 0.75 K (prediction), 1 K (bilinear), 25 % smaller (95 % interval: -30 to -20 %)."
    assert sentences(scores((0.75, 1.0), (0.2, 0.3))) == {"better": [text]}


def test_a_worse_prediction():
    text = "RMSE: 1.5 K (prediction), 1 K (bilinear), 50 % larger (95 % interval: +40 to +60 %)."
    assert sentences(scores((1.5, 1.0), (-0.6, -0.4))) == {"worse": [text]}


def test_an_interval_around_0_decides_nothing():
    assert list(sentences(scores((0.9, 1.0), (-0.1, 0.3)))) == ["undecided"]


def test_without_an_interval_the_skill_decides():
    text = (
        "RMSE: 0.5 K (prediction), 1 K (bilinear), 50 % smaller (too few steps for a confidence"
        " interval)."
    )
    assert sentences(scores((0.5, 1.0), (np.nan, np.nan))) == {"better": [text]}


def test_differences_of_rounding_are_no_verdict():
    (text,) = sentences(scores((1.0 + 1e-8, 1.0), (np.nan, np.nan)))["undecided"]
    assert "1 K (prediction), 1 K (bilinear), equal" in text
    parts = xr.Dataset(
        {"rmse": (("season", "product"), [[1.0 + 1e-8, 1.0]])},
        {"season": ["DJF"], "product": ["prediction", "bilinear"]},
    )
    assert losing_parts(parts, ["season"]) == []


def test_without_baselines_there_is_no_verdict():
    alone = xr.Dataset({"rmse": ("product", [1.0])}, {"product": ["prediction"]})
    assert sentences(alone) == {}
    undefined = scores((1.0, 2.0))
    undefined["rmse_skill"][:] = -np.inf  # the baseline is perfect
    assert sentences(undefined) == {}


def test_lost_parts_are_named_with_both_values():
    parts = xr.Dataset(
        {"rmse": (("season", "product"), [[2.0, 1.0, 3.0], [1.0, 1.5, 1.5], [4.0, 3.5, 5.0]])},
        {"season": ["DJF", "MAM", "JJA"], "product": ["prediction", "bilinear", "climatology"]},
    )
    parts["rmse"].attrs["units"] = "mm"
    found = [one.replace("\u00a0", " ") for one in losing_parts(parts, ["season"])]
    assert found == [
        "RMSE is larger than that of bilinear in 2 of 3 parts: DJF (2 against 1 mm), JJA (4"
        " against 3.5 mm)."
    ]


def test_many_lost_parts_are_cut_to_the_worst():
    values = [[2.0 + m, 1.0] for m in range(12)]
    parts = xr.Dataset(
        {"rmse": (("month", "product"), values)},
        {"month": range(1, 13), "product": ["prediction", "bilinear"]},
    )
    (text,) = losing_parts(parts, ["month"])
    assert text.startswith("RMSE is larger than that of bilinear in 12 of 12 parts: month 12 (13")
    assert text.endswith("month 8 (9 against 1), and 7 more.")


@pytest.mark.parametrize(
    ("ratio", "words"), [(0.5, "overconfident"), (1.0, "fits the error"), (1.5, "too wide")]
)
def test_spread_of_members(ratio, words):
    found = on_members(xr.Dataset({"spread_skill_ratio": ratio}))
    assert words in found[0]
    assert on_members(xr.Dataset()) == []


@pytest.mark.parametrize(("distance", "says"), [(2.9, False), (3.1, True), (np.nan, False)])
def test_members_of_another_texture_are_named(distance, says):
    found = {"spread_skill_ratio": 1.0, "ralsd": ("product", [distance, 20.0])}
    scores = xr.Dataset(found, {"product": ["prediction", "bilinear"]})
    sentences = on_members(scores)[1:]
    assert bool(sentences) == says
    assert all("RALSD 3.1\u00a0dB: the texture of the members differs" in s for s in sentences)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (12345.6, "12300"),
        (-0.01234, "-0.0123"),
        (1e-5, "1.00e-05"),
        (np.nan, "-"),
        (np.inf, "∞"),
        (-np.inf, "-∞"),
    ],
)
def test_numbers_are_readable(value, text):
    assert number(value) == text


def test_labels_and_units():
    assert described({"month": 3, "region": "Alps"}) == "month 3, Alps"
    one = xr.Dataset({"rmse": ((), 1.0), "ralsd": ((), 1.0, {"units": "1"})}, {"units": "K"})
    assert units_of(one, "rmse") == "K"
    assert units_of(one, "ralsd") == "dB"
    assert units_of(one.assign(correlation=((), 1.0, {"units": "1"})), "correlation") == ""
