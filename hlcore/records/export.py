"""A record as a file."""

from pathlib import Path
from typing import Any

from ..errors import bad, kind, unknown
from ..files import place, writable, write_whole
from .columns import Dataset


def write(record: Dataset, name: str, suffix: str, folder: Path | None = None) -> Path:
    """Write the record as NAME-STEP.nc (all of it) or .csv (its scalars) into `folder`, by default the working one."""
    if place(name).name != name:
        raise bad("file", repr(name), "a name without folders")
    path = checked((Path.cwd() if folder is None else place(folder)) / f"{name}-{int(_known(record).step[-1])}{suffix}")
    save(record, path)
    return path


def checked(path: Path) -> Path:
    """`path` if a record can be written there, or an HLError: told before a long run, not after it."""
    path = place(path)
    if path.suffix not in KINDS:
        raise unknown("file", path.suffix or str(path), KINDS)
    return writable(path)


def save(record: Dataset, path: Path) -> None:
    """Write the record to `path`, whole or not at all; its ending says how.

    It is made in memory first: HDF5 on a full disk would end the process.
    """
    path = checked(path)
    write_whole(path, KINDS[path.suffix](_known(record)))


def _known(record: Any) -> Dataset:
    import xarray

    return kind("record", record, xarray.Dataset, "what recorder.trajectory() gives")


def _csv(record: Dataset) -> str:
    scalars = [name for name, x in record.data_vars.items() if x.dims == ("time",)]
    return record[scalars].to_dataframe().to_csv()


KINDS = {".nc": lambda record: record.to_netcdf(engine="h5netcdf"), ".csv": _csv}
