import numpy as np
import pytest
import xarray as xr

from xr_dl4ds.metrics import SCORES
from xr_dl4ds.reporting.score_tables import meaning, skill_table, table_of_parts, tables_by_group

PRODUCTS = ["prediction", "bilinear"]


def of_products(values, **attrs):
    return xr.DataArray(list(values), {"product": PRODUCTS}, dims="product", attrs=attrs)


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [
        ("rmse", (1.0, 2.0), "1"),
        ("bias", (-3.0, 2.0), "2"),
        ("correlation", (0.9, 0.8), "0.9"),
        ("std_ratio", (1.3, 0.8), "0.8"),
        ("psnr", (np.inf, 22.7), "∞"),
        ("psnr", (20.0, 22.7), "22.7"),
        ("rmse", (1.0, 1.0 + 1e-9), None),
        ("rmse", (1.0, np.nan), None),
    ],
)
def test_the_best_value_is_bold(name, values, best):
    page = "".join(tables_by_group(xr.Dataset({name: of_products(values)})))
    bold = [f"<td class='number best'>{best}</td>"] if best else []
    assert [one + "</td>" for one in page.split("</td>") if "best" in one] == [] or bold
    for one in bold:
        assert one in page
    assert page.count("number best") == len(bold)


def test_statistics_stand_beside_those_of_the_truth():
    scores = xr.Dataset({"txx": of_products((30.0, 27.0)), "txx_truth": 29.0})
    page = "".join(tables_by_group(scores))
    assert "<th scope='col' class='number'>truth</th>" in page
    assert (
        "<td class='number best'>30</td><td class='number'>27</td><td class='number'>29</td>"
        in (page)
    )


def test_scores_with_many_labels_are_left_to_the_pictures():
    labels = {"quantile": np.linspace(0.1, 0.9, 9)}
    many = of_products((1.0, 2.0)).expand_dims(labels)
    assert tables_by_group(xr.Dataset({"quantiles": many})) == []


def test_skill_without_an_interval_has_no_brackets():
    scores = xr.Dataset(
        {
            "rmse_skill": ("reference", [0.5]),
            "rmse_skill_interval": (("reference", "bound"), [[np.nan, np.nan]]),
        },
        {"reference": ["bilinear"], "bound": ["lower", "upper"]},
    )
    assert "<td class='number'>0.5</td>" in skill_table(scores)
    scores["rmse_skill_interval"][:] = [[0.4, 0.6]]
    assert "<td class='number'>0.5 (0.4 to 0.6)</td>" in skill_table(scores)
    assert skill_table(xr.Dataset()) == ""


def test_parts_that_are_lost_are_marked():
    values = [[2.0, 1.0], [1.0, 2.0], [1.0 + 1e-9, 1.0]]
    parts = xr.Dataset(
        {"rmse": (("hour", "product"), values)}, {"hour": [0, 6, 12], "product": PRODUCTS}
    )
    page = table_of_parts(parts, ["hour"])
    assert "<tr class=worse><th scope='row'>hour 0</th>" in page
    assert page.count("class=worse") == 1


def test_the_meaning_is_one_line():
    text = "Mean absolute error. Perfect: 0. It favours the median, and so dry predictions of rain."
    assert meaning("mae", SCORES["mae"]) == text
