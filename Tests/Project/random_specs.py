"""Random valid specs, and random data sets for them with what each column is to hold.

Everything follows from the seed of the `random.Random` that is passed in.
"""

import datetime
import pathlib
import re
import struct
from xml.etree import ElementTree

import yaml
from data_sets import NUMBERS

TEXT = {"AE", "CS", "SH", "LO", "PN", "LT", "ST", "UC", "UR", "UT"}
CHOICES = {
    "DA": ["date", "text"], "TM": ["time", "text"], "DT": ["timestamp", "text"], "UI": ["uid"], "AS": ["text"],
    "IS": ["int", "bigint", "double", "text"], "DS": ["double", "text"], "FL": ["double"], "FD": ["double"],
    **{vr: ["int", "bigint", "double"] for vr in ("SL", "SS", "US", "SV", "UL", "UV")},
    **{vr: ["text"] for vr in TEXT},
}
NATURAL = {
    "AE": ("text", 16), "CS": ("text", 16), "SH": ("text", 16), "AS": ("age", 4), "DA": ("date", 0), "DS": ("double", 0),
    "FL": ("double", 0), "FD": ("double", 0), "DT": ("timestamp", 0), "IS": ("int", 0), "SL": ("int", 0),
    "SS": ("int", 0), "US": ("int", 0), "SV": ("bigint", 0), "UL": ("bigint", 0), "UV": ("bigint", 0), "LO": ("text", 64),
    "LT": ("text", 10240), "PN": ("text", 194), "ST": ("text", 1024), "TM": ("time", 0), "UI": ("uid", 64),
}
NAMES = [
    "order", "select", "rank", "user", "columns", "group", "default", "index", "table", "key", "end", "interval", "range",
    "self", "init", "hash_value", "in", "class", "switch", "description", "where", "case", "json", "primary", "x1"]
# Ranges need a column that has an order of theirs.
SEARCHED = {"DA": ["date"], "TM": ["time"], "DT": []}
# Columns that the archive fills, and from what.
FROM = {name: name for name in [
    "file_size", "source_ip", "received_time", "transfer_syntax_uid", "trace_id", "worker_node_id", "sop_class_uid", "file_path"]}
FROM["tenant_id"] = "tenant"
UIDS = {"study_uid": 0x0020000D, "series_uid": 0x0020000E, "sop_uid": 0x00080018}
# What says how others are read, and what the archive fills by itself.
EXCLUDED = {0x00080005, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E}

# The project's own dictionary, so that a seed is the same specs everywhere: (tag, VR, VM, keyword).
DICTIONARY = pathlib.Path(__file__).parents[2] / "dictionary" / "part06.xml"
ROWS = [
    ["".join(cell.itertext()).replace("\u200b", "").strip() for cell in row]
    for row in ElementTree.parse(DICTIONARY).iter() if row.tag.endswith("}tr")]
KNOWN = sorted(
    (int(tag[1:5] + tag[6:10], 16), vr, vm, keyword) for tag, _, keyword, vr, vm, retired in
    (row for row in ROWS if len(row) == 6 and re.fullmatch(r"\([0-9A-F]{4},[0-9A-F]{4}\)", row[0])) if keyword and not retired)
# What stands behind Pixel Data is not read.
USABLE = [element for element in KNOWN if 4 < element[0] >> 16 < 0x7FE0 and element[0] not in EXCLUDED]
# Values of these VRs are never several, whatever the registry says.
ELEMENTS = [
    (tag, vr, "1" if vr in ("LT", "ST", "UR", "UT") else vm, keyword) for tag, vr, vm, keyword in USABLE if vr in CHOICES]
SEQUENCES = [(tag, keyword) for tag, vr, _, keyword in USABLE if vr == "SQ"]
BY_VR = {vr: [element for element in ELEMENTS if element[1] == vr] for vr in CHOICES}

# Tags without the block that a file gives them.
CREATORS = ["WADO TEST 1", "1.2.B [1], (2)"]
PRIVATE = [
    (0x00290000 + number, creator, vr) for creator in CREATORS
    for number, vr in enumerate(["LO", "DA", "IS", "FD", "US", "SH", "TM", "DS"], 0x10)]


