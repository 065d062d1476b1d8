"""The networks on the device that Keras finds, beside the same networks on the CPU.

    python benchmarks/accelerator.py                       # TensorFlow
    KERAS_BACKEND=jax python benchmarks/accelerator.py     # where TensorFlow has no GPU
    JAX_DEFAULT_MATMUL_PRECISION=highest KERAS_BACKEND=jax python benchmarks/accelerator.py

Generators with the random weights of one seed, at scale 4, with a static field, the additive
constraint and the residual on the interpolation. For each, once on the CPU and once on the device,
each in a process of its own:

- prediction of a field of 512 x 512 HR cells with `predict_on_batch`, ms: what goes to the device
  and what comes back is counted in;
- a training step on 16 samples of 128 x 128 HR cells with `train_on_batch` (MAE, Adam), ms, in
  float32 and in mixed_bfloat16;
- the largest difference of the device's prediction from the CPU's, in standard deviations of the
  prediction: GPUs multiply float32 in fewer bits (TensorFloat-32), unless they are told not to, as
  `predict` tells TensorFlow, and the third line above JAX;
- the largest departure of the mean over an LR cell from its LR value, in the same.

Medians of the rounds, the first of which are not counted.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

SCALE = 4
#: LR cells along an edge: of a field that is predicted, of samples of training.
FIELD, PATCH = 128, 32
#: Passed over before times count: tracing, choice of algorithms, clocks.
WARM = 5
CASES = {
    f"{backbone}, {upsampling}": {"backbone": backbone, "upsampling": upsampling}
    for backbone in ("resnet", "convnet", "densenet", "convnext")
    for upsampling in ("subpixel", "resize", "deconvolution", "interpolation")
}
CASES["unet"] = {"backbone": "unet"}
CASES["resnet, attention"] = {"attention": True}
CASES["resnet, localized"] = {"localized": True}
CASES["resnet, recurrent"] = {"time_window": 4}


def built(case: dict, edge: int, precision: str):
    """A generator and its inputs for one sample of `edge` LR cells, by name, without the batch."""
    import numpy as np

    from xr_dl4ds.config import Network, Sampling, Scale, settled
    from xr_dl4ds.networks import generator
    from xr_dl4ds.networks.ports import Ports

    window = case.get("time_window")
    options = {k: v for k, v in case.items() if k != "time_window"}
    network = settled(Network(constraint="additive", **options), Sampling(time_window=window))
    hr = edge * SCALE
    shape = (hr, hr) if network.localized else None
    ports = Ports(
        n_lr=2,
        n_static=1,
        lr_channels=(0,),
        scale=Scale.of(SCALE),
        sequence=window is not None,
        shape=shape,
    )
    time = () if window is None else (window,)
    rng = np.random.default_rng(0)
    inputs = {
        "lr": rng.standard_normal((*time, edge, edge, 2), dtype="f4"),
        "static": rng.standard_normal((hr, hr, 1), dtype="f4"),
        "position": np.zeros(2, "i4"),
    }
    model = generator(network, ports, seed=0, precision=precision)
    for weight in model.trainable_weights:  # the last ones begin as 0: nothing would be seen
        weight.assign(weight + 0.1 * rng.standard_normal(weight.shape, dtype="f4"))
    return model, {x.name: inputs[x.name] for x in model.inputs}


def milliseconds(call, rounds: int) -> float:
    for _ in range(WARM):
        call()
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return 1e3 * statistics.median(taken)


def predicting(case: dict, rounds: int) -> tuple[float, dict]:
    import numpy as np

    # a sequence has several steps: a smaller field, so that the cells are as many
    model, sample = built(case, FIELD // 2 if "time_window" in case else FIELD, "float32")
    batch = {name: x[None] for name, x in sample.items()}
    taken = milliseconds(lambda: model.predict_on_batch(batch), rounds)
    found = np.asarray(model.predict_on_batch(batch), "f8")[..., 0]
    lr = sample["lr"][None, ..., 0]
    *lead, y, x = found.shape
    means = found.reshape(*lead, y // SCALE, SCALE, x // SCALE, SCALE).mean((-3, -1))
    return taken, {"field": found.astype("f4"), "departure": np.abs(means - lr).max() / found.std()}


def training(case: dict, precision: str, rounds: int) -> float:
    import keras
    import numpy as np

    model, sample = built(case, PATCH, precision)
    batch = {name: np.repeat(x[None], 16, 0) for name, x in sample.items()}
    steps = sample["lr"].shape[:-3]
    target = np.zeros((16, *steps, PATCH * SCALE, PATCH * SCALE, 1), "f4")
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mae")

    def step() -> float:
        return float(model.train_on_batch(batch, target))  # a number: nothing is left running

    return milliseconds(step, rounds)


def job(cases: list[str], folder: pathlib.Path, rounds: int, *, train: bool) -> None:
    """Measure all cases on the device of this process; fields and figures go into the folder."""
    import numpy as np

    found = {}
    for number, name in enumerate(cases):
        case = CASES[name]
        predict_ms, result = predicting(case, rounds)
        np.save(folder / f"{number}.npy", result["field"])
        found[name] = {"predict_ms": predict_ms, "departure": float(result["departure"])}
        for precision in ("float32", "mixed_bfloat16") if train else ():
            found[name][precision] = training(case, precision, rounds)
        (folder / "found.json").write_text(json.dumps(found), "utf-8")


def measured(where: str, folder: pathlib.Path, given: argparse.Namespace) -> dict:
    """One process on "cpu" or on whatever there is."""
    folder.mkdir()
    environment = dict(os.environ)
    if where == "cpu":
        environment |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
    # on the CPU few rounds: they are long, and differ little
    rounds = 3 if where == "cpu" else given.rounds
    command = [sys.executable, __file__, "--job", str(folder), "--rounds", str(rounds)]
    command += ["--cases", *given.cases] + (["--train"] if where != "cpu" or given.both else [])
    subprocess.run(command, env=environment, check=True, stdout=sys.stderr)
    return json.loads((folder / "found.json").read_text("utf-8"))


def main() -> None:
    import numpy as np

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--both", action="store_true", help="train on the CPU too")
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--job", type=pathlib.Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        job(given.cases, given.job, given.rounds, train=given.train)
        return
    with tempfile.TemporaryDirectory() as folder:
        places = {where: pathlib.Path(folder) / where for where in ("cpu", "device")}
        found = {where: measured(where, place, given) for where, place in places.items()}
        for number, name in enumerate(given.cases):
            cpu, device = (np.load(place / f"{number}.npy") for place in places.values())
            line = {f"{where} {key}": v for where in found for key, v in found[where][name].items()}
            line["difference"] = float(np.abs(cpu - device).max() / cpu.std())
            print(name, json.dumps({key: float(f"{v:.3g}") for key, v in line.items()}), flush=True)


if __name__ == "__main__":
    main()
