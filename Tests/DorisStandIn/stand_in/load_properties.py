"""What Doris 3.1 refuses in the properties of a routine load job, with its texts.

src: nereids/trees/plans/commands/info/CreateRoutineLoadInfo.java, .../AlterRoutineLoadCommand.java,
load/routineload/kafka/KafkaDataSourceProperties.java; doc: data-operate/import/import-way/routine-load-manual.md.
"""

import re

from . import values
from .errors import DorisError, StandInGap

DEFAULTS = {
    "desired_concurrent_number": "5", "max_error_number": "0", "max_filter_ratio": "1.0", "max_batch_interval": "60",
    "max_batch_rows": "20000000", "max_batch_size": "1073741824", "strict_mode": "false", "exec_mem_limit": "2147483648",
    "send_batch_parallelism": "1", "load_to_single_tablet": "false", "partial_columns": "false", "format": "csv",
    "jsonpaths": "", "json_root": "", "strip_outer_array": "false", "num_as_string": "false", "fuzzy_parse": "false",
}
KNOWN = frozenset(DEFAULTS) | {"timezone", "workload_group", "partial_update_new_key_behavior", "enclose", "escape",
                               "empty_field_as_null"}
ALTERABLE = frozenset("""desired_concurrent_number max_error_number max_filter_ratio max_batch_interval max_batch_rows
    max_batch_size jsonpaths json_root strip_outer_array strict_mode timezone num_as_string fuzzy_parse partial_columns
    """.split())
BROKER = re.compile(r"([^:,\s]+|\[[0-9A-Fa-f:]+\]):\d{1,5}")
WORDS = ("OFFSET_BEGINNING", "OFFSET_END")


def number(properties, key, test, refusal, kind=int):
    if key in properties:
        try:
            good = test(kind(properties[key]))
        except ValueError:
            good = False
        if not good:
            raise DorisError(refusal)


def job(properties, allowed=KNOWN):
    """Checks job properties that were written; returns them."""
    for key in properties:
        if key not in allowed:
            raise DorisError("%s is invalid property" % key)
    number(properties, "desired_concurrent_number", lambda n: n > 0, "desired_concurrent_number must be greater than 0")
    number(properties, "max_error_number", lambda n: n >= 0, "max_error_number should >= 0")
    number(properties, "max_filter_ratio", lambda n: 0 <= n <= 1, "max_filter_ratio should between 0 and 1", float)
    number(properties, "max_batch_interval", lambda n: n >= 1, "max_batch_interval should >= 1")
    number(properties, "max_batch_rows", lambda n: n >= 200000, "max_batch_rows should > 200000")
    number(properties, "max_batch_size", lambda n: 104857600 <= n <= 10737418240,
           "max_batch_size should between 100MB and 10GB")
    for key in ("strict_mode", "strip_outer_array", "num_as_string", "fuzzy_parse", "partial_columns",
                "load_to_single_tablet"):
        if properties.get(key, "true").lower() not in ("true", "false"):
            raise DorisError("%s should be a boolean" % key)
    if "timezone" in properties:
        try:
            values.zone(properties["timezone"])
        except ValueError:
            raise DorisError("Unknown or incorrect time zone: '%s'" % properties["timezone"], 1298) from None
    if properties.get("format", "json").lower() != "json":
        raise StandInGap("\"format\" = \"%s\": only json is loaded here" % properties["format"])
    return properties


def table(merge, properties, table_):
    """Rules between the job and its table (src: CreateRoutineLoadInfo.java)."""
    if merge["type"] == "MERGE" and not merge["delete_on"]:
        raise DorisError("Excepted DELETE ON clause when merge type is MERGE.")
    if merge["type"] != "MERGE" and merge["delete_on"]:
        raise DorisError("not support DELETE ON clause when merge type is not MERGE.")
    if merge["type"] != "APPEND" and table_.model != "UNIQUE":
        raise DorisError("load by MERGE or DELETE is only supported in unique tables.")
    if properties.get("partial_columns", "false").lower() == "true" and not table_.merge_on_write:
        raise DorisError("load by PARTIAL_COLUMNS is only supported in unique table MoW")


def kafka(properties, new=True):
    """The source of a job: {brokers, topic, partitions, offsets, custom}."""
    out = {"brokers": properties.get("kafka_broker_list"), "topic": properties.get("kafka_topic"), "partitions": None,
           "offsets": None, "custom": {}, "ignored_default": properties.get("kafka_default_offsets")}
    for key, value in properties.items():
        if key.startswith("property."):
            out["custom"][key[len("property."):]] = value
        elif key not in ("kafka_broker_list", "kafka_topic", "kafka_partitions", "kafka_offsets", "kafka_default_offsets"):
            raise DorisError("%s is invalid kafka property or can not be set" % key)
    if new:
        for key in ("kafka_broker_list", "kafka_topic"):
            if not properties.get(key):
                raise DorisError("%s is a required property" % key)
    for broker in (out["brokers"] or "").split(",") if out["brokers"] else []:
        if not BROKER.fullmatch(broker.strip()):
            raise DorisError("kafka broker: %s not match pattern %s" % (broker, r"([a-z\d\.-]+:)(\d{1,5})"))
    if "kafka_partitions" in properties:
        try:
            out["partitions"] = [int(p) for p in properties["kafka_partitions"].replace(" ", "").split(",")]
        except ValueError:
            raise DorisError("Invalid kafka partition: %s" % properties["kafka_partitions"]) from None
    if "kafka_offsets" in properties:
        if out["partitions"] is None:
            raise DorisError("Partitions number should be equals to offsets number" if new else
                             "Must set offset or default offset with partition property")
        out["offsets"] = offsets(properties["kafka_offsets"])
        if len(out["offsets"]) != len(out["partitions"]):
            raise DorisError("Partitions number should be equals to offsets number")
    elif not new and out["partitions"] is not None and "kafka_default_offsets" not in out["custom"]:
        raise DorisError("Must set offset or default offset with partition property")
    for word in (out["custom"].get("kafka_default_offsets"), properties.get("kafka_default_offsets")):
        if word is not None and word.upper() not in WORDS and time_offset(word) is None:
            raise DorisError("kafka_default_offsets can only be set to OFFSET_BEGINNING, OFFSET_END or date time")
    return out


def time_offset(word):
    try:
        return values.show_moment(values.moment(word, 0), 0)
    except values.NotConvertible:
        return None


def offsets(text):
    """Whole numbers and words, or times; not both kinds."""
    out, times, numbers = [], 0, 0
    for part in text.split(","):
        part = part.strip()
        if part.upper() in WORDS:
            out.append(part.upper())
        elif re.fullmatch(r"\d+", part):
            out.append(int(part))
            numbers += 1
        elif time_offset(part) is not None and "-" in part:
            out.append(time_offset(part))
            times += 1
        else:
            raise DorisError("kafka_offsets must be an integer or a date time")
    if times and len(out) != times:
        raise DorisError("The offset of the partition cannot be specified by the timestamp and the offset at the same time")
    return out
