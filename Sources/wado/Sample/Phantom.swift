/// A head made of ten ellipsoids, after Shepp and Logan (IEEE Trans. Nucl. Sci. 21, 1974) in three dimensions, with the
/// Hounsfield units of bone, brain, fluid and lesions.
struct Phantom {
    let columns = 256
    let rows = 256
    let slices = 64
    /// Millimetres between the centres of pixels.
    let pixelSpacing = 0.9375
    /// Millimetres between the centres of slices.
    let sliceSpacing = 2.85
    /// What is stored is the value in Hounsfield units less this.
    let rescaleIntercept = -1024

    private struct Ellipsoid {
        /// Added to what is there, in Hounsfield units.
        let density: Double
        /// Half axes, in units of 120 mm; x to the patient's left, y to the front, z to the top.
        let axes: (x: Double, y: Double, z: Double)
        let center: (x: Double, y: Double, z: Double)
        /// Cosine and sine of the turn about z.
        let cosine: Double
        let sine: Double
    }

    private static let ellipsoids: [Ellipsoid] = [
        // Skull, and the brain in it.
        ellipsoid(2000, (0.69, 0.92, 0.81), (0, 0, 0)),
        ellipsoid(-966, (0.6624, 0.874, 0.78), (0, -0.0184, 0)),
        // Ventricles.
        ellipsoid(-29, (0.11, 0.31, 0.22), (0.22, 0, 0), cosine: 0.951_056_5, sine: -0.309_017),
        ellipsoid(-29, (0.16, 0.41, 0.28), (-0.22, 0, 0), cosine: 0.951_056_5, sine: 0.309_017),
        // Grey matter and lesions.
        ellipsoid(12, (0.21, 0.25, 0.41), (0, 0.35, -0.15)),
        ellipsoid(22, (0.046, 0.046, 0.05), (0, 0.1, 0.25)),
        ellipsoid(22, (0.046, 0.046, 0.05), (0, -0.1, 0.25)),
        ellipsoid(30, (0.046, 0.023, 0.05), (-0.08, -0.605, 0)),
        ellipsoid(30, (0.023, 0.023, 0.02), (0, -0.606, 0)),
        ellipsoid(30, (0.023, 0.046, 0.02), (0.06, -0.605, 0)),
    ]

    private static func ellipsoid(
        _ density: Double, _ axes: (Double, Double, Double), _ center: (Double, Double, Double), cosine: Double = 1,
        sine: Double = 0
    ) -> Ellipsoid {
        Ellipsoid(
            density: density, axes: (x: axes.0, y: axes.1, z: axes.2),
            center: (x: center.0, y: center.1, z: center.2), cosine: cosine, sine: sine)
    }

    /// Image Position (Patient) of a slice, in millimetres; slice 0 is the lowest.
    func position(of slice: Int) -> (x: Double, y: Double, z: Double) {
        (
            x: -Double(columns - 1) / 2 * pixelSpacing, y: -Double(rows - 1) / 2 * pixelSpacing,
            z: (Double(slice) - Double(slices - 1) / 2) * sliceSpacing
        )
    }

    /// Stored values of a slice, row by row, with a little noise that is the same each time.
    func pixels(of slice: Int) -> [UInt16] {
        let origin = position(of: slice)
        let z = origin.z / 120
        var noise = Noise(state: 0x9E37_79B9_7F4A_7C15 &+ UInt64(slice) &* 0xBF58_476D_1CE4_E5B9)
        var pixels: [UInt16] = []
        pixels.reserveCapacity(rows * columns)
        let near = Phantom.ellipsoids.filter { abs(z - $0.center.z) < $0.axes.z }
        for row in 0..<rows {
            for column in 0..<columns {
                // The mean of four points, so that edges are smooth.
                var sum = 0.0
                for (right, down) in [(-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25)] {
                    let x = (origin.x + (Double(column) + right) * pixelSpacing) / 120
                    // Rows run to the back of the head.
                    let y = -(origin.y + (Double(row) + down) * pixelSpacing) / 120
                    sum += density(x, y, z, near)
                }
                let value = -1000 + sum / 4 + noise.next() * 3
                pixels.append(UInt16(clamping: min(4095, Int((value - Double(rescaleIntercept)).rounded()))))
            }
        }
        return pixels
    }

    private func density(_ x: Double, _ y: Double, _ z: Double, _ ellipsoids: [Ellipsoid]) -> Double {
        var density = 0.0
        for ellipsoid in ellipsoids {
            let (dx, dy) = (x - ellipsoid.center.x, y - ellipsoid.center.y)
            let u = (dx * ellipsoid.cosine + dy * ellipsoid.sine) / ellipsoid.axes.x
            let v = (dy * ellipsoid.cosine - dx * ellipsoid.sine) / ellipsoid.axes.y
            let w = (z - ellipsoid.center.z) / ellipsoid.axes.z
            if u * u + v * v + w * w <= 1 { density += ellipsoid.density }
        }
        return density
    }

    /// About normal noise of variance 1 from a xorshift generator.
    private struct Noise {
        var state: UInt64
        mutating func next() -> Double {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            // Four 16-bit numbers: their sum is nearly normal, of variance 4/12.
            var sum = 0.0
            for shift in [0, 16, 32, 48] { sum += Double((state >> UInt64(shift)) & 0xFFFF) / 65_536 - 0.5 }
            return sum * 1.732
        }
    }
}
