"""Scores of predictions against the truth, with interpolation as the baseline.

`evaluate` does everything, from matching cells and times to the skill. The other functions score
arrays over the dimensions that they are given.
"""

from xr_dl4ds.metrics.distribution import quantile_bias as quantile_bias
from xr_dl4ds.metrics.distribution import std_ratio as std_ratio
from xr_dl4ds.metrics.distribution import wet_frequency as wet_frequency
from xr_dl4ds.metrics.evaluation import evaluate as evaluate
from xr_dl4ds.metrics.pointwise import bias as bias
from xr_dl4ds.metrics.pointwise import correlation as correlation
from xr_dl4ds.metrics.pointwise import mae as mae
from xr_dl4ds.metrics.pointwise import rmse as rmse
from xr_dl4ds.metrics.probabilistic import crps as crps
from xr_dl4ds.metrics.probabilistic import member_correlation as member_correlation
from xr_dl4ds.metrics.probabilistic import rank_histogram as rank_histogram
from xr_dl4ds.metrics.probabilistic import spread as spread
from xr_dl4ds.metrics.probabilistic import spread_skill as spread_skill
from xr_dl4ds.metrics.registry import SCORES as SCORES
from xr_dl4ds.metrics.registry import register as register
from xr_dl4ds.metrics.spectral import ralsd as ralsd
from xr_dl4ds.metrics.spectral import spectrum as spectrum
