internal import Glibc

/// How many files and connections a process may have open.
public enum DescriptorLimit {
    /// Raises the soft limit as far as the hard one lets it, up to 16,384: the usual 1,024 is less than a full load of
    /// connections and the files that they read.
    public static func raise() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < 16_384 else {
            return
        }
        limit.rlim_cur = min(16_384, limit.rlim_max)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
}
