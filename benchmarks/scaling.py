"""Weak scaling of training from one process to two on this machine, and on paper to many hosts.

    python benchmarks/scaling.py                       # in the environment of `make horovod`
    python benchmarks/scaling.py --only default --rounds 9
    python benchmarks/scaling.py --only paper --step 0.05 --megabytes 1.1

Every process has one core and one thread to compute, and as many samples for a step as any other:
the training step that `fit` compiles, always on the same batch in memory (synthetic temperature and
two static fields, 64 x 96 cells, scale 4, batches of 32). Launches of one process and of two
alternate. In the latter, rounds with the workers' averages and rounds where each keeps its own
values (`apart`) alternate too, in the same processes, so that what the exchange costs is told from
what the cores take from each other. Efficiency is samples per second over twice those of one. The
table has medians, ranges, and how many rounds counted: those in which other programs computed are
left out, told by the CPU time of the machine less that of the workers.

The share of the exchange in a step is told twice: by the seconds of rounds apart and together; and
by Horovod's timeline of further steps, the time in which it negotiated or carried out any exchange
(intervals that overlap counted once). The first is to be believed, on an idle machine: it is what a
step takes longer. The timeline has all waiting of the first worker for the other, also while it
computes something else, and slow steps that average out apart; without it, what is carried out.

On paper: a step of N workers takes ``T(1) + max(0, exchange(N) - overlap)`` seconds, its ring
``2 (N - 1) / N * bytes / bandwidth + 2 (N - 1) * latency`` (Patarasuk & Yuan 2009,
doi:10.1016/j.jpdc.2008.09.002). Assumed are hosts of one worker each, a `T(1)` as measured here on
one core (`--step` for another: a GPU's is far smaller, and the share of the exchange larger), links
that carry nothing else at full speed both ways, the latencies of `LINKS`, one ring for all
gradients together and `scalars` for losses and counts, one after the other, each of which takes a
ring's latency and `CYCLE`; and no overlap, for gradients are exchanged all at once when the last
one is there. Stragglers, a slower file system and the wait for the slowest are not in it.

Measured on two cores, three launches of three rounds, Horovod 0.28.1 with Gloo: steps/s of one
process, of two apart, of two together (efficiency); exchange, timeline, of it carried out:

    8 filters    17.2   15.7   15.0 (0.88)   5 %   13 %   2 %
    default      3.85   3.51   3.43 (0.89)   4 %   11 %   2 %
    adversarial  1.00   0.93   0.93 (0.93)   1 %   17 %   1 %

A supervised step has three exchanges: the valid cells, what is reported, and all gradients.
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

import psutil

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHAPE, SCALE, BATCH = (64, 96), 4, 32
#: Options of `fit` that differ from the usual ones.
CASES = {
    "default": {},
    "8 filters": {"n_filters": 8},
    "adversarial": {"adversarial": True},
}
#: Bits per second, and seconds until a small message is there, by TCP: 50, 25 and 10 us, assumed.
LINKS = {"1 GbE": (1e9, 50e-6), "10 GbE": (1e10, 25e-6), "100 Gb/s": (1e11, 10e-6)}
#: Seconds of one turn of Horovod's loop, HOROVOD_CYCLE_TIME: half of it is waited for, on average.
CYCLE = 1e-3
#: A round counts while others have less than this of one core; and seconds to wait for that.
OTHERS, PATIENCE = 0.1, 60
HOSTS = (2, 4, 8, 16, 32, 64)


# --- a process ----------------------------------------------------------------------------------


def pin(launch: int) -> None:
    """One core, before TensorFlow counts them."""
    cores = sorted(os.sched_getaffinity(0))
    rank = int(os.environ.get("HOROVOD_LOCAL_RANK", "0"))
    os.sched_setaffinity(0, {cores[(rank + launch) % len(cores)]})


def steps_of(options: dict, workers: list) -> tuple[list, dict]:
    """A compiled step for each of the workers, on a batch that is held; what is known of them."""
    import tensorflow as tf

    import xr_dl4ds as xd
    from xr_dl4ds.config import route, settled
    from xr_dl4ds.data.inputs import Inputs
    from xr_dl4ds.data.prepare import prepare
    from xr_dl4ds.fitting.fit import _samples
    from xr_dl4ds.model.build import build, build_discriminator, targets_of
    from xr_dl4ds.training.batches import Batches
    from xr_dl4ds.training.loop import TrainingTask, _step

    flat = dict(options)
    adversarial = flat.pop("adversarial", False)
    given = {"training": xd.Adversarial() if adversarial else xd.Supervised(loss="mae")}
    chosen = route(given, {**flat, "batch_size": BATCH})
    chosen = chosen.replace(network=settled(chosen.network, chosen.sampling))
    hr = xd.tutorial.synthetic(shape=SHAPE, days=8)
    prepared = prepare(Inputs(hr=hr, scale=SCALE, validation=None), chosen)
    runs, found = [], {}
    for one in workers:
        network = build(prepared.state, chosen, precision="float32")
        samples, _ = _samples(prepared, network, chosen.sampling)
        task = TrainingTask(
            network=network,
            targets=targets_of(prepared.state, chosen),
            discriminator=build_discriminator(prepared.state, chosen, precision="float32"),
        )
        step = _step(task, samples, chosen.training, 0, one)
        batches = Batches(samples, batch_size=BATCH, patch_size=chosen.sampling.patch_size)
        held = tf.nest.map_structure(tf.constant, batches[0])
        step.join()
        run = tf.function(step.train_step)

        def go(n: int, run=run, held=held) -> float:
            begin = time.perf_counter()
            for _ in range(n):
                loss = run(held)["loss"]
            float(loss)
            return (time.perf_counter() - begin) / n

        go(2)  # traces
        runs.append(go)
        sizes = [tf.size(v.value) for net in step.trained for v in net.trainable_variables]
        found["gradient_bytes"] = 4 * int(sum(sizes))
    return runs, found


def work(given: argparse.Namespace) -> None:
    """Measure, and write what was found."""
    pin(given.launch)
    from xr_dl4ds.training.workers import ALONE, Workers

    class Apart(Workers):
        """Several that do everything but exchange."""

        def average(self, tensors, *, compression=None):
            return list(tensors)

    workers = Workers.current()
    options = CASES[given.only]
    if workers.size == 1:
        (alone,), found = steps_of(options, [ALONE])
        n = max(2, round(given.seconds / alone(2)))
        found["alone"] = [watched(alone, n) for _ in range(given.rounds)]
    else:
        both = [workers, Apart(workers.size, workers.rank)]
        (together, apart), found = steps_of(options, both)
        n = workers.once(lambda: max(2, round(given.seconds / apart(2))))
        found |= {"together": [], "apart": []}
        for _ in range(given.rounds):
            for name, go in (("together", together), ("apart", apart)):
                workers.once(lambda: None)  # none begins before the other
                found[name].append(watched(go, n))
        found |= traced(together, n, given.job / "timeline.json")
    (given.job / f"found-{workers.rank}").write_text(json.dumps(found))


def watched(go, n: int) -> tuple[float, float, float]:
    """Seconds of a step; of all of them, those of this process's CPU time and of all processes'."""
    before, own = busy(), time.process_time()
    seconds = go(n)
    return seconds, time.process_time() - own, busy() - before


def busy() -> float:
    """CPU seconds of the machine in anything but waiting."""
    times = psutil.cpu_times()
    return times.user + times.nice + times.system + times.irq + times.softirq + times.steal


def traced(go, n: int, path: pathlib.Path) -> dict:
    """Shares of the time that Horovod's timeline has exchanges in."""
    import horovod.tensorflow as hvd

    hvd.start_timeline(str(path))
    wall = n * go(n)
    hvd.stop_timeline()
    if hvd.rank() != 0:  # the first writes that of all
        return {}
    time.sleep(1)  # in the background
    events = json.loads(path.read_text().rstrip().rstrip(",").removesuffix("]") + "]")
    open_at: dict[tuple, list] = {}
    spans: dict[str, list[tuple[float, float]]] = {}
    for event in events:
        key = (event.get("pid"), event.get("tid"))
        if event["ph"] == "B":
            open_at.setdefault(key, []).append((event["name"], event["ts"]))
        elif event["ph"] == "E" and open_at.get(key):
            name, begin = open_at[key].pop()
            spans.setdefault(name, []).append((begin / 1e6, event["ts"] / 1e6))
    rings = merged(spans["ALLREDUCE"])
    every = merged([*rings, *spans["NEGOTIATE_ALLREDUCE"]])
    carried_out, all_of_it = (sum(b - a for a, b in of) / wall for of in (rings, every))
    return {"carried_out": carried_out, "all_of_it": all_of_it, "rings": len(rings) / n}


