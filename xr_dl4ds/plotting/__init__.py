"""Figures of predictions and of their scores; matplotlib is loaded with the first figure."""

from xr_dl4ds.plotting.curves import plot_annual_cycle as plot_annual_cycle
from xr_dl4ds.plotting.curves import plot_fss as plot_fss
from xr_dl4ds.plotting.curves import plot_power as plot_power
from xr_dl4ds.plotting.diagrams import plot_quantiles as plot_quantiles
from xr_dl4ds.plotting.diagrams import plot_reliability as plot_reliability
from xr_dl4ds.plotting.diagrams import plot_violins as plot_violins
from xr_dl4ds.plotting.explained import plot_explanation as plot_explanation
from xr_dl4ds.plotting.learning_curve import plot_history as plot_history
from xr_dl4ds.plotting.maps import plot as plot
from xr_dl4ds.plotting.parts import plot_parts as plot_parts
from xr_dl4ds.plotting.parts import plot_skill as plot_skill
from xr_dl4ds.plotting.score_maps import plot_score_map as plot_score_map
from xr_dl4ds.plotting.scores import plot_rank_histogram as plot_rank_histogram
from xr_dl4ds.plotting.scores import plot_spectra as plot_spectra
from xr_dl4ds.plotting.taylor import plot_taylor as plot_taylor
