"""Dimensions beside time, y and x by hand: what each is, and variables cut and joined."""

import numpy as np
import pytest
import xarray as xr

from tests.conftest import analytic, no_compute
from tests.grid import fields
from xr_dl4ds.exceptions import GridError, VariableError
from xr_dl4ds.grid.cf.dimensions import Dims
from xr_dl4ds.grid.cf.extra_dims import Slice, gather, roles_of, sample_axis, sample_dims
from xr_dl4ds.grid.cf.fields import gridded
from xr_dl4ds.grid.cf.members import members_of


def stack(dim, labels=None, *, size=2, attrs=None, time=True):
    """`t2m` and `orog` with `t2m` repeated along a dimension, a kelvin more in each entry."""
    ds = analytic(time=3, y=4, x=4)
    parts = [ds.t2m + np.float32(i) for i in range(len(labels or range(size)))]
    t2m = xr.concat(parts, dim).transpose("time", dim, ...)
    if not time:
        t2m = t2m.isel(time=0, drop=True)
    if labels is not None:
        t2m = t2m.assign_coords({dim: (dim, labels, attrs or {})})
    return ds.drop_vars("time" if not time else []).assign(t2m=t2m.assign_attrs(units="K"))


def roles(ds, **given):
    dims = Dims(**given)
    return roles_of(ds, gridded(ds, dims, "the data"), dims)


@pytest.mark.parametrize(
    ("dim", "labels", "attrs", "expected"),
    [
        ("level", [500, 850], {}, "channels"),
        ("plev", [50000.0, 85000.0], {}, "channels"),
        ("isobaricInhPa", [500.0, 850.0], {}, "channels"),
        ("layer", [1, 2], {"axis": "Z"}, "channels"),
        ("layer", [1, 2], {"standard_name": "model_level_number"}, "channels"),
        ("layer", [1, 2], {"positive": "up", "standard_name": "height"}, "channels"),
        ("realization", [0, 1], {}, "samples"),
        ("member", ["r1i1p1", "r2i1p1"], {}, "samples"),
        ("number", [0, 1], {}, "samples"),
        ("run", [0, 1], {"standard_name": "realization"}, "samples"),
        ("level", None, {}, "channels"),  # without a coordinate
        ("band", [7], {}, "single"),
        ("realization", [7], {}, "single"),
        ("level", [500], {}, "single"),
    ],
)
def test_what_a_dimension_is(dim, labels, attrs, expected):
    assert roles(stack(dim, labels, attrs=attrs)) == {dim: expected}


def test_the_caller_knows_better():
    assert roles(stack("level", [1, 2]), extra={"level": "samples"}) == {"level": "samples"}
    assert roles(stack("band", [1, 2]), extra={"band": "channels"}) == {"band": "channels"}
    assert roles(stack("member", [1]), extra={"member": "samples"}) == {"member": "samples"}
    with pytest.raises(ValueError, match=r"extra_dims\['band'\] to be one of .*, got 'chanels'"):
        roles(stack("band", [1, 2]), extra={"band": "chanels"})


def test_an_unknown_dimension_is_told_with_what_to_say():
    with pytest.raises(GridError, match=r"got 'band' too .*extra_dims=\{'band': 'channels'\}"):
        roles(stack("band", [1, 2]))


def test_without_time_an_unknown_dimension_is_the_sample_axis():
    ds = stack("sample", [1, 2, 3], time=False)
    assert sample_axis(roles(ds)) == "sample"
    assert fields(ds).dims.time == "sample"
    assert fields(ds).varying == ["t2m"]
    # levels are none, members are where there is nothing else
    both = ds.assign(t2m=ds.t2m.expand_dims(level=[500, 850]))
    assert roles(both) == {"level": "channels", "sample": "axis"}
    assert fields(both).varying == ["t2m_500", "t2m_850"]
    assert sample_axis(roles(stack("member", [1, 2], time=False))) == "member"
    one = ds.isel(sample=[0])
    assert sample_axis(roles(one)) == "sample"
    two = ds.assign(t2m=ds.t2m.expand_dims(band=2))
    with pytest.raises(GridError, match=r"got '(band|sample)' too"):
        roles(two)


def test_in_static_fields_an_unknown_dimension_is_channels():
    cover = stack("cover", ["wood", "lake"], time=False)[["t2m"]].rename(t2m="share")
    assert roles(cover, unknown="channels") == {"cover": "channels"}
    assert fields(cover, unknown="channels").static == ["share_wood", "share_lake"]


