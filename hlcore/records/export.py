"""A record as a file."""

from pathlib import Path
from tempfile import TemporaryFile

from ..errors import bad, unknown
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
    if not path.parent.is_dir():
        raise bad("file", f"a folder {path.parent} that does not exist", "a folder that does")
    try:
        if path.exists():
            path.open("r+b").close()
        else:
            TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise bad("file", f"{path} ({error.strerror})", "a file that can be written", "choose another name") from None
    return path


def save(record: Dataset, path: Path) -> None:
    """Write the record to `path`; its ending says how."""
    KINDS[checked(path).suffix](record, path)


def _csv(record: Dataset, path: Path) -> None:
    scalars = [name for name, x in record.data_vars.items() if x.dims == ("time",)]
    record[scalars].to_dataframe().to_csv(path)


KINDS = {".nc": lambda record, path: record.to_netcdf(path, engine="h5netcdf"), ".csv": _csv}
