import Glibc
import ServiceKit
import Testing

@Suite struct DescriptorLimitTests {
    @Test func theLimitIsRaisedAsFarAsItMay() {
        DescriptorLimit.raise()
        var limit = rlimit()
        #expect(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        #expect(limit.rlim_cur >= min(16_384, limit.rlim_max))
    }
}