def merged(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The intervals, those that overlap as one: tensors that travel together have one each."""
    found: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


# --- launches -----------------------------------------------------------------------------------


def launched(size: int, launch: int, case: str, given: argparse.Namespace) -> list[dict]:
    """What the processes of one launch found."""
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "TF_NUM_INTRAOP_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "HOROVOD_TIMELINE": "DYNAMIC",
    }
    start = [sys.executable, "-m", "horovod.runner.launch", "--gloo", "-np", str(size)]
    wait_for_quiet()
    with tempfile.TemporaryDirectory(prefix="scaling-") as name:
        command = [sys.executable, str(pathlib.Path(__file__).resolve()), "--job", name]
        command += ["--only", case, "--launch", str(launch), "--rounds", str(given.rounds)]
        command += ["--seconds", str(given.seconds)]
        done = subprocess.run(
            [*(start if size > 1 else []), *command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(p.read_text()) for p in sorted(pathlib.Path(name).glob("found-*"))]


def wait_for_quiet() -> None:
    """Until nothing else has computed for some seconds, or it has been long enough."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        begin, before = time.perf_counter(), busy()
        time.sleep(3)
        if busy() - before < OTHERS * (time.perf_counter() - begin):
            return


def rounds_of(found: list[dict], name: str, given: argparse.Namespace) -> list[float | None]:
    """Seconds of a step, of the slower worker, round by round; None where others computed too."""
    seconds = []
    for round_ in zip(*(one[name] for one in found), strict=True):
        slowest, _, of_all = (max(each) for each in zip(*round_, strict=True))
        others = (of_all - sum(own for _, own, _ in round_)) / given.seconds
        seconds.append(slowest if others < OTHERS else None)
    return seconds


def case_of(case: str, given: argparse.Namespace) -> tuple[list[str], tuple[float, int, float]]:
    """Lines of the table; seconds of a step alone, bytes of gradients and rings of a step."""
    kinds: dict[str, list[float | None]] = {"alone": [], "apart": [], "together": []}
    timelines = []
    for launch in range(given.launches):
        one, two = (launched(size, launch, case, given) for size in (1, 2))
        for kind, seconds in kinds.items():
            seconds += rounds_of(one if kind == "alone" else two, kind, given)
        timelines.append([two[0][name] for name in ("all_of_it", "carried_out")])
        print(case, launch, os.getloadavg(), json.dumps(kinds), file=sys.stderr, flush=True)
    pairs = zip(kinds["apart"], kinds["together"], strict=True)
    both = [1 - a / b for a, b in pairs if a and b]
    if not both or not any(kinds["alone"]):
        sys.exit(f"{case}: other programs computed in all rounds; repeat it on an idle machine")
    shares = [statistics.median(both)]
    shares += [statistics.median(of) for of in zip(*timelines, strict=True)]
    lines, first = [], 0.0
    rows = {"alone": ("1", 1), "apart": ("2, apart", 2), "together": ("2", 2)}
    for kind, seconds in kinds.items():
        quiet = [one for one in seconds if one]
        middle, (name, size) = statistics.median(quiet), rows[kind]
        first = first or middle
        spread = f"{1 / max(quiet):.2f}-{1 / min(quiet):.2f}, {len(quiet)} of {len(seconds)}"
        told = " | ".join(f"{one:.1%}" if kind == "together" else "" for one in shares)
        lines.append(
            f"| {case} | {name} | {1 / middle:.2f} ({spread}) | {size * BATCH / middle:.0f} |"
            f" {first / middle:.2f} | {told} |"
        )
    return lines, (first, one[0]["gradient_bytes"], two[0]["rings"])


# --- on paper -----------------------------------------------------------------------------------


def ring(n: int, size: float, link: tuple[float, float]) -> float:
    """Seconds of an all-reduce of `size` bytes over n workers."""
    bits, latency = link
    return 2 * (n - 1) / n * 8 * size / bits + 2 * (n - 1) * latency


def step_of(
    n: int, alone: float, size: float, scalars: int, link: tuple[float, float], overlap: float = 0
) -> float:
    """Seconds of a step of n workers."""
    exchange = ring(n, size, link) + scalars * ring(n, 4, link) + (1 + scalars) * CYCLE / 2
    return alone + max(0.0, exchange - overlap)


def paper(case: str, alone: float, size: float, scalars: int) -> list[str]:
    """Efficiencies of many hosts, as lines of a table."""
    lines = []
    for name, link in LINKS.items():
        for kind, share in (("float32", 1.0), ("float16", 0.5)):
            reached = [alone / step_of(n, alone, share * size, scalars, link) for n in HOSTS]
            cells = " | ".join(f"{one:.3f}" for one in reached)
            lines.append(f"| {case} | {alone:.3f} s | {name} | {kind} | {cells} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[*CASES, "paper"])
    parser.add_argument("--launches", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3, help="of each launch")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a round")
    parser.add_argument("--step", type=float, default=0.05, help="seconds, for --only paper")
    parser.add_argument("--megabytes", type=float, default=1.1, help="for --only paper")
    parser.add_argument("--scalars", type=int, default=2, help="for --only paper")
    parser.add_argument("--job", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--launch", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        work(given)
        return
    on_paper = []
    if given.only == "paper":
        on_paper += paper("given", given.step, 1e6 * given.megabytes, given.scalars)
    else:
        shares = "exchange | timeline | of it carried out"
        print(f"| network | processes | steps/s | samples/s | efficiency | {shares} |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for case in CASES if given.only is None else [given.only]:
            lines, (alone, size, rings) = case_of(case, given)
            print("\n".join(lines), flush=True)
            on_paper += paper(f"{case}, {size / 1e6:.2f} MB", alone, size, round(rings) - 1)
    print(f"\n| network | step | link | gradients | {' | '.join(map(str, HOSTS))} |")
    print("|---" * (4 + len(HOSTS)) + "|")
    print("\n".join(on_paper))


if __name__ == "__main__":
    main()
