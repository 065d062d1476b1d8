"""Names that options may take, each list once, for the array side to check without Keras.

The implementations stand in one table beside the code that they choose (`networks`, `layers`,
`losses`, `forcings`, `training`), and a test holds the two equal.
"""

from __future__ import annotations

BACKBONES = ("convnet", "resnet", "densenet", "unet", "convnext")
#: Backbones without a recurrent form: they take single time steps alone.
SPATIAL_ONLY = ("unet", "convnext")
#: Blocks of a backbone when `Network.n_blocks` is not given: levels for the U-Net.
DEFAULT_BLOCKS = {"unet": 3}
OTHER_BLOCKS, RECURRENT_BLOCKS = 6, 2

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
#: Output activations with an upper bound, which means something on min-max scaled values alone.
BOUNDED = ("sigmoid",)

INTERPOLATIONS = ("bicubic", "bilinear", "nearest")
SCALINGS = ("standard", "minmax")
TIME_FEATURES = ("day_of_year", "hour_of_day", "solar_zenith", "toa_insolation")
#: Where samples are held while the network trains.
CACHES = ("auto", "memory", "disk", "none")
COORDINATE_FEATURES = ("latitude", "longitude", "x", "y")

#: How learning rates grow with the number of workers; None leaves them.
LR_SCALINGS = ("linear", "sqrt")
#: What gradients travel as between workers; None as they are.
COMPRESSIONS = ("float16",)

LOSSES = (
    "mae",
    "mse",
    "dssim",
    "dssim_mae",
    "dssim_mse",
    "dssim_mae_mse",
    "msdssim",
    "msdssim_mae",
    "msdssim_mae_mse",
)
#: Losses that fit a distribution to each cell, and which one.
DISTRIBUTIONS = {"gaussian_nll": "gaussian", "bernoulli_gamma_nll": "bernoulli_gamma"}
#: What the network says of each distribution beside its mean.
PARAMETERS = {"gaussian": ("spread",), "bernoulli_gamma": ("wet", "shape")}
#: The loss of an ensemble that is drawn from noise.
ENSEMBLE_LOSS = "crps"
SUPERVISED_LOSSES = (*LOSSES, *DISTRIBUTIONS, ENSEMBLE_LOSS)
PIXEL_LOSSES = (*LOSSES, ENSEMBLE_LOSS)
ADVERSARIAL_LOSSES = ("bce", "hinge")
#: Noise channels of a network that is asked for realizations and not told how many.
NOISE_CHANNELS = 4
#: Realizations of each sample over which an ensemble's loss is taken. On radar rain 4 in place of 2
#: lower the CRPS by 2 % at twice the cost of an epoch.
LOSS_REALIZATIONS = 2

#: Edge of a field, in HR cells, that the windows of a loss need: one of SSIM's (Wang et al. 2004);
#: one at the last of four scales, as halving rounds up: 81 cells become 41, 21 and 11.
LEAST_CELLS = {"dssim": 11, "msdssim": 81}

OPTIMIZERS = ("adam", "adamw", "sgd")
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
