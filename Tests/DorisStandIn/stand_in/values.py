"""From the text of a message to the value of a column, as Doris' backend casts.

Source fields of a load are text whatever the JSON had (be/src/vec/exec/format/json/new_json_reader.cpp); the cast to the
column's type comes after. Values in SQLite: integers, floats, and text for all else; dates and moments in the form in
which Doris prints them, which sorts as they do.
"""

import json
import math
import re
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from .datatypes import INTEGERS

INTEGER = re.compile(r"[+-]?\d+")
# be/src/util/string_parser.hpp: an integer may be followed by a fraction, which is dropped
INTEGER_WITH_FRACTION = re.compile(r"([+-]?\d+)(?:\.\d*)?")
MOMENT = re.compile(r"""
    (?P<y>\d{4}|\d{2})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})
    (?:[T ]\s*(?P<H>\d{1,2})(?::(?P<M>\d{1,2})(?::(?P<S>\d{1,2})(?:\.(?P<f>\d*))?)?)?)?
    \s*(?P<z>Z|UTC|GMT|[+-]\d{1,2}:?\d{2}|[A-Za-z]+/[A-Za-z_]+)?""", re.X)
COMPACT = re.compile(r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)(?:T?(?P<H>\d\d)(?P<M>\d\d)(?P<S>\d\d)(?:\.(?P<f>\d*))?)?"
                     r"(?P<z>Z|[+-]\d{1,2}:?\d{2})?")


class NotConvertible(Exception):
    """Without strict mode it becomes NULL, with it an error row (doc: data-operate/import/handling-messy-data.md)."""


def zone(name):
    """A time zone by name or offset; raises ValueError."""
    m = re.fullmatch(r"([+-])(\d{1,2}):?(\d{2})", name)
    if m:
        minutes = int(m[2]) * 60 + int(m[3])
        return timezone(timedelta(minutes=minutes if m[1] == "+" else -minutes))
    if name.upper() in ("Z", "UTC", "GMT"):
        return timezone.utc
    if name.upper() == "CST":
        return timezone(timedelta(hours=8))         # as Doris takes it
    try:
        return ZoneInfo(name)
    except Exception as error:
        raise ValueError(name) from error


