/// What every program of the archive says of itself.
public enum Program {
    /// Semantic version.
    public static let version = "0.1.0"
}
