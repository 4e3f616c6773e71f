/// What is known of a received instance beside its data set; the columns `from:` of the spec.
public struct InstanceContext: Hashable, Sendable {
    public var tenantID: String
    /// UUID version 7 of the reception, in its 36 characters.
    public var traceID: String
    /// The name of the process or host that took the instance in.
    public var workerNodeID: String
    /// Transfer Syntax UID (0002,0010) of the file meta information; it never stands in a data set.
    public var transferSyntaxUID: String
    /// Media Storage SOP Class UID (0002,0002), or the Affected SOP Class UID of the C-STORE.
    public var sopClassUID: String
    /// Relative to the store's folder.
    public var filePath: String
    /// Bytes of the whole file.
    public var fileSize: Int64
    /// Address of the sender, IPv4 or IPv6 without brackets.
    public var sourceIP: String?
    /// Calling AE title of the sender.
    public var sourceAE: String?
    public var receivedTime: Timestamp
    /// When the rows are made. A row of a later time replaces one of an earlier time.
    public var processedTime: Timestamp

    public init(
        tenantID: String, traceID: String, workerNodeID: String, transferSyntaxUID: String, sopClassUID: String,
        filePath: String, fileSize: Int64, sourceIP: String? = nil, sourceAE: String? = nil,
        receivedTime: Timestamp, processedTime: Timestamp? = nil
    ) {
        self.tenantID = tenantID
        self.traceID = traceID
        self.workerNodeID = workerNodeID
        self.transferSyntaxUID = transferSyntaxUID
        self.sopClassUID = sopClassUID
        self.filePath = filePath
        self.fileSize = fileSize
        self.sourceIP = sourceIP
        self.sourceAE = sourceAE
        self.receivedTime = receivedTime
        self.processedTime = processedTime ?? receivedTime
    }
}
