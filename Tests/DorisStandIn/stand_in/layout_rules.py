"""What Doris 3.1 refuses in CREATE TABLE, with its texts: partitions, buckets, properties. Citations as in rules.py."""

from .errors import DorisError, StandInGap
from .values import NotConvertible, convert

UNITS = ("year", "quarter", "month", "week", "day", "hour")
# doc: sql-manual/sql-statements/table-and-view/table/CREATE-TABLE.md; src: common/util/PropertyAnalyzer.java
PROPERTIES = frozenset("""
    replication_num replication_allocation storage_medium storage_cooldown_time storage_policy colocate_with
    bloom_filter_columns bloom_filter_fpp in_memory compression light_schema_change disable_auto_compaction
    enable_single_replica_compaction enable_unique_key_merge_on_write enable_mow_light_delete
    function_column.sequence_col function_column.sequence_type compaction_policy
    time_series_compaction_goal_size_mbytes time_series_compaction_file_count_threshold
    time_series_compaction_time_threshold_seconds time_series_compaction_empty_rowsets_threshold
    time_series_compaction_level_threshold group_commit_interval_ms group_commit_data_bytes
    enable_duplicate_without_keys_by_default skip_write_index_on_load store_row_column row_store_columns
    row_store_page_size storage_page_size storage_dict_page_size inverted_index_storage_format estimate_partition_size
    binlog.enable binlog.ttl_seconds binlog.max_bytes binlog.max_history_nums version_info min_load_replica_num
    is_being_synced partition.retention_count variant_max_subcolumns_count skip_inverted_index_on_load
    """.split())
BOOLEANS = ("enable_unique_key_merge_on_write", "light_schema_change", "store_row_column", "disable_auto_compaction",
            "enable_mow_light_delete")


def check(t, backends):
    """Fills in the defaults and refuses what Doris refuses."""
    properties(t, backends)
    if t.partitioning:
        partitions(t)
    elif any(k.startswith("dynamic_partition.") for k in t.properties):
        raise DorisError("Only support dynamic partition properties on range partition table")
    distribution(t)
    sequence(t)
    if t.has_rollup:
        raise StandInGap("ROLLUP")
    for c in t.columns:
        if c.generated or c.auto_increment:
            raise StandInGap("generated and AUTO_INCREMENT columns")
    for index in t.indexes:
        for name in index["columns"]:
            if t.column(name) is None:
                raise DorisError("Column does not exist in table. invalid column: " + name)


def properties(t, backends):
    """Test: nereids/trees/plans/commands/... CreateTableCommandTest.java asserts the texts."""
    unknown = [k for k in t.properties if k not in PROPERTIES and not k.startswith("dynamic_partition.")]
    if unknown:
        raise DorisError("Unknown properties: {%s}" % ", ".join("%s=%s" % (k, t.properties[k]) for k in unknown))
    for key in BOOLEANS:
        if t.properties.get(key, "true").lower() not in ("true", "false"):
            raise DorisError("%s must be `true` or `false`" % key)
    # src: INFO/CreateTableInfo.java
    if t.model != "UNIQUE" and "enable_unique_key_merge_on_write" in t.properties:
        raise DorisError("enable_unique_key_merge_on_write property only support unique key table")
    replicas(t, backends)


def replicas(t, backends):
    """replication_num defaults to 3 (doc: CREATE-TABLE.md)."""
    allocation = t.properties.get("replication_allocation")
    text = t.properties.get("replication_num", "3")
    if allocation:
        text = allocation.rpartition(":")[2].strip()
    try:
        number = int(text)
    except ValueError:
        raise DorisError("Invalid replication_num: %s" % text) from None
    if number <= 0:
        raise DorisError("Total replica num should between 1 and 32767")
    if number > backends:
        raise DorisError("replication num should be less than the number of available backends. replication num is %d, "
                         "available backend num is %d" % (number, backends))


def partitions(t):
    """src: INFO/PartitionTableInfo.java; doc: table-design/data-partitioning/auto-partitioning.md."""
    p = t.partitioning
    has_function = any(e[0] for e in p.expressions)
    if has_function and not p.auto:
        if p.kind == "LIST":
            raise DorisError("internal catalog does not support functions in 'LIST' partition")
        p.auto = True
    if p.auto and p.kind == "RANGE":
        auto_range(p)
    elif has_function:
        raise DorisError("auto create partition only support slotRef in list partitions.")
    for name in p.columns:
        c = t.column(name)
        if c is None:
            raise DorisError("partition key %s is not exists" % name)
        partition_column(t, p, c)
    if p.kind == "LIST" and any(k.startswith("dynamic_partition.") for k in t.properties):
        raise DorisError("Only support dynamic partition properties on range partition table")
    for d in p.definitions:
        if d["kind"] == "step":
            raise StandInGap("PARTITION FROM ... TO ... INTERVAL")
        if (d["kind"] == "in") != (p.kind == "LIST"):
            raise DorisError("partitions types is invalid, expected FIXED or LESS in range partitions and IN in list "
                             "partitions")
    definitions(t, p)


