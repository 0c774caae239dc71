"""Arguments of a check as JSON and arrays, and back; functions by the name that imports them. No pickle."""

from __future__ import annotations

import base64
import dataclasses
import importlib
import math
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MethodType, ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradcheck.errors import DataError, ReplayError
from gradcheck.results.words import error_text

Arrays = dict[str, NDArray[Any]]

# Arrays of one file: as text in JSON they take 4/3 of it, and three times as much memory while they are written.
MOST_BYTES = 2**28
# The one class besides namedtuples and dataclasses whose objects are written with their content; as SciPy calls it.
BOUNDS = "scipy.optimize._constraints:Bounds"


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
    if f"{type(value).__module__}:{type(value).__qualname__}" == BOUNDS:
        return {"bounds": [encode(side, arrays, folder) for side in (value.lb, value.ub)]}
    return _import_of(value, folder)


def _encode_array(value: Any, arrays: Arrays) -> Any:
    array = np.asarray(value)
    if array.dtype.hasobject:
        return {"missing": f"an array of Python objects ({type(value).__name__})"}
    if array.dtype.names is not None:
        return {"missing": f"an array of records ({array.dtype})"}
    if array.nbytes + sum(other.nbytes for other in arrays.values()) > MOST_BYTES:
        return {"missing": f"more than {MOST_BYTES >> 20:,} MiB of arrays"}
    name = f"a{len(arrays)}"
    arrays[name] = array.copy()
    return {"array": name} if isinstance(value, np.ndarray) else {"scalar": name}


