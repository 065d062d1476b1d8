"""A prediction in tiles beside that of the whole domain: differences, and gradients at the seams.

    python benchmarks/tiling.py

Networks with noise on their weights on a random, smooth LR field of 96 x 128 cells at scale 4,
predicted as a whole and in tiles of 128 HR cells. The table has, in standard deviations of the
prediction, what the network adds to the interpolation, the largest difference from the whole away
from the border of the domain (24 LR cells are left out) and over all cells; and the mean size of
the gradient across seams over that elsewhere, with the range of that ratio over as many lines that
are no seams: within it, no seam can be told.
"""

import numpy as np
import xarray as xr

import xr_dl4ds  # noqa: F401  registers .downscale

LR, SCALE, TILE, BORDER = (96, 128), 4, 128, 24
NOISE = 0.1

CASES = {
    "resnet, subpixel": {},
    "convnet, deconvolution": {"backbone": "convnet", "upsampling": "deconvolution"},
    "densenet, resize": {"backbone": "densenet", "upsampling": "resize"},
    "convnext, subpixel": {"backbone": "convnext"},
    "unet": {"backbone": "unet", "n_blocks": 2},
    "resnet, interpolation": {"upsampling": "interpolation"},
    "resnet, constraint": {"constraint": "additive"},
    "resnet, attention": {"attention": True},
}


def smooth(seed: int, steps: int) -> xr.DataArray:
    """Noise with a red spectrum, standardized, about 280 K."""
    rng = np.random.default_rng(seed)
    shape = tuple(n * SCALE for n in LR)
    ky, kx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    filtered = np.hypot(ky, kx)
    filtered[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((steps, *shape))) * filtered**-1.5
    field = np.fft.irfft2(spectrum, s=shape)
    values = 280 + 5 * (field - field.mean()) / field.std()
    return xr.DataArray(
        values.astype("f4"),
        dims=("time", "latitude", "longitude"),
        coords={
            "time": np.datetime64("2001-01-01", "ns") + np.arange(steps) * np.timedelta64(6, "h"),
            "latitude": ("latitude", 50 - 0.01 * np.arange(shape[0]), {"units": "degrees_north"}),
            "longitude": ("longitude", 0.01 * np.arange(shape[1]), {"units": "degrees_east"}),
        },
        name="t2m",
        attrs={"units": "K"},
    )


def gradients(field: np.ndarray, axis: int) -> np.ndarray:
    """Mean size of the step over each line between neighbouring cells."""
    return np.abs(np.diff(field, axis=axis)).mean(axis=tuple(i for i in range(3) if i != axis))


def seams(tiled: np.ndarray, whole: np.ndarray) -> tuple[float, float, float]:
    """The gradient over seams, as a ratio of the whole's there, and the range of it elsewhere."""
    ratios, elsewhere = [], []
    for axis in (1, 2):
        ratio = gradients(tiled, axis) / gradients(whole, axis)
        at = np.arange(TILE - 1, ratio.size, TILE)
        ratios.append(ratio[at].mean())
        others = np.delete(ratio, at)
        starts = np.arange(0, others.size - at.size, at.size)
        elsewhere += [others[i : i + at.size].mean() for i in starts]
    return float(np.mean(ratios)), float(min(elsewhere)), float(max(elsewhere))


def main() -> None:
    hr = smooth(0, 6)
    region = hr.isel(latitude=slice(0, 96), longitude=slice(0, 96))
    lr = smooth(1, 2).downscale.coarsen(SCALE)
    print("| network | its share | inside | everywhere | gradient at seams | elsewhere |")
    print("|---|---|---|---|---|---|")
    for name, options in CASES.items():
        model = region.downscale.fit(
            scale=SCALE, epochs=1, verbose=False, validation=None, n_filters=8, **options
        )
        rng = np.random.default_rng(0)
        for weight in model.network.trainable_weights:  # the last begin as 0: nothing would be seen
            weight.assign(weight + NOISE * rng.standard_normal(weight.shape, dtype="f4"))
        whole, tiled = (
            lr.downscale.predict(model, tile_size=size).to_numpy().astype("f8")
            for size in (SCALE * max(LR), TILE)
        )
        smooth_part = lr.downscale.interpolate(hr.isel(time=[0]), method="bicubic").to_numpy()
        share = (whole - smooth_part).std() / whole.std()
        apart = np.abs(tiled - whole) / whole.std()
        cut = BORDER * SCALE
        inside = apart[:, cut:-cut, cut:-cut].max()
        at, low, high = seams(tiled, whole)
        print(
            f"| {name} | {share:.2f} | {inside:.1e} | {apart.max():.1e} | {at:.6f}"
            f" | {low:.6f}-{high:.6f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
