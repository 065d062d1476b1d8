import os

import pytest

from xr_dl4ds.writing.paths import require_makeable, swap


def test_folders_above_may_be_missing(tmp_path):
    require_makeable(tmp_path / "a" / "b" / "c")
    assert not list(tmp_path.iterdir())


def test_a_file_above_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"Expected '.*file' to be a folder, got a file"):
        require_makeable(tmp_path / "file" / "a" / "b")


def folder(path, text):
    path.mkdir()
    (path / "text").write_text(text)
    return path


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_takes_the_place_of_another(tmp_path, there):
    place = tmp_path / "place"
    if there:
        folder(place, "old")
    swap(folder(tmp_path / "draft", "new"), place)
    assert (place / "text").read_text() == "new"
    assert list(tmp_path.iterdir()) == [place]


def test_what_was_there_comes_back(tmp_path, monkeypatch):
    place, draft = folder(tmp_path / "place", "old"), folder(tmp_path / "draft", "new")
    replace = os.replace

    def fails(source, target):
        if source == draft:
            raise OSError("the disk is gone")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="the disk is gone"):
        swap(draft, place)
    assert (place / "text").read_text() == "old"
