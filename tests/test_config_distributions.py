from xr_dl4ds.config.distribution_channels import parameter_channels


def test_parameters_follow_the_targets_in_their_order():
    kinds = ["gaussian", None, "bernoulli_gamma", "gaussian"]
    expected = ({"spread": 4}, {}, {"wet": 5, "shape": 6}, {"spread": 7})
    assert parameter_channels(kinds) == expected


def test_without_distributions_there_are_none():
    assert parameter_channels([None, None]) == ({}, {})
