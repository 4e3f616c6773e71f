"""Data sets with whatever bytes a test wants in them: little endian, sequences of defined length."""

import struct

LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
NUMBERS = {"FL": "<f", "FD": "<d", "SL": "<i", "SS": "<h", "SV": "<q", "UL": "<I", "US": "<H", "UV": "<Q"}


def element(tag, vr, value, implicit=False):
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB", "UN") else b" "
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if implicit:
        return head + struct.pack("<I", len(value)) + value
    return head + vr.encode() + (struct.pack("<HI", 0, len(value)) if vr in LONG else struct.pack("<H", len(value))) + value


def encode(data_set, implicit=False):
    """`data_set` maps a tag to (vr, bytes, ...), or to (vr, [data set, ...]): a sequence, which may be UN as well."""
    parts = []
    for tag, (vr, value, *_) in sorted(data_set.items(), key=lambda entry: entry[0]):
        if isinstance(value, list):
            # Who does not know a sequence keeps it as it is in implicit VR (PS3.5 6.2.2).
            items = [encode(item, implicit or vr == "UN") for item in value]
            value = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
        parts.append(element(tag, vr, value, implicit))
    return b"".join(parts)


def write_file(path, data_set, implicit=False):
    meta = {
        0x00020001: ("OB", b"\0\1"),
        0x00020002: ("UI", b"1.2.840.10008.5.1.4.1.1.7"),
        0x00020003: ("UI", data_set[0x00080018][1]),
        0x00020010: ("UI", b"1.2.840.10008.1.2" if implicit else b"1.2.840.10008.1.2.1"),
        0x00020012: ("UI", b"2.25.1"),
    }
    body = encode(meta)
    head = element(0x00020000, "UL", struct.pack("<I", len(body)))
    path.write_bytes(bytes(128) + b"DICM" + head + body + encode(data_set, implicit))
