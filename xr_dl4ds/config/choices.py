"""Names that options accept, listed once, so that the array side can check them without Keras.

The implementations are in tables beside the code that uses them (in `networks`, `data` and
`training`). A test checks that the tables and these lists agree.
"""

from __future__ import annotations

BACKBONES = ("convnet", "resnet", "densenet", "unet", "convnext")
#: Backbones without a recurrent form, which take only single time steps.
SPATIAL_ONLY = ("unet", "convnext")
#: Number of blocks of a backbone if `Network.n_blocks` is not given; levels for the U-Net.
DEFAULT_BLOCKS = {"unet": 3}
OTHER_BLOCKS, RECURRENT_BLOCKS = 6, 2
#: Maximum number of filters of a level of the U-Net.
UNET_FILTERS = 256
#: Backbone and number of filters if the options give none: of flow matching, which works on the HR
#: grid and runs several times for each member, and of other trainings.
FLOW_BACKBONE, FLOW_FILTERS = "unet", 16
BACKBONE, FILTERS = "resnet", 32

LEARNED_UPSAMPLINGS = ("subpixel", "resize", "deconvolution")
UPSAMPLINGS = ("interpolation", *LEARNED_UPSAMPLINGS)
#: The names that DL4DS uses for the four ways of upsampling.
UPSAMPLING_ALIASES = {
    "pin": "interpolation",
    "spc": "subpixel",
    "rc": "resize",
    "dc": "deconvolution",
}

NORMALIZATIONS = ("batch", "layer")
DROPOUTS = ("vanilla", "gaussian", "spatial")
CONSTRAINTS = ("additive", "multiplicative", "softmax")
ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "linear")
OUTPUT_ACTIVATIONS = ("relu", "softplus", "sigmoid")
NOT_NEGATIVE = ("relu", "softplus")
#: Output activations with an upper bound, which has a meaning only for min-max scaled values.
BOUNDED = ("sigmoid",)

INTERPOLATIONS = ("bicubic", "bilinear", "nearest")
#: Scalings of amounts, by a curve that compresses large values.
CURVES = ("log1p", "sqrt", "cbrt")
SCALINGS = ("standard", "minmax", *CURVES)
TIME_FEATURES = ("day_of_year", "hour_of_day", "solar_zenith", "toa_insolation")
#: Places where samples can be held while the network trains.
CACHES = ("auto", "memory", "disk", "none")
#: Flips and transpositions of training samples.
AUGMENTATIONS = ("auto", "none", "flip_x", "flips", "all")
COORDINATE_FEATURES = ("latitude", "longitude", "x", "y")

#: How learning rates change during training.
SCHEDULES = ("constant", "step", "cosine")
#: Default learning rates of supervised training: of a cosine for losses of values, of a cosine for
#: ensembles (likelihoods and "crps"), and of other schedules. With 8e-3 the loss of "gaussian_nll"
#: reached 4e5 in the first epoch (a small part of ERA5 UK).
COSINE_RATE, ENSEMBLE_RATE, RATE = 8e-3, 4e-3, 1e-3
#: Number of filters up to which a cosine has these rates. In wider networks the rate falls as one
#: over the number of filters (for Adam: Yang et al. 2022, arXiv:2203.03466, table 3): 1e-3 for the
#: 256 filters of the U-Net. For ERA5 UK after 8 epochs its RMSE is 0.514 K with 8e-3, 0.433 K with
#: 4e-3, and 0.424 K with 1e-3.
RATE_FILTERS = 32
#: Number of samples in a batch from which on a cosine has these rates. With smaller batches, whose
#: gradients are noisier, the rate falls as the root of the number (for Adam: Malladi et al. 2022,
#: arXiv:2205.10287): 3 epochs of the demo in batches of 4 give 0.20 K, and 0.30 K with 8e-3.
RATE_BATCH = 32
#: The same for a network that corrects a first guess which was fitted to the data. Java after 3
#: epochs: 71.1 mm/month with 8e-3, 70.7 with 2e-3, 70.5 with 1e-3, as the first guess alone.
GUESSED_SHARE = 0.125
#: Share of the epochs in which the rates of a cosine grow; 5 of 90 in Goyal et al. 2017
#: (arXiv:1706.02677).
WARMUP_SHARE = 0.05
#: Epochs in which the rates of several workers grow for other schedules (Goyal et al. 2017).
WARMUP_EPOCHS = 5
#: Largest momentum of ``ema="auto"``, and the largest half-life as a share of all steps.
EMA, EMA_HALF_LIFE = 0.99, 0.05
#: How learning rates grow with the number of workers; None leaves them unchanged.
LR_SCALINGS = ("linear", "sqrt")
#: Formats in which workers exchange gradients; None exchanges them as they are.
COMPRESSIONS = ("float16",)

