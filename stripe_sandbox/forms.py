"""Stripe's bracket forms, and the checks on parameters that come before any rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from .errors import invalid

# What a parameter may be. A tuple of words stands for a choice.
STRING, INTEGER, BOOLEAN, METADATA = "string", "integer", "boolean", "metadata"
LIST, HASH, RANGE, UNSUPPORTED = "list", "hash", "range", "unsupported"

Kind = str | tuple[str, ...]
Params = dict[str, Any]

METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 50, 40, 500
_RANGE_WORDS = ("gt", "gte", "lt", "lte")


def decode(raw: str) -> Params:
    """Decode ``metadata[a]=b&expand[0]=charge`` into nested dicts; lists stay dicts until they are checked."""
    params: Params = {}
    for name, value in parse_qsl(raw, keep_blank_values=True):
        head, *rest = name.replace("]", "").split("[")
        target, key = params, head
        for part in rest:
            inner = target.get(key)
            if not isinstance(inner, dict):
                inner = target[key] = {}
            target, key = inner, part or str(len(inner))
        target[key] = value
    return params


def check(params: Params, allowed: Mapping[str, Kind]) -> Params:
    """Refuse unknown parameters and wrong shapes; return the values in their Python types."""
    unknown = [name for name in params if name not in allowed]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise invalid(f"Received unknown parameter{plural}: {', '.join(unknown)}", unknown[0], "parameter_unknown")
    return {name: _convert(name, value, allowed[name]) for name, value in params.items()}


def require(params: Params, *names: str) -> None:
    """Refuse a request that lacks a parameter."""
    for name in names:
        if params.get(name) in (None, ""):
            raise invalid(f"Missing required param: {name}.", name, "parameter_missing")


def _convert(name: str, value: Any, kind: Kind) -> Any:
    if kind == UNSUPPORTED:
        raise invalid(f"The stripe-sandbox does not simulate the parameter: {name}", name)
    if kind == METADATA:
        return _metadata(name, value)
    if kind == LIST:
        return _list(name, value)
    if kind == RANGE:
        return _range(name, value)
    if kind == HASH:
        if not isinstance(value, dict):
            raise invalid(f"Invalid hash: {value}", name)
        return value
    if not isinstance(value, str):
        raise invalid(f"Invalid string: {value}", name)
    return _scalar(name, value, kind)


def _scalar(name: str, value: str, kind: Kind) -> Any:
    if kind == INTEGER:
        return integer(name, value)
    if kind == BOOLEAN:
        if value not in ("true", "false"):
            raise invalid(f"Invalid boolean: {value}", name)
        return value == "true"
    if isinstance(kind, tuple) and value and value not in kind:
        raise invalid(f"Invalid {name}: must be one of {', '.join(kind)}", name)
    return value


def integer(name: str, value: Any) -> int:
    """Read a whole number, or refuse as Stripe does."""
    text = str(value)
    digits = text[1:] if text.startswith("-") else text
    if not (digits.isascii() and digits.isdigit()):
        raise invalid(f"Invalid integer: {text}", name, "parameter_invalid_integer")
    return int(text)


def _list(name: str, value: Any) -> list[Any]:
    if value == "":
        return []
    if not isinstance(value, dict) or not all(key.isdigit() for key in value):
        raise invalid("Invalid array", name)
    return [value[key] for key in sorted(value, key=int)]


def _range(name: str, value: Any) -> dict[str, int]:
    if isinstance(value, str):
        return {"gte": integer(name, value), "lte": integer(name, value)}
    unknown = [word for word in value if word not in _RANGE_WORDS]
    if unknown:
        raise invalid(f"Received unknown parameter: {name}[{unknown[0]}]", f"{name}[{unknown[0]}]", "parameter_unknown")
    return {word: integer(f"{name}[{word}]", number) for word, number in value.items()}


def _metadata(name: str, value: Any) -> dict[str, str] | None:
    if value == "":
        return None
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise invalid("Metadata must be a hash of strings", name)
    for key, text in value.items():
        if not 0 < len(key) <= METADATA_KEY_LENGTH:
            raise invalid(f"Metadata keys can have up to {METADATA_KEY_LENGTH} characters: {key[:60]}", name)
        if len(text) > METADATA_VALUE_LENGTH:
            message = f"Metadata values can have up to {METADATA_VALUE_LENGTH} characters, but you passed {len(text)}."
            raise invalid(message, f"{name}[{key}]")
    return value


def merge_metadata(old: dict[str, str], new: dict[str, str] | None) -> dict[str, str]:
    """Apply an update: an empty value unsets a key, an empty hash unsets all."""
    if new is None:
        return {}
    merged = {key: text for key, text in {**old, **new}.items() if text != ""}
    if len(merged) > METADATA_KEYS:
        raise invalid(f"Metadata can have up to {METADATA_KEYS} keys, but this would make {len(merged)}.", "metadata")
    return merged
