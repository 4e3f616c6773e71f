/// The elements of commands, group 0000, which PS3.7 E.1 registers and PS3.6 does not.
enum CommandElements {
    static func vr(of element: UInt16) -> VR? {
        switch element {
        case 0x0000: .ul
        case 0x0002, 0x0003, 0x1000, 0x1001: .ui
        case 0x0100, 0x0110, 0x0120, 0x0700, 0x0800, 0x0900, 0x0903, 0x1002, 0x1008, 0x1020, 0x1021, 0x1022, 0x1023,
            0x1031:
            .us
        case 0x0600, 0x1030: .ae
        case 0x0901, 0x1005: .at
        case 0x0902: .lo
        default: nil
        }
    }
}

extension Tag {
    /// (0000,0000) VR=UL VM=1 Command Group Length
    @inlinable public static var commandGroupLength: Tag { Tag(0x0000_0000) }
    /// (0000,0002) VR=UI VM=1 Affected SOP Class UID
    @inlinable public static var affectedSOPClassUID: Tag { Tag(0x0000_0002) }
    /// (0000,0003) VR=UI VM=1 Requested SOP Class UID
    @inlinable public static var requestedSOPClassUID: Tag { Tag(0x0000_0003) }
    /// (0000,0100) VR=US VM=1 Command Field
    @inlinable public static var commandField: Tag { Tag(0x0000_0100) }
    /// (0000,0110) VR=US VM=1 Message ID
    @inlinable public static var messageID: Tag { Tag(0x0000_0110) }
    /// (0000,0120) VR=US VM=1 Message ID Being Responded To
    @inlinable public static var messageIDBeingRespondedTo: Tag { Tag(0x0000_0120) }
    /// (0000,0600) VR=AE VM=1 Move Destination
    @inlinable public static var moveDestination: Tag { Tag(0x0000_0600) }
    /// (0000,0700) VR=US VM=1 Priority
    @inlinable public static var priority: Tag { Tag(0x0000_0700) }
    /// (0000,0800) VR=US VM=1 Command Data Set Type
    @inlinable public static var commandDataSetType: Tag { Tag(0x0000_0800) }
    /// (0000,0900) VR=US VM=1 Status
    @inlinable public static var status: Tag { Tag(0x0000_0900) }
    /// (0000,0901) VR=AT VM=1-n Offending Element
    @inlinable public static var offendingElement: Tag { Tag(0x0000_0901) }
    /// (0000,0902) VR=LO VM=1 Error Comment
    @inlinable public static var errorComment: Tag { Tag(0x0000_0902) }
    /// (0000,0903) VR=US VM=1 Error ID
    @inlinable public static var errorID: Tag { Tag(0x0000_0903) }
    /// (0000,1000) VR=UI VM=1 Affected SOP Instance UID
    @inlinable public static var affectedSOPInstanceUID: Tag { Tag(0x0000_1000) }
    /// (0000,1001) VR=UI VM=1 Requested SOP Instance UID
    @inlinable public static var requestedSOPInstanceUID: Tag { Tag(0x0000_1001) }
    /// (0000,1002) VR=US VM=1 Event Type ID
    @inlinable public static var eventTypeID: Tag { Tag(0x0000_1002) }
    /// (0000,1005) VR=AT VM=1-n Attribute Identifier List
    @inlinable public static var attributeIdentifierList: Tag { Tag(0x0000_1005) }
    /// (0000,1008) VR=US VM=1 Action Type ID
    @inlinable public static var actionTypeID: Tag { Tag(0x0000_1008) }
    /// (0000,1020) VR=US VM=1 Number of Remaining Sub-operations
    @inlinable public static var numberOfRemainingSuboperations: Tag { Tag(0x0000_1020) }
    /// (0000,1021) VR=US VM=1 Number of Completed Sub-operations
    @inlinable public static var numberOfCompletedSuboperations: Tag { Tag(0x0000_1021) }
    /// (0000,1022) VR=US VM=1 Number of Failed Sub-operations
    @inlinable public static var numberOfFailedSuboperations: Tag { Tag(0x0000_1022) }
    /// (0000,1023) VR=US VM=1 Number of Warning Sub-operations
    @inlinable public static var numberOfWarningSuboperations: Tag { Tag(0x0000_1023) }
    /// (0000,1030) VR=AE VM=1 Move Originator Application Entity Title
    @inlinable public static var moveOriginatorApplicationEntityTitle: Tag { Tag(0x0000_1030) }
    /// (0000,1031) VR=US VM=1 Move Originator Message ID
    @inlinable public static var moveOriginatorMessageID: Tag { Tag(0x0000_1031) }
}
