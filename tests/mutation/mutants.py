"""Every mutant of a module: what mutmut's operators make of it, outside functions, too.

mutmut's own runner puts all mutants of a function into one module and switches between them. So it leaves out class
attributes, constants of a module, decorated functions and properties. Here each mutant is a module's whole text, and
these are mutated like everything else.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import MutationVisitor
from mutmut.mutation.mutators import OPERATORS_TYPE, mutation_operators, operator_arg_removal, operator_string
from mutmut.mutation.pragma_handling import IgnoredCode

CODECS = {"ascii", "idna", "latin-1", "utf-8"}


class Mutant(NamedTuple):
    """One change of one file."""

    file: str
    #: Class and function in which the change is, or "module".
    where: str
    #: The changed lines before and after, without indentation.
    old: str
    new: str
    #: Which one of equal changes it is, from 1: a line may occur twice in a function.
    number: int
    #: First and last line of what is changed.
    lines: tuple[int, int]
    #: The whole text of the module.
    source: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What stays the same when lines move."""
        return self.file, self.where, self.old, self.new


def _negate(node: cst.If | cst.CompIf) -> Iterator[cst.CSTNode]:
    """``if a`` becomes ``if not (a)``; where the condition is a comparison or ``not``, mutmut does it."""
    if not m.matches(node.test, m.Comparison() | m.UnaryOperation(operator=m.Not())):
        inner = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(), inner))


def _catch_less(node: cst.ExceptHandler) -> Iterator[cst.CSTNode]:
    """Take each exception out of those that are caught."""
    if isinstance(node.type, cst.Tuple):
        elements = node.type.elements
        for index in range(len(elements)):
            kept = [*elements[:index], *elements[index + 1 :]]
            if len(kept) == 1:
                kept = [kept[0].with_changes(comma=cst.Comma())]
            yield node.with_changes(type=node.type.with_changes(elements=kept))
    elif node.type is not None:
        yield node.with_changes(type=cst.Tuple([]), whitespace_after_except=cst.SimpleWhitespace(" "))


def _string(node: cst.BaseString) -> Iterator[cst.BaseString]:
    """Change the letters' case only where case means something: not in a text for people or a codec's name."""
    one = isinstance(node, cst.SimpleString) and (
        node.raw_value in CODECS or (not node.prefix and re.search(r"\w[,.:;)]* \(?\w", node.raw_value))
    )
    return (mutant for count, mutant in enumerate(operator_string(node)) if not (one and count))


def _argument(node: cst.Call) -> Iterator[cst.Call]:
    """Leave the texts of ``--help`` alone: a test could only repeat them."""
    texts = [argument for argument in node.args if m.matches(argument, _HELP)]
    for mutant in operator_arg_removal(node):
        if [argument for argument in mutant.args if m.matches(argument, _HELP)] == texts:
            yield mutant


_HELP = m.Arg(keyword=m.OneOf(*map(m.Name, ("help", "metavar", "title", "description", "epilog"))))
_OURS = {operator_string: _string, operator_arg_removal: _argument}
OPERATORS: OPERATORS_TYPE = [
    *((kind, _OURS.get(operator, operator)) for kind, operator in mutation_operators),
    (cst.If, _negate),
    (cst.CompIf, _negate),
    (cst.ExceptHandler, _catch_less),
]

_TYPE_CHECKING = m.If(test=m.Name("TYPE_CHECKING"))
_VERSION = m.If(test=m.Comparison(left=m.Attribute(value=m.Name("sys"), attr=m.Name("version_info"))))
_ALIAS = m.AnnAssign(annotation=m.Annotation(m.Name("TypeAlias")))
_OVERLOAD = m.FunctionDef(decorators=[m.AtLeastN(m.Decorator(m.Name("overload")), n=1)])
_TYPE_VARIABLE = m.Call(func=m.Name("TypeVar"))
_LEFT_OUT = _TYPE_CHECKING | _VERSION | _ALIAS | _OVERLOAD | _TYPE_VARIABLE | _HELP
_CAST = m.Call(func=m.Name("cast"))
_IGNORECASE = m.Attribute(attr=m.Name("IGNORECASE"))


