"""Expressions of COLUMNS, WHERE, PRECEDING FILTER and DELETE ON: parsed to a tree, evaluated on a row.

A small part of Doris' functions; one that is not here is refused by name, as Doris refuses a function that it does not
know, but saying that it is the stand-in that lacks it.

doc: pages of sql-manual/, of version 3.x unless it says otherwise: basic-element/ (literal/, operators/, nulls.md) and
sql-functions/scalar-functions/. src: nereids/catalog/FunctionRegistry.java, be/src/vec/functions/divide.cpp.
"""

import re
from datetime import datetime, timezone

from . import datatypes, values
from .errors import DorisError, StandInGap
from .reader import Reader, unquote

# doc: basic-element/operators/operator-precedence.md. NOT is weaker than a comparison, `!` stronger than all.
PRECEDENCE = {"OR": 1, "||": 1, "XOR": 2, "AND": 3, "&&": 3, "=": 5, "==": 5, "<=>": 5, "<>": 5, "!=": 5, "<": 5, "<=": 5,
              ">": 5, ">=": 5, "+": 7, "-": 7, "*": 8, "/": 8, "%": 8, "DIV": 8}


class Context:
    """What a batch knows: the time of its load (the same in all its rows) and the job's zone."""

    def __init__(self, zone=timezone.utc, now=None):
        self.zone = zone
        self.now = now or datetime.now(zone).replace(tzinfo=None)


class ExpressionReader(Reader):
    def tree(self, level=0):
        left = self.prefix()
        while True:
            token = self.now
            op = token.word if token.kind == "word" else token.text if token.kind == "op" else ""
            if op in ("IS", "IN", "LIKE", "BETWEEN", "NOT") and level <= 4:
                left = self.predicate(left)
                continue
            strength = PRECEDENCE.get(op, 0)
            if not strength or strength <= level:
                return left
            self.i += 1
            left = ("binary", op, left, self.tree(strength))

    def predicate(self, left):
        """doc: basic-element/operators/conditional-operators/comparison-operators.md, pattern-matching-operators.md"""
        if self.accept("IS"):
            negated = self.accept("NOT")
            word = self.take().word
            if word != "NULL":
                raise StandInGap("IS " + word)
            return ("isnull", left, negated)
        negated = self.accept("NOT")
        if self.accept("IN"):
            items = []
            self.take("(")
            while not self.accept_op(")"):
                items.append(self.tree())
                self.accept_op(",")
            out = ("in", left, items)
        elif self.accept("BETWEEN"):
            low = self.tree(4)
            self.take("AND")
            high = self.tree(4)
            out = ("binary", "AND", ("binary", ">=", left, low), ("binary", "<=", left, high))
        else:
            self.take("LIKE")
            out = ("like", left, self.tree(4))
        return ("not", out) if negated else out

    def prefix(self):
        token = self.take()
        if token.word == "NOT":
            return ("not", self.tree(4))
        if token.text == "!":
            return ("not", self.tree(9))
        if token.text == "-":
            return ("binary", "-", ("literal", 0), self.tree(9))
        if token.text == "+":
            return self.tree(9)
        if token.text == "(":
            out = self.tree()
            self.take(")")
            return out
        if token.kind == "string":
            return ("literal", unquote(token.text))
        if token.kind == "int":
            return ("literal", int(token.text))
        if token.kind in ("decimal", "exponent"):
            return ("literal", float(token.text))
        if token.word in ("NULL", "TRUE", "FALSE"):
            return ("literal", {"NULL": None, "TRUE": 1, "FALSE": 0}[token.word])
        if token.word == "CAST" and self.at_op("("):
            self.take("(")
            inner = self.tree()
            self.take("AS")
            dtype = datatypes.read(self)
            self.take(")")
            return ("cast", inner, dtype)
        if token.word == "CASE":
            return self.case()
        if token.kind == "word" and self.at_op("("):
            return self.function(token.word, token.text)
        if token.kind == "quoted" or token.kind == "word":
            if token.word in ("CURRENT_TIMESTAMP", "CURRENT_DATE"):
                return ("call", token.word, [])
            return ("column", token.text[1:-1].replace("``", "`") if token.kind == "quoted" else token.text)
        raise StandInGap("the expression at '%s'" % token.text)

    def function(self, name, written):
        self.take("(")
        arguments = []
        while not self.accept_op(")"):
            arguments.append(self.tree())
            self.accept_op(",")
        if name not in FUNCTIONS and name not in ("NOW", "CURRENT_TIMESTAMP", "CURDATE", "CURRENT_DATE", "UTC_TIMESTAMP"):
            # src: nereids/catalog/FunctionRegistry.java (findFunctionBuilder)
            raise DorisError("Can not found function '%s' (the stand-in knows few; Doris may have it)" % written)
        return ("call", name, arguments)

    def case(self):
        subject = None if self.at("WHEN") else self.tree()
        branches, otherwise = [], ("literal", None)
        while self.accept("WHEN"):
            condition = self.tree()
            self.take("THEN")
            if subject is not None:
                condition = ("binary", "=", subject, condition)
            branches.append((condition, self.tree()))
        if self.accept("ELSE"):
            otherwise = self.tree()
        self.take("END")
        return ("case", branches, otherwise)