def private_name(tag, creator):
    return '(%04X,"%s",%02X)' % (tag >> 16, creator, tag & 0xFF)


class Column:
    """A column that an attribute fills; `path` are (tag, creator, item) of the sequences around it, the item `*` for all."""

    def __init__(self, rng, name, searched):
        self.name = name
        self.creator = None
        if rng.random() < 0.15:
            self.tag, self.creator, self.vr = rng.choice(PRIVATE)
            self.keyword = private_name(self.tag, self.creator)
            vm = "1"
        else:
            # Most elements have one of a few VRs: half of the columns give each VR its turn.
            by_vr = [elements for elements in BY_VR.values() if elements]
            self.tag, self.vr, vm, self.keyword = rng.choice(ELEMENTS if rng.random() < 0.5 else rng.choice(by_vr))
        self.path, words = [], []
        for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 3])):
            (tag, keyword), creator, item = rng.choice(SEQUENCES), None, rng.choice([0, 0, 1, 2, "*"])
            if rng.random() < 0.1:
                tag, creator = rng.choice([0x00290030, 0x00290031]), rng.choice(CREATORS)
                keyword = private_name(tag, creator)
            self.path.append((tag, creator, item))
            words.append(f"{keyword}[{item}]")
        self.is_private = any([self.creator, *(creator for _, creator, _ in self.path)])
        self.spec = {"name": name, "tag": ".".join([*words, self.keyword])}
        if self.creator:
            self.spec["vr"] = self.vr
        self.multiple = vm != "1"
        self.of_all_items = any(item == "*" for _, _, item in self.path)
        self.choice = None
        choices = CHOICES[self.vr]
        if self.multiple:
            way = rng.choice(["join", "index", "index", "values"])
            if way == "join" and "text" in choices and not self.of_all_items:
                self.choice = self.spec["join"] = True
            elif way == "values" and not self.of_all_items:
                self.choice = self.spec["values"] = "all"
            else:
                self.choice = self.spec["index"] = rng.choice([0, 0, 1, 2])
        self.is_array = self.of_all_items or self.choice == "all"
        natural = NATURAL.get(self.vr)
        if self.choice is True:
            self.kind, self.limit = "text", rng.choice([16, 64, 200, 1024])
            self.spec["type"] = f"text({self.limit})"
        elif natural is None or (self.is_array and natural[1] > 1024) or rng.random() < 0.3:
            self.kind = rng.choice(choices)
            self.limit = rng.choice([1, 4, 16, 64, 300, 1024 if self.is_array else 16383]) if self.kind == "text" else 64
            self.spec["type"] = f"text({self.limit})" if self.kind == "text" else self.kind
        else:
            self.kind, self.limit = natural
        # In which databases it is.
        self.stores = [rng.choice(["postgres", "doris"])] if rng.random() < 0.1 else ["postgres", "doris"]
        if len(self.stores) == 1:
            self.spec["stores"] = self.stores
        attribute = ".".join(re.sub(r"\[[0-9*]\]$", "", word) for word in [*words, self.keyword])
        if rng.random() < 0.4 and self.kind != "timestamp":
            self.spec["level"] = rng.choice(["patient", "study", "series", "instance"][:3 if self.is_private else 4])
            can_be = self.kind in SEARCHED.get(self.vr, [self.kind])
            if rng.random() < 0.7 and attribute not in searched and can_be and "postgres" in self.stores:
                searched.add(attribute)
                self.spec["search"] = True
        elif rng.random() < 0.1:
            self.spec["comment"] = "A comment: with 'quotes', \"doubles\" and a \\ backslash; 界"
        if rng.random() < 0.1:
            self.spec["renamed_from"] = f"was_{name}"


