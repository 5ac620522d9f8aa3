"""The API reference, from the docstrings: python -m tests.api_page writes docs/api.md."""

import inspect
from pathlib import Path

import hlcore
from hlcore import adapters

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
ROOMS = ("experiments", "learners", "streams", "lab")


def entry(name: str, x: object) -> str:
    """Heading, signature and docstring of one name; of a class its own public methods, too."""
    try:
        call = f"{name}{inspect.signature(x)}"  # type: ignore[arg-type]
    except (TypeError, ValueError):
        call = name
    told = [f"### {name}", "```text", call, "", inspect.getdoc(x) or "", "```"]
    for method, f in vars(x).items() if inspect.isclass(x) else ():
        if inspect.isfunction(f) and not method.startswith("_") and f.__doc__:
            told.append(f"- **{method}** {f.__doc__.splitlines()[0]}")
    return "\n".join(told)


def page() -> str:
    """The whole page."""
    own = [name for name in hlcore.__all__ if name not in ROOMS]
    parts = ["# API reference", "Made from the docstrings by `python -m tests.api_page`.", "## hlcore"]
    parts += [entry(name, getattr(hlcore, name)) for name in own]
    for room in ROOMS:
        parts += [f"## hlcore.{room}", (getattr(hlcore, room).__doc__ or "").strip()]
    parts += ["## hlcore.adapters", "```text\n" + (adapters.__doc__ or "").strip() + "\n```"]
    parts += [entry(name, getattr(adapters, name)) for name in dir(adapters)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