def auto_range(p):
    if len(p.expressions) != 1:
        raise DorisError("auto create partition only support one functionCallExpr in range partitions.")
    expression = p.expressions[0]
    if not expression[0]:
        raise DorisError("Auto Range Partition need function expression")
    if expression[0] != "date_trunc" or len(expression) != 3 or expression[2].lower() not in UNITS:
        text = "%s(%s)" % (expression[0], ", ".join(expression[1:]))
        raise DorisError("partition expr %s is illegal!" % text)


def partition_column(t, p, c):
    kind = c.type.name
    if kind in ("FLOAT", "DOUBLE"):
        raise DorisError("Floating point type column can not be partition column")
    if kind == "STRING":
        raise DorisError("String Type should not be used in partition column[%s]." % c.name)
    if c.type.is_complex:
        raise DorisError("Complex type column can't be partition column: " + c.type.sql())
    if p.auto and p.kind == "RANGE":
        if kind not in ("DATE", "DATETIME"):
            raise DorisError("partition expr date_trunc(%s) is illegal!" % c.name)
        if c.nullable:
            raise DorisError("AUTO RANGE PARTITION doesn't support NULL column")
    # doc: table-design/data-model/unique.md
    if not c.key and t.model != "DUPLICATE":
        if t.merge_on_write:
            raise DorisError("Merge-on-Write table's partition column must be KEY column")
        raise DorisError("The partition column could not be aggregated column")


def definitions(t, p):
    names = set()
    for d in p.definitions:
        if d["name"].lower() in names:
            raise DorisError("Duplicated named partition: " + d["name"])
        names.add(d["name"].lower())
        for row in d["values"]:
            if len(row) > len(p.columns):
                raise DorisError("partition values number is more than partition column number")
            for i, text in enumerate(row):
                if text is None:
                    continue
                try:
                    row[i] = convert(text, t.column(p.columns[i]).type)
                except NotConvertible:
                    raise DorisError("Invalid partition value: %s" % text) from None


def distribution(t):
    """src: INFO/DistributionDescriptor.java, INFO/CreateTableInfo.java, analysis/HashDistributionDesc.java;
    doc: CREATE-TABLE.md."""
    if not t.distribution:
        t.distribution = "RANDOM"
    if t.distribution == "RANDOM":
        if t.model == "UNIQUE":
            raise DorisError("Create unique keys table should not contain random distribution desc")
        if t.model == "AGGREGATE" and any(c.aggregate.startswith("REPLACE") for c in t.columns):
            raise DorisError("Create aggregate keys table with value columns of which aggregate type is REPLACE should not "
                             "contain random distribution desc")
    if t.buckets is None:
        t.buckets = "AUTO"
    if t.buckets != "AUTO" and t.buckets <= 0:
        raise DorisError("Number of hash distribution should be greater than zero.")
    seen = set()
    for name in t.bucket_columns:
        if name.lower() in seen:
            raise DorisError("Duplicate key in distribution desc is not allowed")
        seen.add(name.lower())
        c = t.column(name)
        if c is None:
            raise DorisError("column %s is not found in distribution desc" % name)
        if c.type.name in ("FLOAT", "DOUBLE"):
            raise DorisError("Floating point type should not be used in distribution column")
        if c.type.name == "STRING":
            raise DorisError("String Type should not be used in distribution column[%s]." % c.name)
        if c.type.is_complex:
            raise DorisError("Complex type should not be used in distribution column[%s]." % c.name)
        if t.model != "DUPLICATE" and not c.key:
            raise DorisError("Distribution column[%s] is not key column" % c.name)


def sequence(t):
    """Test: CreateTableCommandTest.java asserts the texts."""
    column = t.properties.get("function_column.sequence_col")
    kind = t.properties.get("function_column.sequence_type")
    if column is None and kind is None:
        return
    if t.model != "UNIQUE":
        raise DorisError("sequence column only support UNIQUE_KEYS")
    if column is not None and kind is not None:
        raise DorisError("The sequence_col and sequence_type cannot be set at the same time")
    if kind is not None:
        if kind.upper() not in ("TINYINT", "SMALLINT", "INT", "BIGINT", "LARGEINT", "DATE", "DATETIME"):
            raise DorisError("Sequence type only support integer types and date types")
        raise StandInGap("function_column.sequence_type (name a column with function_column.sequence_col)")
    c = t.column(column)
    if c is None:
        raise DorisError("The specified sequence column[%s] not exists" % column)
    if not (c.type.is_integer or c.type.name in ("DATE", "DATETIME")):
        raise DorisError("Sequence type only support integer types and date types")