def as_text(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Arrays as JSON holds them: dtype, shape, and the bytes in C order as base64."""
    return {
        name: {
            "dtype": array.dtype.str,
            "shape": list(array.shape),
            "base64": base64.b64encode(array.tobytes()).decode("ascii"),
        }
        for name, array in arrays.items()
    }


def as_arrays(told: Any) -> Arrays:
    """The arrays that `as_text` wrote. Raises ValueError or TypeError for anything else."""
    arrays: Arrays = {}
    for name, part in dict(told).items():
        dtype, shape = np.dtype(str(part["dtype"])), part["shape"]
        if not (isinstance(shape, list) and all(type(size) is int for size in shape)):
            raise ValueError(f"array {name!r:.80} of shape {shape!r:.80}")
        data = bytearray(base64.b64decode(part["base64"], validate=True))
        # What the file says of its size is compared with what it holds, before anything is made of that size.
        if dtype.hasobject or dtype.itemsize == 0 or min(shape, default=0) < 0:
            raise ValueError(f"array {name!r} of dtype {dtype} and shape {shape}")
        if math.prod(shape) * dtype.itemsize != len(data):
            raise ValueError(f"array {name!r} of shape {shape} has {len(data):,} bytes")
        arrays[name] = np.frombuffer(data, dtype).reshape(shape)
    return arrays


def _import_of(value: Any, folder: Path) -> dict[str, Any]:
    """How to import `value`; {"missing": why} where no module holds it under its name."""
    module, own = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    loaded = sys.modules.get(module) if isinstance(module, str) else None
    name = _name_of(value, loaded, own)
    if name is None and isinstance(own, str):
        return {"missing": f"{own}{_place(value)}, which cannot be imported by name"}
    if module is None or loaded is None or name is None:
        return {"missing": f"an object of type {type(value).__name__}, which no module holds by name"}
    file = getattr(loaded, "__file__", None)
    if module == "__main__":
        spec = getattr(loaded, "__spec__", None)
        if spec is None and not file:
            return {"missing": f"{name}, which was typed at a prompt"}
        module = spec.name if spec is not None else Path(file or "").stem
    entry = {"import": f"{module}:{name}"}
    root = _root(module, file)
    return entry if root is None else entry | {"root": _relative(root, folder)}


def _name_of(value: Any, module: ModuleType | None, own: Any) -> str | None:
    """The name by which its module holds a value: its own; or that of a lambda, an object, or a method of one."""
    if module is None:
        return None
    if isinstance(own, str) and _same(_resolve(module, own), value):
        return own
    method = isinstance(value, MethodType)
    held = value.__self__ if method else value
    name = next((name for name, other in list(vars(module).items()) if other is held), None)
    if name is None or not method:
        return name
    name = f"{name}.{value.__name__}"
    return name if _same(_resolve(module, name), value) else None


def _same(found: Any, value: Any) -> bool:
    # A bound method is made anew whenever it is asked for.
    return found is value or (type(found) is type(value) is MethodType and found == value)


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
    if is_installed(path):
        return None
    depth = module.count(".") + (path.name == "__init__.py")
    return path.parents[depth]


def is_installed(path: Path) -> bool:
    """Whether a file belongs to Python, or to a package that was installed into it."""
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    return any(path.is_relative_to(Path(sysconfig.get_path(kind)).resolve()) for kind in kinds)


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def decode(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Build again what `encode` described, and nothing else: of classes only namedtuples and dataclasses are called.

    Imports what the description names: see `references`. Raises ReplayError for what is missing or no longer imports,
    DataError for what `encode` does not write.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case {"array": str(name)}:
            return _array(name, arrays)
        case {"scalar": str(name)}:
            return _array(name, arrays)[()]
        case {"dict": list(pairs)}:
            return {decode(key, arrays): decode(item, arrays) for key, item in map(_pair, pairs)}
        case {"list": list(items)}:
            return [decode(item, arrays) for item in items]
        case {"tuple": list(items)}:
            return tuple(decode(item, arrays) for item in items)
        case {"bounds": [lower, upper]} | {
            "call": {"import": "scipy.optimize._constraints:Bounds"},
            "items": [lower, upper],
        }:
            from scipy.optimize import Bounds

            return Bounds(decode(lower, arrays), decode(upper, arrays))
        case {"call": {"import": str(reference)}, "items": list(items)}:
            kind = _named(reference)
            if not (isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")):
                raise DataError(f"{reference} is no namedtuple, and nothing else is called with a list")
            return kind(*[decode(item, arrays) for item in items])
        case {"call": {"import": str(reference)}, "fields": list(fields)}:
            kind = _named(reference)
            if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
                raise DataError(f"{reference} is no dataclass, and nothing else is called with fields")
            return kind(**{str(name): decode(item, arrays) for name, item in map(_pair, fields)})
        case {"import": str(reference)}:
            return _named(reference)
        case {"missing": why}:
            raise ReplayError(f"cannot be repeated from the file alone: it needs {why}")
    raise DataError(f"no description of a value: {value!r:.80}")


def _named(reference: str) -> Any:
    """As `imported`, but not what the module has from elsewhere: `encode` names the module that made it."""
    module, _, name = reference.partition(":")
    value = imported(reference)
    parts = name.split(".")
    passed = (_resolve(sys.modules[module], ".".join(parts[:k])) for k in range(1, len(parts) + 1))
    own = getattr(value, "__module__", None) if hasattr(value, "__qualname__") else module
    if any(isinstance(part, ModuleType) for part in passed) or _home(own) != _home(module):
        raise DataError(f"{reference} reaches into another module")
    return value


def _home(module: Any) -> Path | None:
    """The folder on the import path that a module comes from; None for what is installed or built in."""
    if not isinstance(module, str):
        return None
    return _root(module, getattr(sys.modules.get(module), "__file__", None))


def _pair(value: Any) -> tuple[Any, Any]:
    if not (isinstance(value, list) and len(value) == 2):
        raise DataError(f"no description of a pair: {value!r:.80}")
    return value[0], value[1]


def _array(name: str, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    if name not in arrays:
        raise DataError(f"the array {name!r} is missing")
    return arrays[name]


def imported(reference: str) -> Any:
    """The object that "module:qualified.name" names. Raises ReplayError where there is none."""
    module, _, name = reference.partition(":")
    try:
        found = importlib.import_module(module)
        value = _resolve(found, name)  # a module may run code when it is asked for a name
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ReplayError(f"cannot import {module}: {error_text(error)}") from error
    if value is None:
        raise ReplayError(f"module {module} ({getattr(found, '__file__', 'built in')}) has no {name}")
    return value


def missing_parts(value: Any) -> list[str]:
    """Why a description cannot be built again; empty if it can."""
    return [str(part["missing"]) for part in _nodes(value) if "missing" in part]


def references(value: Any) -> list[str]:
    """The "module:name" that `decode` imports, each once."""
    found = [part["import"] for part in _nodes(value) if isinstance(part.get("import"), str)]
    return [reference for reference in dict.fromkeys(found) if reference != BOUNDS]


def roots(value: Any) -> list[str]:
    """The folders that must be on the import path, relative to the file."""
    return list(dict.fromkeys(part["root"] for part in _nodes(value) if isinstance(part.get("root"), str)))


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every dict of a description."""
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            yield part
            left.extend(reversed(part.values()))
        elif isinstance(part, list):
            left.extend(reversed(part))
