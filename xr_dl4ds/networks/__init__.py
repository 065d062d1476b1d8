"""Generators and discriminators, built with Keras from the options of a network."""

import xr_dl4ds.networks.quiet_import  # noqa: F401  first, to silence TensorFlow's start
from xr_dl4ds.networks.discriminator import discriminator as discriminator
from xr_dl4ds.networks.flow import field_network as field_network
from xr_dl4ds.networks.flow import residual_network as residual_network
from xr_dl4ds.networks.flow import velocity_network as velocity_network
from xr_dl4ds.networks.generator import generator as generator
from xr_dl4ds.networks.keras_settings import own_keras as own_keras
from xr_dl4ds.networks.periodic import periodic as periodic
from xr_dl4ds.networks.ports import Ports as Ports
from xr_dl4ds.networks.receptive_field import Reach as Reach
from xr_dl4ds.networks.receptive_field import reach_of as reach_of
from xr_dl4ds.networks.transfer import take_weights as take_weights