@pytest.mark.parametrize("chunks", [None, {"time": 1}])
def test_levels_are_cut_into_variables_and_joined_again(chunks):
    ds = stack("level", [850, 500], attrs={"units": "hPa", "positive": "down"})
    ds = ds if chunks is None else ds.chunk(chunks)
    with no_compute():
        cut = fields(ds)
    assert cut.varying == ["t2m_850", "t2m_500"]
    assert cut.static == ["orog"]
    about = {"level": {"units": "hPa", "positive": "down"}}
    assert cut.slices["t2m_500"] == Slice(of="t2m", at={"level": 500}, attrs=about)
    np.testing.assert_array_equal(cut.data.t2m_500 - cut.data.t2m_850, np.ones((3, 4, 4)))
    assert cut.data.t2m_500.attrs["units"] == "K"
    with no_compute():
        joined = gather(cut.data, cut.slices)
    assert joined.level.attrs == about["level"]
    expected = ds.t2m.isel(latitude=slice(None, None, -1)).transpose("level", "time", ...)
    np.testing.assert_array_equal(joined.t2m, expected)
    np.testing.assert_array_equal(joined.orog, cut.data.orog)


def test_two_dimensions_of_channels_at_once():
    ds = stack("level", [850, 500])
    ds["t2m"] = xr.concat([ds.t2m, ds.t2m + 10], "band").transpose("time", "level", "band", ...)
    cut = fields(ds, extra={"band": "channels"})
    assert cut.varying == ["t2m_850_0", "t2m_850_1", "t2m_500_0", "t2m_500_1"]
    joined = gather(cut.data, cut.slices).t2m
    assert joined.dims == ("level", "band", "time", "y", "x")
    flat = joined.isel(time=0, y=0, x=0)
    np.testing.assert_allclose(flat - flat[0, 0], [[0, 10], [1, 11]], atol=1e-4)
    assert "band" not in joined.coords


def test_one_entry_is_set_aside():
    cut = fields(stack("height", [2.0]))
    assert cut.varying == ["t2m"]
    assert "t2m" not in cut.slices
    assert gather(cut.data, cut.slices).t2m.dims == ("time", "y", "x")


def test_names_that_meet_are_refused():
    ds = stack("level", [500, 850]).assign(t2m_500=stack("level", [500]).t2m.isel(level=0))
    with pytest.raises(VariableError, match=r"'t2m_500' once .*\. Rename a variable or the"):
        fields(ds.drop_vars("level", errors="ignore").assign_coords(level=[500, 850]))


def test_members_are_no_channels():
    with pytest.raises(GridError, match=r"without members, got 2 along 'member'\. Select one"):
        fields(stack("member", [1, 2]))


# --- members ----------------------------------------------------------------------------------


def test_members_by_label_whatever_the_order():
    one, other = stack("member", ["a", "b"]), stack("member", ["b", "a"])
    found = members_of((one, Dims(), "the LR data"), (other, Dims(), "the HR data"))
    assert list(found) == [{"member": "a"}, {"member": "b"}]
    xr.testing.assert_identical(found.pick(other, {"member": "a"}), other.isel(member=1, drop=True))
    shared = stack("level", [1, 2])
    assert found.pick(shared, {"member": "a"}) is shared
    assert found.pick(None, {"member": "a"}) is None
    picked = found.pick([one, shared], {"member": "a"})
    xr.testing.assert_identical(picked[0], one.isel(member=0, drop=True))
    assert picked[1] is shared


def test_data_without_members_are_one_series():
    ds = analytic()
    found = members_of((ds, Dims(), "the HR data"))
    assert list(found) == [{}]
    assert found.pick(ds, {}) is ds


def test_other_members_are_refused():
    one, other = stack("member", ["a", "b"]), stack("member", ["a", "c"])
    with pytest.raises(GridError, match=r"same entries along 'member' in the LR data and the HR"):
        members_of((one, Dims(), "the LR data"), (other, Dims(), "the HR data"))
    with pytest.raises(GridError, match=r"each entry along 'member' once.*\.drop_duplicates"):
        members_of((stack("member", ["a", "a"]), Dims(), "the HR data"))


def test_several_dimensions_of_members():
    ds = stack("member", [1, 2])
    ds["t2m"] = ds.t2m.expand_dims(number=3)
    assert sample_dims(ds, gridded(ds, Dims(), "the data"), Dims()) == ["number", "member"]
    assert len(list(members_of((ds, Dims(), "the data")))) == 6
