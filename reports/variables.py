"""What a variable of a study is in words: its label, unit, transformation and lag."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from data.panel import Column
from models.contrasts import parts
from models.study.results import PanelSummary, StudyResults
from reports.described import Index, described
from reports.events import event_label

# what the index columns of the panels at hand are called in words
INDEX_WORDS = {
    "geo": "region",
    "nuts2": "region",
    "nuts_id": "region",
    "cntr": "country",
    "cntr_code": "country",
}
IRREGULAR = {"country": "countries", "county": "counties", "city": "cities"}
UNIT_MEAN = re.compile(r"unit mean of (.+)")  # as the Mundlak device names them
RESPONSE = re.compile(r"(.+) h=(\d+)")  # as local projections do
PER_CENT = ("%", "per cent", "percent", "pct")
SHARES = ("share", "difference of two shares", "fraction", "proportion", "ratio (0-1)")


@dataclass(frozen=True)
class Measure:
    """A variable taken apart: `change` of `column`, `lag` periods earlier, times `factor`.

    `change` is level, log, log1p, zscore, diff, or opaque for an expression that is shown as it
    stands. `column` is None where the panel does not describe it.
    """

    name: str
    column: Column | None
    change: str = "level"
    lag: int = 0
    factor: float = 1.0
    expression: str = ""
    words: str = ""  # of an opaque expression, where there are any

    @property
    def label(self) -> str:
        """The label of the column beneath, or the variable's own name."""
        if self.column is None or self.change == "opaque":
            return self.words or self.name.replace("_", " ")
        return self.column.label or self.column.name

    @property
    def unit(self) -> str:
        """The unit of the column beneath; empty where nobody says."""
        return self.column.unit.strip() if self.column and self.change != "opaque" else ""

    @property
    def is_percentage(self) -> bool:
        """True where a difference is counted in percentage points."""
        return self.unit.lower().startswith(PER_CENT)

    @property
    def is_share(self) -> bool:
        """True where the figure lies between 0 and 1, so that 0.01 is a percentage point."""
        return self.unit.lower().startswith(SHARES)


@dataclass(frozen=True)
class Variables:
    """The variables of one study, by name."""

    columns: Mapping[str, Column]
    expressions: Mapping[str, str]
    time: str
    unit: str = "unit"

    @classmethod
    def of(cls, results: StudyResults) -> Variables:
        """The variables that a fitted study can name."""
        return cls(
            {column.name: column for column in results.panel.columns},
            results.study.variables,
            results.panel.time,
            results.panel.unit,
        )

    @cached_property
    def period(self) -> str:
        """One step of time, in words."""
        word = index_word(self.time)
        return word if word in {"year", "quarter", "month", "week", "day"} else "period"

    @property
    def _index(self) -> Index:
        return Index(self.time, self.period, self.unit, index_word(self.unit))

    def measure(self, name: str) -> Measure:
        """`name` taken apart, through derived variables down to a column of the panel."""
        if response := RESPONSE.fullmatch(name):  # the outcome is led: as good as a lag more
            taken = self.measure(response[1])
            return replace(taken, name=name, lag=taken.lag + int(response[2]))
        return self._measure(name, frozenset())

    def _measure(self, name: str, above: frozenset[str]) -> Measure:
        expression = self.expressions.get(name)
        if expression is None and "(" in name and name not in self.columns:
            expression = name  # a term that an estimator added, such as lag(y, 1)
        if expression is None or name in above:  # a derived column may reuse its source's name
            return Measure(name, self.columns.get(name))
        try:
            tree = ast.parse(expression, mode="eval").body
        except SyntaxError:
            return Measure(name, None, "opaque", expression=expression)
        taken = self._take(tree, above | {name})
        if taken is None:
            words = described(tree, lambda node: self._take(node, above | {name}), self._index)
            return Measure(name, None, "opaque", expression=expression, words=words)
        return replace(taken, name=name, expression=expression)

    def _take(self, node: ast.expr, above: frozenset[str]) -> Measure | None:
        match node:
            case ast.Name(id=name):
                return self._measure(name, above)
            case ast.Call(func=ast.Name(id="lag"), args=[inner, ast.Constant(value=int(k))]):
                return self._shifted(inner, k, above)
            case ast.Call(func=ast.Name(id="lead"), args=[inner, ast.Constant(value=int(k))]):
                return self._shifted(inner, -k, above)
            case ast.Call(func=ast.Name(id="lag"), args=[inner]):
                return self._shifted(inner, 1, above)
            case ast.Call(func=ast.Name(id="lead"), args=[inner]):
                return self._shifted(inner, -1, above)
            case ast.Call(func=ast.Name(id=function), args=[inner]) if function in CHANGES:
                taken = self._take(inner, above)
                return _changed(taken, function) if taken and taken.change == "level" else None
            case ast.BinOp():
                return self._scaled(node, above)
        return None

    def _shifted(self, inner: ast.expr, steps: int, above: frozenset[str]) -> Measure | None:
        taken = self._take(inner, above)
        return taken and replace(taken, lag=taken.lag + steps)

    def _scaled(self, node: ast.BinOp, above: frozenset[str]) -> Measure | None:
        match node:
            case ast.BinOp(inner, ast.Mult(), ast.Constant(int() | float() as k)):
                factor = float(k)
            case ast.BinOp(ast.Constant(int() | float() as k), ast.Mult(), inner):
                factor = float(k)
            case ast.BinOp(inner, ast.Div(), ast.Constant(int() | float() as k)):
                factor = 1.0 / float(k) if k else 0.0
            case _:
                return None
        taken = self._take(inner, above)
        if taken is None or not factor or taken.change not in {"level", "diff"}:
            return None
        return replace(taken, factor=taken.factor * factor)

    def definitions(self, names: Iterable[str]) -> tuple[str, ...]:
        """'name is expression' for those of `names` that no label describes."""
        measures = [self.measure(name) for name in names]
        return tuple(
            f"{m.label} is {m.expression}" for m in measures if m.change == "opaque"
        )

    def label(self, name: str) -> str:
        """A row heading: the label, then in brackets what was done to the variable."""
        if mean := UNIT_MEAN.fullmatch(name):
            unit = index_word(self.unit).capitalize()
            return f"{unit} mean of {in_sentence(self.label(mean[1]))}"
        if event := event_label(name, self.period):
            return event
        if difference := parts(name):
            first, second = map(self.label, difference)
            return f"{first} less {in_sentence(second)}"
        if response := RESPONSE.fullmatch(name):
            steps = int(response[2])
            when = later(steps, self.period, "on", "") if steps else f"in the same {self.period}"
            return f"{self.label(response[1])}, outcome {when}"
        measure = self.measure(name)
        done = [CHANGES[measure.change]] if measure.change in CHANGES else []
        if measure.factor != 1.0:
            done.append(f"× {measure.factor:g}")
        if measure.lag:
            done.append(later(measure.lag, self.period, "earlier", "later"))
        return f"{measure.label} ({', '.join(done)})" if done else measure.label


