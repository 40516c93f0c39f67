"""Pictures as SVG text: elements whose attributes and content are always escaped."""

from __future__ import annotations

from markupsafe import Markup, escape


def tag(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """Return one element; text is escaped, other elements are taken as they are.

    An attribute that is None is left out; ``_`` in its name stands for ``-`` and a trailing ``_`` is dropped
    (``class_``). Numbers have at most two decimals, so that a picture is the same on every machine.

    Examples
    --------
    >>> tag("text", "<b>", x=1.5, text_anchor="middle", class_="label")
    Markup('<text x="1.5" text-anchor="middle" class="label">&lt;b&gt;</text>')
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    content = "".join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{content}</{name}>")


def group(*children: str, **attributes: str | float | None) -> Markup:
    """Return a ``g`` element."""
    return tag("g", *children, **attributes)


def number(value: float) -> str:
    """Write a coordinate: at most two decimals, no trailing zeros.

    Examples
    --------
    >>> number(2.500), number(-0.001)
    ('2.5', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else number(float(value))
