"""What names hold: `{site}/{device}.csv` for a file's path, `{title}_{domain}` for a column's text.

A pattern is matched from the right, literal by literal, so that only its first field may hold the marks that separate
the fields. Left out: formats and repeated fields.
"""

from string import Formatter

from dgkit.errors import ConfigError


class Pattern:
    """A text with names in braces.

    Attributes
    ----------
    fields : list of str
    """

    def __init__(self, option: str, pattern: str):
        try:
            parts = list(Formatter().parse(pattern))
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{option} is {pattern!r}, which is no pattern such as '{{site}}_{{device}}'.") from error
        self.before = [literal for literal, field, _, _ in parts if field is not None]
        self.fields = [field for _, field, _, _ in parts if field is not None]
        self.end = parts[-1][0] if parts and parts[-1][1] is None else ""
        if not self.fields or not all(field.isidentifier() for field in self.fields):
            raise ConfigError(f"{option} is {pattern!r}; it needs names in braces, such as '{{site}}_{{device}}'.")
        if len(set(self.fields)) < len(self.fields):
            raise ConfigError(f"{option} is {pattern!r}, which names a field twice.")
        if "" in self.before[1:]:
            raise ConfigError(f"{option} is {pattern!r}; between two fields there must be a mark that separates them.")

    def match(self, text: str, within: str = "") -> list[str] | None:
        """The text of each field, or None; the first field ends at the mark `within`, to its left."""
        if not text.endswith(self.end):
            return None
        rest, found = text.removesuffix(self.end), []
        for literal in self.before[:0:-1]:
            rest, mark, value = rest.rpartition(literal)
            if not mark:
                return None
            found.append(value)
        if within:  # a path may begin anywhere above
            rest = rest[rest.rfind(within + self.before[0]) + 1 :] if self.before[0] else rest.rpartition(within)[2]
        if not rest.startswith(self.before[0]):
            return None
        found.append(rest.removeprefix(self.before[0]))
        return found[::-1] if all(found) and not (within and any(within in value for value in found)) else None
