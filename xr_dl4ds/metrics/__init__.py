"""Scores of predictions against the truth, beside baselines.

`evaluate` does everything, from matching cells and times to the skill. The other functions score
arrays over the dimensions that they are given.
"""

from xr_dl4ds.metrics.categorical import csi as csi
from xr_dl4ds.metrics.categorical import ets as ets
from xr_dl4ds.metrics.categorical import far as far
from xr_dl4ds.metrics.categorical import frequency_bias as frequency_bias
from xr_dl4ds.metrics.categorical import pod as pod
from xr_dl4ds.metrics.categorical import sedi as sedi
from xr_dl4ds.metrics.distribution import perkins as perkins
from xr_dl4ds.metrics.distribution import quantile_bias as quantile_bias
from xr_dl4ds.metrics.distribution import quantiles as quantiles
from xr_dl4ds.metrics.distribution import std_ratio as std_ratio
from xr_dl4ds.metrics.distribution import wasserstein as wasserstein
from xr_dl4ds.metrics.distribution import wet_frequency as wet_frequency
from xr_dl4ds.metrics.evaluation import evaluate as evaluate
from xr_dl4ds.metrics.events import brier as brier
from xr_dl4ds.metrics.events import reliability as reliability
from xr_dl4ds.metrics.field_scores import energy_score as energy_score
from xr_dl4ds.metrics.field_scores import pooled_crps as pooled_crps
from xr_dl4ds.metrics.field_scores import threshold_weighted_crps as threshold_weighted_crps
from xr_dl4ds.metrics.image import ms_ssim as ms_ssim
from xr_dl4ds.metrics.image import psnr as psnr
from xr_dl4ds.metrics.image import ssim as ssim
from xr_dl4ds.metrics.indices import annual_cycle as annual_cycle
from xr_dl4ds.metrics.indices import cdd as cdd
from xr_dl4ds.metrics.indices import cwd as cwd
from xr_dl4ds.metrics.indices import days_above as days_above
from xr_dl4ds.metrics.indices import days_below as days_below
from xr_dl4ds.metrics.indices import interannual_std as interannual_std
from xr_dl4ds.metrics.indices import lag1_autocorrelation as lag1_autocorrelation
from xr_dl4ds.metrics.indices import rx1day as rx1day
from xr_dl4ds.metrics.indices import sdii as sdii
from xr_dl4ds.metrics.indices import tnn as tnn
from xr_dl4ds.metrics.indices import txx as txx
from xr_dl4ds.metrics.indices import wet_quantile as wet_quantile
from xr_dl4ds.metrics.neighbourhood import autocorrelation_length as autocorrelation_length
from xr_dl4ds.metrics.neighbourhood import fss as fss
from xr_dl4ds.metrics.neighbourhood import fss_scales as fss_scales
from xr_dl4ds.metrics.pointwise import bias as bias
from xr_dl4ds.metrics.pointwise import correlation as correlation
from xr_dl4ds.metrics.pointwise import kge as kge
from xr_dl4ds.metrics.pointwise import mae as mae
from xr_dl4ds.metrics.pointwise import nrmse as nrmse
from xr_dl4ds.metrics.pointwise import relative_bias as relative_bias
from xr_dl4ds.metrics.pointwise import rmse as rmse
from xr_dl4ds.metrics.pointwise import spearman as spearman
from xr_dl4ds.metrics.probabilistic import crps as crps
from xr_dl4ds.metrics.probabilistic import member_correlation as member_correlation
from xr_dl4ds.metrics.probabilistic import rank_histogram as rank_histogram
from xr_dl4ds.metrics.probabilistic import spread as spread
from xr_dl4ds.metrics.probabilistic import spread_skill as spread_skill
from xr_dl4ds.metrics.score_registry import SCORES as SCORES
from xr_dl4ds.metrics.score_registry import register as register
from xr_dl4ds.metrics.spectral import ralsd as ralsd
from xr_dl4ds.metrics.spectral import spectrum as spectrum