def parse(text):
    reader = ExpressionReader.of(text)
    out = reader.tree()
    if reader.now.kind != "end":
        raise StandInGap("the expression %s" % text)
    return out


def columns(tree):
    """Names of the columns in it."""
    if isinstance(tree, (tuple, list)):
        if tree and tree[0] == "column":
            return {tree[1]}
        return set().union(*map(columns, tree)) if tree else set()
    return set()


def text(v):
    return None if v is None else values.as_text(v)


def on_text(function):
    """NULL for any NULL, as the pages of all these functions have it."""
    return lambda *a: None if any(v is None for v in a) else function(*map(values.as_text, a))


def substring(string, start, length="1000000000"):
    """doc: string-functions/substring.md: from 1, from the end when negative, nothing at 0."""
    start, length = int(start), int(length)
    begin = start - 1 if start > 0 else len(string) + start
    return string[begin:begin + length] if start and begin >= 0 else ""


def right(string, count):
    """doc: string-functions/strright.md: a negative count is the place, from 1, where the rest begins."""
    count = int(count)
    return string[-count:] if count > 0 else string[-count - 1:] if count else ""


def trimmed(string, what, left=True, right=True):
    """doc: string-functions/trim.md, ltrim.md, rtrim.md: a whole text is taken off, as often as it stands there."""
    while what and left and string.startswith(what):
        string = string[len(what):]
    while what and right and string.endswith(what):
        string = string[:-len(what)]
    return string


def as_moment(v, digits=6):
    if v is None:
        return None
    try:
        return values.moment(values.as_text(v), digits)
    except values.NotConvertible:
        return None


def as_date(v):
    """doc: date-time-functions/to-date.md, date.md"""
    at = as_moment(v)
    return None if at is None else values.show_date(at)


def first(*a):
    return next((v for v in a if v is not None), None)


UNITS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second")


def unit(v, name):
    """doc: date-time-functions/date-trunc.md, which takes its arguments in both orders."""
    if values.as_text(v) in UNITS:
        v, name = name, v
    if name not in UNITS:
        raise DorisError("date_trunc function time unit param only support argument is " + "|".join(UNITS))
    at = as_moment(v)
    return None if at is None else values.show_moment(values.date_trunc(values.show_moment(at, 6), name), 0)


# doc: conditional-functions/if.md, ifnull.md, and of the newest version coalesce.md, nullif.md, and string-functions/
# length.md (bytes), char-length.md; concat.md, replace.md, strleft.md.
FUNCTIONS = {
    "IF": lambda c, a, b: a if truth(c) else b,
    "IFNULL": first, "NVL": first, "COALESCE": first,
    "NULLIF": lambda a, b: None if compare("=", a, b) else a,
    "CONCAT": on_text(lambda *a: "".join(a)),
    "UPPER": on_text(str.upper), "LOWER": on_text(str.lower),
    "TRIM": on_text(lambda s, what=" ": trimmed(s, what)), "LTRIM": on_text(lambda s, what=" ": trimmed(s, what, right=False)),
    "RTRIM": on_text(lambda s, what=" ": trimmed(s, what, left=False)),
    "LENGTH": on_text(lambda s: len(s.encode())), "CHAR_LENGTH": on_text(len),
    "SUBSTRING": on_text(substring), "SUBSTR": on_text(substring),
    "LEFT": on_text(lambda s, n: s[:max(int(n), 0)]), "RIGHT": on_text(right),
    "REPLACE": on_text(str.replace),
    "DATE": as_date, "TO_DATE": as_date, "DATE_TRUNC": unit,
}


