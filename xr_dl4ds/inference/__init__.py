"""Lazy application of a network to stacked LR channels: in blocks of time and in tiles."""

import xr_dl4ds.networks.quiet_import  # noqa: F401  first, to silence TensorFlow's start
from xr_dl4ds.inference.flow_path import Flow as Flow
from xr_dl4ds.inference.hardware import log_hardware as log_hardware
from xr_dl4ds.inference.model_runner import runner_of as runner_of
from xr_dl4ds.inference.pickling import Carried as Carried
from xr_dl4ds.inference.runner import Runner as Runner
