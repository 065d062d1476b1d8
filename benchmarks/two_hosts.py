"""Two hosts on one machine train together: two network namespaces, a cable, ssh, horovodrun.

    python benchmarks/two_hosts.py                     # as root; trains, and checks what came of it
    python benchmarks/two_hosts.py --lose worker       # kills the worker of the second host
    python benchmarks/two_hosts.py --lose link         # pulls the cable

Each namespace has nothing but its end of a veth pair; the second has an ssh server with keys made
for the run. `horovodrun` of the first starts one worker on each, the second by ssh, as between
machines. Printed is a line of JSON: who took part, the SHA-256 of the weights of each, what crossed
the cable and how much of it the gradients are (each step every worker sends them once: a ring of
two). With `--lose`, the seconds until horovodrun and each worker had ended, and what they said.
The run fails where the hosts are not two, the weights differ or the cable carried too little. Where
it may not run, it prints "skipped: " with the reason and ends with 0. Nothing is left behind, and
nothing outside the namespaces and a temporary folder is touched: no file in ~/.ssh is read or made.

Measured with Horovod 0.28.1 and Gloo on two cores: 21 s, of which 48 steps are few; 14.3 and 16.7
MB crossed, 13.0 of them gradients. A killed worker ended the other in 0.5 s and horovodrun in 0.7
(its exit code is ssh's 255). A pulled cable ended all in 33 s, with HOROVOD_GLOO_TIMEOUT_SECONDS=10
in 14 s: 30 is what Gloo waits for.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
#: Both ends of the cable have this name: Horovod wants one name of an interface for all hosts.
LINK = "cable"
ADDRESSES, NAMES = ("10.77.0.1", "10.77.0.2"), ("one", "two")
PORT = 2222
#: Samples, batches of each worker, epochs; and epochs that are not to be reached.
DAYS, BATCH, EPOCHS, ENDLESS = 8, 4, 2, 10_000
#: Seconds until both train, and until a loss is noticed.
PATIENCE = 300
#: What is shown of all that is said after a loss.
TELLING = ("LostWorkerError:", "uncaught exception", "Process name", "Exit code")
TOOLS = ("ip", "ssh", "sshd", "ssh-keygen", "mount", "unshare")
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


class SkippedError(Exception):
    """This machine cannot do it."""


# --- two hosts ----------------------------------------------------------------------------------


def require_tools() -> None:
    if not sys.platform.startswith("linux"):
        raise SkippedError("network namespaces are Linux's")
    if os.geteuid() != 0:
        raise SkippedError("only root makes network namespaces")
    missing = [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]
    if missing:
        raise SkippedError(f"not installed: {', '.join(missing)}")
    if importlib.util.find_spec("horovod") is None:
        raise SkippedError("Horovod is not installed")


def ip(*arguments: str) -> str:
    """What `ip` says; its errors are ours."""
    done = subprocess.run(
        [shutil.which("ip", path=PATH), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def hosts() -> Iterator[tuple[str, str]]:
    """The names of two joined namespaces; with all that runs in them they end."""
    names = tuple(f"xr-dl4ds-{os.getpid()}-{which}" for which in NAMES)
    try:
        try:
            for name in names:
                ip("netns", "add", name)
            ends = ["netns", names[0], "type", "veth", "peer", "name", LINK, "netns", names[1]]
            ip("link", "add", LINK, *ends)
            for name, address in zip(names, ADDRESSES, strict=True):
                ip("-n", name, "address", "add", f"{address}/24", "dev", LINK)
                ip("-n", name, "link", "set", LINK, "up")
                ip("-n", name, "link", "set", "lo", "up")
        except OSError as refused:
            raise SkippedError(f"namespaces are refused: {refused}") from refused
        yield names
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave them
        for name in names:
            if name in ip("netns", "list").split():
                end_all(name)
                ip("netns", "delete", name)  # its end of the cable goes too


def end_all(name: str) -> None:
    """End the processes of a namespace, asking once."""
    for how, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 10)):
        deadline = time.monotonic() + seconds
        for pid in ip("netns", "pids", name).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), how)
        while ip("netns", "pids", name).split() and time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG) != (0, 0):
                    pass
            time.sleep(0.1)


def inside(which: int, names: tuple[str, str], folder: pathlib.Path, *command: str) -> list[str]:
    """A command line that runs on one of the hosts, where it has a name and knows the other's.

    Horovod 0.28.1 exchanges tensors at the address to which the name of a host resolves, whatever
    interface it is told: where that is 127.0.0.1, others are refused.
    """
    hosts_file = folder / "hosts"
    lines = [f"{address} {name}" for address, name in zip(ADDRESSES, NAMES, strict=True)]
    hosts_file.write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
    # `ip netns exec` gives mounts of its own
    start = (
        f"echo {NAMES[which]} > /proc/sys/kernel/hostname && mount --bind {hosts_file} /etc/hosts"
        ' && exec "$@"'
    )
    ip_there = [shutil.which("ip", path=PATH), "netns", "exec", names[which]]
    return [*ip_there, "unshare", "--uts", "sh", "-c", start, "sh", *command]


def serve(names: tuple[str, str], folder: pathlib.Path) -> None:
    """An ssh server on the second host, and an `ssh` that asks no user's files, with keys for both.

    horovodrun calls the first `ssh` of the PATH, and can give it no options but port and key.
    """
    keygen = shutil.which("ssh-keygen", path=PATH)
    for key in ("key", "host_key"):
        subprocess.run(
            [keygen, "-q", "-N", "", "-t", "ed25519", "-f", str(folder / key)], check=True
        )
    (folder / "sshd_config").write_text(
        f"Port {PORT}\nListenAddress {ADDRESSES[1]}\nHostKey {folder}/host_key\n"
        f"AuthorizedKeysFile {folder}/key.pub\nPermitRootLogin prohibit-password\n"
        "StrictModes no\nUsePAM no\nUseDNS no\nPidFile none\nPasswordAuthentication no\n"
    )
    (folder / "ssh_config").write_text(
        "UserKnownHostsFile /dev/null\nGlobalKnownHostsFile /dev/null\nIdentitiesOnly yes\n"
        "IdentityAgent none\nBatchMode yes\nLogLevel ERROR\n"
    )
    wrapper = folder / "bin" / "ssh"
    wrapper.parent.mkdir()
    real = shutil.which("ssh", path=PATH)
    wrapper.write_text(f'#!/bin/sh\nexec {real} -F {folder}/ssh_config "$@"\n')
    wrapper.chmod(0o755)
    sshd = shutil.which("sshd", path=PATH)
    # sshd wants a folder in /run; `ip netns exec` has mounts of its own, that of /run is not ours
    start = f"mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec {sshd} -D -e -f $0"
    with (folder / "sshd.log").open("wb") as log:
        server = subprocess.Popen(
            inside(1, names, folder, "sh", "-c", start, str(folder / "sshd_config")),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    deadline = time.monotonic() + 10
    while "listening" not in (folder / "sshd.log").read_text():
        if server.poll() is not None or time.monotonic() > deadline:
            raise SkippedError(f"sshd: {(folder / 'sshd.log').read_text().strip()}")
        time.sleep(0.1)


def launch(names: tuple[str, str], folder: pathlib.Path, epochs: int) -> subprocess.Popen[bytes]:
    """`horovodrun` on the first host, with a worker on each host; it writes a log."""
    command = [sys.executable, "-m", "horovod.runner.launch", "--gloo", "--disable-cache"]
    command += ["-np", "2", "-H", ",".join(f"{name}:1" for name in NAMES)]
    command += ["-p", str(PORT), "-i", str(folder / "key"), "--network-interfaces", LINK]
    command += [sys.executable, str(pathlib.Path(__file__).resolve())]
    command += ["--job", str(folder), "--epochs", str(epochs)]
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PATH": os.pathsep.join([str(folder / "bin"), PATH]),
        "HOME": str(folder),
    }
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            inside(0, names, folder, *command),
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def sent(name: str) -> int:
    """Bytes that a host has put on the cable."""
    (link,) = json.loads(ip("-n", name, "-j", "-s", "link", "show", LINK))
    return link["stats64"]["tx"]["bytes"]


# --- a worker -----------------------------------------------------------------------------------


def work(folder: pathlib.Path, epochs: int) -> None:
    """Train, and write who this was and what came of it."""
    import horovod.tensorflow as hvd
    import psutil

    import xr_dl4ds as xd

    rank = int(os.environ["HOROVOD_RANK"])
    who = {
        "rank": rank,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "namespace": os.readlink("/proc/self/ns/net"),
        "address": psutil.net_if_addrs()[LINK][0].address,
    }
    (folder / f"begun-{rank}").write_text(json.dumps(who))
    hr = xd.tutorial.synthetic(shape=(32, 48), days=DAYS)
    options = {"batch_size": BATCH, "validation": None, "cache": "memory", "verbose": False}
    model = hr.downscale.fit(scale=4, epochs=epochs, checkpoint=folder / "kept", **options)
    weights = model.network.get_weights()
    trained = sum(w.size for w in map(_array, model.network.trainable_weights))
    steps = epochs * (hr.sizes["time"] // (BATCH * hvd.size()))
    done = {
        **who,
        "local_rank": hvd.local_rank(),
        "local_size": hvd.local_size(),
        "size": hvd.size(),
        "sha256": hashlib.sha256(b"".join(w.tobytes() for w in weights)).hexdigest(),
        "gradient_bytes": 4 * trained * steps,
    }
    (folder / f"done-{rank}").write_text(json.dumps(done))


def _array(variable: object) -> object:
    import keras

    return keras.ops.convert_to_numpy(variable)


def told(folder: pathlib.Path, which: str) -> list[dict]:
    """What the workers wrote, in the order of their ranks."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob(f"{which}-*"))]


