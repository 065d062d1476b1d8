"""The U-Net: an encoder to coarser levels and a decoder that joins the features of each level."""

from __future__ import annotations

from keras import layers

from xr_dl4ds.config import Network, Scale
from xr_dl4ds.config.choices import UNET_FILTERS
from xr_dl4ds.networks.blocks import convolutional_block
from xr_dl4ds.networks.layers import CropTo
from xr_dl4ds.networks.margins import NO_MARGIN, Margin, halved
from xr_dl4ds.networks.tensors import Tensor
from xr_dl4ds.networks.upsampling import UPSAMPLINGS


def unet(x: Tensor, network: Network, margin: Margin = NO_MARGIN) -> Tensor:
    """Apply the U-Net (Ronneberger et al. 2015, arXiv:1505.04597) to ``(batch, y, x, channel)``.

    The field may have any size. Pooling of an odd number of cells takes the last cell alone
    (padding); the decoder crops the additional cells after doubling.
    """
    assert network.n_blocks is not None
    assert network.decoder_upsampling is not None
    upsample = UPSAMPLINGS[network.decoder_upsampling]
    filters = [min(network.filters * 2**i, UNET_FILTERS) for i in range(network.n_blocks + 1)]
    levels: list[tuple[Tensor, Margin]] = []
    for i, n in enumerate(filters[:-1], start=1):
        x = convolutional_block(x, n, network, f"backbone_encoder{i}", margin)
        levels.append((x, margin))
        margin = halved(margin)
        x = layers.MaxPooling2D(2, padding="same", name=f"backbone_pool{i}")(x)
    x = convolutional_block(x, filters[-1], network, "backbone_bottleneck", margin)
    for i, (skip, margin) in reversed(list(enumerate(levels, start=1))):
        x = upsample(x, filters[i - 1], Scale(2, 2), f"backbone_decoder{i}_upsampling")
        x = CropTo(name=f"backbone_decoder{i}_crop")([x, skip])
        x = layers.Concatenate(name=f"backbone_decoder{i}_concatenate")([skip, x])
        x = convolutional_block(x, filters[i - 1], network, f"backbone_decoder{i}", margin)
    return x
