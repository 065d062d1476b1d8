"""Options of the generator's architecture."""

from __future__ import annotations

import dataclasses
from typing import Any

from xr_dl4ds.config import choices
from xr_dl4ds.config.registry import CUSTOM_BACKBONES
from xr_dl4ds.config.value_checks import flag, one_of, positive, whole_number, without_numpy


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network:
    """Options of the generator's architecture.

    Parameters
    ----------
    backbone : {"auto", "resnet", "convnet", "densenet", "unet", "convnext"}
        Main part of the network: a stack of residual blocks (Lim et al. 2017, EDSR,
        arXiv:1707.02921), of plain convolutions, of dense blocks (Huang et al. 2017,
        arXiv:1608.06993) or of ConvNeXt blocks (Liu et al. 2022, arXiv:2201.03545), a U-Net
        (Ronneberger et al. 2015, arXiv:1505.04597), or a name given to `register_backbone`. U-Net,
        ConvNeXt and registered backbones take only spatial samples. "auto" is unet for
        `FlowMatching`, and else resnet.
    upsampling : {"auto", "subpixel", "resize", "deconvolution", "interpolation"}
        Where and how the network refines the grid. `interpolation` first interpolates the LR fields
        to the HR grid and works there (pre-upsampling, the only choice for the U-Net). The others
        work on the LR grid and refine at the end: `subpixel` by sub-pixel convolution (Shi et al.
        2016, arXiv:1609.05158), `resize` by nearest-neighbour resizing followed by a convolution
        (Odena et al. 2016, doi:10.23915/distill.00003; in stages of at most 4), `deconvolution` by
        transposed convolution. "auto" is interpolation for the U-Net, resize for latent noise, and
        else subpixel. DL4DS's names
        `spc`, `rc`, `dc`, `pin` are accepted and translated.
    n_filters : int, optional
        Number of filters of each convolution of the backbone, by default 32, or 16 for
        `FlowMatching`, which works on HR cells. The U-Net doubles it at each level, up to 256,
        or up to four times as many for `FlowMatching`.
    n_blocks : int, optional
        Number of blocks of the backbone, or of levels of the U-Net. The default is 6; 3 for the
        U-Net; 2 recurrent blocks with `Sampling.time_window`.
    normalization : {None, "batch", "layer"}
        Normalization after each convolution inside the blocks.
    dropout : {None, "vanilla", "gaussian", "spatial"}
        Dropout after the activations inside the blocks: `vanilla` drops single values (Srivastava
        et al. 2014), `gaussian` multiplies by Gaussian noise of the same variance, `spatial` drops
        whole channels (Tompson et al. 2015, arXiv:1411.4280).
    dropout_rate : float, optional
        Share of values that is dropped, 0.2 by default; only with `dropout`.
    monte_carlo : bool
        Keep the dropout active in predictions (Gal & Ghahramani 2016, arXiv:1506.02142), so that
        ``predict(model, realizations=20)`` draws members; only with `dropout`.
    attention : bool
        Use channel attention in every block (Woo et al. 2018, CBAM, arXiv:1807.06521). Its means
        and maxima leave out the cells around the domain.
    localized : bool
        Give each HR cell its own weights in the output module (locally connected 1 x 1 convolution
        with biases). This ties the model to its training domain.
    activation : str
        Activation inside the blocks: relu, leaky_relu, elu, gelu, silu, tanh or linear.
    output_activation : {None, "relu", "softplus", "sigmoid"}
        Activation of the output, measured from the variable's physical zero. relu and softplus give
        no negative values. sigmoid keeps values between the extremes of training, and needs
        ``scaling="minmax"``.
    first_guess : {"auto", "interpolation", "bias_corrected", "climatology", "regression", "none"}
        What the network corrects, as its residual: the interpolated LR field; the same with the
        annual cycle of its bias in each HR cell removed (for amounts, by a ratio); the annual cycle
        of each HR cell; or a ridge regression of each HR cell on the principal components of all LR
        fields, with all, half or none of their surroundings. In training the network sees guesses
        from other years than those of the fit. "auto" is the interpolation for synthetic pairs, and
        for real pairs with validation data the one with the least error on these. All but the
        interpolation tie a model to its domain.
    interpolation_skip : bool
        Learn the residual to the interpolated LR field (see `Sampling.interpolation`) instead of
        the field itself. A target without an LR counterpart is learned directly. False means
        ``first_guess="none"``.
    constraint : {"auto", None, "additive", "multiplicative", "softmax"}
        Make the mean of the HR cells of each LR cell equal to the LR value (Harder et al. 2023,
        JMLR 24(365)): by adding, by multiplying (values >= 0), or by a softmax (values > 0). "auto"
        is additive for synthetic pairs, where the LR value is that mean, unless masks change in
        time or there is an `output_activation`; else None.
    decoder_upsampling : {None, "resize", "subpixel", "deconvolution"}
        Upsampling in the U-Net's decoder; None is resize. `FlowMatching` has one of its own.
    noise : {"auto", "latent", "inside"}
        Where the randomness of members enters, for targets with the loss "crps" or another loss of
        members. `latent`: the network runs once and gives, for each HR cell, a location, a scale,
        and weights of Gaussian random fields, from which members are drawn. `inside`: the network
        receives channels of noise and runs once for each member. "auto" is latent for supervised
        training, unless `noise_channels`, an `output_activation` or the softmax constraint ask for
        inside.
    anisotropic : bool
        Give latent noise also elongated fields in four directions, so that the network can choose
        direction and ratio of bands and fronts in each cell; only with latent noise.

    Examples
    --------
    >>> import xr_dl4ds as xd
    >>> xd.Network(upsampling="spc").upsampling
    'subpixel'
    """

    backbone: str = "auto"
    upsampling: str = "auto"
    n_filters: int | None = None
    n_blocks: int | None = None
    normalization: str | None = None
    dropout: str | None = None
    dropout_rate: float | None = None
    monte_carlo: bool = False
    attention: bool = False
    localized: bool = False
    activation: str = "relu"
    output_activation: str | None = None
    first_guess: str = "auto"
    interpolation_skip: bool = True
    constraint: str | None = "auto"
    decoder_upsampling: str | None = None
    noise: str = "auto"
    anisotropic: bool = False

    def __post_init__(self) -> None:
        without_numpy(self)
        for option in ("upsampling", "decoder_upsampling"):
            value = getattr(self, option)
            if isinstance(value, str):
                alias = choices.UPSAMPLING_ALIASES.get(value, value)
                object.__setattr__(self, option, alias)
        one_of("backbone", self.backbone, ("auto", *choices.BACKBONES, *CUSTOM_BACKBONES))
        one_of("upsampling", self.upsampling, ("auto", *choices.UPSAMPLINGS))
        one_of("first_guess", self.first_guess, choices.FIRST_GUESSES)
        one_of("activation", self.activation, choices.ACTIVATIONS)
        one_of("normalization", self.normalization, (None, *choices.NORMALIZATIONS))
        one_of("output_activation", self.output_activation, (None, *choices.OUTPUT_ACTIVATIONS))
        one_of("constraint", self.constraint, ("auto", None, *choices.CONSTRAINTS))
        one_of("noise", self.noise, choices.NOISES)
        whole_number(self, "n_filters", 1, optional=True)
        whole_number(self, "n_blocks", 1, optional=True)
        for name in ("monte_carlo", "attention", "localized", "interpolation_skip", "anisotropic"):
            flag(name, getattr(self, name))
        self._check_first_guess()
        self._check_dropout()
        self._check_decoder()
        self._check_output()

    @property
    def rate(self) -> float:
        """Share of values that is dropped."""
        return 0.2 if self.dropout_rate is None else self.dropout_rate

    @property
    def filters(self) -> int:
        """`n_filters`, or its default."""
        return choices.FILTERS if self.n_filters is None else self.n_filters

    @property
    def widest(self) -> int:
        """Largest number of filters of a layer of the backbone."""
        if self.backbone != "unet":
            return self.filters
        levels = self.n_blocks or choices.DEFAULT_BLOCKS["unet"]
        return min(self.filters * int(2**levels), choices.UNET_FILTERS)

    def _check_first_guess(self) -> None:
        if not self.interpolation_skip and self.first_guess not in ("auto", "none"):
            raise ValueError(
                f"Expected interpolation_skip=True for first_guess={self.first_guess!r}, got False,"
                " which means first_guess='none'. Leave interpolation_skip out."
            )
        if self.first_guess == "none" or not self.interpolation_skip:
            object.__setattr__(self, "first_guess", "none")
            object.__setattr__(self, "interpolation_skip", False)

    def _check_dropout(self) -> None:
        one_of("dropout", self.dropout, (None, *choices.DROPOUTS))
        if self.dropout_rate is not None:
            positive("dropout_rate", self.dropout_rate)
            if self.dropout_rate >= 1:
                raise ValueError(f"Expected `dropout_rate` < 1, got {self.dropout_rate!r}.")
        needed = {"dropout_rate": self.dropout_rate is not None, "monte_carlo": self.monte_carlo}
        for name, needs_dropout in needed.items():
            if needs_dropout and self.dropout is None:
                raise ValueError(
                    f"Expected `dropout` for {name}={getattr(self, name)!r}, got None. Use"
                    f" dropout='vanilla', 'gaussian' or 'spatial', or remove {name}."
                )

    def _check_decoder(self) -> None:
        one_of("decoder_upsampling", self.decoder_upsampling, (None, *choices.LEARNED_UPSAMPLINGS))
        if self.backbone == "unet" and self.upsampling not in ("auto", "interpolation"):
            raise ValueError(
                "Expected upsampling='interpolation' for the backbone unet, which works on the HR"
                f" grid, got {self.upsampling!r}. Remove upsampling, or choose another backbone."
            )
        if self.backbone != "unet" and self.decoder_upsampling is not None:
            raise ValueError(
                "Expected `decoder_upsampling` only with backbone='unet', got"
                f" backbone={self.backbone!r}. Use `upsampling` instead."
            )

    def _check_output(self) -> None:
        activation, constraint = self.output_activation, self.constraint
        fits: dict[Any, tuple[str, ...]] = {
            "additive": (),
            "softmax": (),
            "multiplicative": choices.NOT_NEGATIVE,
        }
        if activation is not None and activation not in fits.get(constraint, (activation,)):
            raise ValueError(
                f"Expected no output_activation={activation!r} with constraint={constraint!r},"
                " which changes the values afterwards. For values >= 0 use"
                " constraint='multiplicative' or 'softmax' alone, or constraint=None."
            )