#: Learning rate of flow matching.
FLOW_RATE = 2e-3
#: Runge-Kutta methods of second order from noise to members.
SOLVERS = ("midpoint", "heun")

LOSSES = (
    "mae",
    "mse",
    "mae_mse",
    "dssim",
    "dssim_mae",
    "dssim_mse",
    "dssim_mae_mse",
    "msdssim",
    "msdssim_mae",
    "msdssim_mae_mse",
)
#: Losses that fit a distribution to each cell, and the name of the distribution.
DISTRIBUTIONS = {"gaussian_nll": "gaussian", "bernoulli_gamma_nll": "bernoulli_gamma"}
#: Mixing weights of latent Gaussian fields: of three lengths, and also of four directions.
MIXES = tuple(f"mix_{i}" for i in (1, 2, 3))
DIRECTED_MIXES = (*MIXES, *(f"mix_{i}" for i in (4, 5, 6, 7)))
#: Parameters of each distribution that the network outputs beside its mean, or beside the location
#: of latent Gaussian members. The reference is the LR value that a constraint fixes,
#: and the smooth reference its bilinear interpolation.
PARAMETERS = {
    "gaussian": ("spread",),
    "bernoulli_gamma": ("wet", "shape"),
    "latent": ("reference", "scale", "volatility", *MIXES),
    "latent_amount": ("reference", "smooth_reference", "root_scale", "volatility", *MIXES),
    "latent_directed": ("reference", "scale", "volatility", *DIRECTED_MIXES),
    "latent_amount_directed": (
        "reference",
        "smooth_reference",
        "root_scale",
        "volatility",
        *DIRECTED_MIXES,
    ),
}
#: Where the randomness of members of an ensemble loss enters.
NOISES = ("auto", "latent", "inside")
#: The usual loss of an ensemble drawn from noise, and all losses of such ensembles.
ENSEMBLE_LOSS = "crps"
ENSEMBLE_LOSSES = (ENSEMBLE_LOSS, "pooled_crps", "spectral_crps", "energy")
#: Weights that "crps" stands for with latent noise. With the CRPS of cells alone, the spectra of
#: members were 2.7 instead of 1.7 dB from those of radar rain.
LATENT_CRPS = {"crps": 1.0, "pooled_crps": 0.3, "spectral_crps": 0.1}
SUPERVISED_LOSSES = (*LOSSES, *DISTRIBUTIONS, *ENSEMBLE_LOSSES)
#: What the loss "auto" is for amounts, which are never negative, and for other quantities. RMSE of
#: "mae", "mse" and "mae_mse" (benchmarks/losses.py, one seed, not on test data): Java 62.1, 63.6,
#: 62.3 mm/month; CORDEX pr 0.630, 0.626, 0.625 mm/day; MRMS 1.73, 1.76, 1.75 mm/h; CORDEX tas
#: 0.216, 0.212, 0.213 K; ERA5 t2m 0.239, 0.237, 0.234 K. Amounts then get the mean of the truth,
#: see `xr_dl4ds.fitting.means`.
AUTO_LOSSES = {"amount": "mae", "other": "mae_mse"}
PIXEL_LOSSES = (*LOSSES, *ENSEMBLE_LOSSES)
ADVERSARIAL_LOSSES = ("bce", "hinge")
#: Default number of noise channels of a network that draws members.
NOISE_CHANNELS = 4
#: Default number of realizations of each sample in the loss of an ensemble. On radar rain, 4
#: instead of 2 lower the CRPS by 2 % at twice the cost of an epoch.
LOSS_REALIZATIONS = 2
#: The same for latent noise, whose members cost little, because the network runs once for all.
LATENT_REALIZATIONS = 4

#: Least edge of a field, in HR cells, for the windows of a loss: one window of SSIM (Wang et al.
#: 2004), or one window at the last of four scales. Halving rounds up: 81 cells become 41, 21 and
#: 11.
LEAST_CELLS = {"dssim": 11, "msdssim": 81}

#: Global norm to which gradients are clipped (Pascanu et al. 2013, arXiv:1211.5063). Gradients of
#: losses of values are smaller nearly always, but not in the first steps of a U-Net. Likelihoods
#: need it throughout. A cell where rain fell although hardly any was expected has a slope of
#: thousands. Adam remembers its square and makes the following steps small: for daily precipitation
#: (CORDEX Iberia), 0.1 % of the cells had 74 % of the squared slopes with respect to the mean. The
#: gradient norm is 4 there, and above 17 in a tenth of the steps, so that nearly all gradients are
#: clipped; Adam depends only on the ratios of gradients.
CLIPNORM = 1.0

OPTIMIZERS = ("adam", "adamw", "sgd")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")

#: What the network's residual starts from.
FIRST_GUESSES = ("auto", "interpolation", "bias_corrected", "climatology", "regression", "none")
