"""Two hosts, as two network namespaces joined by one cable: the trajectory of one process. Linux, as root."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack

import numpy as np
import pytest
import xarray

from hlcore import experiments

HOSTS = ("hl-a", "hl-b")
STEPS = 60


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


@pytest.fixture
def hosts():
    if shutil.which("ip") is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("needs Linux's `ip` and root")
    if ip("netns", "add", HOSTS[0], check=False).returncode:
        pytest.skip("this machine allows no network namespaces")
    with ExitStack() as undo:
        undo.callback(ip, "netns", "del", HOSTS[0])
        ip("netns", "add", HOSTS[1])
        undo.callback(ip, "netns", "del", HOSTS[1])
        ip("link", "add", "cable0", "netns", HOSTS[0], "type", "veth", "peer", "name", "cable1", "netns", HOSTS[1])
        for k, host in enumerate(HOSTS):
            ip("-n", host, "addr", "add", f"10.77.0.{k + 1}/24", "dev", f"cable{k}")
            ip("-n", host, "link", "set", "lo", "up")
            ip("-n", host, "link", "set", f"cable{k}", "up")
        yield HOSTS


@pytest.mark.slow
def test_T8_two_hosts_have_the_trajectory_of_one_process(hosts, tmp_path):
    running = []
    for k, host in enumerate(hosts):
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(k)]
        torchrun += ["--master-addr", "10.77.0.1", "--master-port", "29500", "--nproc-per-node", "1"]
        job = ["-m", "hlcore.devices", "digits-chain", "--steps", str(STEPS), "--out", str(tmp_path / "two.nc")]
        environment = os.environ | {"GLOO_SOCKET_IFNAME": f"cable{k}", "OMP_NUM_THREADS": "1"}
        command = ["ip", "netns", "exec", host, *torchrun, *job]
        log = (tmp_path / f"{host}.log").open("w")
        running.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
    try:
        assert [p.wait() for p in running] == [0, 0], (tmp_path / f"{hosts[0]}.log").read_text()[-2000:]
    finally:
        for p in running:
            p.kill()
    two = xarray.load_dataset(tmp_path / "two.nc", engine="h5netcdf")
    one, other = (experiments.get("digits-chain").run(STEPS, seed=seed) for seed in (0, 1))
    for name in ("h", "z", "theta", "omega", "loss"):
        assert np.array_equal(two[name].values, one[name].values)
    assert not np.array_equal(two.theta.values, other.theta.values)
    assert np.abs(one.theta.values[-1] - one.theta.values[0]).max() > 0
