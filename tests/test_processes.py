import pytest

from xr_dl4ds import processes
from xr_dl4ds.processes import LAUNCHERS, LOCAL, is_first, join, launcher, local, rank


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setattr(processes, "_joined", [])
    for names in (*LAUNCHERS, *LOCAL):
        for name in names:
            monkeypatch.delenv(name, raising=False)


def test_alone():
    assert launcher() is None
    assert rank() == 0
    assert is_first()
    assert local() is None


@pytest.mark.parametrize(("size", "number"), LAUNCHERS)
@pytest.mark.parametrize("own", [0, 3])
def test_one_of_several(monkeypatch, size, number, own):
    monkeypatch.setenv(size, "4")
    monkeypatch.setenv(number, str(own))
    assert launcher() == size
    assert rank() == own
    assert is_first()  # each has its own work to do, until they train together
    join()
    assert is_first() == (own == 0)


@pytest.mark.parametrize(("number", "size"), LOCAL)
def test_places_on_a_host(monkeypatch, number, size):
    monkeypatch.setenv(number, "1")
    monkeypatch.setenv(size, "2")
    assert local() is None  # no launcher has set these
    monkeypatch.setenv("PMI_SIZE", "4")
    assert local() == (1, 2)


@pytest.mark.parametrize("value", ["1", "", "many"])
def test_of_one_it_is_alone(monkeypatch, value):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", value)
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    assert launcher() is None
    assert is_first()


def test_a_job_of_many_tasks_is_not_several_processes(monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert launcher() is None
