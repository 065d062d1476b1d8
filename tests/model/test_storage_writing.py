"""Where a model may be written: nothing of the user's is ever lost, and nothing is left half."""

import os
import pathlib

import pytest

import xr_dl4ds as xd
from tests.cf import TINY
from tests.conftest import analytic
from xr_dl4ds.model import storage

FILES = ["config.json", "network.weights.h5", "state.nc"]


@pytest.fixture(scope="module")
def models():
    """Two models that differ in their weights."""
    hr = analytic()[["t2m"]]
    return [hr.downscale.fit(**TINY, seed=seed) for seed in (0, 1)]


def identity(folder):
    return xd.load(folder).provenance["model"]


def everything_below(folder):
    """Paths and contents of all files, to tell that nothing has changed."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in sorted(folder.rglob("*"))
    }


def test_a_model_is_replaced_on_request_alone(models, tmp_path):
    folder = tmp_path / "model"
    models[0].save(folder)
    before = everything_below(tmp_path)
    with pytest.raises(FileExistsError, match="Choose another path or pass overwrite=True"):
        models[1].save(folder)
    assert everything_below(tmp_path) == before
    models[1].save(folder, overwrite=True)
    assert identity(folder) == models[1].provenance["model"] != models[0].provenance["model"]
    assert sorted(p.name for p in folder.iterdir()) == FILES
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_an_empty_folder_is_taken(models, tmp_path):
    (tmp_path / "model").mkdir()
    models[0].save(tmp_path / "model")
    assert identity(tmp_path / "model") == models[0].provenance["model"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "files",
    [
        ["thesis.tex"],
        ["sub/data.nc"],
        ["config.json"],  # of another program
        ["config.json", "model.weights.h5"],
        [".hidden"],
    ],
    ids=str,
)
def test_foreign_folder_is_left_alone(models, tmp_path, files, overwrite):
    for name in files:
        path = tmp_path / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    before = everything_below(tmp_path)
    with pytest.raises(FileExistsError, match=r"is a folder with other files.*another path"):
        models[0].save(tmp_path / "work", overwrite=overwrite)
    assert everything_below(tmp_path) == before


def test_files_added_to_a_model_folder_are_not_lost(models, tmp_path):
    folder = tmp_path / "model"
    models[0].save(folder)
    (folder / "prediction.nc").write_text("hours of work")
    before = everything_below(tmp_path)
    with pytest.raises(FileExistsError, match=r"prediction\.nc|other files"):
        models[1].save(folder, overwrite=True)
    assert everything_below(tmp_path) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_existing_file_is_left_alone(models, tmp_path, overwrite):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(FileExistsError, match=r"is a file, which .*Choose another path"):
        models[0].save(tmp_path / "notes", overwrite=overwrite)
    assert everything_below(tmp_path) == {"notes": b"mine"}


def test_no_folder_can_be_made_below_a_file(models, tmp_path):
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(NotADirectoryError, match=r"Expected .*notes' to be a folder, got a file"):
        models[0].save(tmp_path / "notes" / "deep" / "model")
    with pytest.raises(NotADirectoryError, match="notes"):
        storage.require_writable(tmp_path / "notes" / "model")
    assert everything_below(tmp_path) == {"notes": b"mine"}


def test_no_permission_is_told(models, tmp_path, monkeypatch):
    # root may write anywhere: the operating system's answer is played
    monkeypatch.setattr(storage.os, "access", lambda path, mode: False)
    with pytest.raises(PermissionError, match=f"Expected '{tmp_path}' to be writable"):
        models[0].save(tmp_path / "a" / "model")
    assert everything_below(tmp_path) == {}


def test_require_writable_makes_nothing(tmp_path):
    actual = storage.require_writable(tmp_path / "a" / "model")
    assert actual == tmp_path / "a" / "model"
    assert storage.require_writable(str(tmp_path)) == tmp_path
    assert everything_below(tmp_path) == {}


@pytest.mark.parametrize("old", [False, True])
def test_failure_leaves_all_as_it_was(models, tmp_path, monkeypatch, old):
    folder = tmp_path / "model"
    if old:
        models[0].save(folder)
    before = everything_below(tmp_path)

    def full(path):
        pathlib.Path(path).write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(models[1].network, "save_weights", full)
    with pytest.raises(OSError, match="No space left"):
        models[1].save(folder, overwrite=True)
    assert everything_below(tmp_path) == before


def test_failure_of_the_last_step_brings_the_old_model_back(models, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    models[0].save(folder)
    before = everything_below(tmp_path)
    replace = os.replace

    def fail(source, target):
        if str(source).endswith(".part"):
            raise OSError("the disk went away")
        return replace(source, target)

    monkeypatch.setattr(storage.os, "replace", fail)
    with pytest.raises(OSError, match="the disk went away"):
        models[1].save(folder, overwrite=True)
    assert everything_below(tmp_path) == before


def test_link_to_a_model_stays_a_link(models, tmp_path):
    models[0].save(tmp_path / "run1")
    (tmp_path / "latest").symlink_to("run1", target_is_directory=True)
    models[1].save(tmp_path / "latest", overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latest", "run1"]
    assert (tmp_path / "latest").is_symlink()
    assert identity(tmp_path / "run1") == models[1].provenance["model"]
