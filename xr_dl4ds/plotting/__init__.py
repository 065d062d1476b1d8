"""Figures of predictions and of their scores; matplotlib is loaded with the first figure."""

from xr_dl4ds.plotting.maps import plot as plot
from xr_dl4ds.plotting.scores import plot_rank_histogram as plot_rank_histogram
from xr_dl4ds.plotting.scores import plot_spectra as plot_spectra
