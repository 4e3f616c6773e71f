/// Properties of Kafka's clients, ours and Doris'.
public enum KafkaProperty {
    /// Whether the value is kept to ourselves: it stands in no plan, log or error, and not among settings that are shown.
    public static func isSecret(_ name: String) -> Bool {
        let name = name.lowercased()
        return ["password", "secret", "key.pem", "jaas", "token", "oauthbearer.config", "credential"].contains {
            name.contains($0)
        }
    }
}
