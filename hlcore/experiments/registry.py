"""The list of experiments: names, and how each is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from ..errors import bad, unknown
from ..law.orders import ORDERS
from ..law.settings import Settings
from .experiment import Experiment, Setup

Builder = Callable[..., Setup]
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class _Entry:
    title: str
    about: str
    builder: Builder
    presets: Mapping[str, Mapping[str, Any]]
    downloads: bool


_ENTRIES: dict[str, _Entry] = {}


def _unset(y: Any, target: Any) -> Any:
    raise NotImplementedError


def register(
    name: str, title: str, presets: Mapping[str, Mapping[str, Any]] | None = None, downloads: bool = False
) -> Callable[[Builder], Builder]:
    """Put a builder (seed, **options) -> Setup on the list; its docstring says what the experiment shows.

    downloads  True for one whose data no package carries: `get` finds it, `names` does not tell it
    """

    def put(builder: Builder) -> Builder:
        if name in _ENTRIES:
            raise bad("experiment", f"a second {name!r}", "names used once")
        _ENTRIES[name] = _Entry(title, inspect.getdoc(builder) or "", builder, presets or {"good": {}}, downloads)
        return builder

    return put


def names() -> list[str]:
    """The names of all experiments that need no network, in the order in which they were put on the list."""
    return [name for name, entry in _ENTRIES.items() if not entry.downloads]


def get(name: str, **overrides: Any) -> Experiment:
    """The experiment `name`, with overrides: any setting, `order`, `seed`, `dtype`, and the builder's own options.

    Raises HLError for an unknown name or option, and for a bad value.
    """
    if name not in _ENTRIES:
        raise unknown("experiment", name, _ENTRIES)
    entry = _ENTRIES[name]
    options = [p for p in inspect.signature(entry.builder).parameters if p != "seed"]
    settings = {f.name for f in fields(Settings)}
    for key in overrides:
        if key not in (*settings, "order", "seed", "dtype", *options):
            raise unknown(f"option of {name}", key, [*sorted(settings), "order", "seed", "dtype", *options])
    dtype = overrides.get("dtype", "float32")
    if dtype not in DTYPES:
        raise unknown("dtype", dtype, DTYPES)
    build = partial(entry.builder, **{k: v for k, v in overrides.items() if k in options})
    draft = Experiment(
        name,
        entry.title,
        entry.about,
        build,
        _unset,
        Settings(),
        "euler",
        entry.presets,
        overrides.get("seed", 0),
        dtype,
    )
    setup = draft._setup
    order = overrides.get("order", setup.order)
    if order not in ORDERS:
        raise unknown("order", order, ORDERS)
    changed = setup.settings.replace(**{k: v for k, v in overrides.items() if k in settings})
    told = {k: v for k, v in overrides.items() if k not in settings and k != "seed"}
    return draft.replace(loss=setup.loss, settings=changed, order=order, options=told)
