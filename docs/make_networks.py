"""Make the table and the picture of the networks: ``python docs/make_networks.py``.

Both are read off the networks themselves, as they are built with default options for two LR
channels and two static fields at scale 4.
"""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib.pyplot as plt

from xr_dl4ds.config import BACKBONES, UPSAMPLINGS, Network, Sampling, Scale, settled
from xr_dl4ds.config.choices import SPATIAL_ONLY
from xr_dl4ds.networks import Ports, generator

FOLDER = pathlib.Path(__file__).parent
TABLE, PICTURE = FOLDER / "networks_table.md", FOLDER / "figures" / "networks.png"
SCALE = 4

#: Stages in the order of the data, by the beginning of the names of their layers.
STAGES = {
    "upsampling_interpolation": "interpolation",
    "backbone_first": "first convolution",
    "backbone_block": "blocks",
    "backbone_encoder": "encoder",
    "backbone_bottleneck": "bottleneck",
    "backbone_decoder": "decoder",
    "backbone_last": "last convolution",
    "upsampling": "upsampling",
    "static": "static branch",
    "transition": "transition",
    "localized": "localized",
    "output_block": "output block",
    "output": "output",
    "skip": "interpolation skip",
    "constraint": "constraint",
}
#: Colours of what works on the LR grid, on the HR grid, and without weights.
LR, HR, PLAIN = "#cfe3f5", "#fbe3c8", "#ececec"


def build(backbone: str, upsampling: str = "auto", *, sequence: bool = False) -> keras.Model:
    """The generator with default options (and the additive constraint of synthetic pairs)."""
    options = Network(backbone=backbone, upsampling=upsampling, constraint="additive")
    network = settled(options, Sampling(time_window=4 if sequence else None))
    ports = Ports(n_lr=3, n_static=2, lr_channels=(0,), scale=Scale.of(SCALE), sequence=sequence)
    return generator(network, ports)


def stages(network: keras.Model) -> dict[str, int]:
    """Weights of each stage, in the order of the data; blocks and levels are counted as one."""
    found = dict.fromkeys(STAGES)
    for layer in network.layers:
        for start in STAGES:
            if layer.name.startswith(start):
                found[start] = (found[start] or 0) + layer.count_params()
                break
    return {STAGES[start]: n for start, n in found.items() if n is not None}


def compatible(backbone: str, upsampling: str) -> bool:
    """Whether the two go together."""
    return backbone != "unet" or upsampling == "interpolation"


def table() -> str:
    """Weights by backbone and upsampling, spatial and spatio-temporal, as Markdown."""
    lines = [
        f"| backbone | samples | {' | '.join(UPSAMPLINGS)} |",
        f"|---|---|{'---|' * len(UPSAMPLINGS)}",
    ]
    for sequence in (False, True):
        for backbone in BACKBONES:
            if sequence and backbone in SPATIAL_ONLY:
                continue
            counts = [
                f"{build(backbone, upsampling, sequence=sequence).count_params():,}"
                if compatible(backbone, upsampling)
                else "-"
                for upsampling in UPSAMPLINGS
            ]
            kind = "spatio-temporal" if sequence else "spatial"
            lines.append(f"| `{backbone}` | {kind} | {' | '.join(counts)} |")
    lines += ["", "| stage | " + " | ".join(f"`{b}`" for b in BACKBONES) + " |"]
    lines.append("|---|" + "---|" * len(BACKBONES))
    parts = {backbone: stages(build(backbone)) for backbone in BACKBONES}
    for stage in dict.fromkeys(STAGES.values()):
        if any(stage in found for found in parts.values()):
            cells = [f"{parts[b][stage]:,}" if stage in parts[b] else "" for b in BACKBONES]
            lines.append(f"| {stage} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw() -> plt.Figure:
    """A row of boxes for each backbone, and one for the recurrent form."""
    rows = [(b, build(b)) for b in BACKBONES]
    rows.append(("resnet, time_window", build("resnet", sequence=True)))
    figure, axes = plt.subplots(figsize=(13, 1.25 * len(rows)), layout="constrained")
    for i, (name, network) in enumerate(rows):
        y, pre = -i, "interpolation" in stages(network)
        axes.text(-0.2, y, name, ha="right", va="center", fontsize=10, weight="bold")
        refined = pre
        for x, (stage, n) in enumerate(stages(network).items()):
            refined = refined or stage in ("interpolation", "upsampling", "static branch")
            colour = PLAIN if not n else HR if refined else LR
            box = plt.Rectangle((x, y - 0.3), 0.9, 0.6, facecolor=colour, edgecolor="#555555")
            axes.add_patch(box)
            label = stage.replace(" ", "\n") + (f"\n{n:,}" if n else "")
            axes.text(x + 0.45, y, label, ha="center", va="center", fontsize=7)
            if x:
                arrow = {"arrowstyle": "->", "color": "#555555"}
                axes.annotate("", (x, y), (x - 0.1, y), arrowprops=arrow)
    axes.set(xlim=(-2.2, 12), ylim=(0.6 - len(rows), 0.6))
    axes.set_axis_off()
    axes.set_title(
        "stages and their weights: blue on the LR grid, orange on the HR grid, grey without",
        fontsize=9,
    )
    return figure


def main() -> None:
    TABLE.write_text(table(), encoding="utf-8")
    draw().savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    main()