class _Visitor(MutationVisitor):
    """mutmut's visitor, told what to leave out. ``parts`` are what to put a mutated node into."""

    def __init__(self, parts: Iterable[cst.CSTNode]) -> None:
        super().__init__(OPERATORS, IgnoredCode(set(), set(), set()))
        self.found: list[tuple[cst.CSTNode, cst.CSTNode, cst.CSTNode, str, tuple[int, int]]] = []
        self._parts = set(parts)
        self._caseless: set[cst.CSTNode] = set()
        self._within: list[cst.CSTNode] = []
        self._names: list[str] = []
        self._lines = [(1, 1)]

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
            self._names.append(node.name.value)
        if node in self._parts:
            self._within.append(node)
        if isinstance(node, cst.Call) and any(m.findall(argument, _IGNORECASE) for argument in node.args):
            self._caseless.update(argument.value for argument in node.args)
        position: Any = self.get_metadata(PositionProvider, node, None)
        self._lines.append((position.start.line, position.end.line) if position else self._lines[-1])
        return bool(super().on_visit(node))

    def on_leave(self, original_node: cst.CSTNode) -> None:
        super().on_leave(original_node)
        self._lines.pop()
        if original_node in self._parts:
            self._within.pop()
        if isinstance(original_node, (cst.FunctionDef, cst.ClassDef)):
            self._names.pop()

    def _create_mutations(self, node: cst.CSTNode) -> None:
        before = len(self.mutations)
        super()._create_mutations(node)
        first, last = self._lines[-1]
        if isinstance(node, (cst.If, cst.ExceptHandler)):
            last = first  # its condition alone
        where = ".".join(self._names) or "module"
        for mutation in self.mutations[before:]:
            if node in self._caseless and _same_letters(node, mutation.mutated_node):
                continue
            self.found.append((mutation.original_node, mutation.mutated_node, self._within[-1], where, (first, last)))

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        """Leave out what never has an effect, the texts of ``--help``, and what only another Python runs.

        No effect have annotations, type variables and aliases, overloads and casts: they are for type checkers alone.
        """
        if m.matches(node, _CAST):
            cst.ensure_type(node, cst.Call).args[1].visit(self)  # what is cast is mutated
            return True
        return isinstance(node, cst.Annotation) or m.matches(node, _LEFT_OUT)


def _same_letters(a: cst.CSTNode, b: cst.CSTNode) -> bool:
    """Return whether two texts differ in their case at most."""
    texts = [node.value.lower() for node in (a, b) if isinstance(node, cst.SimpleString)]
    return len(texts) == 2 and texts[0] == texts[1]


def _members(statement: cst.CSTNode) -> Sequence[cst.CSTNode]:
    return statement.body.body if isinstance(statement, cst.ClassDef) else ()


def _replace(statement: Any, part: Any, original: cst.CSTNode, mutated: cst.CSTNode) -> Any:
    """Return ``statement`` with a node of ``part``, itself or a member of it, replaced."""
    replaced = part.deep_replace(original, mutated)
    if part is statement:
        return replaced
    body = [replaced if member is part else member for member in _members(statement)]
    return statement.with_changes(body=statement.body.with_changes(body=body))


def _difference(before: list[str], after: list[str]) -> tuple[str, str]:
    """Return the lines that differ, without indentation and joined by line breaks."""
    start, end = 0, min(len(before), len(after))
    while start < end and before[start] == after[start]:
        start += 1
    common = 0
    while common < end - start and before[-1 - common] == after[-1 - common]:
        common += 1
    before, after = before[start : len(before) - common], after[start : len(after) - common]
    return "\n".join(line.strip() for line in before), "\n".join(line.strip() for line in after)


def _meaning(text: str) -> str:
    """Return what Python reads in a text. ``None`` where there was ``False`` is no change: it is as false."""
    return ast.dump(ast.parse(text)).replace("Constant(value=None)", "Constant(value=False)")


def mutants(root: Path, file: str) -> list[Mutant]:
    """Return the mutants of ``file``, each different from the original and all others as Python reads it."""
    source = (root / file).read_text()
    wrapper = MetadataWrapper(cst.parse_module(source))
    module = wrapper.module
    texts = [module.code_for_node(statement) for statement in module.body]
    starts = list(accumulate(map(len, texts), initial=source.index("".join(texts))))
    places = {part: index for index, top in enumerate(module.body) for part in (top, *_members(top))}
    visitor = _Visitor(places)
    wrapper.visit(visitor)
    seen = {_meaning(text) for text in texts}
    counts: Counter[tuple[str, str, str]] = Counter()
    result: list[Mutant] = []
    for original, mutated, part, where, lines in visitor.found:
        place = places[part]
        text = module.code_for_node(_replace(module.body[place], part, original, mutated))
        try:
            meaning = _meaning(text)
        except SyntaxError:
            continue
        if meaning in seen:
            continue
        seen.add(meaning)
        old, new = _difference(texts[place].splitlines(), text.splitlines())
        counts[where, old, new] += 1
        whole = source[: starts[place]] + text + source[starts[place + 1] :]
        result.append(Mutant(file, where, old, new, counts[where, old, new], lines, whole))
    return result
