"""The benchmarks run, at sizes that measure nothing: what they call of the package is there."""

import importlib
import math
import pathlib
import re

import numpy as np
import pytest
import xarray as xr

import xr_dl4ds as xd

pytestmark = pytest.mark.slow

FOLDER = pathlib.Path(__file__).parents[1] / "benchmarks"
#: Options of networks as small as can be.
SMALL = {"n_filters": 2, "n_blocks": 1}


@pytest.fixture
def benchmark(monkeypatch):
    """A function that imports a benchmark by name."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_a_benchmark_imports_and_says_how_it_is_called(benchmark, name):
    assert f"python benchmarks/{name}.py" in benchmark(name).__doc__


@pytest.fixture
def large(benchmark, monkeypatch, tmp_path):
    """The module at tiny sizes, and a store of it."""
    module = benchmark("large")
    for name, value in {"EDGE": 32, "STEPS": 2, "PART": 1}.items():
        monkeypatch.setattr(module, name, value)
    path = tmp_path / "hr.zarr"
    module.make(path, 4 * 32**2 * 16 / 1e9, (4, 32))
    return module, path


def test_large_trains_on_what_it_streams(large):
    module, path = large
    assert module.opened(path).sizes["time"] == 16
    found = module.train(path, {**SMALL, "batch_size": 2}, 2)
    assert len(found["rounds"]["streamed"]) == len(found["rounds"]["held"]) == 2
    assert found["ratio"] > 0


def test_large_predicts_a_part_and_four_times_as_much(large):
    module, path = large
    found = module.predict(path, SMALL, 1)
    assert found["steps"] == [4, 16]
    assert found["ratio"] > 0
    assert [p.name for p in path.parent.glob("sr_*")] == []


def test_tiling_tells_tiles_from_the_whole(benchmark, monkeypatch, capsys):
    module = benchmark("tiling")
    small = {"LR": (32, 32), "TILE": 64, "BORDER": 4, "CASES": {"resnet": {"n_blocks": 1}}}
    for name, value in small.items():
        monkeypatch.setattr(module, name, value)
    module.main()
    name, share, inside, everywhere, *_ = (
        capsys.readouterr().out.splitlines()[-1].strip("| ").split("|")
    )
    assert name.strip() == "resnet"
    assert float(share) > 0.1
    assert float(inside) <= float(everywhere) < 1e-4


@pytest.mark.parametrize("source", ["memory", "interpolated", "disk", "time", "space"])
def test_sampling_has_rates_of_every_source(benchmark, tmp_path, source):
    case = {"fields": (32, 32, 16), "upsampling": "pre-upsampling", "static": True}
    found = benchmark("sampling").ours({**case, "source": source, "folder": str(tmp_path)}, 0.0)
    assert found["count"] == 32
    assert found["later"] > 0


def test_overhead_steps_and_predicts(benchmark):
    module = benchmark("overhead")
    hr = xd.tutorial.synthetic(shape=(16, 16), days=4)
    options = {"epochs": 1, "validation": None, "verbose": False, **SMALL}
    model = hr.downscale.fit(scale=module.SCALE, **options)
    module.bare_steps(hr, model)()
    found = module.rounds_of(module.prediction(hr, hr.chunk(time=8), model), 1)
    assert all(seconds[0] > 0 for seconds in found.values())
    assert len(module.rows("prediction", found)) == len(found)


@pytest.mark.parametrize("case", [{}, {"adversarial": True}])
def test_scaling_has_a_step_of_each_kind(benchmark, case):
    from xr_dl4ds.training.workers import ALONE

    (go,), _ = benchmark("scaling").steps_of({**SMALL, **case}, [ALONE])
    assert go(1) > 0


def test_scaling_on_paper_loses_nothing_alone_and_more_with_more_hosts(benchmark):
    module = benchmark("scaling")
    link = module.LINKS["1 GbE"]
    times = [module.ring(n, 1e6, link) for n in (1, 2, 64)]
    assert times[0] == 0
    assert times[1] < times[2]
    # both halves of a ring of two: 1 MB at 125 MB/s, and twice the latency
    assert math.isclose(times[1], 1e6 / 125e6 + 2 * 50e-6)


@pytest.mark.parametrize("window", [None, 2])
def test_accelerator_predicts_and_trains(benchmark, monkeypatch, window):
    module = benchmark("accelerator")
    for name, value in {"WARM": 0, "FIELD": 16, "PATCH": 8}.items():
        monkeypatch.setattr(module, name, value)
    case = SMALL if window is None else {**SMALL, "time_window": window}
    taken, found = module.predicting(case, 1)
    assert taken > 0
    assert found["departure"] < 1e-3
    assert module.training(case, "float32", 1) > 0


def test_verification_measures_both_tables(benchmark, monkeypatch, tmp_path, capsys):
    module = benchmark("verification")
    shape = ["--shape", "6", "16", "24", "--cells", "2", "--scores", "default"]
    monkeypatch.setattr("sys.argv", ["verification.py", str(tmp_path), *shape])
    module.main()
    said = capsys.readouterr().out
    ratios = re.findall(r"^\| (?:four scores|these and Spearman) .* (\d+) \|$", said, re.MULTILINE)
    assert len(ratios) == 2
    assert re.search(r"^\| default \| \d+ \| \d+ \| [\d.]+ \|$", said, re.MULTILINE)
    pair = [one.t for one in module.synthetic((20, 2, 2))]
    by_loop = module.loop(*(one.to_numpy() for one in pair), ranks=True)
    for mine, expected in zip(module.maps(*pair, ranks=True), by_loop, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-4)


def rain(scale):
    """Patches of showers, LR and members that keep it, as `benchmarks/mrms_crps.py` has them."""
    rng, dims = np.random.default_rng(0), ("sample", "y", "x")
    coords = {"y": np.arange(16.0), "x": np.arange(16.0)}
    truth = xr.DataArray(rng.gamma(0.5, 2, (3, 16, 16)), coords, dims, "pr", {"units": "mm h-1"})
    blocks = {"y": scale, "x": scale}
    lr = truth.coarsen(blocks).mean()
    members = xr.concat([truth, truth[:, ::-1, :].assign_coords(y=truth.y)], "realization")
    return truth, lr, members


def test_mrms_scores_cells_texture_and_lr(benchmark):
    module = benchmark("mrms_crps")
    truth, lr, members = rain(4)
    found = module.scores(members, truth, lr, 4)
    one = module.scores(truth + 0.5, truth, lr, 4)
    assert set(one) < set(found) < set(module.COLUMNS)
    assert one["CRPS"] == one["MAX4"] == pytest.approx(0.5)
    assert one["ES"] == pytest.approx(0.5)
    assert one["LR means"] == pytest.approx(0.5)
    assert one["RALSD"] == pytest.approx(0, abs=1e-6)
    assert found["spread / skill"] == pytest.approx(
        float(xd.metrics.spread_skill(members, truth, module.DIMS))
    )
    assert found["edges"] == pytest.approx(1, abs=0.1)


def test_mrms_sees_edges_of_lr_cells(benchmark):
    module = benchmark("mrms_crps")
    truth, lr, _ = rain(4)
    steps = xr.DataArray(np.arange(8.0) // 4 * 3 + np.arange(8.0), dims="x").expand_dims(y=8)
    # along x: 1 inside, 4 at the edge; along y nothing
    assert module.edges(steps, 4) == pytest.approx(4)
    repeated = lr.isel(y=np.arange(16) // 4, x=np.arange(16) // 4)
    with np.errstate(divide="ignore"):
        assert module.edges(repeated, 4) == np.inf
    assert module.edges(truth, 4) == pytest.approx(1, abs=0.1)


def test_mrms_options_of_the_command_line(benchmark):
    module = benchmark("mrms_crps")
    runs = module.runs_of(module.given_options(["data"]))
    assert list(runs) == list(module.RUNS)
    assert runs["crps"]["lr_decay_after"] == 19
    given = ["data", "--loss", "crps", "--epochs", "5", "--set", "n_filters=4", "seed=null"]
    (name,), (options,) = zip(*module.runs_of(module.given_options(given)).items(), strict=True)
    assert name == "crps, n_filters=4, seed=null"
    assert options["n_filters"] == 4
    assert options["seed"] is None
    assert (options["epochs"], options["lr_decay_after"]) == (5, 3)


def test_mrms_prints_each_split_and_seed_and_their_mean(benchmark, monkeypatch, capsys):
    module = benchmark("mrms_crps")
    truth, _, members = rain(8)
    monkeypatch.setattr(module, "experiment", lambda folder, split: [truth.to_dataset()] * 3)
    monkeypatch.setattr(module, "trained", lambda *_, **__: (None, {"training": 1.0}))
    several = members.to_dataset(name="pr"), {"prediction": 1.0}
    monkeypatch.setattr(module, "predicted", lambda *_: several)
    call = ["mrms_crps.py", "data", "--splits", "2", "--seeds", "3", "--runs", "crps"]
    monkeypatch.setattr("sys.argv", call)
    module.main()
    head, rule, *lines, _, _ = capsys.readouterr().out.splitlines()
    names = [line.split("|")[1].strip() for line in lines]
    assert names == [
        *("bilinear, split 0", *(f"crps, split 0, seed {n}" for n in range(3))),
        *("bilinear, split 1", *(f"crps, split 1, seed {n}" for n in range(3))),
        *("bilinear: mean of 2", "crps: mean of 6"),
    ]
    assert {line.count("|") for line in (head, rule, *lines)} == {head.count("|")}
    columns = [one.strip() for one in head.split("|")]
    ratio, crps = (lines[1].split("|")[columns.index(n)] for n in ("ratio", "CRPS"))
    bilinear = lines[0].split("|")[columns.index("CRPS")]
    assert float(ratio) == pytest.approx(float(crps) / float(bilinear), abs=1e-3)


def test_cordex_sums_of_days_stay_within_a_winter(benchmark):
    module = benchmark("cordex_ensemble")
    days = np.array([*range(12), *range(365, 372), *range(800, 803)])
    time = np.datetime64("2000-12-01", "ns") + days * np.timedelta64(1, "D")
    field = xr.DataArray(np.arange(22.0), {"time": time}, "time")
    (sums,) = module.in_spells(field)
    expected = [sum(range(5)), sum(range(5, 10)), sum(range(12, 17))]
    assert sums.to_numpy().tolist() == expected
