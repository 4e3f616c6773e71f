import Archive
import EventBusContract
import PostgresAdapter
import PostgresTestSupport
import Testing

@Suite(.enabled(if: TestPostgres.isInstalled, "PostgreSQL is not installed"))
struct PostgresEventBusTests {
    /// A bus in a database of its own.
    private func contract(deleteBatch: Int = 50) throws -> EventBusContract {
        let string = try TestPostgres.makeArchiveDatabase()
        var configuration = PostgresEventBus.Configuration()
        configuration.membershipMilliseconds = 50
        configuration.deleteBatch = deleteBatch
        let bus = PostgresEventBus(pool: PostgresPool(string, limit: 8), configuration: configuration)
        return EventBusContract(bus: bus) { consumer in
            let process = (consumer as? PostgresEventConsumer)?.backendProcess ?? 0
            let killer = try PostgresConnection(string)
            try killer.query("SELECT pg_terminate_backend($1)", [.int4(process)], operation: "kill")
        }
    }

    @Test func keepsOrderOfKeys() throws { try contract().keepsOrderOfKeys() }
    @Test func deliversAgainAfterCrash() throws { try contract().deliversAgainAfterCrash() }
    @Test func sharesPartitions() throws { try contract().sharesPartitions() }
    @Test func takesOverFromTheDead() throws { try contract().takesOverFromTheDead() }
    @Test func losesNothingWithManyProducers() throws { try contract().losesNothingWithManyProducers() }
    @Test func carriesLargeMessages() throws { try contract().carriesLargeMessages() }
    @Test func keepsGroupsApart() throws { try contract().keepsGroupsApart() }
    @Test func wakesWhenPublished() throws { try contract().wakesWhenPublished() }
}
