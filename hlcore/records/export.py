"""A record as a file."""

from pathlib import Path

from ..errors import unknown
from ..files import writable, write_whole
from .columns import Dataset


def write(record: Dataset, name: str, suffix: str, folder: Path | None = None) -> Path:
    """Write the record as NAME-STEP.nc (all of it) or .csv (its scalars) into `folder`, by default the working one."""
    path = checked((folder or Path.cwd()) / f"{name}-{int(record.step[-1])}{suffix}")
    save(record, path)
    return path


def checked(path: Path) -> Path:
    """`path` if a record can be written there, or an HLError: told before a long run, not after it."""
    if path.suffix not in KINDS:
        raise unknown("file", path.suffix or str(path), KINDS)
    return writable(path)


def save(record: Dataset, path: Path) -> None:
    """Write the record to `path`, whole or not at all; its ending says how.

    It is made in memory first: HDF5 on a full disk would end the process.
    """
    write_whole(path, KINDS[checked(path).suffix](record))


def _csv(record: Dataset) -> str:
    scalars = [name for name, x in record.data_vars.items() if x.dims == ("time",)]
    return record[scalars].to_dataframe().to_csv()


KINDS = {".nc": lambda record: record.to_netcdf(engine="h5netcdf"), ".csv": _csv}
