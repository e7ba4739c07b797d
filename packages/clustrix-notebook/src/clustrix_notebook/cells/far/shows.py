"""What a cell displays in its job: objects as types of content, written among the output where they stand."""

from __future__ import annotations

import base64
import json
import os
import sys
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from clustrix.runner import layout, redacting, setup

LARGEST_BYTES = 10_000_000
"""Of one display, as it travels."""

_METHODS = {
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
    "image/jpeg": "_repr_jpeg_",
    "application/pdf": "_repr_pdf_",
    "text/latex": "_repr_latex_",
    "application/json": "_repr_json_",
    "application/javascript": "_repr_javascript_",
}

Content = tuple[dict[str, Any], dict[str, Any]]
"""Data and metadata, each by its type of content."""


class Handle:
    """What ``display(..., display_id=True)`` returns: the place where it was shown."""

    def __init__(self, display_id: str) -> None:
        self.display_id = display_id

    def display(self, obj: Any, **more: Any) -> None:
        display(obj, display_id=self.display_id, **more)

    def update(self, obj: Any, **more: Any) -> None:
        update_display(obj, display_id=self.display_id, **more)


def display(
    *objs: Any,
    include: Any = None,
    exclude: Any = None,
    metadata: Mapping[str, Any] | None = None,
    transient: Any = None,
    display_id: Any = None,
    raw: bool = False,
    clear: bool = False,
    **more: Any,
) -> Handle | None:
    """As IPython's."""
    if clear:
        clear_output(wait=True)
    if display_id is True or (display_id is None and transient and "display_id" in transient):
        display_id = (transient or {}).get("display_id") or uuid.uuid4().hex
    for obj in objs:
        data, about = (dict(obj), {}) if raw else content_of(obj)
        wanted = {
            kind: value
            for kind, value in data.items()
            if (not include or kind in include) and kind not in (exclude or ())
        }
        publish(wanted, {**about, **(metadata or {})}, display_id, bool(more.get("update")))
    return Handle(display_id) if display_id else None


def update_display(obj: Any, *, display_id: str, **more: Any) -> None:
    """As IPython's."""
    display(obj, display_id=display_id, **{**more, "update": True})


def clear_output(wait: bool = False) -> None:
    """As IPython's."""
    _write({"clear": bool(wait)})


def publish_display_data(
    data: dict[str, Any],
    metadata: dict[str, Any] | None = None,
    *,
    transient: Mapping[str, Any] | None = None,
    update: bool = False,
    **_: Any,
) -> None:
    """As IPython's."""
    publish(data, metadata or {}, (transient or {}).get("display_id"), update)


def publish(
    data: dict[str, Any], metadata: dict[str, Any], display_id: Any = None, update: bool = False
) -> None:
    """Write one display."""
    _write({"data": as_texts(data), "metadata": metadata, "id": display_id, "update": update})


def content_of(obj: Any) -> Content:
    """The object as every type of content that it knows; a method that fails is as if it were not there."""
    data: dict[str, Any] = {"text/plain": _plain(obj)}
    metadata: dict[str, Any] = {}
    if isinstance(obj, type):
        return data, metadata
    for kind, name in _METHODS.items():
        _add(data, metadata, kind, _called(getattr(obj, name, None)))
    if _is_figure(obj):
        data["image/png"] = picture(obj)
    several = _called(getattr(obj, "_repr_mimebundle_", None), include=None, exclude=None)
    if isinstance(several, tuple) and len(several) == 2:
        metadata.update(several[1])
        several = several[0]
    if isinstance(several, Mapping):
        data.update(several)
    return data, metadata


def _plain(obj: Any) -> str:
    try:
        return repr(obj)
    except Exception as error:  # a user's __repr__ may raise anything
        return f"<{type(obj).__name__}, whose repr failed: {type(error).__name__}>"


def _called(method: Any, **arguments: Any) -> Any:
    try:
        return method(**arguments) if callable(method) else None
    except Exception:  # as IPython has it, another type of content will do
        return None


def _add(data: dict[str, Any], metadata: dict[str, Any], kind: str, found: Any) -> None:
    if isinstance(found, tuple) and len(found) == 2:
        found, metadata[kind] = found
    if found is not None:
        data[kind] = found


def _is_figure(obj: Any) -> bool:
    figure = sys.modules.get("matplotlib.figure")
    return figure is not None and isinstance(obj, figure.Figure)


def picture(figure: Any) -> bytes:
    """A figure of matplotlib as PNG, cut to what is in it."""
    import io

    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return file.getvalue()


def show_figures(*_: Any, **__: Any) -> None:
    """Stands for ``matplotlib.pyplot.show``, and is called at the end of a cell: show the open figures, and close them."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None:
        return
    for number in pyplot.get_fignums():
        display(pyplot.figure(number))
    pyplot.close("all")


def as_texts(data: Mapping[str, Any]) -> dict[str, Any]:
    """As they travel: without bytes, and without what the job must not tell."""
    hidden = setup.environment.secrets
    found: dict[str, Any] = {}
    for kind, value in data.items():
        if isinstance(value, (bytes, bytearray)):
            value = base64.b64encode(value).decode()
        found[kind] = redacting.blot_text(value, hidden) if isinstance(value, str) else value
    return found


def _write(message: dict[str, Any]) -> None:
    """Past whoever has redirected ``sys.stdout``, as IPython's displays go, and after what was printed."""
    text = base64.b64encode(json.dumps(message, default=str).encode()).decode()
    if len(text) > LARGEST_BYTES:
        said = f"a display of {len(text) / 1e6:.0f} MB is left out: one may have {LARGEST_BYTES / 1e6:.0f} MB"
        print(f"clustrix: {said}", file=sys.stderr, flush=True)
        return
    if sys.stdout is not None:
        sys.stdout.flush()
    stream = sys.__stdout__
    if stream is not None:
        stream.write(f"{layout.DISPLAY}{text}{layout.DISPLAY_END}")
        stream.flush()


# -- libraries that would show things in a notebook


def _take_over_ipython(module: Any) -> None:
    """``from IPython.display import display`` gives this one: there is no shell in a job that could show anything."""
    for function in (display, update_display, clear_output, publish_display_data):
        setattr(module, function.__name__, function)


def _take_over_pyplot(module: Any) -> None:
    module.show = show_figures


_WHEN_IMPORTED: dict[str, Callable[[Any], None]] = {
    "IPython.core.display_functions": _take_over_ipython,
    "matplotlib.pyplot": _take_over_pyplot,
}


class _Watch:
    """Finds the modules above as others do, and changes them once they are there.  None of them is imported for it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        change = _WHEN_IMPORTED.pop(name, None)
        if change is None:
            return None
        from importlib.util import find_spec

        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            execute = loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                change(module)

            loader.exec_module = exec_module
        return spec


def prepare() -> None:
    """Have all that displays things in this process display them in the notebook."""
    import builtins

    builtins.display = display  # type: ignore[attr-defined]  # where IPython has it
    if (
        os.environ.get("MPLBACKEND", "").startswith("module://matplotlib_inline")
        or "MPLBACKEND" not in os.environ
    ):
        os.environ["MPLBACKEND"] = "agg"
    for name in [name for name in _WHEN_IMPORTED if name in sys.modules]:
        _WHEN_IMPORTED.pop(name)(sys.modules[name])
    sys.meta_path.insert(0, _Watch())  # it has the one method that is asked for