def number(v):
    """As arithmetic and comparisons with numbers see a value; None when it is none."""
    if v is None or isinstance(v, (int, float)):
        return v
    try:
        f = float(v)
    except ValueError:
        return None
    return int(v) if re.fullmatch(r"[+-]?\d+", v.strip()) else f


def truth(v):
    n = number(v)
    return None if n is None else bool(n)


def compare(op, a, b):
    """doc: basic-element/operators/conditional-operators/comparison-operators.md: unknown where one is, but for <=>."""
    if op == "<=>":
        return int(a == b if a is None or b is None else compare("=", a, b))
    if a is None or b is None:
        return None
    if isinstance(a, (int, float)) or isinstance(b, (int, float)):
        a, b = number(a), number(b)
        if a is None or b is None:
            return None
    return int({"=": a == b, "==": a == b, "<>": a != b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b,
                ">=": a >= b}[op])


def arithmetic(op, a, b):
    """doc: basic-element/nulls.md: NULL with NULL. src: be/src/vec/functions/divide.cpp: NULL when divided by 0."""
    a, b = number(a), number(b)
    if a is None or b is None:
        return None
    if op in ("/", "%", "DIV") and b == 0:
        return None
    if op == "DIV":
        return int(a / b)
    if op == "%":
        import math
        return math.fmod(a, b) if isinstance(a, float) or isinstance(b, float) else int(math.fmod(a, b))
    return a + b if op == "+" else a - b if op == "-" else a * b if op == "*" else a / b


def like(v, pattern):
    """doc: basic-element/operators/conditional-operators/pattern-matching-operators.md"""
    if v is None or pattern is None:
        return None
    out, i = "", 0
    while i < len(pattern):
        c = pattern[i]
        if c == "\\" and i + 1 < len(pattern):
            i += 1
            out += re.escape(pattern[i])
        else:
            out += ".*" if c == "%" else "." if c == "_" else re.escape(c)
        i += 1
    return int(re.fullmatch(out, values.as_text(v), re.S) is not None)


def logic(op, a, b):
    """doc: basic-element/operators/conditional-operators/logical-operators.md, its tables of truth"""
    a, b = truth(a), truth(b)
    if op in ("AND", "&&"):
        return 0 if a is False or b is False else None if a is None or b is None else 1
    if op in ("OR", "||"):
        return 1 if a or b else None if a is None or b is None else 0
    return None if a is None or b is None else int(a != b)


def evaluate(tree, row, context):
    """The value of a tree; `row` finds columns by their lower-case name."""
    kind = tree[0]
    if kind == "literal":
        return tree[1]
    if kind == "column":
        return row.get(tree[1].lower())
    if kind == "call":
        return call(tree[1], [evaluate(a, row, context) for a in tree[2]], context)
    if kind == "cast":
        try:
            return values.convert(evaluate(tree[1], row, context), tree[2], context.zone)
        except values.NotConvertible:
            return None
    if kind == "binary":
        a, b = evaluate(tree[2], row, context), evaluate(tree[3], row, context)
        strength = PRECEDENCE[tree[1]]
        return (logic if strength < 5 else compare if strength == 5 else arithmetic)(tree[1], a, b)
    if kind == "not":
        v = truth(evaluate(tree[1], row, context))
        return None if v is None else int(not v)
    if kind == "isnull":
        return int((evaluate(tree[1], row, context) is None) != tree[2])
    if kind == "in":
        v = evaluate(tree[1], row, context)
        found = [compare("=", v, evaluate(i, row, context)) for i in tree[2]]
        return 1 if 1 in found else None if v is None or None in found else 0
    if kind == "like":
        return like(evaluate(tree[1], row, context), evaluate(tree[2], row, context))
    for condition, value in tree[1]:
        if truth(evaluate(condition, row, context)):
            return evaluate(value, row, context)
    return evaluate(tree[2], row, context)


def call(name, arguments, context):
    """doc: date-time-functions/current-timestamp.md, curdate.md, utc-timestamp.md"""
    if name in ("NOW", "CURRENT_TIMESTAMP"):
        return values.show_moment(context.now, int(arguments[0]) if arguments else 0)
    if name in ("CURDATE", "CURRENT_DATE"):
        return values.show_date(context.now)
    if name == "UTC_TIMESTAMP":
        return values.show_moment(datetime.now(timezone.utc).replace(tzinfo=None), 0)
    try:
        return FUNCTIONS[name](*arguments)
    except TypeError:
        # src: nereids/catalog/FunctionRegistry.java
        raise DorisError("Can not found function '%s' which has %d arity" % (name, len(arguments))) from None
