"""Arguments of a check as JSON and arrays, and back; functions by the name that imports them. No pickle."""

from __future__ import annotations

import dataclasses
import importlib
import math
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import DataError, ReplayError

__all__ = ["decode", "encode", "imported", "missing_parts", "roots"]

Arrays = dict[str, NDArray[Any]]


def encode(value: Any, arrays: Arrays, folder: Path) -> Any:
    """Describe `value` by plain values that JSON holds; arrays are added to `arrays` under new names.

    folder : where the description is going to lie; the import roots of functions are written relative to it.
    Takes numbers, text, None, arrays, whatever a module holds under a name, and dicts, lists, tuples, namedtuples
    and dataclasses of them. Anything else is described as {"missing": why}; see `missing_parts`.
    """
    if value is None or isinstance(value, bool | str) or type(value) is int:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, np.ndarray | np.generic | float | complex):
        return _encode_array(value, arrays)
    if isinstance(value, Mapping):
        return {"dict": [[encode(k, arrays, folder), encode(v, arrays, folder)] for k, v in value.items()]}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {"call": _import_of(type(value), folder), "items": [encode(v, arrays, folder) for v in value]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [encode(item, arrays, folder) for item in value]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
        named = [[name, encode(item, arrays, folder)] for name, item in fields.items()]
        return {"call": _import_of(type(value), folder), "fields": named}
    if hasattr(value, "lb") and hasattr(value, "ub"):  # scipy.optimize.Bounds
        items = [encode(side, arrays, folder) for side in (value.lb, value.ub)]
        return {"call": _import_of(type(value), folder), "items": items}
    return _import_of(value, folder)


def _encode_array(value: Any, arrays: Arrays) -> Any:
    array = np.asarray(value)
    if array.dtype.hasobject:
        return {"missing": f"an array of Python objects ({type(value).__name__})"}
    name = f"a{len(arrays)}"
    arrays[name] = array.copy()
    return {"array": name} if isinstance(value, np.ndarray) else {"scalar": name}


def _import_of(value: Any, folder: Path) -> dict[str, Any]:
    """How to import `value`; {"missing": why} where no module holds it under its name."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return {"missing": f"an object of type {type(value).__name__}, which no module holds by name"}
    if _resolve(sys.modules.get(module), name) is not value:
        return {"missing": f"{name}{_place(value)}, which cannot be imported by name"}
    loaded = sys.modules[module]
    file = getattr(loaded, "__file__", None)
    if module == "__main__":
        spec = getattr(loaded, "__spec__", None)
        if spec is None and not file:
            return {"missing": f"{name}, which was typed at a prompt"}
        module = spec.name if spec is not None else Path(file or "").stem
    entry = {"import": f"{module}:{name}"}
    root = _root(module, file)
    return entry if root is None else entry | {"root": _relative(root, folder)}


def _resolve(module: ModuleType | None, name: str) -> Any:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _place(value: Any) -> str:
    code = getattr(value, "__code__", None)
    return f" ({os.path.relpath(code.co_filename)}:{code.co_firstlineno})" if code is not None else ""


def _root(module: str, file: str | None) -> Path | None:
    """The folder that must be on the import path for `module`; None for what is installed."""
    if file is None:
        return None
    path = Path(file).resolve()
    installed = [
        Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib", "purelib", "platlib")
    ]
    if any(path.is_relative_to(folder) for folder in installed):
        return None
    depth = module.count(".") + (path.name == "__init__.py")
    return path.parents[depth]


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def decode(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Build again what `encode` described. Raises ReplayError for what is missing or no longer imports."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case {"array": name}:
            return _array(name, arrays)
        case {"scalar": name}:
            return _array(name, arrays)[()]
        case {"dict": pairs}:
            return {decode(key, arrays): decode(item, arrays) for key, item in pairs}
        case {"list": items}:
            return [decode(item, arrays) for item in items]
        case {"tuple": items}:
            return tuple(decode(item, arrays) for item in items)
        case {"call": kind, "items": items}:
            return decode(kind, arrays)(*[decode(item, arrays) for item in items])
        case {"call": kind, "fields": fields}:
            return decode(kind, arrays)(**{name: decode(item, arrays) for name, item in fields})
        case {"import": reference}:
            return imported(reference)
        case {"missing": why}:
            raise ReplayError(f"cannot be repeated from the file alone: it needs {why}")
    raise DataError(f"no description of a value: {value!r:.80}")


def _array(name: str, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    if name not in arrays:
        raise DataError(f"the array {name!r} is missing")
    return arrays[name]


def imported(reference: str) -> Any:
    """The object that "module:qualified.name" names. Raises ReplayError where there is none."""
    module, _, name = reference.partition(":")
    try:
        found = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise ReplayError(f"cannot import {module}: {type(error).__name__}: {error}") from error
    value = _resolve(found, name)
    if value is None:
        raise ReplayError(f"module {module} ({found.__file__}) has no {name}")
    return value


def missing_parts(value: Any) -> list[str]:
    """Why a description cannot be built again; empty if it can."""
    return [part["missing"] for part in _nodes(value) if "missing" in part]


def roots(value: Any) -> list[str]:
    """The folders that must be on the import path, relative to the file."""
    return list(dict.fromkeys(part["root"] for part in _nodes(value) if "root" in part))


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _nodes(child)
