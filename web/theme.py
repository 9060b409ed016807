"""The tokens of both themes, and how figures name them.

A figure is written in token names, ``var(--accent)``, and never in colours: the browser puts in
the colours of the theme it shows (``assets/theme.js``), so changing the theme asks no server and
draws no wrong frame. ``assets/tokens.css`` holds the same values; a test keeps the two alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

SEQUENTIAL = tuple(f"seq-{k}" for k in range(6))
DIVERGING = tuple(f"div-{k}" for k in range(9))  # lower … higher; div-4 is no difference

LIGHT: Mapping[str, str] = MappingProxyType(
    {
        "bg": "#FAFAF8",
        "panel": "#FFFFFF",
        "sunk": "#F3F3F0",
        "line": "#E8E7E3",
        "line-strong": "#CFCEC9",
        "ink": "#1A1D21",
        "ink-2": "#515860",
        "ink-3": "#686F78",
        "accent": "#0B6E69",
        "on-accent": "#FFFFFF",
        "accent-tint": "#E1F0EE",
        "fan-80": "#DDEDEB",
        "fan-50": "#B9DBD7",
        "sampling": "#7DB5AF",
        "normal": "#E2E1DC",
        "expected": "#8D9299",
        "alarm": "#B93815",
        "on-alarm": "#FFFFFF",
        "alarm-tint": "#FCEDE6",
        "alarm-wash": "#FDF4F0",
        "alarm-fill": "#F1D3C9",
        "alarm-bar": "#E3AFA1",
        "warn": "#8A5A00",
        "warn-tint": "#FBF1DC",
        "bar": "#9AA0A6",
        **dict(
            zip(
                SEQUENTIAL,
                ("#F5F4F1", "#FBE3D2", "#F5BF9B", "#E8905C", "#CC5A28", "#94300F"),
                strict=True,
            )
        ),
        **dict(
            zip(
                DIVERGING,
                (
                    *("#123F6F", "#1F5C99", "#5C93C8", "#B5D0E9", "#F5F4F1"),
                    *("#F9D9C3", "#EFA877", "#D5692F", "#943710"),
                ),
                strict=True,
            )
        ),
    }
)

DARK: Mapping[str, str] = MappingProxyType(
    {
        "bg": "#101214",
        "panel": "#16181B",
        "sunk": "#1D2023",
        "line": "#272A2E",
        "line-strong": "#3C4147",
        "ink": "#ECEDEE",
        "ink-2": "#B0B6BD",
        "ink-3": "#8D949C",
        "accent": "#45B8AC",
        "on-accent": "#0E1012",
        "accent-tint": "#12312F",
        "fan-80": "#17302F",
        "fan-50": "#1E4A47",
        "sampling": "#2C7770",
        "normal": "#343A40",
        "expected": "#7C848C",
        "alarm": "#FF8A5F",
        "on-alarm": "#1B0F0A",
        "alarm-tint": "#351C13",
        "alarm-wash": "#261913",
        "alarm-fill": "#4A2A1F",
        "alarm-bar": "#7C4531",
        "warn": "#E0B050",
        "warn-tint": "#2E2612",
        "bar": "#6F767D",
        **dict(
            zip(
                SEQUENTIAL,
                ("#1D2023", "#3B231A", "#6B321C", "#A54A22", "#DB743F", "#F7AE80"),
                strict=True,
            )
        ),
        **dict(
            zip(
                DIVERGING,
                (
                    *("#B9DCFB", "#8DC1F2", "#4C8ACB", "#23405F", "#1D2023"),
                    *("#43291C", "#7F4223", "#C96C38", "#FFB587"),
                ),
                strict=True,
            )
        ),
    }
)

FONT = "Inter, system-ui, sans-serif"


def token(name: str) -> str:
    """Return the way a figure names a token, refusing one that does not exist.

    >>> token("accent")
    'var(--accent)'
    """
    if name not in LIGHT:
        raise KeyError(f"no token {name!r}")
    return f"var(--{name})"


def stylesheet() -> str:
    """Return `assets/tokens.css`: the system's choice, unless the person made another."""

    def block(selector: str, tokens: Mapping[str, str], scheme: str, indent: str = "") -> str:
        lines = [f"{indent}  color-scheme: {scheme};"]
        lines += [f"{indent}  --{name}: {value};" for name, value in tokens.items()]
        return f"{indent}{selector} {{\n" + "\n".join(lines) + f"\n{indent}}}\n"

    system = block(":root:not([data-theme])", DARK, "dark", "  ")
    return (
        block(":root", LIGHT, "light")
        + block(':root[data-theme="dark"]', DARK, "dark")
        + f"@media (prefers-color-scheme: dark) {{\n{system}}}\n"
    )


def stepped(names: tuple[str, ...]) -> list[list[Any]]:
    """Return a plotly colour scale of equal steps, without a ramp between them."""
    scale: list[list[Any]] = []
    for k, name in enumerate(names):
        scale += [[k / len(names), token(name)], [(k + 1) / len(names), token(name)]]
    return scale


def layout(**changes: Any) -> dict[str, Any]:
    """Return the layout every figure starts from: quiet, without titles, legend or background."""
    return {
        "font": {"family": FONT, "size": 11, "color": token("ink-3")},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "showlegend": False,
        "hovermode": False,
        "dragmode": False,
        "autosize": True,
        **changes,
    }
