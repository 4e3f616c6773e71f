/// Words that are no bare names. They are written in quotes then, never refused: old tables have such columns.
enum ReservedWords {
    /// The name as PostgreSQL reads it.
    static func postgres(_ name: String) -> String { postgresWords.contains(name) ? "\"\(name)\"" : name }

    /// The name as Doris reads it.
    static func doris(_ name: String) -> String { dorisWords.contains(name) ? "`\(name)`" : name }

    /// PostgreSQL 14 to 17, appendix C of its manual: reserved, and reserved but for functions and types.
    private static let postgresWords = words(
        """
        all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate
        collation column concurrently constraint create cross current_catalog current_date current_role
        current_schema current_time current_timestamp current_user default deferrable desc distinct do else end
        except false fetch for foreign freeze from full grant group having ilike in initially inner intersect
        into is isnull join lateral leading left like limit localtime localtimestamp natural not notnull null
        offset on only or order outer overlaps placing primary references returning right select session_user
        similar some symmetric system_user table tablesample then to trailing true union unique user using
        variadic verbose when where window with
        """)

    /// Doris 3.0 to 4.0: the keywords of its lexer that its grammar does not take as names.
    private static let dorisWords = words(
        """
        account_lock account_unlock add admin all alter analyze analyzer and anti append as asc auto backend
        between bigint binary binlog both by cancel case cast char_filter clean collate column constraint
        create cross cube current database databases day_hour day_second decommission default delete desc
        describe disk distinct distributed distribution div double drop dropp dump duplicate else enter except
        execute exists explain export extended extract false float follower following for force foreign from
        frontend full functions grant grants group having hll if in index infile inner insert install int
        integer intermediate intersect interval into is join key keys kill largeint lateral layout leading left
        like limit list load low_priority match maxvalue minus natural no_use_mv not null observer on or order
        outer outfile over overwrite partition play preceding prepare primary procedure range read real
        rebalance references regexp release rename repair replica revoke right role roles row rows schemas
        select semi set sets show signed smallint sql_block_rule superuser switch sync system table tablesample
        tablet tablets terminated then tinyint to token_filter tokenizer trailing trash trim true try_cast
        type_cast unbounded uninstall union unique unsigned update use use_mv using values when where whitelist
        with workload write xor
        """)

    private static func words(_ text: String) -> Set<String> {
        Set(text.split(whereSeparator: \.isWhitespace).map(String.init))
    }
}
