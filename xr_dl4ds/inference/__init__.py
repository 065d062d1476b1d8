"""Lazy application of a network to stacked LR channels: in blocks of time, in tiles, anywhere."""

import xr_dl4ds.backend  # noqa: F401  before Keras and TensorFlow: a quiet start
from xr_dl4ds.inference.application import Application as Application
from xr_dl4ds.inference.carried import Carried as Carried
from xr_dl4ds.inference.hardware import log_hardware as log_hardware
from xr_dl4ds.inference.mapping import apply as apply
from xr_dl4ds.inference.running import run as run
from xr_dl4ds.inference.tiles import Tiling as Tiling
from xr_dl4ds.inference.windowed import Windowed as Windowed
