"""How the files of a system are written: the part of a connector that knows of files only, and what all parts share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


class Strict(BaseModel):
    """A part of a connector file: unknown keys are errors, nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def listed(given: Any) -> Any:
    """Return a list of what may be written as one thing or as several."""
    return given if isinstance(given, list | tuple) or given is None else [given]


def _text(given: Any) -> Any:
    # Written as YAML people write it: 0, 5 and true mean the texts that files hold.
    if isinstance(given, bool):
        return str(given).lower()
    return str(given) if isinstance(given, int | float) else given


Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(listed)]


class Format(Strict):
    """How a file is written."""

    type: Literal["csv", "json_lines", "lines", "parquet", "w3c"]
    header: bool = True
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str | None = Field(default='"', max_length=1)
    escape: str | None = Field(default=None, min_length=1, max_length=1)
    """Of csv: what makes the next character part of the field, a delimiter or the end of a line too."""
    encoding: str = "utf-8"
    nulls: tuple[str, ...] = ("",)
    """Texts that mean: nothing."""
    pattern: str | None = None
    """Of lines: a regular expression whose named groups are the fields."""
    shortcut: Literal["combined_log"] | None = None
    """Of a pattern: a faster way to split the lines that look as usual; see `journeymining.ingest.shortcuts`."""
    separator: str | None = Field(default=None, min_length=1)
    """Of lines: what stands between the fields."""

    @model_validator(mode="after")
    def _lines_are_split_somehow(self) -> Format:
        if (self.type == "lines") != ((self.pattern is None) != (self.separator is None)):
            raise ValueError("'type: lines' needs either 'pattern' or 'separator', and other types neither")
        if self.shortcut and self.pattern is None:
            raise ValueError("'shortcut' is a faster way beside a 'pattern': there is none")
        return self