class Table:
    def __init__(self, rng, name, searched):
        self.name = name
        # Any UIDs in any order, the tenant or not; of tables by month the time as well.
        self.key = rng.sample(list(UIDS), rng.randint(1, 3)) + ["tenant_id"] * (rng.random() < 0.7)
        rng.shuffle(self.key)
        is_by_month = rng.random() < 0.3
        if is_by_month:
            self.key.insert(rng.randint(0, len(self.key)), "received_time")
        columns = [self.key_column(name) for name in self.key]
        names = {*self.key, *FROM, "study_uid_hash", "state", "class_uid", "loaded"}
        # `retired` maps those that nobody fills any more to what they hold then.
        self.columns, self.retired = [], {}
        for _ in range(rng.randint(3, 24)):
            column_name = rng.choice(NAMES) if rng.random() < 0.25 else "c%d_%s" % (len(columns), rng.choice("abc"))
            if column_name in names:
                continue
            names.add(column_name)
            column = Column(rng, column_name, searched)
            columns.append(column.spec)
            if rng.random() < 0.1:
                column.spec["status"] = "retired"
                self.retired[column_name] = (column.stores, None)
            else:
                self.columns.append(column)
        for extra in rng.sample([name for name in FROM if name not in self.key], rng.randint(0, 4)):
            columns.append({"name": extra, "from": FROM[extra]})
        if "study_uid" in self.key and rng.random() < 0.5:
            columns.append({"name": "study_uid_hash", "from": "hash(StudyInstanceUID)"})
        if rng.random() < 0.5:
            columns.append({"name": "state", "from": "service", "type": "text(8)", "required": True, "default": "new"})
            if rng.random() < 0.3:
                columns[-1]["status"] = "retired"
                self.retired["state"] = (["postgres", "doris"], "new")
        if rng.random() < 0.3:
            columns.append({"name": "class_uid", "tag": "SOPClassUID", "otherwise": "sop_class_uid"})
        self.is_computed = "study_uid" in self.key and rng.random() < 0.3
        if self.is_computed:
            columns.append({"name": "loaded", "load": "length(study_uid)", "type": "int"})
        # The key's columns stand first in both databases; the others in any order.
        tail = columns[len(self.key):]
        rng.shuffle(tail)
        plain = [
            c for c in self.columns
            if "postgres" in c.stores and (c.kind not in ("text", "double") or c.kind == "text" and c.limit <= 300)]
        chosen = [rng.choice(plain) for _ in range(rng.randint(0, 3)) if plain]
        indexes = [[c.name] if c.is_array else [self.key[0], c.name] for c in chosen]
        self.spec = {
            "about": "Random rows.", "level": "instance", "stores": ["postgres", "doris"], "key": self.key,
            "indexes": [list(i) for i in dict.fromkeys(map(tuple, indexes))],
            "doris": {"distribute_by": [rng.choice([k for k in self.key if k in UIDS])], "buckets": rng.choice([2, 8])},
            "load": {"job": name + "_load", "topic": name + "_queue"},
            "columns": columns[:len(self.key)] + tail}
        if is_by_month:
            self.spec["partition"] = {"by": "received_time", "every": "month"}
        elif any("search" in c.spec for c in self.columns) and rng.random() < 0.5:
            self.spec["variants"] = name + "_variant"
        if any(c["name"] == "received_time" for c in columns) and rng.random() < 0.5:
            self.spec["doris"]["sequence"] = "received_time"

    def names(self, *stores):
        """Names of the columns of rows that are in one of the databases."""
        both = ["postgres", "doris"]
        return [
            c["name"] for c in self.spec["columns"]
            if "status" not in c and "load" not in c and not {*stores}.isdisjoint(c.get("stores", both))]

    def kept(self, store):
        """What the retired columns of a database hold."""
        return {name: value for name, (stores, value) in self.retired.items() if store in stores}

    @staticmethod
    def key_column(name):
        if name not in UIDS:
            return {"name": name, "from": FROM[name]}
        keyword = {"study_uid": "StudyInstanceUID", "series_uid": "SeriesInstanceUID", "sop_uid": "SOPInstanceUID"}[name]
        return {"name": name, "tag": keyword, "required": True}