def _changed(measure: Measure, function: str) -> Measure | None:
    scaled = measure.factor != 1.0
    if function == "log1p" and (scaled or measure.is_percentage or measure.is_share):
        return None  # the one added may dwarf the figure: no percentage reading would be true
    return replace(measure, change=function, factor=measure.factor if function == "diff" else 1.0)


CHANGES = {"log": "log", "log1p": "log of 1 + x", "zscore": "standardised", "diff": "change"}


def later(steps: int, period: str, after: str, before: str) -> str:
    """`steps` of time in words: '1 year earlier', '2 years earlier'."""
    word = period if abs(steps) == 1 else plural(period)
    return f"{abs(steps)} {word} {after if steps > 0 else before}"


def spaced(steps: int, period: str, after: str, before: str) -> str:
    """The same as prose has it: 'one year later'."""
    number, _, rest = later(steps, period, after, before).partition(" ")
    return f"{spelled(int(number))} {rest}"


def index_word(column: str) -> str:
    """What one row's unit or period is called: 'geo' is a region, 'firm' a firm."""
    return INDEX_WORDS.get(column.lower(), column.replace("_", " ").strip() or "unit")


def panel_word(panel: PanelSummary, name: str) -> str:
    """An index column in words, also under its role: 'unit', 'time' or 'parent'."""
    roles = {"unit": panel.unit, "time": panel.time, "parent": panel.parent or "group"}
    return index_word(roles.get(name, name))


def spelled(number: int) -> str:
    """A small number as prose has it."""
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[number] if 0 <= number < len(words) else f"{number:,}"


ARTICLE = re.compile(r"\b(rate|ratio|share|index|level|number|proportion)\b", re.IGNORECASE)


def with_article(label: str) -> str:
    """A label as the subject of a sentence, with the comma that closes a qualified one."""
    text = f"the {in_sentence(label)}" if ARTICLE.search(label) else in_sentence(label)
    return closed(text)


def closed(text: str) -> str:
    """A name that a sentence goes on after: 'rate, 15 to 24,'."""
    return f"{text}," if "," in text else text


def plural(word: str) -> str:
    """The plural of an index word."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    return word if word.endswith("s") else word + "s"


def counted(number: int, word: str) -> str:
    """'1 country', '1,234 regions'."""
    return f"{number:,} {word if number == 1 else plural(word)}"


def in_sentence(label: str) -> str:
    """A label as it stands inside a sentence: small first letter, unless it opens a name."""
    words = label.split()
    if not words or not words[0][:1].isupper() or not words[0][1:].islower():
        return label
    if len(words) > 1 and words[1][:1].isupper() and words[1][1:].islower():
        return label
    return label[0].lower() + label[1:]
