import pytest

from xr_dl4ds.writing.drafts import drafted, require_free


def test_a_file_appears_when_it_is_complete(tmp_path):
    place = tmp_path / "new" / "report.html"
    with drafted(place) as draft:
        draft.write_text("half")
        assert not place.exists()
    assert place.read_text() == "half"
    assert [one.name for one in place.parent.iterdir()] == ["report.html"]


def test_a_failure_leaves_the_old_file_and_no_draft(tmp_path):
    place = tmp_path / "report.html"
    place.write_text("old")
    with pytest.raises(FileNotFoundError), drafted(place) as draft:
        (tmp_path / "missing").rename(draft)
    assert place.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_paths_that_are_taken(tmp_path):
    place = tmp_path / "report.html"
    assert require_free(place, overwrite=False) == place
    place.write_text("old")
    with pytest.raises(FileExistsError, match=r"A file exists at .* or pass overwrite=True\."):
        require_free(place, overwrite=False)
    assert require_free(place, overwrite=True) == place
    with pytest.raises(FileExistsError, match=r"got the folder .*Add the name of a file"):
        require_free(tmp_path, overwrite=True)
    with pytest.raises(NotADirectoryError, match="to be a folder, got a file"):
        require_free(place / "more.html", overwrite=False)
