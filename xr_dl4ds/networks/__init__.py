"""Generators and discriminators, assembled from small functions by the options."""

import xr_dl4ds.backend  # noqa: F401  before Keras and TensorFlow: a quiet start
from xr_dl4ds.networks.discriminator import discriminator as discriminator
from xr_dl4ds.networks.generator import Ports as Ports
from xr_dl4ds.networks.generator import generator as generator
from xr_dl4ds.networks.periodic import periodic as periodic
from xr_dl4ds.networks.reach import Reach as Reach
from xr_dl4ds.networks.reach import reach_of as reach_of
from xr_dl4ds.networks.settings import own_keras as own_keras
from xr_dl4ds.networks.transfer import take_weights as take_weights
