"""Layers that Keras 3 lacks; `wrapping` has periodic forms of Keras's layers."""

from xr_dl4ds.networks.layers.amount_curve import AmountCurve as AmountCurve
from xr_dl4ds.networks.layers.amount_curve import through_curves as through_curves
from xr_dl4ds.networks.layers.cells_and_channels import CellsToChannels as CellsToChannels
from xr_dl4ds.networks.layers.cells_and_channels import ChannelsToCells as ChannelsToCells
from xr_dl4ds.networks.layers.constraint import Constraint as Constraint
from xr_dl4ds.networks.layers.conv_lstm import ConvLSTM as ConvLSTM
from xr_dl4ds.networks.layers.crop import CropTo as CropTo
from xr_dl4ds.networks.layers.distribution_parameters import (
    DistributionParameters as DistributionParameters,
)
from xr_dl4ds.networks.layers.flow_time import FlowTimeFeatures as FlowTimeFeatures
from xr_dl4ds.networks.layers.flow_time import Modulation as Modulation
from xr_dl4ds.networks.layers.guess_features import GuessFeatures as GuessFeatures
from xr_dl4ds.networks.layers.interpolation import Interpolation as Interpolation
from xr_dl4ds.networks.layers.latent_location import LatentLocation as LatentLocation
from xr_dl4ds.networks.layers.locally_connected import LocallyConnected as LocallyConnected
from xr_dl4ds.networks.layers.log_amount import LogAmount as LogAmount
from xr_dl4ds.networks.layers.monte_carlo_dropout import MonteCarloDropout as MonteCarloDropout
from xr_dl4ds.networks.layers.monte_carlo_dropout import has_monte_carlo as has_monte_carlo
from xr_dl4ds.networks.layers.monte_carlo_dropout import sampling as sampling
from xr_dl4ds.networks.layers.monte_carlo_dropout import set_realization as set_realization
from xr_dl4ds.networks.layers.monte_carlo_dropout import thins_by_cell as thins_by_cell
from xr_dl4ds.networks.layers.output_activation import OutputActivation as OutputActivation
from xr_dl4ds.networks.layers.residuals import FromResidual as FromResidual
from xr_dl4ds.networks.layers.residuals import OnRootScale as OnRootScale
from xr_dl4ds.networks.layers.residuals import ToResidual as ToResidual
from xr_dl4ds.networks.layers.spectral_conv import SpectralConv2D as SpectralConv2D
from xr_dl4ds.networks.layers.time_steps import FoldTime as FoldTime
from xr_dl4ds.networks.layers.time_steps import NeighbourSteps as NeighbourSteps
from xr_dl4ds.networks.layers.time_steps import RepeatOverTime as RepeatOverTime
from xr_dl4ds.networks.layers.time_steps import UnfoldTime as UnfoldTime