class Spec:
    """A whole fields.yaml of one to three tables, whose names begin with `prefix`.

    An attribute is searched in one column only, here also of several specs, for they are compiled in one.
    """

    def __init__(self, rng, prefix, searched):
        self.tables = [Table(rng, f"{prefix}_t{n}", searched) for n in range(rng.randint(1, 3))]

    @staticmethod
    def text(tables):
        spec = {"version": 2, "doris": {"replicas": 1}, "tables": {t.name: t.spec for t in tables}}
        return yaml.safe_dump(spec, allow_unicode=True, sort_keys=False)


UNKNOWN = object()      # what is to be read back is not foretold, only that both databases say the same
NOT_FINITE = [float("inf"), float("-inf"), float("nan")]
# Values that break the rule of their VR, and what that rule is called; in a column of text they may stay as they are.
BROKEN = {
    "DA": [(b"20230229", "not-a-date"), (b"00000101", "not-a-date"), (b"19000229", "not-a-date"), (b"not it", "not-a-date")],
    "TM": [(b"246060", "not-a-time"), (b"1", "not-a-time"), (b"120000.", "not-a-time")],
    "DT": [(b"20230229", "not-a-date-time"), (b"2024010112+99", "not-a-date-time"), (b"00010101000000+1400", "out-of-range")],
    "IS": [(b"1,5", "not-a-number"), (b"0x10", "not-a-number"), (b"9" * 40, "out-of-range")],
    "DS": [(b"1,5", "not-a-number"), (b"1e400", "out-of-range"), (b"Infinity", "not-finite"), (b"-inf", "not-finite"),
           (b"NaN", "not-finite")],
    "FL": [(struct.pack("<f", number), "not-finite") for number in NOT_FINITE],
    "FD": [(struct.pack("<d", number), "not-finite") for number in NOT_FINITE],
    "UI": [(b"1..2", "not-a-uid"), (b"1.2.", "not-a-uid"), (b"1." + b"2" * 63, "not-a-uid"), (b"a", "not-a-uid")],
    "AS": [(b"12", "not-an-age"), (b"1234Y", "not-an-age"), (b"033X", "not-an-age")],
}


class Broken:
    """What breaks its rule is NULL, and a problem says so."""

    def __init__(self, rule):
        self.rule = rule


def odd(rng, vr):
    """Bytes that break the rule of a VR, or stretch it."""
    return rng.choice([
        b"", b" ", b"\0", b"\\", b"\\\\1", b"not it", b"2011.03.04", b"10:20:30", b"1\\2", b"-", b"1e400", b"00010101",
        b"18991231235959.999999", b"20230229", b"99991231", b"00000000", b"235960", b"246060", b"1,5", b"  7 ", b"0x10",
        "é界".encode() * 40, b"x" * 70, b"a\0b", b"\xff\xfe", b"9" * 40, b"1" * 400, b"Infinity", b"nan", b"033Y", b"1.2.",
        struct.pack("<d", float("inf")), struct.pack("<d", float("nan")), struct.pack("<f", float("-inf")), b"\1\2\3"])


