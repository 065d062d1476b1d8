import pytest

from xr_dl4ds.metrics.asked_names import names_in


def test_one_name_and_several():
    assert names_in("rmse", "scores", "bias") == ("rmse",)
    assert names_in(["rmse", "mae"], "scores", "bias") == ("rmse", "mae")
    assert names_in((), "scores", "bias") == ()


@pytest.mark.parametrize(
    ("asked", "got"), [(5, "int: 5"), (["rmse", None], "NoneType: None"), (b"rmse", "int: 114")]
)
def test_other_types(asked, got):
    with pytest.raises(TypeError, match=rf"`scores` to be names, got {got}\. .*scores=\['bias'\]"):
        names_in(asked, "scores", "bias")
