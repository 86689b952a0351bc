"""What the flags of `prunella run` may say, however they are given: on the command line or as environment variables.

The rule it protects: a place that can't be one is refused before anything starts. A wrong one would be believed for ever: an operator that is Ready
and heals nothing.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL_SAID: Final = "a namespace has at most 63 small letters, digits and '-', with a letter or digit at both ends"


def url(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """An http or https address with a host. It is never shown: it may hold a password."""
    if value is not None and not _is_url(value):
        raise _refused(ctx, parameter, "this is no address; give one like http://prometheus.monitoring:9090, with a host and without a query")
    return value


def urls(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Several of them."""
    if not all(_is_url(value) for value in values):
        raise _refused(
            ctx, parameter, "one of these is no address; give each like http://alertmanager.monitoring:9093, with a host and without a query"
        )
    return values


def folder(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A folder that is there and can be read."""
    if value is None:
        return None
    if not Path(value).is_dir():
        raise _refused(ctx, parameter, f"there is no folder '{value}'; make it, or mount the Secret with the tokens there, before the start")
    if not os.access(value, os.R_OK | os.X_OK):
        raise _refused(ctx, parameter, f"the folder '{value}' can't be read by this process; let its user read it")
    return value


def namespace(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    """A name that a namespace can have."""
    if _LABEL.fullmatch(value) is None:
        raise _refused(ctx, parameter, f"'{value}' can't be the name of a namespace: {_LABEL_SAID}")
    return value


def namespaces(ctx: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """Several of them with commas between them; none where the flag is not given."""
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if value and not names:
        raise _refused(ctx, parameter, f"'{value}' names no namespace; leave the flag out to watch all of them")
    for name in names:
        if _LABEL.fullmatch(name) is None:
            raise _refused(ctx, parameter, f"'{name}' can't be the name of a namespace: {_LABEL_SAID}; put a comma between two of them")
    return names


def _is_url(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    whole = value.isprintable() and " " not in value and "?" not in value and "#" not in value
    return whole and parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0


def _refused(ctx: click.Context, parameter: click.Parameter, why: str) -> click.BadParameter:
    given = [parameter.envvar] if isinstance(parameter.envvar, str) else []
    by_variable = parameter.name is not None and ctx.get_parameter_source(parameter.name) is click.core.ParameterSource.ENVIRONMENT
    return click.BadParameter(f"{why} (given by {given[0]})" if given and by_variable else why, ctx, parameter)
