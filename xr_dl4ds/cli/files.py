"""Data files, opened lazily with the engine for their file name ending."""

from __future__ import annotations

import glob
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xr_dl4ds.config import nearest
from xr_dl4ds.exceptions import VariableError
from xr_dl4ds.grid.cf.dimensions import holds_times
from xr_dl4ds.grid.cf.fields import select
from xr_dl4ds.grid.cf.unfinished import require_finished
from xr_dl4ds.grid.units import in_units
from xr_dl4ds.writing import require_zarr

#: Bytes of float32 in a block of a file without chunks: large enough for fast reading.
BLOCK = 2**26

_NETCDF = (".nc", ".nc4", ".cdf", ".netcdf", ".h5", ".hdf5")
_GRIB = (".grib", ".grb", ".grib2", ".grb2")
_RASTER = (".tif", ".tiff")


def opened(
    given: str | Sequence[str], *, block: int | None = BLOCK, group: str | None = None
) -> xr.Dataset:
    """Open one dataset.

    Parameters
    ----------
    given : str or sequence of str
        Path of a Zarr store, or of a NetCDF, GRIB or GeoTIFF file; several paths or a pattern such
        as ``"t2m_*.nc"`` for NetCDF files that follow each other.
    block : int, optional
        Bytes of a block of steps, for files that do not say how they are chunked. None opens the
        data without dask; they are read when values are needed.
    group : str, optional
        Group that holds the data, in files and stores with groups; others are opened as usual.

    Returns
    -------
    xarray.Dataset
        The dataset, lazy.

    Raises
    ------
    FileNotFoundError
        If there is no file.
    ValueError
        If the file name ending is unknown, if the store is unfinished, or if the data are in
        groups and `group` does not name one of them.
    """
    texts = [given] if isinstance(given, str) else list(given)
    paths = [path for text in texts for path in _matching(text)]
    if len(paths) > 1:
        others = [str(p) for p in paths if p.is_dir() or p.suffix.lower() not in _NETCDF]
        if others:
            raise ValueError(
                f"Expected several files of one dataset to be NetCDF, got {others[0]!r}. Pass one"
                " store or file."
            )
        return _several(paths, block, _group(paths[0], group, "netcdf4"))
    path = paths[0]
    opener = _store if path.is_dir() else _opener(path)
    data = opener(path, block, group)
    require_finished(data, repr(str(path)))
    return data


def selected(data: xr.Dataset, names: Sequence[str] | None, where: str) -> xr.Dataset:
    """Return the named variables and the variables that describe them; for None, all variables."""
    if names is None:
        return data
    known = [str(n) for n in data.data_vars]
    for name in names:
        if name not in known:
            raise VariableError(
                f"Expected {where} to be among {known}, got {name!r}.{nearest(name, known)}"
            )
    return select(data, list(names))


def _matching(text: str) -> list[pathlib.Path]:
    path = pathlib.Path(text).expanduser()
    if path.exists():
        return [path]
    found = sorted(glob.glob(str(path))) if glob.has_magic(text) else []
    if not found:
        raise FileNotFoundError(f"Expected a file at {text!r}, got nothing there.")
    return [pathlib.Path(one) for one in found]


def _group(path: pathlib.Path, group: str | None, engine: str) -> str | None:
    """Return the group to read: None for the root, or a group that has fields."""
    if group is None:
        with xr.open_dataset(path, engine=engine, chunks=None) as root:
            if root.data_vars:
                return None
    found = [name for name, ds in xr.open_groups(path, engine=engine).items() if ds.data_vars]
    named = [name for name in found if group is not None and name.strip("/") == group.strip("/")]
    if named:
        return named[0]
    groups = [name for name in found if name != "/"]
    if not groups:
        return None
    raise ValueError(
        f"Expected the data of {str(path)!r} {'at its root' if group is None else f'in {group!r}'},"
        f" got data in the groups {groups}. Choose one of them with --group {groups[0].strip('/')}."
    )


def _opener(path: pathlib.Path) -> Callable[[pathlib.Path, int | None, str | None], xr.Dataset]:
    openers = {_NETCDF: _netcdf, _GRIB: _grib, _RASTER: _raster}
    for suffixes, opener in openers.items():
        if path.suffix.lower() in suffixes:
            return opener
    known = ", ".join(suffix for suffixes in openers for suffix in suffixes)
    raise ValueError(f"Expected a Zarr store or a file of {known}, got {str(path)!r}. Rename it.")


