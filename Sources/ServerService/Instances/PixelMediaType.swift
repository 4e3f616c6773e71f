internal import DICOMCore
internal import DICOMWeb

/// Which media type carries compressed frames (PS3.18 table 8.7.3-2 and those after it).
enum PixelMediaType {
    static func of(_ transferSyntax: TransferSyntax) -> MediaType {
        let prefix = "1.2.840.10008.1.2."
        guard transferSyntax.uid.hasPrefix(prefix) else { return .octetStream }
        let rest = transferSyntax.uid.dropFirst(prefix.count)
        if rest == "5" { return MediaType("image", "dicom-rle") }
        guard rest.hasPrefix("4.") else { return .octetStream }
        switch Int(rest.dropFirst(2).prefix { $0 != "." }) ?? 0 {
        case 50...70: return MediaType("image", "jpeg")
        case 80, 81: return MediaType("image", "jls")
        case 90, 91: return MediaType("image", "jp2")
        case 92, 93: return MediaType("image", "jpx")
        case 100, 101: return MediaType("video", "mpeg")
        case 102...108: return MediaType("video", "mp4")
        case 110...112: return MediaType("image", "jxl")
        case 201...203: return MediaType("image", "jphc")
        default: return .octetStream
        }
    }
}
