"""Train a model alone, or on many workers: the same script.

python examples/train.py
horovodrun -np 4 python examples/train.py

The second needs Horovod (`make horovod`). Each worker trains on its share of the samples, and the
first one writes; killed, the same command goes on from the last epoch, with any number of workers.
"""

import argparse
import pathlib

import xr_dl4ds as xd


def main() -> None:
    """Train, and save the model."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("trained"))
    parser.add_argument("--epochs", type=int, default=10)
    given = parser.parse_args()

    hr = xd.tutorial.synthetic()[["t2m"]]
    model = hr.downscale.fit(
        scale=4,
        epochs=given.epochs,
        batch_size=8,
        n_filters=16,
        n_blocks=3,
        schedule="constant",  # a later call may then ask for more epochs
        lr_warmup=2,
        checkpoint=given.output / "checkpoint",
    )
    model.save(given.output / "model", overwrite=True)


if __name__ == "__main__":
    main()