def good(rng, vr):
    """A value in order: its bytes, and what it means."""
    if vr == "DA":
        day = rng.choice([
            datetime.date(1, 1, 1), datetime.date(1899, 12, 31), datetime.date(1900, 2, 28), datetime.date(2000, 2, 29),
            datetime.date(2024, 2, 29), datetime.date(9999, 12, 31),
            datetime.date(1970, 1, 1) + datetime.timedelta(days=rng.randint(0, 25000))])
        return day.strftime("%Y%m%d").rjust(8, "0"), day
    if vr == "TM":
        moment = datetime.time(rng.randint(0, 23), rng.randint(0, 59), rng.randint(0, 59))
        digits = rng.choice(["", "5", "25", "000001", "999999"])
        text = moment.strftime("%H%M%S") + ("." + digits if digits else "")
        return text, moment.replace(microsecond=int(digits.ljust(6, "0") or 0))
    if vr == "DT":
        moment = datetime.datetime(rng.choice([1, 1899, 2024, 9999]), rng.randint(2, 11), rng.randint(1, 28), 12, 30, 15)
        zone = rng.choice(["", "+0130", "-0500"])
        shift = {"": 0, "+0130": -90, "-0500": 300}[zone]
        return moment.strftime("%Y%m%d%H%M%S").rjust(14, "0") + zone, moment + datetime.timedelta(minutes=shift)
    if vr == "IS":
        number = rng.choice([0, -1, 2**31 - 1, -2**31, rng.randint(-999, 999)])
        return str(number), number
    if vr == "DS":
        number = rng.choice([0.1, -1.5e-5, 1e22, 123456.789, 3.0, 1e-300])
        return repr(number), number
    if vr == "UI":
        uid = "1.2.840.%d.%d" % (rng.randint(1, 10**9), rng.randint(1, 10**18))
        return uid, uid
    if vr == "AS":
        age = "%03d%s" % (rng.randint(0, 999), rng.choice("DWMY"))
        return age, age
    if vr in NUMBERS:
        form = NUMBERS[vr]
        if vr in ("FL", "FD"):
            number = struct.unpack(form, struct.pack(form, rng.choice([0.5, -2.25, 1e10, 0.1, 3.4e38 if vr == "FL" else 1.7e308])))[0]
        else:
            bits, signed = struct.calcsize(form) * 8, form[1].islower()
            low, high = (-2**(bits - 1), 2**(bits - 1) - 1) if signed else (0, 2**bits - 1)
            number = rng.choice([low, high, 0, 1, rng.randint(low, high)])
        return number, number
    longest = {"AE": 16, "CS": 16, "SH": 16, "LO": 64, "PN": 64}.get(vr, 120)
    if vr in ("AE", "CS", "UR"):
        text = "".join(rng.choice("ABCXYZ0189_") for _ in range(rng.randint(1, longest)))
    else:
        # As long as the VR allows, too: 64 Chinese characters are 192 bytes.
        text = rng.choice(["王小东", "Ω", "Doe", "Müller-Lüdenscheidt", "𠀋", "a'b\"c", "%s"]) * rng.choice([1, 2, 12, longest])
        text = text[:longest]
        if vr == "PN" and rng.random() < 0.3:
            text = "=".join([text, "歐陽" * 32, "おうよう" * 16][:rng.randint(2, 3)])
    return text, text


class Value:
    """The values of one attribute in one data set: bytes, and their meanings or UNKNOWN."""

    def __init__(self, rng, vr, multiple):
        self.vr = vr
        roll = rng.random()
        if roll < 0.1:
            self.bytes, self.meanings = odd(rng, vr), UNKNOWN
            return
        if roll < 0.2 and vr in BROKEN:
            self.bytes, rule = rng.choice(BROKEN[vr])
            self.meanings, self.texts = [Broken(rule)], [None]
            return
        count = rng.randint(1, 4) if multiple else 1
        pairs = [good(rng, vr) for _ in range(count)]
        self.meanings = [meaning for _, meaning in pairs]
        self.texts = [text for text, _ in pairs]
        if vr in NUMBERS:
            self.bytes = b"".join(struct.pack(NUMBERS[vr], number) for number in self.texts)
        else:
            self.bytes = "\\".join(self.texts).encode()


def expected(column, instance):
    """What the column holds, UNKNOWN when a value was odd, and the rules that were broken."""
    found = found_values(column, instance)
    if found is UNKNOWN:
        return UNKNOWN, set()
    one_or_all = found if column.is_array else [found]
    rules = {value.rule for value in one_or_all or [] if isinstance(value, Broken)}
    if not column.is_array:
        return (None if rules else found), rules
    values = found and [None if isinstance(value, Broken) else value for value in found]
    # Whether NULLs alone are an array is not said.
    return (values if not rules or any(value is not None for value in values) else UNKNOWN), rules