def moment(text, digits, local=timezone.utc):
    """A datetime rounded to `digits` of a second (half up); one with an offset is turned to `local`.

    doc: sql-manual/basic-element/sql-data-types/date-type/DATETIME.md, .../conversion/datetime-conversion.md
    """
    m = MOMENT.fullmatch(text.strip()) or COMPACT.fullmatch(text.strip())
    if not m:
        raise NotConvertible
    year = int(m["y"])
    if len(m["y"]) == 2:
        year += 2000 if year < 70 else 1900
    fraction = (m["f"] or "") + "0" * 7
    try:
        out = datetime(year, int(m["m"]), int(m["d"]), int(m["H"] or 0), int(m["M"] or 0), int(m["S"] or 0))
        micros = int(fraction[:6]) + (1 if fraction[6] >= "5" else 0)
        unit = 10 ** (6 - digits)
        out += timedelta(microseconds=(micros + unit // 2) // unit * unit)
        if m["z"]:
            out = out.replace(tzinfo=zone(m["z"])).astimezone(local).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise NotConvertible from None
    return out


def show_moment(value, digits):
    text = "%04d-%02d-%02d %02d:%02d:%02d" % (value.year, value.month, value.day, value.hour, value.minute, value.second)
    return text + ("." + "%06d" % value.microsecond)[:digits + 1] if digits else text


def show_date(value):
    return "%04d-%02d-%02d" % (value.year, value.month, value.day)


def convert(value, dtype, local=timezone.utc):
    """The value as the column holds it; raises NotConvertible. Lengths are not looked at here."""
    if value is None:
        return None
    name = dtype.name
    if name in INTEGERS:
        return integer(value, INTEGERS[name])
    if name in ("DOUBLE", "FLOAT"):
        return real(value)
    if name == "BOOLEAN":
        return boolean(value)
    if name == "DECIMAL":
        return decimal(value, *dtype.args)
    text = as_text(value)
    if name == "DATE":
        return show_date(moment(text.strip(), 6, local))
    if name == "DATETIME":
        return show_moment(moment(text, dtype.args[0], local), dtype.args[0])
    if dtype.is_text:
        return text
    if name == "ARRAY":
        return array(text, dtype.children[0], local)
    if name in ("JSON", "VARIANT"):
        try:
            return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
        except ValueError:
            raise NotConvertible from None
    if name in ("IPV4", "IPV6"):
        return address(text, name)
    raise NotConvertible


def integer(value, bits):
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, str):
        m = INTEGER_WITH_FRACTION.fullmatch(value.strip())
        if not m:
            raise NotConvertible
        value = int(m[1])
    elif isinstance(value, (float, Decimal)):
        if isinstance(value, float) and not math.isfinite(value):
            raise NotConvertible
        value = int(value)
    if not -(1 << bits) <= value < 1 << bits:
        raise NotConvertible
    return value if bits < 64 else str(value)


def real(value):
    if isinstance(value, str):
        text = value.strip()
        if "_" in text:
            raise NotConvertible
        try:
            value = float(text)
        except ValueError:
            raise NotConvertible from None
        if math.isinf(value) and "inf" not in text.lower():
            raise NotConvertible            # out of range
    value = float(value)
    return "nan" if math.isnan(value) else value


def boolean(value):
    if isinstance(value, str):
        text = value.strip().lower()
        if text in ("true", "t", "yes", "on"):
            return 1
        if text in ("false", "f", "no", "off"):
            return 0
        value = integer(text, 63)
    return int(bool(value))


def decimal(value, precision, scale):
    try:
        number = Decimal(str(value).strip())
        if not number.is_finite():
            raise NotConvertible
        number = number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    except InvalidOperation:
        raise NotConvertible from None
    if abs(number) >= Decimal(10) ** (precision - scale):
        raise NotConvertible
    return str(number)


def array(text, element, local):
    """Doris prints ["a", "b"] and [1, 2]; an element that cannot be cast is null."""
    try:
        items = json.loads(text)
    except ValueError:
        raise NotConvertible from None
    if not isinstance(items, list):
        raise NotConvertible
    out = []
    for item in items:
        try:
            if isinstance(item, (list, dict)):
                item = json.dumps(item, ensure_ascii=False)
            out.append(convert(item, element, local))
        except NotConvertible:
            out.append(None)
    quoted = element.is_text or element.name in ("DATE", "DATETIME")
    return "[" + ", ".join("null" if v is None else '"%s"' % v if quoted else as_text(v) for v in out) + "]"


def address(text, name):
    import ipaddress
    try:
        return str((ipaddress.IPv4Address if name == "IPV4" else ipaddress.IPv6Address)(text.strip()))
    except ValueError:
        raise NotConvertible from None


def as_text(value):
    """As Doris prints a value."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        if value == int(value) and abs(value) < 1e16:
            return "-0" if value == 0 and math.copysign(1, value) < 0 else str(int(value))
        return repr(value)
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    return str(value)


def too_long(value, dtype):
    """The text of the error row for a string that is too long in bytes, or None.

    be: load checks (be/src/vec/sink/vtablet_block_convertor.cpp); STRING has a soft limit of 1 MiB on the backend.
    """
    if value is None or not dtype.is_text:
        return None
    raw = value.encode("utf-8", "surrogatepass")
    limit = dtype.args[0] if dtype.args else 1048576
    if len(raw) <= limit:
        return None
    head = raw[:32].decode("utf-8", "ignore")
    if dtype.args:
        return ("the length of input is too long than schema. first 32 bytes of input str: [%s] schema length: %d; "
                "actual length: %d; " % (head, limit, len(raw)))
    return ("the length of input string is too long than vec schema. first 32 bytes of input str: [%s] schema length: "
            "2147483643; limit length: %d; actual length: %d; " % (head, limit, len(raw)))


def default_value(column, now):
    """The default of a column as its value (None without one). `now`: a datetime in the zone that counts."""
    if not column.has_default:
        return None
    kind = column.default[0]
    if kind == "text":
        return convert(column.default[1], column.type)
    word = column.default[1]
    if word == "CURRENT_TIMESTAMP":
        return convert(show_moment(now, column.default[2]), column.type)
    if word == "CURRENT_DATE":
        return convert(show_date(now), column.type)
    if word in ("PI", "E"):
        return convert(math.pi if word == "PI" else math.e, column.type)
    raise NotConvertible


def date_trunc(text, unit):
    """The start of the unit that a DATE or DATETIME lies in, as a date and whether the unit is at least a day."""
    at = moment(text, 6)
    day = date(at.year, at.month, at.day)
    if unit == "year":
        return datetime(at.year, 1, 1)
    if unit == "quarter":
        return datetime(at.year, (at.month - 1) // 3 * 3 + 1, 1)
    if unit == "month":
        return datetime(at.year, at.month, 1)
    if unit == "week":
        start = day - timedelta(days=day.weekday())
        return datetime(start.year, start.month, start.day)
    if unit == "day":
        return datetime(at.year, at.month, at.day)
    if unit == "hour":
        return at.replace(minute=0, second=0, microsecond=0)
    return at.replace(second=0 if unit == "minute" else at.second, microsecond=0)
