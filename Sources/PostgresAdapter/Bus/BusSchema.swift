import Archive

/// The tables of the embedded event bus.
///
/// A producer takes the next offsets by updating the row of the partition, and holds that row until its transaction
/// ends. So within a partition transactions commit in the order of their offsets, and who has seen an offset can never
/// have missed a lower one. It also means that no offset is ever left out.
public enum BusSchema {
    /// Partitions of a topic when it is made; later the rows of `bus_partition` are the truth.
    public static let defaultPartitions = 8

    static let tables = """
        CREATE TABLE IF NOT EXISTS bus_partition (
            topic text NOT NULL,
            partition integer NOT NULL,
            next_offset bigint NOT NULL DEFAULT 0,
            PRIMARY KEY (topic, partition)
        ) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500);
        CREATE TABLE IF NOT EXISTS bus_message (
            topic text NOT NULL,
            partition integer NOT NULL,
            "offset" bigint NOT NULL,
            key text NOT NULL,
            value bytea NOT NULL,
            PRIMARY KEY (topic, partition, "offset")
        ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
        CREATE TABLE IF NOT EXISTS bus_offset (
            group_name text NOT NULL,
            topic text NOT NULL,
            partition integer NOT NULL,
            committed bigint NOT NULL,
            PRIMARY KEY (group_name, topic, partition)
        ) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 500);
        ALTER TABLE bus_offset ADD COLUMN IF NOT EXISTS
            last_seen timestamp with time zone NOT NULL DEFAULT clock_timestamp();
        CREATE OR REPLACE FUNCTION bus_publish(topic_name text, partitions integer[], keys text[], bodies bytea[])
        RETURNS void LANGUAGE plpgsql AS $body$
        DECLARE
            share record;
            begins bigint;
            begin_of bigint[] := '{}';
        BEGIN
            -- In ascending order, so that two producers never wait for each other.
            FOR share IN
                SELECT u.p, count(*) AS n FROM unnest(partitions) AS u(p) GROUP BY u.p ORDER BY u.p
            LOOP
                UPDATE bus_partition b SET next_offset = b.next_offset + share.n
                WHERE b.topic = topic_name AND b.partition = share.p
                RETURNING b.next_offset - share.n INTO STRICT begins;
                begin_of[share.p] := begins;
            END LOOP;
            INSERT INTO bus_message (topic, partition, "offset", key, value)
            SELECT topic_name, u.p, begin_of[u.p] + row_number() OVER (PARTITION BY u.p ORDER BY u.i) - 1, u.k, u.b
            FROM unnest(partitions, keys, bodies) WITH ORDINALITY AS u(p, k, b, i);
            PERFORM pg_notify('wado_bus_' || topic_name, '');
        END $body$;
        """

    /// Makes the partitions of a topic that has none.
    static func partitions(of topic: Topic, count: Int) -> String {
        """
        INSERT INTO bus_partition (topic, partition)
        SELECT '\(topic.rawValue)', p FROM generate_series(0, \(max(1, count) - 1)) AS p
        WHERE NOT EXISTS (SELECT 1 FROM bus_partition WHERE topic = '\(topic.rawValue)');
        """
    }

    static func channel(_ topic: Topic) -> String { "wado_bus_\(topic.rawValue)" }
}
