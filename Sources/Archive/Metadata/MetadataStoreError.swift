public import DICOMCore
internal import DICOMWeb

/// Why metadata could not be stored or read. Names files' operations and codes, never values.
public struct MetadataStoreError: RetriableError, Equatable, CustomStringConvertible {
    public enum Code: Sendable, Equatable {
        /// Tenant or UIDs are not such as may become part of a path.
        case invalidIdentity
        /// The JSON of one instance is longer than `MetadataLimits.instanceBytes`, or empty.
        case invalidLength
        /// An operation on a file failed.
        case file(operation: String, errno: Int32)
        /// The compacted file is not one of ours, or is damaged.
        case damaged
    }

    public var code: Code

    public init(_ code: Code) { self.code = code }

    /// Failed file operations: the disk may have room again, or be mounted again. The rest stays as it is.
    public var isRetriable: Bool {
        if case .file = code { return true }
        return false
    }

    public var description: String {
        switch code {
        case .invalidIdentity: "metadata: tenant or UIDs cannot be part of a path"
        case .invalidLength: "metadata: an instance is empty or too long"
        case .file(let operation, let errno): "metadata: \(operation) failed with error \(errno)"
        case .damaged: "metadata: the compacted file is damaged"
        }
    }
}

/// Bounds of the stored metadata.
public enum MetadataLimits {
    /// Bytes of the DICOM JSON of one instance. A multi-frame image of 100,000 frames, each with functional groups of
    /// its own, has about as many.
    public static let instanceBytes = 64 << 20
    /// Binary values of more bytes are named by a URI where the JSON would be too long otherwise.
    public static let smallestBulkData = 1_024

    /// Whether the JSON of an instance will be short enough, whatever its URIs begin with.
    /// - Parameter header: its data set as `ReadOptions.header` reads it.
    public static func admit(_ header: DataSet) -> Bool {
        // No byte of a data set becomes more than some twenty of JSON.
        if header.range.count <= instanceBytes / 32 { return true }
        let policy = BulkDataPolicy(
            uriPrefix: String(repeating: "/", count: 400), threshold: smallestBulkData)
        var json: [UInt8] = []
        return DICOMJSON.encode(header, bulkData: policy, limit: instanceBytes * 7 / 8, into: &json)
    }
    /// Text of the instances that are compressed together, about: what has to be inflated to read one of them.
    static let chunkBytes = 256 << 10
    /// Logs up to this size are held in memory while they are read.
    static let bufferedLogBytes = 8 << 20
}
