"""Cures of errors, in terms of flags; periods of data."""

import numpy as np
import pytest

from tests.conftest import analytic
from xr_dl4ds.cli.data_flags import in_flags, names_by_name, within
from xr_dl4ds.exceptions import TimeError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pass y_dim=, or leave 't' out.", "Pass --y-dim, or leave 't' out."),
        ("Pass trim=True.", "Pass --trim."),
        ("Use attention=False.", "Use --no-attention."),
        ("Pass lr= or scale=.", "Pass --lr or --scale."),
        ("or scale=4.", "or --scale 4."),
        ("use loss='mae', or n_blocks=2.", "use --loss 'mae', or --n-blocks 2."),
        ("with extra_dims={'lead': 'samples'} or", "with --extra-dims '{lead: samples}' or"),
        ("Call hr.downscale.fit(scale=4) or", "Call 'xr-dl4ds fit HR --scale 4' or"),
        ("or lr.downscale.fit(hr).", "or 'xr-dl4ds fit HR --lr LR'."),
        ("with .downscale.coarsen(2).", "with 'xr-dl4ds coarsen --scale 2'."),
        (".isel(time=[0]) or .sel(scale=2)", ".isel(time=[0]) or .sel(scale=2)"),
        ("ds.attrs['units'] = 'K'", "ds.attrs['units'] = 'K'"),
        ("overwrite=True", "--overwrite"),
        ("or training=xr_dl4ds.Adversarial().", "or --training adversarial."),
    ],
)
def test_flags_for_arguments(text, expected):
    assert in_flags(text) == expected


def test_names_by_name_are_yaml():
    assert names_by_name("{lead: samples, pr: tp}") == {"lead": "samples", "pr": "tp"}
    for text in ("lead", "{lead: [}"):
        with pytest.raises(Exception, match=r"expected|Expected"):
            names_by_name(text)


def test_a_period_by_the_dates_beside_the_time_dimension():
    ds = analytic().swap_dims(time="Time").rename(time="XTIME")
    found = within(ds, ("2001-01-02", "2001-01-02"), "the HR data")
    np.testing.assert_array_equal(found.t2m, ds.t2m.isel(Time=slice(4, 8)))
    with pytest.raises(TimeError, match=r"--time-slice needs dates, and the HR data"):
        within(ds.drop_vars("XTIME"), ("2001", "2002"), "the HR data")