def _store(path: pathlib.Path, block: int | None, group: str | None) -> xr.Dataset:
    if not any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata")):
        raise FileNotFoundError(
            f"Expected a Zarr store at {str(path)!r}, got a folder without a Zarr group in it."
        )
    require_zarr()
    whole = (path / ".zmetadata").is_file() or _consolidated(path / "zarr.json")
    return xr.open_dataset(
        path,
        engine="zarr",
        chunks=None if block is None else {},
        consolidated=whole,
        group=_group(path, group, "zarr"),
    )


def _consolidated(path: pathlib.Path) -> bool:
    """Return True if all metadata are in one file, because xarray warns if it has to find out."""
    return path.is_file() and '"consolidated_metadata": {' in path.read_text("utf-8")


def _netcdf(path: pathlib.Path, block: int | None, group: str | None) -> xr.Dataset:
    given: dict[str, Any] = {"engine": "netcdf4", "group": _group(path, group, "netcdf4")}
    chunks = None if block is None else _chunks(path, block, **given)
    return xr.open_dataset(path, chunks=chunks, **given)


def _several(paths: list[pathlib.Path], block: int | None, group: str | None) -> xr.Dataset:
    given: dict[str, Any] = {"engine": "netcdf4", "group": group}
    chunks = _chunks(paths[0], BLOCK if block is None else block, **given)
    units: dict[str, str] = {}
    methods: dict[str, str] = {}

    def alike(part: xr.Dataset) -> xr.Dataset:
        _require_one_statistic(part, methods, paths[0])
        part = in_units(part, units, f"{part.encoding.get('source')!r}", f"{str(paths[0])!r}")
        named = {str(n): v.attrs.get("units") for n, v in part.data_vars.items()}
        units.update({n: str(u) for n, u in named.items() if u is not None and n not in units})
        return part

    try:
        return xr.open_mfdataset(
            paths,
            **given,
            chunks=chunks,
            preprocess=alike,
            combine="by_coords",
            data_vars="minimal",
            coords="minimal",
            compat="equals",
            join="exact",
            combine_attrs="override",
        )
    except VariableError:
        raise
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"Expected {len(paths)} files with the same variables and cells, each of other times,"
            f" got from xarray: {str(error).rstrip('.')}. Make the files alike (cells and their"
            " order, calendar, levels, fields without time), or join them in Python and write one"
            " file."
        ) from error


def _require_one_statistic(part: xr.Dataset, known: dict[str, str], first: pathlib.Path) -> None:
    """Raise if a variable holds another statistic, such as a maximum, than in the first file."""
    for name, variable in part.data_vars.items():
        said = str(variable.attrs.get("cell_methods", ""))
        before = known.setdefault(str(name), said)
        if said != before:
            raise VariableError(
                f"Expected one `cell_methods` of {name!r} in all files, got {said!r} in"
                f" {part.encoding.get('source')!r} and {before!r} in {str(first)!r}. Pass files of"
                " one of them."
            )


def _grib(path: pathlib.Path, block: int | None, group: str | None) -> xr.Dataset:
    try:
        import cfgrib  # noqa: F401
    except (ImportError, RuntimeError) as error:  # RuntimeError: without the ecCodes library
        raise ImportError(
            f"Expected cfgrib, which reads GRIB, got: {error}. Install the packages of the extra"
            " 'grib': pip install cfgrib eccodes 'eccodeslib<2.48.3'."
        ) from error
    given: dict[str, Any] = {"engine": "cfgrib", "backend_kwargs": {"indexpath": ""}}
    chunks = None if block is None else _chunks(path, block, **given)
    return xr.open_dataset(path, chunks=chunks, **given)


def _raster(path: pathlib.Path, block: int | None, group: str | None) -> xr.Dataset:
    """Open a raster; a single band becomes a field with the name of its file."""
    data = xr.open_dataset(path, engine="rasterio", chunks=None if block is None else {})
    if data.sizes.get("band") == 1:
        data = data.squeeze("band", drop=True)
    return data.rename(band_data=path.stem) if "band_data" in data else data


def _chunks(path: pathlib.Path, block: int, **given: Any) -> dict[Any, int]:
    """Return the number of steps of a block: whole chunks along time, if the file has chunks."""
    with xr.open_dataset(path, chunks=None, **given) as data:
        fields = [v for v in data.data_vars.values() if v.ndim > 2 and v.size]
        if not fields:
            return {}
        largest = max(fields, key=lambda v: v.size)
        times = [d for d in largest.dims if d in data.coords and holds_times(data[d])]
        dim = next(iter([*times, *largest.dims]))
        steps = max(1, block // (4 * int(np.prod(largest.shape)) // largest.sizes[dim]))
        stored = largest.encoding.get("chunksizes") or (1,) * largest.ndim
        unit = int(stored[largest.dims.index(dim)])
        return {dim: max(unit, steps // unit * unit)}