# --- what is looked at --------------------------------------------------------------------------


def together(names: tuple[str, str], folder: pathlib.Path) -> dict:
    """Train to the end; who took part, their weights, what crossed the cable."""
    before = [sent(name) for name in names]
    begin = time.perf_counter()
    code = launch(names, folder, EPOCHS).wait(PATIENCE)
    seconds = time.perf_counter() - begin
    assert code == 0, f"horovodrun ended with {code}:\n{(folder / 'log').read_text()}"
    workers = told(folder, "done")
    crossed = [sent(name) - was for name, was in zip(names, before, strict=True)]
    assert [w["address"] for w in workers] == list(ADDRESSES), workers
    assert len({w["namespace"] for w in workers}) == 2, workers
    assert [(w["local_rank"], w["local_size"], w["size"]) for w in workers] == [(0, 1, 2)] * 2
    assert len({w["sha256"] for w in workers}) == 1, workers
    assert min(crossed) >= workers[0]["gradient_bytes"], (crossed, workers)
    return {"workers": workers, "sent_bytes": crossed, "seconds": round(seconds, 1)}


def lost(names: tuple[str, str], folder: pathlib.Path, what: str) -> dict:
    """Lose the second host while both train; how long it takes until all has ended."""
    process = launch(names, folder, ENDLESS)
    deadline = time.monotonic() + PATIENCE
    while not any(folder.glob("kept/*")):  # until an epoch is done
        going = process.poll() is None and time.monotonic() < deadline
        assert going, (folder / "log").read_text()
        time.sleep(0.1)
    time.sleep(1)
    waited = {f"worker {w['rank']}": w["pid"] for w in told(folder, "begun")}
    begin = time.perf_counter()
    if what == "worker":
        os.kill(waited["worker 1"], signal.SIGKILL)
    else:
        ip("-n", names[1], "link", "set", LINK, "down")
    seconds: dict[str, float] = {}
    while len(seconds) < 3 and time.perf_counter() - begin < PATIENCE:
        if process.poll() is not None:
            seconds.setdefault("horovodrun", round(time.perf_counter() - begin, 1))
        for name, pid in waited.items():
            if not pathlib.Path(f"/proc/{pid}/ns/net").exists():
                seconds.setdefault(name, round(time.perf_counter() - begin, 1))
        time.sleep(0.1)
    log = (folder / "log").read_text()
    assert (len(seconds), process.poll()) == (3, 1), (seconds, log)
    # of a killed worker the launcher may know first, and end the other before it can say so
    assert {"worker": "Process name: 1", "link": "LostWorkerError"}[what] in log, log
    said = [line for line in log.splitlines() if any(word in line for word in TELLING)]
    return {"lost": what, "seconds": seconds, "said": said}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lose", choices=("worker", "link"))
    parser.add_argument("--job", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--epochs", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        work(given.job, given.epochs)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        require_tools()
        with tempfile.TemporaryDirectory(prefix="two-hosts-") as name, hosts() as names:
            folder = pathlib.Path(name)
            serve(names, folder)
            found = lost(names, folder, given.lose) if given.lose else together(names, folder)
    except SkippedError as reason:
        print(f"skipped: {reason}")
        return
    print(json.dumps(found))


if __name__ == "__main__":
    main()
