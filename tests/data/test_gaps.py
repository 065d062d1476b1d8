"""Groups of cells with the same gaps, or with similar gaps."""

import numpy as np

from xr_dl4ds.data.gaps import gaps_of

STEPS = 100


def gaps(values):
    return gaps_of(np.array_split(values.astype("f4"), 3))


def test_cells_with_the_same_gaps_are_a_group():
    values = np.tile(np.arange(STEPS)[:, None], (1, 12)).astype("f4")
    values[20:70, [1, 5, 7]] = np.nan
    values[::3, [2, 3]] = np.nan
    values[:, 4] = np.nan
    values[[0, 50]] = np.nan
    found = gaps(values)
    assert found.kept.nonzero()[0].tolist() == [i for i in range(STEPS) if i not in (0, 50)]
    expected = np.nan_to_num(np.nanmean(np.where(found.some, values, 0), axis=0))
    np.testing.assert_allclose(found.mean, expected, rtol=1e-6)
    groups = found.groups(3)
    assert groups[4] == -1
    assert len({*groups[[1, 5, 7]]}) == len({*groups[[2, 3]]}) == len({*groups[[0, 6, 8, 9]]}) == 1
    assert {*groups} == {-1, 0, 1, 2}
    assert {*found.groups(1)} == {-1, 0}


def test_cells_with_similar_gaps_are_a_group():
    rng = np.random.default_rng(0)
    values = np.zeros((STEPS, 90))
    season = np.arange(STEPS) % 20 < 8
    values[season, 30:60] = np.nan
    values[~season, 60:] = np.nan
    values[:, 30:][rng.random((STEPS, 60)) < 0.01] = np.nan
    groups = gaps(values).groups(3)
    assert [len({*groups[a : a + 30]}) for a in (0, 30, 60)] == [1, 1, 1]
    assert len({*groups}) == 3
    # a group of its own for cells without gaps
    assert (gaps(values).groups(2) == 0).tolist() == [True] * 30 + [False] * 60


def test_no_values_at_all():
    found = gaps(np.full((STEPS, 2), np.nan))
    assert not found.kept.any()
    assert found.groups(5).tolist() == [-1, -1]
