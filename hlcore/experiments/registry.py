"""The list of experiments: names, and how each is made."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from ..declared import BaseSettings
from ..errors import MISTAKES, HLError, bad, first_line, known
from ..learners import catalogue as learners
from ..lists import import_all, in_order, is_of
from .experiment import Experiment, Setup, differing, set_up

Builder = Callable[..., Setup]
Presets = Mapping[str, Mapping[str, Any]]
DTYPES = ("float32", "float64")
BESIDE = ("learner", "order", "seed", "dtype")  # options that every experiment has, beside its learner's settings


class Entry(NamedTuple):
    """What is known of an experiment before anything of it is built; `learner` is the one it has if none is asked for.

    about  the builder's docstring: what the experiment shows, its first line in one sentence
    """

    title: str
    about: str
    builder: Builder
    presets: Presets
    downloads: bool
    learner: str

    @property
    def options(self) -> list[str]:
        return [name for name in inspect.signature(self.builder).parameters if name != "seed"]


_ENTRIES: dict[str, Entry] = {}


def register(
    name: str, title: str, presets: Presets | None = None, downloads: bool = False, learner: str = "hamiltonian"
) -> Callable[[Builder], Builder]:
    """Put a builder (seed, **options) -> Setup on the list; its docstring says what the experiment shows.

    presets    {name: {setting: value}}, changes of the Setup's settings worth trying. By convention "good": {} comes
               first, "sluggish" learns slowly, and "diverges" is one that the panel must survive; None: "good" alone
    downloads  True for one whose data no package carries: `get` finds it, `names` does not tell it
    learner    who learns unless another is asked for; the Setup's settings may be of its own kind

    The same builder again, from a cell that is run once more, takes the place of the older one.
    """

    def put(builder: Builder) -> Builder:
        if not is_of(builder.__module__, __package__):
            import_all(__package__)  # their names are taken
        there = _ENTRIES[name].builder if name in _ENTRIES else builder
        if (there.__module__, there.__qualname__) != (builder.__module__, builder.__qualname__):
            raise bad("experiment", f"a second {name!r}", "names used once")
        about = inspect.getdoc(builder) or title
        _ENTRIES[name] = Entry(title, about, builder, presets or {"good": {}}, downloads, learner)
        return builder

    return put


def usual(beta: float, eta: float) -> Presets:
    """The usual three: "good", "sluggish" by its β, "diverges" by an η with 1 - τη < -1: ω changes sign and grows."""
    return {"good": {}, "sluggish": {"beta": beta}, "diverges": {"eta": eta}}


def listed() -> dict[str, Entry]:
    """All experiments by name."""
    return in_order(_ENTRIES, __package__, lambda entry: entry.builder.__module__)


def names() -> list[str]:
    """The names of all experiments that need no network: hlcore's by their files, then others as they came."""
    return [name for name, entry in listed().items() if not entry.downloads]


def entry(name: str) -> Entry:
    """What the list knows of the experiment `name`; nothing is built. Raises HLError for an unknown name."""
    found = listed()
    return found[known("experiment", name, found)]


def get(name: str, /, **overrides: Any) -> Experiment:
    """The experiment `name`, with overrides: `learner`, any of that learner's settings, and the builder's own options.

    order  one of the learner's     seed  of network and stream     dtype  "float32" or "float64"

    Raises HLError for an unknown name or option, and for a bad value.
    """
    found = entry(name)
    learner_name = overrides.get("learner", found.learner)
    learner = learners.get(learner_name)
    settings = learner.settings_type.about()
    options = [*settings, *BESIDE, *found.options]
    for key in overrides:
        known(f"option of {name}", key, options)
        if options.count(key) > 1:
            raise bad(f"option of {name}", key, f"a name that {learner_name!r} has no setting for", "rename one")
    dtype = known("dtype", overrides.get("dtype", "float32"), DTYPES)
    own = {k: v for k, v in overrides.items() if k in found.options}
    build = partial(found.builder, **own)
    try:
        setup = set_up(build, overrides.get("seed", 0), dtype)
    except MISTAKES as error:
        if isinstance(error, HLError) or not own:
            raise
        told = ", ".join(f"{k}={v!r}" for k, v in own.items())
        raise bad(name, f"{told}, with which it cannot be built ({first_line(error)})", "other values") from error
    start = learner.settings_from(setup.settings)
    order = overrides.get("order", setup.order if setup.order in learner.orders else learner.orders[0])
    known(f"order of {learner_name}", order, learner.orders)
    origin = {"name": name, "build": build, "loss": setup.loss, "order": order, "dtype": dtype, "learner": learner_name}
    experiment = Experiment(
        name, found.title, found.about, build, setup.loss,
        start.replace(**{k: v for k, v in overrides.items() if k in settings}), order,
        _mapped(found.presets, setup.settings, learner), overrides.get("seed", 0), dtype,
        {k: v for k, v in overrides.items() if k not in settings and k != "seed"}, learner_name, origin,
    )  # fmt: skip
    experiment.__dict__["_setup"] = setup  # built once
    return experiment


def _mapped(presets: Presets, start: BaseSettings, learner: Any) -> dict[str, dict[str, Any]]:
    """The presets as changes of the learner's own settings; those that mean nothing to it are left out."""
    if isinstance(start, learner.settings_type):
        return {name: dict(changes) for name, changes in presets.items()}
    own, mapped = learner.settings_from(start), {}
    for name, changes in presets.items():
        try:
            found = differing(own, learner.settings_from(start.replace(**changes)))
        except HLError:
            continue
        if found or not changes:
            mapped[name] = found
    return mapped