def found_values(column, instance):
    """What is at the column's path, values that broke their rule among it."""
    values = [
        item.get(instance.tag(item, column.tag, column.creator), (None, None, None))[2] for item in instance.items(column)]
    if any(value is not None and value.meanings is UNKNOWN for value in values):
        return UNKNOWN
    if column.choice == "all":
        found = [element(column, value, n) for value in values if value for n in range(len(value.meanings))]
    else:
        found = [value and element(column, value, column.choice if type(column.choice) is int else 0) for value in values]
    if any(one is UNKNOWN for one in found):
        return UNKNOWN
    if not column.is_array:
        return found[0] if found else None
    return found if any(one is not None for one in found) else None


def element(column, value, index):
    """The value of this index as the column holds it."""
    if isinstance(broken := value.meanings[0], Broken):
        # A whole number may be too large for its own kind and not for a double.
        if column.kind == "text" or column.kind == "double" and value.vr == "IS":
            return UNKNOWN
        return broken if index == 0 else None
    if column.choice is True:
        return "\\".join(value.texts)[:column.limit]
    if index >= len(value.meanings):
        return None
    if column.kind == "text":
        return value.texts[index][:column.limit].rstrip() or None
    meaning = value.meanings[index]
    if column.kind == "int":
        return meaning if -2**31 <= meaning < 2**31 else None
    if column.kind == "bigint":
        return meaning if -2**63 <= meaning < 2**63 else None
    if column.kind == "double":
        return float(meaning)
    return meaning


class Instance:
    """A data set for all the tables; its elements know their values, as (vr, bytes, Value)."""

    def __init__(self, rng, number, tables):
        # In a file of implicit VR the dictionary and the spec tell what values are.
        self.is_implicit = rng.random() < 0.3
        self.uids = {name: "2.25.%d.%d.%d" % (number + 1, len(name), rng.randint(1, 10**12)) for name in UIDS}
        self.data_set = {0x00080005: ("CS", b"ISO_IR 192"), 0x00080016: ("UI", b"1.2.840.10008.5.1.4.1.1.7")}
        for name, tag in UIDS.items():
            self.data_set[tag] = ("UI", self.uids[name].encode())
        decided = set()
        for table in tables:
            for column in table.columns:
                for item in self.make_items(rng, column):
                    place = (id(item), column.tag, column.creator)
                    if place in decided:
                        continue
                    decided.add(place)
                    if rng.random() < 0.8:
                        value = Value(rng, column.vr, column.multiple)
                        # A private element's VR may be nowhere but in the spec.
                        vr = "UN" if column.creator and rng.random() < 0.3 else column.vr
                        item[self.tag(item, column.tag, column.creator, rng)] = (vr, value.bytes, value)

    def make_items(self, rng, column):
        """The items of the column's path, made with all those before them where they are missing."""
        at = [self.data_set]
        for tag, creator, number in column.path:
            below = []
            for item in at:
                # Who knew nothing of a sequence has kept it as bytes.
                vr = "UN" if rng.random() < 0.15 else "SQ"
                items = item.setdefault(self.tag(item, tag, creator, rng), (vr, []))[1]
                while len(items) <= (rng.randint(0, 2) if number == "*" else number):
                    items.append({})
                below += items if number == "*" else [items[number]]
            at = below
        return at

    def items(self, column):
        """The items of the column's path; an empty one for a certain item that is not there."""
        at = [self.data_set]
        for tag, creator, number in column.path:
            lists = [item.get(self.tag(item, tag, creator), ("SQ", []))[1] for item in at]
            at = [item for items in lists for item in (items if number == "*" else items[number:number + 1] or [{}])]
        return at

    @staticmethod
    def tag(item, tag, creator, rng=None):
        """The element's tag in an item; a creator without a block gets one when `rng` is given."""
        if not creator:
            return tag
        blocks = [t for t in item if t >> 16 == 0x0029 and t & 0xFFFF < 0x100]
        block = next((t for t in blocks if item[t][1].rstrip() == creator.encode()), None)
        if block is None and rng:
            block = rng.choice([0x00290000 + b for b in range(0x10, 0x100) if 0x00290000 + b not in blocks])
            item[block] = ("LO", creator.encode())
        return None if block is None else 0x00290000 + ((block & 0xFF) << 8) + (tag & 0xFF)
